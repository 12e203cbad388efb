package environment

import (
	"errors"
	"slices"

	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// TearDown removes an environment. What belongs to somebody else stays, and is
// in the error; everything else goes. Cancel the environment's [Watch] first: it
// would take the removal for a drift, and repair it.
var TearDown = orchestration.Declare[Plan, Removed]("tear down")

// Removed are the ids of what is gone, whether or not it was there before.
type Removed struct {
	IDs []string `json:"ids"`
}

func tearDown(ctx *orchestration.Context, p Plan) (Removed, error) {
	if err := p.Spec.check(); err != nil {
		return Removed{}, err
	}
	p.Spec = p.Spec.withDefaults()
	return newWork(p).undo(ctx, "tearing down")
}

// undo removes the environment's resources, in the reverse of the order in which
// they are made. It goes on after a failure, so that one resource that does not
// go away keeps no other from going.
func (w *work) undo(ctx *orchestration.Context, phase string) (removed Removed, err error) {
	w.progress.Steps, w.removing = nil, true
	w.enter(ctx, phase)
	if err := w.reserve(ctx, len(w.plan.Resources())); err != nil {
		return removed, err
	}
	for _, stage := range slices.Backward(w.plan.stages("")) {
		var going []*orchestration.Future[Made]
		for _, r := range stage {
			going = append(going, orchestration.Go(ctx, func(ctx *orchestration.Context) (Made, error) {
				return w.run(ctx, Remove, r, "")
			}))
		}
		for i, g := range going {
			_, failed := g.Await()
			if errors.Is(failed, orchestration.ErrCancelled) {
				return removed, failed
			}
			if failed != nil {
				err = errors.Join(err, failed)
				continue
			}
			removed.IDs = append(removed.IDs, stage[i].ID)
		}
	}
	w.enter(ctx, "removed")
	return removed, err
}

// IsNotOurs reports whether an error says that something was left alone because
// it belongs to somebody else.
func IsNotOurs(err error) bool {
	e, ok := errors.AsType[*lro.Error](err)
	return ok && e.Code == NotOurs
}
