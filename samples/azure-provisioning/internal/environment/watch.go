package environment

import (
	"time"

	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Watch looks again and again whether an environment is as it is wanted, and
// repairs what is not. It runs until it is cancelled, and keeps the histories of
// its last ten executions: those of a week, at twenty hourly rounds each.
var Watch = orchestration.Declare[WatchSpec, orchestration.None]("watch")

// WatchSpec is the input of [Watch], and what it carries from one execution to
// the next.
type WatchSpec struct {
	Plan  Plan          `json:"plan"`
	Every time.Duration `json:"every"` // between two rounds; default an hour
	// Rounds is how many one execution makes before it continues as new, so that
	// its history stays short. Default 20.
	Rounds int    `json:"rounds,omitempty"`
	Seen   Drifts `json:"seen,omitzero"`
}

// Drifts is what a watch has seen so far. Clients read it as the state "drifts".
type Drifts struct {
	Rounds  int      `json:"rounds"`
	Repairs int      `json:"repairs"`
	Last    []string `json:"last,omitempty"` // what the last repairs were, at most ten
}

// Drifted is the state of a [Watch].
var Drifted = orchestration.DeclareState[Drifts]("drifts")

func watch(ctx *orchestration.Context, spec WatchSpec) (none orchestration.None, err error) {
	if err := spec.Plan.Spec.check(); err != nil {
		return none, err
	}
	spec.Plan.Spec = spec.Plan.Spec.withDefaults()
	if spec.Every <= 0 {
		spec.Every = time.Hour
	}
	if spec.Rounds <= 0 {
		spec.Rounds = 20
	}
	for range spec.Rounds {
		if err := ctx.Sleep(spec.Every); err != nil {
			return none, err
		}
		repaired, err := newWork(spec.Plan).repair(ctx)
		if err != nil {
			if ctx.Cancelled() {
				return none, err
			}
			ctx.Logger().Warn("a round failed; the next one tries again", "environment", spec.Plan.Owner.Instance, "error", err.Error())
		}
		spec.Seen.Rounds++
		spec.Seen.Repairs += len(repaired)
		spec.Seen.Last = append(spec.Seen.Last, repaired...)
		spec.Seen.Last = spec.Seen.Last[max(0, len(spec.Seen.Last)-10):]
		if err := Drifted.Set(ctx, spec.Seen); err != nil {
			return none, err
		}
	}
	return Watch.ContinueAsNew(ctx, spec, orchestration.ContinueOptions{Keep: 10})
}

// repair looks at all resources, stage by stage, and makes anew what is not as it
// is wanted. It says what that was.
func (w *work) repair(ctx *orchestration.Context) (repaired []string, err error) {
	principal := ""
	for stage := range w.plan.stages("") {
		resources := w.plan.stages(principal)[stage]
		var looks []*orchestration.Future[reading]
		for _, r := range resources {
			looks = append(looks, Ensure.Look(ctx, r, w.plan.Spec.options(r)))
		}
		seen, err := orchestration.All(looks...).Await()
		if err != nil {
			return repaired, err
		}
		for i, r := range resources {
			made := seen[i].Value
			if seen[i].Settled() && !seen[i].Wanted {
				if made, err = w.remake(ctx, r, seen[i]); err != nil {
					return repaired, err
				}
				repaired = append(repaired, r.String()+": "+seen[i].Why)
				ctx.Logger().Info("repaired", "resource", r.String(), "drift", seen[i].Why)
			}
			if r.Kind == Identity {
				principal = made.Principal
			}
		}
	}
	return repaired, nil
}

// remake makes a resource as it is wanted, if nobody has changed it since it was
// seen: what somebody is at work on is seen again in the next round.
func (w *work) remake(ctx *orchestration.Context, r Resource, seen reading) (Made, error) {
	if r.Kind == RoleAssigning && seen.Exists { // nothing about one can be changed
		if _, err := w.run(ctx, Remove, r, ""); err != nil {
			return Made{}, err
		}
	}
	if !seen.Exists {
		return w.ensure(ctx, r)
	}
	return w.run(ctx, Ensure, r, seen.ETag)
}
