package environment

import (
	"errors"
	"fmt"
	"strings"

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

// FleetReport is how a fleet went. The custom status shows it while the fleet
// goes, with the last failures only.
type FleetReport struct {
	Total    int       `json:"total"`
	Begun    int       `json:"begun"`
	Made     int       `json:"made"`
	Failed   int       `json:"failed"`
	Failures []Failure `json:"failures,omitempty"` // in the order in which they came
}

// Failure says why an environment was not made, or a group not removed.
type Failure struct {
	Name string `json:"name"` // the instance; of a group its id
	Why  string `json:"why"`  // cut short: the instance of the environment has it all
}

// A fleet's status and result have to be within the limits of the engine, even if
// every environment fails and JSON makes six bytes of each.
const (
	maxFleet      = 10_000 // environments
	maxFleetNames = 1 << 20
	maxReason     = 160
	shownFailures = 5
)

func (s FleetSpec) check() error {
	length := 0
	for _, name := range s.Names {
		if name == "" {
			return errors.New("a fleet with an environment without a name")
		}
		length += len(name)
	}
	if len(s.Names) > maxFleet || length > maxFleetNames {
		return fmt.Errorf("a fleet of %d environments, with %d bytes of names: the limits are %d and %d; start several fleets", len(s.Names), length, maxFleet, maxFleetNames)
	}
	return nil
}

func fleet(ctx *orchestration.Context, spec FleetSpec) (FleetReport, error) {
	report := FleetReport{Total: len(spec.Names)}
	if err := spec.check(); err != nil {
		return report, err
	}
	if spec.Concurrent <= 0 {
		spec.Concurrent = 10
	}
	// Lanes take the next name when they are free. Branches take turns, so the
	// counter needs no lock.
	var lanes []*orchestration.Future[orchestration.None]
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
	var ended []error
	for _, lane := range lanes {
		_, err := lane.Await()
		ended = append(ended, err)
	}
	if ctx.Cancelled() { // the lanes have ended early; their environments undo themselves
		return report, orchestration.ErrCancelled
	}
	return report, errors.Join(ended...)
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
		report.Failed++
		report.Failures = append(report.Failures, Failure{name, shorten(err.Error(), maxReason)})
	default:
		report.Made++
	}
	shown := *report
	shown.Failures = shown.Failures[max(0, len(shown.Failures)-shownFailures):]
	return ctx.SetStatus(shown)
}

// shorten cuts a text that would be too long for where it is kept.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
