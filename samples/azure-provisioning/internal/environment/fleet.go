package environment

import (
	"fmt"

	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Fleet makes many environments, some of them at a time.
var Fleet = orchestration.Declare[FleetSpec, FleetReport]("fleet")

// FleetSpec is what a fleet consists of.
type FleetSpec struct {
	Names      []string `json:"names"`      // instance ids of the environments
	Each       Spec     `json:"each"`       // what each is like
	Concurrent int      `json:"concurrent"` // how many at a time; default 10
	// Remove tears each environment down as soon as it was made: for tests, and
	// for previews that are only tried.
	Remove bool `json:"remove,omitempty"`
}

// FleetReport is how a fleet went. It is the custom status while it goes.
type FleetReport struct {
	Total  int               `json:"total"`
	Begun  int               `json:"begun"`
	Made   int               `json:"made"`
	Failed map[string]string `json:"failed,omitempty"` // by name: why
}

// maxFleet bounds a fleet: what it remembers of each environment is in its
// history and its result.
const maxFleet = 10_000

func fleet(ctx *orchestration.Context, spec FleetSpec) (FleetReport, error) {
	report := FleetReport{Total: len(spec.Names), Failed: map[string]string{}}
	if len(spec.Names) > maxFleet {
		return report, fmt.Errorf("a fleet of %d environments: the limit is %d; start several fleets", len(spec.Names), maxFleet)
	}
	if spec.Concurrent <= 0 {
		spec.Concurrent = 10
	}
	// Lanes take the next name when they are free. Branches take turns, so the
	// counter needs no lock.
	var lanes []orchestration.Awaitable
	for range min(spec.Concurrent, len(spec.Names)) {
		lanes = append(lanes, orchestration.Go(ctx, func(ctx *orchestration.Context) (none orchestration.None, err error) {
			for report.Begun < len(spec.Names) && err == nil {
				name := spec.Names[report.Begun]
				report.Begun++
				err = fleetOne(ctx, spec, name, &report)
			}
			return none, err
		}))
	}
	if _, err := orchestration.Join(lanes...).Await(); err != nil {
		return report, err
	}
	if ctx.Cancelled() { // the lanes have ended early; their environments undo themselves
		return report, orchestration.ErrCancelled
	}
	return report, nil
}

// fleetOne makes one environment. Its failure is the fleet's result, not the
// fleet's failure.
func fleetOne(ctx *orchestration.Context, spec FleetSpec, name string, report *FleetReport) error {
	out, err := Provision.Call(ctx, spec.Each, orchestration.ChildOptions{ID: orchestration.InstanceID(name)}).Await()
	if err == nil && spec.Remove {
		_, err = TearDown.Call(ctx, out.Plan).Await()
	}
	switch {
	case ctx.Cancelled():
		return orchestration.ErrCancelled
	case err != nil:
		report.Failed[name] = err.Error()
	default:
		report.Made++
	}
	return ctx.SetStatus(report)
}
