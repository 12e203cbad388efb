package providertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
)

// StressConfig says how much to do. Zero fields have defaults.
type StressConfig struct {
	Instances  int           // default 60
	Activities int           // of each execution; default 4
	Timers     int           // of each execution, at most; default 3
	Events     int           // that clients send to each instance; default 5
	Executions int           // at most; default 3
	Clients    int           // that send at the same time; default 4
	Loops      int           // of each host for turns, and as many for activities; default 4
	Seed       uint64        // of the order in which clients send; default 1
	Timeout    time.Duration // of it all; default one minute
}

func (c StressConfig) withDefaults() StressConfig {
	for _, f := range []struct {
		field *int
		value int
	}{{&c.Instances, 60}, {&c.Activities, 4}, {&c.Timers, 3}, {&c.Events, 5}, {&c.Executions, 3}, {&c.Clients, 4}, {&c.Loops, 4}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if c.Seed == 0 {
		c.Seed = 1
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return c
}

// Stress runs many instances at once, on two hosts if the provider admits
// them, and audits the result: everything that was sent was consumed exactly
// once, every history is valid, nothing is left open.
func Stress(t *testing.T, h Harness, cfg StressConfig) {
	h.validate(t)
	stress(newEnv(t, h, p4), cfg.withDefaults())
}

func stress(e *env, cfg StressConfig) {
	e.Helper()
	hosts := []provider.Host{e.host}
	if e.h.ManyHosts == Yes {
		second := e.join(e.store, everything("second"))
		defer e.leave(second)
		hosts = append(hosts, second)
	}
	ctx, cancel := context.WithTimeoutCause(e.Context(), cfg.Timeout, errTooLong)
	defer cancel()
	w := newWorkload(cfg)
	total, err := drive(ctx, e.store, hosts, w, cfg)
	if err != nil {
		e.breaks("stress with seed %d: %v (%+v)", cfg.Seed, err, total)
	}
	if err := w.audit(ctx, e.store); err != nil {
		e.breaks("stress with seed %d: %v (%+v)", cfg.Seed, err, total)
	}
	e.Logf("stress: %+v", total)
}

var errTooLong = errors.New("the workload did not end in time: something is lost or stuck")

// drive runs a workload to its end. A store that is closed meanwhile ends it
// with provider.ErrClosed.
func drive(ctx context.Context, s provider.Store, hosts []provider.Host, w *workload, cfg StressConfig) (stats, error) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	robots := make([]*robot, len(hosts))
	errs := make([]error, len(hosts)+1)
	var all sync.WaitGroup
	for i, h := range hosts {
		robots[i] = newRobot(h)
		all.Go(func() {
			if errs[i] = robots[i].run(working, cfg.Loops); errs[i] != nil {
				stop()
			}
		})
	}
	errs[len(hosts)] = w.clients(working, s, cfg)
	stop()
	all.Wait()
	var total stats
	for _, r := range robots {
		total.Turns += r.stats.Turns
		total.Activities += r.stats.Activities
		total.Replays += r.stats.Replays
		total.Lost += r.stats.Lost
		total.Unknown += r.stats.Unknown
		total.Unavailable += r.stats.Unavailable
	}
	for _, err := range errs[:len(hosts)] {
		if err != nil {
			return total, err // says more than the clients, who were stopped by it
		}
	}
	if err := errs[len(hosts)]; err != nil {
		if ctx.Err() != nil {
			return total, fmt.Errorf("%w: %w", context.Cause(ctx), w.stuck(s, err))
		}
		return total, err
	}
	return total, nil
}

// clients sends all there is to send, in a random order from several sides,
// and waits until every instance has ended.
func (w *workload) clients(ctx context.Context, s provider.Store, cfg StressConfig) error {
	random := rand.New(rand.NewPCG(cfg.Seed, 7))
	messages := append(append([]provider.Message(nil), w.starts...), w.events...)
	random.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	errs := make([]error, cfg.Clients)
	var all sync.WaitGroup
	for c := range cfg.Clients {
		all.Go(func() {
			for i := c; i < len(messages); i += cfg.Clients {
				if errs[c] = insist(ctx, func() error { return s.Send(ctx, messages[i]) }); errs[c] != nil {
					return
				}
				if i%7 == 0 { // and once more, as after an unknown outcome
					if errs[c] = insist(ctx, func() error { return s.Send(ctx, messages[i]) }); errs[c] != nil {
						return
					}
				}
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("a client: %w", err)
	}
	for n := range w.starts {
		id := w.starts[n].To
		err := insist(ctx, func() error {
			_, err := s.Wait(ctx, id, provider.Until{Final: true})
			return err
		})
		if err != nil {
			return fmt.Errorf("waiting for %q: %w", id, err)
		}
	}
	return nil
}

// stuck says what the first instance that has not ended is waiting for.
func (w *workload) stuck(s provider.Store, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, id := range w.ids() {
		i, readErr := s.Instance(ctx, id)
		if readErr != nil {
			return fmt.Errorf("%w; %q: %w", err, id, readErr)
		}
		if i.Status.Final() {
			continue
		}
		events, _ := collect(s.History(ctx, id, 0, 0)) // The best that can be said.
		o, readErr := s.Outstanding(ctx, id)
		if readErr != nil {
			return fmt.Errorf("%w; %q: %w", err, id, readErr)
		}
		return fmt.Errorf("%w; %q is %q at event %d of execution %d, parked: %+v, with %d events read, messages %v, activities %v, timers %v, again: %v",
			err, id, i.Status, i.LastEvent, i.Execution, i.Parked, len(events), names(o.Messages), o.Activities, timersOf(o.Timers), o.Again)
	}
	return err
}
