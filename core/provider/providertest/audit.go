package providertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// workload is a set of instances with their plans, and the events that clients
// send them.
type workload struct {
	plans  map[history.InstanceID]plan
	starts []provider.Message
	events []provider.Message
	// expected is what each instance receives, by name of the event.
	expected map[history.InstanceID]map[string]int
}

// newWorkload plans n instances. Each sends an event to the next; every third
// has a child; clients send the rest.
func newWorkload(cfg StressConfig) *workload {
	w := &workload{plans: map[history.InstanceID]plan{}, expected: map[history.InstanceID]map[string]int{}}
	id := func(n int) history.InstanceID { return history.InstanceID(fmt.Sprintf("order-%d", n)) }
	for n := range cfg.Instances {
		p := plan{
			Executions: 1 + n%cfg.Executions, Activities: cfg.Activities, Timers: n % (cfg.Timers + 1),
			Keep: n % 4 / 3, Events: cfg.Events + 1, Sends: []history.InstanceID{id((n + 1) % cfg.Instances)}, Child: n%3 == 0,
		}
		expected := map[string]int{fmt.Sprintf("from %s", id((n+cfg.Instances-1)%cfg.Instances)): 1}
		for k := range cfg.Events {
			name := fmt.Sprintf("event %d", k)
			w.events = append(w.events, eventMessage(fmt.Sprintf("client/%d/%d", n, k), id(n), name))
			expected[name] = 1
		}
		if p.Child {
			p.Events++
			child := id(n) + "::child"
			expected["report of "+string(child)] = 1
			w.plans[child] = plan{Executions: 1, Activities: 1, Reports: id(n)}
			w.expected[child] = map[string]int{}
		}
		w.plans[id(n)] = p
		w.expected[id(n)] = expected
		w.starts = append(w.starts, startMessage(id(n), p))
	}
	return w
}

// ids lists the instances, children included, in order.
func (w *workload) ids() []history.InstanceID { return slices.Sorted(maps.Keys(w.plans)) }

// audit checks what the store shows at the end: every instance completed, its
// histories valid, every event received exactly once, every activity and timer
// answered exactly once, nothing outstanding.
func (w *workload) audit(ctx context.Context, s provider.Store) error {
	var faults []error
	for _, id := range w.ids() {
		if err := w.auditInstance(ctx, s, id); err != nil {
			faults = append(faults, err)
		}
		if len(faults) == 5 {
			break
		}
	}
	return errors.Join(faults...)
}

func (w *workload) auditInstance(ctx context.Context, s provider.Store, id history.InstanceID) error {
	i, err := s.Instance(ctx, id)
	if err != nil {
		return err
	}
	p := w.plans[id]
	if i.Status != history.StatusCompleted || i.Execution != int64(p.Executions) {
		return fmt.Errorf("%w: %q is %q in execution %d, want completed in %d", errUnfit, id, i.Status, i.Execution, p.Executions)
	}
	pruned := int64(0)
	if p.Keep > 0 {
		pruned = max(0, i.Execution-int64(p.Keep))
	}
	if i.Pruned != pruned {
		return fmt.Errorf("%w: of %q %d executions are pruned, want %d", errUnfit, id, i.Pruned, pruned)
	}
	received := map[string]int{}
	before := 0 // received in executions that are pruned
	for execution := pruned + 1; execution <= i.Execution; execution++ {
		var v history.Validator
		kinds := map[history.Kind]int{}
		last := int64(0)
		for e, err := range s.History(ctx, id, execution, 0) {
			if err == nil {
				err = v.Next(e)
			}
			if err != nil {
				return fmt.Errorf("%w: history of %q, execution %d: %w", errUnfit, id, execution, err)
			}
			last = e.ID
			kinds[e.Data.Kind()]++
			switch d := e.Data.(type) {
			case *history.EventRaised:
				received[d.Name]++
			case *history.ExecutionStarted:
				var p plan
				if err := json.Unmarshal(d.Input, &p); err != nil {
					return fmt.Errorf("%w: the plan of %q: %w", errUnfit, id, err)
				}
				if execution == pruned+1 {
					before = p.Received
				}
			}
		}
		if execution == i.Execution && last != i.LastEvent {
			return fmt.Errorf("%w: the history of %q ends with event %d, the instance says %d", errUnfit, id, last, i.LastEvent)
		}
		if activities := p.Activities + p.Steps; kinds[history.KindActivityScheduled] != activities || kinds[history.KindActivityCompleted] != activities ||
			kinds[history.KindTimerCreated] != p.Timers || kinds[history.KindTimerFired] != p.Timers {
			return fmt.Errorf("%w: execution %d of %q has events %v, want %d activities and %d timers, each answered once", errUnfit, execution, id, kinds, p.Activities+p.Steps, p.Timers)
		}
	}
	total := before
	for _, n := range received {
		total += n
	}
	if pruned > 0 && total != len(w.expected[id]) {
		return fmt.Errorf("%w: %q received %d events, %d of them in executions that are pruned, want %d", errUnfit, id, total, before, len(w.expected[id]))
	}
	if pruned == 0 && !maps.Equal(received, w.expected[id]) {
		return fmt.Errorf("%w: %q received %v, want %v", errUnfit, id, received, w.expected[id])
	}
	o, err := s.Outstanding(ctx, id)
	if err != nil {
		return err
	}
	if len(o.Activities)+len(o.Timers) != 0 || o.Again {
		return fmt.Errorf("%w: %q has ended and still waits for %+v", errUnfit, id, o)
	}
	return nil
}
