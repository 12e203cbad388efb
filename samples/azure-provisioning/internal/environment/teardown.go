package environment

import (
	"errors"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// TearDown removes an environment. What belongs to somebody else stays, and so
// does what the service refuses to remove, with what it needs: the error has the
// reasons. Everything else goes. Cancel the environment's [Watch] first: it
// would take the removal for a drift, and repair it.
var TearDown = orchestration.Declare[Plan, Removed]("tear down")

// Removed are the ids of what is gone, whether or not it was there before.
type Removed struct {
	IDs []string `json:"ids"`
}

func tearDown(ctx *orchestration.Context, p Plan) (Removed, error) {
	if err := p.Spec.Check(); err != nil {
		return Removed{}, err
	}
	p.Spec = p.Spec.withDefaults()
	return newWork(p).undo(ctx, "tearing down")
}

// undo removes the environment's resources, in the reverse of the order in which
// they are made. One that does not go keeps only those from going that it needs:
// the service would refuse them for as long as it is there.
func (w *work) undo(ctx *orchestration.Context, phase string) (removed Removed, err error) {
	w.progress.Steps, w.removing = nil, true
	w.enter(ctx, phase)
	if err := w.reserve(ctx, len(w.plan.Resources())); err != nil {
		return removed, err
	}
	var there []Resource // what did not go
	for _, stage := range slices.Backward(w.plan.stages("")) {
		going := make([]*orchestration.Future[Made], len(stage))
		stays := there // those of a stage do not need each other
		for i, r := range stage {
			if user := slices.IndexFunc(stays, func(other Resource) bool { return other.needs(r) }); user >= 0 {
				w.step(ctx, StepInfo{What: r.String(), State: "left", Why: stays[user].String() + " is still there and needs it"})
				there = append(there, r)
				continue
			}
			going[i] = orchestration.Go(ctx, func(ctx *orchestration.Context) (Made, error) { return w.run(ctx, Remove, r, "") })
		}
		for i, g := range going {
			if g == nil {
				continue
			}
			_, failed := g.Await()
			if errors.Is(failed, orchestration.ErrCancelled) {
				return removed, failed
			}
			if failed != nil {
				err = errors.Join(err, failed)
				there = append(there, stage[i])
				continue
			}
			removed.IDs = append(removed.IDs, stage[i].ID)
		}
	}
	if err != nil {
		w.enter(ctx, phaseLeft)
		return removed, err
	}
	w.enter(ctx, phaseRemoved)
	return removed, nil
}

// IsNotOurs reports whether an error says that something was left alone because
// it belongs to somebody else, whatever else it says.
func IsNotOurs(err error) bool {
	switch x := err.(type) { //nolint:errorlint // It looks at the whole tree.
	case *lro.Error:
		return x.Code == NotOurs
	case interface{ Failure() *history.Failure }: // a tree that came out of storage
		for f := x.Failure(); f != nil; f = f.Cause {
			if e, ok := errors.AsType[*lro.Error](orchestration.NewError("", "", f)); ok && e.Code == NotOurs {
				return true
			}
		}
	case interface{ Unwrap() error }:
		return IsNotOurs(x.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(x.Unwrap(), IsNotOurs)
	}
	return false
}
