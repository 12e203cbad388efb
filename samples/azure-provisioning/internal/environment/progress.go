package environment

import (
	"errors"
	"time"

	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// Progress is the custom status of [Provision], [TearDown] and [Watch]: clients
// read it while they run.
type Progress struct {
	Phase string     `json:"phase"`
	Steps []StepInfo `json:"steps,omitempty"`
}

// The phases in which it ends.
const (
	phaseDone    = "done"
	phaseRemoved = "removed"
	phaseLeft    = "not all is removed"
)

// The phases of a watch: in a round, and after it.
const (
	phaseLooking = "looking"
	phaseLooked  = "looked"
)

// Ends reports whether the phase is the last: nothing more is done.
func (p Progress) Ends() bool {
	return p.Phase == phaseDone || p.Phase == phaseRemoved || p.Phase == phaseLeft
}

// StepInfo is how far a resource is.
type StepInfo struct {
	What     string        `json:"what"`
	State    string        `json:"state"` // begin, poll, look: what comes next; done: it is there, or gone; failed; cancelled; left: not removed
	Requests int           `json:"requests,omitempty"`
	Wait     time.Duration `json:"wait,omitempty"` // before the next request
	Why      string        `json:"why,omitempty"`
}

// work is an orchestration at work on an environment. It keeps the status.
type work struct {
	plan     Plan
	progress Progress

	writes     int   // that were granted and not made (budget.go)
	unanswered error // the budget does not run
	removing   bool
}

func newWork(p Plan) *work { return &work{plan: p} }

// enter begins a phase.
func (w *work) enter(ctx *orchestration.Context, phase string) {
	w.progress.Phase = phase
	w.show(ctx)
}

func (w *work) show(ctx *orchestration.Context) {
	if err := ctx.SetStatus(w.progress); err != nil {
		ctx.Logger().Warn("the status is not shown", "error", err)
	}
}

// step notes how far a resource is.
func (w *work) step(ctx *orchestration.Context, s StepInfo) {
	for i := range w.progress.Steps {
		if w.progress.Steps[i].What == s.What {
			w.progress.Steps[i] = s
			w.show(ctx)
			return
		}
	}
	w.progress.Steps = append(w.progress.Steps, s)
	w.show(ctx)
}

// options are those of an operation, which asks the budget for each write.
func (w *work) options(r Resource) lro.Options {
	options := w.plan.Spec.options(r)
	options.Admit = w.admit
	return options
}

// run runs an operation on a resource, and shows how far it is.
func (w *work) run(ctx *orchestration.Context, operation lro.Operation[Resource, Made], r Resource, ifMatch string) (Made, error) {
	options := w.options(r)
	options.IfMatch = ifMatch
	requests := 1
	options.Changed = func(p lro.Progress) {
		requests = p.Requests + 1
		w.step(ctx, StepInfo{What: r.String(), State: string(p.Next), Requests: p.Requests, Wait: p.Wait, Why: p.Why})
	}
	w.step(ctx, StepInfo{What: r.String(), State: string(lro.Begin)})
	made, err := operation.Run(ctx, r, options)
	s := StepInfo{What: r.String(), State: string(lro.Done), Requests: requests}
	if err != nil {
		s.State, s.Why = "failed", reason(err)
		if errors.Is(err, orchestration.ErrCancelled) {
			s.State, s.Why = "cancelled", ""
		}
	}
	w.step(ctx, s)
	return made, err
}

// reason says in short why something failed.
func reason(err error) string {
	if refused, ok := errors.AsType[*lro.Error](err); ok {
		return refused.Code + ": " + refused.Message
	}
	return err.Error()
}
