package environment

import (
	"math"
	"time"

	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Budget hands out the writes that a subscription may make: Azure Resource
// Manager refuses those beyond its limit (429), for everybody who uses the
// subscription. There is one instance for a subscription, and it never ends:
// whoever wants to write asks in its queue, and waits for the grant.
var Budget = orchestration.Declare[BudgetSpec, orchestration.None]("write budget")

// BudgetSpec is a bucket of tokens, one for a write.
type BudgetSpec struct {
	PerMinute float64   `json:"perMinute"` // how fast it fills
	Burst     float64   `json:"burst"`     // how much it holds
	Tokens    float64   `json:"tokens"`    // what it holds, as of At
	At        time.Time `json:"at,omitzero"`
	Granted   int       `json:"granted"` // writes so far
}

// Demand asks for writes.
type Demand struct {
	From   orchestration.InstanceID `json:"from"`
	Writes int                      `json:"writes"`
}

var (
	demands = orchestration.DeclareQueue[Demand]("demands")
	granted = orchestration.DeclareEvent[int]("writes granted")
	// Granted counts the writes that a budget has handed out.
	Granted = orchestration.DeclareState[int]("granted")
)

// BudgetID is the instance that hands out the writes of a subscription.
func BudgetID(subscription string) string { return "write-budget-" + subscription }

// spend asks for writes and waits until they are granted. An environment asks
// once for all it is going to write: one message instead of one per resource.
func spend(ctx *orchestration.Context, budget orchestration.InstanceID, writes int) error {
	if err := demands.Send(ctx, budget, Demand{From: ctx.Info().ID, Writes: writes}); err != nil {
		return err
	}
	_, err := granted.Wait(ctx, orchestration.WaitOptions{Description: "writes from " + string(budget)}).Await()
	return err
}

// budgetHistory is how long a budget's history may become.
const budgetHistory = 2_000

func budget(ctx *orchestration.Context, b BudgetSpec) (none orchestration.None, err error) {
	if b.At.IsZero() {
		b.At, b.Tokens = ctx.Now(), b.Burst
	}
	for d, err := range demands.All(ctx) {
		if err != nil {
			return none, err
		}
		if err := ctx.Sleep(b.take(ctx.Now(), d.Writes)); err != nil {
			return none, err
		}
		if err := granted.Send(ctx, d.From, d.Writes); err != nil {
			return none, err
		}
		b.Granted += d.Writes
		if err := Granted.Set(ctx, b.Granted); err != nil {
			return none, err
		}
		if ctx.Info().HistoryLength > budgetHistory {
			break
		}
	}
	return Budget.ContinueAsNew(ctx, b)
}

// take takes tokens out of the bucket and says how long to wait for them. A
// demand above what the bucket holds leaves it in debt, so that the rate holds
// for everybody in the long run.
func (b *BudgetSpec) take(now time.Time, writes int) time.Duration {
	perSecond := b.PerMinute / 60
	if perSecond <= 0 {
		return 0 // no limit
	}
	if now.After(b.At) {
		b.Tokens = math.Min(b.Burst, b.Tokens+now.Sub(b.At).Seconds()*perSecond)
		b.At = now
	}
	b.Tokens -= float64(max(0, writes))
	if b.Tokens >= 0 {
		return 0
	}
	return time.Duration(-b.Tokens / perSecond * float64(time.Second))
}
