package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/ledger"
)

// effects is the ledger: what activities did, and when they ran.
type effects struct {
	mu      sync.Mutex
	rows    []ledger.Row
	keys    map[string]bool
	running map[history.ActivityID]int
	ended   map[tried]bool             // by themselves: what came of them is for the store to keep
	doubled int                        // runs that began while another was running
	again   int                        // runs of what had ended
	odd     []string                   // both, described
	began   []running                  // every run
	fast    bool                       // every activity takes a millisecond
	slow    time.Duration              // every activity takes this long
	ticked  map[history.ActivityID]int // what watches have reached
}

// tried is one attempt of an activity, however often it is delivered.
type tried struct {
	history.ActivityID
	n int
}

// running is one run of an activity.
type running struct {
	id   history.ActivityID
	host string
	at   time.Time
}

func newEffects() effects {
	return effects{keys: map[string]bool{}, running: map[history.ActivityID]int{}, ended: map[tried]bool{}, ticked: map[history.ActivityID]int{}}
}

func triedOf(info activity.Details) tried {
	return tried{idOf(info), info.Attempt}
}

func idOf(info activity.Details) history.ActivityID {
	return history.ActivityID{Instance: info.Instance, Execution: info.Execution, Event: info.Event}
}

// duration is how long an activity takes: mostly milliseconds, sometimes longer
// than a lease.
func (e *effects) duration(seed uint64, info activity.Details) time.Duration {
	switch {
	case e.fast:
		return time.Millisecond
	case e.slow > 0:
		return e.slow
	}
	r := draw(seed, info.IdempotencyKey, info.Attempt)
	switch r.IntN(20) {
	case 0:
		return time.Duration(r.Int64N(int64(20 * time.Second)))
	case 1, 2, 3:
		return time.Duration(r.Int64N(int64(time.Second)))
	}
	return time.Duration(r.Int64N(int64(20 * time.Millisecond)))
}

func (e *effects) begin(info activity.Details, h *host) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a, id := triedOf(info), idOf(info)
	e.running[id]++
	switch {
	case !strings.HasPrefix(string(info.Instance), "k-"): // another may have had the id before
	case e.running[id] > 1:
		e.doubled++
		e.oddLocked(h, "%v runs twice, on %s too", id, h.name)
	case e.ended[a]:
		e.again++
		e.oddLocked(h, "%v runs again on %s although attempt %d had ended", id, h.name, a.n)
	}
	e.began = append(e.began, running{id, h.name, time.Now()})
}

func (e *effects) oddLocked(h *host, format string, args ...any) {
	h.world.tell(format, args...)
	e.odd = append(e.odd, fmt.Sprintf(format, args...))
}

// end notes that a run has ended; by itself, unless ctx did or its host is dead.
func (e *effects) end(ctx context.Context, info activity.Details, h *host) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := triedOf(info)
	e.running[a.ActivityID]--
	select {
	case <-h.process.Killed():
	default:
		if ctx.Err() == nil {
			e.ended[a] = true
		}
	}
}

// reaches notes how far a watch is.
func (e *effects) reaches(id history.ActivityID, ticks int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ticked[id] = ticks
}

// reached is how far a watch was.
func (e *effects) reached(id history.ActivityID) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ticked[id]
}

func (e *effects) apply(info activity.Details) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rows = append(e.rows, ledger.Row{
		Key: info.IdempotencyKey, Activity: info.Activity, Instance: string(info.Instance), Execution: info.Execution,
		Event: info.Event, Attempt: info.Attempt, Time: time.Now().UTC(), Repeat: e.keys[info.IdempotencyKey],
	})
	e.keys[info.IdempotencyKey] = true
}

// all are the rows so far.
func (e *effects) all(yield func(ledger.Row, error) bool) {
	e.mu.Lock()
	rows := slices.Clone(e.rows)
	e.mu.Unlock()
	for _, r := range rows {
		if !yield(r, nil) {
			return
		}
	}
}

// runs are the runs so far.
func (e *effects) runs() []running {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.began)
}

// run is every short activity: it takes a while, then has its effect.
func (h *host) run(ctx context.Context, n int) (int, error) {
	return n, h.runs(ctx, func(info activity.Details) error {
		return h.takes(ctx, h.world.effects.duration(h.world.seed, info))
	})
}

// runs is every activity: it does something that takes a while, then has its
// effect.
func (h *host) runs(ctx context.Context, something func(activity.Details) error) error {
	info := activity.Info(ctx)
	e := &h.world.effects
	e.begin(info, h)
	defer e.end(ctx, info, h)
	if err := something(info); err != nil {
		return err
	}
	e.apply(info)
	return h.takes(ctx, time.Millisecond)
}
