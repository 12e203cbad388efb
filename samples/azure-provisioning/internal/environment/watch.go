package environment

import (
	"cmp"
	"fmt"
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
	// Failed is how often a resource could not be looked at, or not be repaired.
	Failed int `json:"failed,omitempty"`
	// LastError says what failed last; it is empty after a round without failures.
	LastError string `json:"lastError,omitempty"`
}

// maxDrift bounds what is kept of one drift, and of one failure.
const maxDrift = 500

// longHistory is how many events are enough for one execution of a [Watch]: rounds in
// which little can be repaired have many.
const longHistory = 20_000

// Drifted is the state of a [Watch].
var Drifted = orchestration.DeclareState[Drifts]("drifts")

func watch(ctx *orchestration.Context, spec WatchSpec) (none orchestration.None, err error) {
	if err := spec.Plan.Spec.Check(); err != nil {
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
		if ctx.Info().HistoryLength > longHistory {
			break
		}
		if err := ctx.Sleep(spec.Every); err != nil {
			return none, err
		}
		round := newWork(spec.Plan)
		round.enter(ctx, phaseLooking)
		repaired, failed := round.repair(ctx)
		if ctx.Cancelled() {
			return none, orchestration.ErrCancelled
		}
		spec.Seen.note(repaired, failed)
		if err := Drifted.Set(ctx, spec.Seen); err != nil {
			return none, err
		}
		round.enter(ctx, phaseLooked)
	}
	return Watch.ContinueAsNew(ctx, spec, orchestration.ContinueOptions{Keep: 10})
}

// note adds a round.
func (d *Drifts) note(repaired, failed []string) {
	d.Rounds++
	d.Repairs += len(repaired)
	for _, what := range repaired {
		d.Last = append(d.Last, shorten(what, maxDrift))
	}
	d.Last = d.Last[max(0, len(d.Last)-10):]
	d.Failed += len(failed)
	d.LastError = ""
	if len(failed) > 0 {
		d.LastError = shorten(failed[len(failed)-1], maxDrift)
	}
}

// repair looks at all resources, stage by stage, and makes anew what is not as it
// is wanted. It says what that was, and what failed: that keeps no other resource
// from being repaired.
func (w *work) repair(ctx *orchestration.Context) (repaired, failed []string) {
	principal := ""
	for stage := range w.plan.stages("") {
		resources := w.plan.stages(principal)[stage]
		var mending []*orchestration.Future[mended]
		for _, r := range resources {
			mending = append(mending, orchestration.Go(ctx, func(ctx *orchestration.Context) (mended, error) { return w.mend(ctx, r) }))
		}
		for i, r := range resources {
			m, err := mending[i].Await()
			switch {
			case err != nil:
				failed = append(failed, r.String()+": "+reason(err))
				ctx.Logger().Warn("not repaired; the next round tries again", "resource", r.String(), "error", err.Error())
			case m.drift != "":
				repaired = append(repaired, r.String()+": "+m.drift)
				ctx.Logger().Info("repaired", "resource", r.String(), "drift", m.drift)
			}
			if r.Kind == Identity {
				principal = m.made.Principal
			}
		}
	}
	return repaired, failed
}

// mended is a resource that is as it is wanted, or that somebody is at work on.
type mended struct {
	made  Made
	drift string // what was repaired; empty for nothing
}

// mend looks at a resource, and makes it anew if it is not as it is wanted.
func (w *work) mend(ctx *orchestration.Context, r Resource) (mended, error) {
	if r.Kind == RoleAssigning && r.Principal == "" { // its identity has failed, or is being changed
		return mended{}, nil
	}
	seen, err := Ensure.Look(ctx, r, w.plan.Spec.options(r)).Await()
	if err == nil && seen.Unknown != "" {
		err = fmt.Errorf("it cannot be looked at: %s", seen.Unknown)
	}
	if err != nil || seen.Done() || !seen.Settled() {
		return mended{made: seen.Value}, err
	}
	made, err := w.remake(ctx, r, seen)
	return mended{made, cmp.Or(seen.Why, "it is "+seen.State)}, err
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
