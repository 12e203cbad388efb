package environment

import (
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// Budget hands out the writes that a subscription may make: Azure Resource
// Manager refuses those beyond its limit (429), for everybody who uses the
// subscription. There is one instance for a subscription, and it never ends:
// whoever is going to make, change or remove something asks in its queue. The
// answer comes at once, and says when the writes may be made. Of its executions it
// keeps the histories of the last two.
var Budget = orchestration.Declare[BudgetSpec, orchestration.None]("write budget")

// BudgetSpec is a bucket of tokens, one for a write. PerMinute and Burst are the
// service's: what is handed out stays below them, by [headroom].
type BudgetSpec struct {
	PerMinute float64   `json:"perMinute"` // how fast it fills; 0 for no limit
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

// grant is the answer to a demand.
type grant struct {
	Writes int       `json:"writes"`
	At     time.Time `json:"at"` // when they may be made
}

var (
	demands = orchestration.DeclareQueue[Demand]("demands")
	granted = orchestration.DeclareEvent[grant]("writes granted")
	// Granted counts the writes that a budget has handed out.
	Granted = orchestration.DeclareState[int]("granted")
)

// BudgetID is the instance that hands out the writes of a subscription.
func BudgetID(subscription string) string { return "write-budget-" + subscription }

const (
	// headroom is the part of a service's limit that is handed out. Writes are not
	// made at the very moment for which they were granted, and come in bunches.
	headroom = 0.8
	// budgetLimit is how long a budget may take to answer. It answers at once, so
	// one that takes longer does not run.
	budgetLimit = 15 * time.Minute
	// budgetGrace is for the answer where no worker ran for that long: what is too
	// late was due before the budget has its turn.
	budgetGrace = 2 * time.Minute
)

// NoBudget is the code of an error about a budget that does not answer.
const NoBudget = "NoBudget"

// spend asks for writes and waits until they may be made.
func spend(ctx *orchestration.Context, budget orchestration.InstanceID, writes int) (int, error) {
	if err := demands.Send(ctx, budget, Demand{From: ctx.Info().ID, Writes: writes}); err != nil {
		return 0, err
	}
	answer := granted.Wait(ctx, orchestration.WaitOptions{Description: "writes from " + string(budget)})
	answered := false
	for _, limit := range []time.Duration{budgetLimit, budgetGrace} {
		late := ctx.Timer(limit)
		won, err := orchestration.First(answer, late)
		if err != nil {
			return 0, err
		}
		if answered = won != late; answered {
			late.Cancel()
			break
		}
	}
	if !answered {
		answer.Cancel()
		return 0, &lro.Error{What: "ask for writes", Code: NoBudget, Message: fmt.Sprintf(
			"the instance %s has not answered within %v: start environment.Budget under this id, or ask for no budget", budget, budgetLimit+budgetGrace)}
	}
	g, err := answer.Await()
	if err != nil {
		return 0, err
	}
	return g.Writes, ctx.Sleep(max(0, g.At.Sub(ctx.Now())))
}

// reserve asks the budget for as many writes as are missing. Many at once take one
// message, and not one each.
func (w *work) reserve(ctx *orchestration.Context, writes int) error {
	if w.plan.Spec.Budget == "" {
		return nil
	}
	for w.unanswered == nil && w.writes < writes {
		granted, err := spend(ctx, orchestration.InstanceID(w.plan.Spec.Budget), writes-w.writes)
		if failed, ok := errors.AsType[*lro.Error](err); ok && failed.Code == NoBudget {
			ctx.Logger().Warn("the budget does not answer", "budget", w.plan.Spec.Budget, "environment", w.plan.Owner.Instance)
			w.unanswered = err
		} else if err != nil {
			return err
		}
		w.writes += granted
	}
	if w.removing { // what exists costs more than being throttled
		return nil
	}
	return w.unanswered
}

// admit waits until the budget allows one more write. Every write comes through
// here: those that make, repair or remove something, and those that are asked for
// again. For what got no answer, and is repeated, there is headroom.
func (w *work) admit(ctx *orchestration.Context) error {
	err := w.reserve(ctx, 1)
	if err == nil && w.writes > 0 {
		w.writes--
	}
	return err
}

// budgetHistory is how long a budget's history may become.
const budgetHistory = 2_000

func budget(ctx *orchestration.Context, b BudgetSpec) (none orchestration.None, err error) {
	if b.At.IsZero() {
		b.At, b.Tokens = ctx.Now(), b.Burst*headroom
	}
	for d, err := range demands.All(ctx) {
		if err != nil {
			return none, err
		}
		if err := granted.Send(ctx, d.From, grant{d.Writes, ctx.Now().Add(b.take(ctx.Now(), d.Writes))}); err != nil {
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
	return Budget.ContinueAsNew(ctx, b, orchestration.ContinueOptions{Keep: 2})
}

// take takes tokens out of the bucket and says how long to wait for them. A
// demand above what the bucket holds leaves it in debt, so that the rate holds
// for everybody in the long run.
func (b *BudgetSpec) take(now time.Time, writes int) time.Duration {
	perSecond := b.PerMinute / 60 * headroom
	if perSecond <= 0 {
		return 0 // no limit
	}
	if now.After(b.At) {
		b.Tokens = min(b.Burst*headroom, b.Tokens+now.Sub(b.At).Seconds()*perSecond)
		b.At = now
	}
	b.Tokens -= float64(max(0, writes))
	if b.Tokens >= 0 {
		return 0
	}
	return time.Duration(-b.Tokens / perSecond * float64(time.Second))
}
