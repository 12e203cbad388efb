package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// Reserved begins the names that the engine keeps for itself.
const Reserved = "duroxide:"

// Orchestration is an orchestration with its code, in one version.
type Orchestration struct {
	Name    string
	Version string
	Run     replay.Func
}

// Activity is an activity with its code.
type Activity struct {
	Name string
	Run  func(ctx context.Context, input history.Payload) (history.Payload, error)
}

// Handler is something that registers itself: an orchestration or an activity
// with its code.
type Handler interface{ Register(*Registry) }

// Registry holds the handlers of a worker. Fill it first, then look things up:
// look-ups may be concurrent, additions may not.
type Registry struct {
	orchestrations map[string][]versioned // ascending by version
	activities     map[string]Activity
	problems       []error
}

type versioned struct {
	version version
	Orchestration
}

// New makes an empty registry.
func New() *Registry {
	return &Registry{orchestrations: map[string][]versioned{}, activities: map[string]Activity{}}
}

// Fail notes a problem with a handler, for [Registry.Err].
func (r *Registry) Fail(problem error) { r.problems = append(r.problems, problem) }

// Err joins all problems of what was added: bad names and versions, and clashes.
func (r *Registry) Err() error { return errors.Join(r.problems...) }

// AddOrchestration adds a version of an orchestration.
func (r *Registry) AddOrchestration(o Orchestration) {
	if err := validName("orchestration", o.Name); err != nil {
		r.Fail(err)
		return
	}
	v, err := parseVersion(o.Version)
	if err != nil {
		r.Fail(fmt.Errorf("orchestration %q: %w", o.Name, err))
		return
	}
	versions := r.orchestrations[o.Name]
	i, taken := slices.BinarySearchFunc(versions, v, func(a versioned, v version) int { return a.version.compare(v) })
	if taken {
		r.Fail(fmt.Errorf("orchestration %q version %s is registered twice", o.Name, o.Version))
		return
	}
	r.orchestrations[o.Name] = slices.Insert(versions, i, versioned{v, o})
}

// AddActivity adds an activity.
func (r *Registry) AddActivity(a Activity) {
	if err := validName("activity", a.Name); err != nil {
		r.Fail(err)
		return
	}
	if _, taken := r.activities[a.Name]; taken {
		r.Fail(fmt.Errorf("activity %q is registered twice", a.Name))
		return
	}
	r.activities[a.Name] = a
}

func validName(what, name string) error {
	if err := history.ValidateName(what, name); err != nil {
		return err
	}
	if strings.HasPrefix(name, Reserved) {
		return fmt.Errorf("%s %q: names that begin with %q are reserved: choose another", what, name, Reserved)
	}
	return nil
}

// Orchestration finds an orchestration: the version named, or the newest if
// none is.
func (r *Registry) Orchestration(name, version string) (Orchestration, bool) {
	versions := r.orchestrations[name]
	if version == "" && len(versions) > 0 {
		return versions[len(versions)-1].Orchestration, true
	}
	for _, v := range versions {
		if v.Version == version {
			return v.Orchestration, true
		}
	}
	return Orchestration{}, false
}

// Activity finds an activity.
func (r *Registry) Activity(name string) (Activity, bool) {
	a, ok := r.activities[name]
	return a, ok
}

// Names lists what is registered, orchestrations as name@version, in order.
func (r *Registry) Names() (orchestrations, activities []string) {
	for name, versions := range r.orchestrations {
		for _, v := range versions {
			orchestrations = append(orchestrations, name+"@"+v.Version)
		}
	}
	for name := range r.activities {
		activities = append(activities, name)
	}
	slices.Sort(orchestrations)
	slices.Sort(activities)
	return orchestrations, activities
}
