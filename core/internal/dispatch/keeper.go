package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

const (
	// heartbeatEvery is how often details of heartbeats are stored at most: the
	// newest replaces those before it.
	heartbeatEvery = time.Second
	// askEvery is how often an activity that is held without a lease asks
	// whether it still counts: from other processes its instance may be purged
	// or replaced.
	askEvery = 30 * time.Second
)

// keeper holds on to an activity while it runs: it renews the lease, stores
// details of heartbeats, and learns whether the activity still counts. Its
// owner is the slot, which selects on its channels; heartbeat alone is called
// from elsewhere.
type keeper struct {
	d      *Dispatcher
	task   *provider.ActivityTask
	cancel context.CancelCauseFunc
	every  time.Duration
	timer  *time.Timer   // when it is time to extend
	beat   chan struct{} // there is a new detail
	stored time.Time     // when a detail was stored last
	warned bool

	mu      sync.Mutex
	pending history.Payload // the newest detail that is not stored
}

func newKeeper(d *Dispatcher, t *provider.ActivityTask, cancel context.CancelCauseFunc) *keeper {
	every := askEvery
	if t.Lease > 0 {
		every = max(t.Lease/3, time.Millisecond)
	}
	return &keeper{d: d, task: t, cancel: cancel, every: every, timer: time.NewTimer(every), beat: make(chan struct{}, 1)}
}

// heartbeat is what user code calls. Its error says why the context has ended.
func (k *keeper) heartbeat(ctx context.Context) func(history.Payload) error {
	return func(detail history.Payload) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		k.mu.Lock()
		k.pending = detail
		k.mu.Unlock()
		select {
		case k.beat <- struct{}{}:
		default: // the slot knows already
		}
		return nil
	}
}

// soon sees to it that a new detail is stored, but not too often.
func (k *keeper) soon() {
	k.timer.Reset(min(k.every, max(0, heartbeatEvery-time.Since(k.stored))))
}

// flush stores the last detail, for the next delivery or attempt.
func (k *keeper) flush(work context.Context) {
	k.mu.Lock()
	pending := k.pending
	k.mu.Unlock()
	if pending != nil {
		k.extend(work)
	}
}

// extend renews the lease, with the newest detail if there is one. Only a
// definite answer ends the activity's context (D6).
func (k *keeper) extend(work context.Context) {
	defer k.timer.Reset(k.every)
	k.mu.Lock()
	detail := k.pending
	k.pending = nil
	k.mu.Unlock()
	if detail != nil {
		k.stored = time.Now()
	}
	ctx, cancel := context.WithTimeout(work, k.every)
	defer cancel()
	signals, err := k.d.host.ExtendActivity(ctx, k.task, detail)
	switch {
	case signals.Cancelled:
		k.cancel(registry.ErrCancelled)
	case errors.Is(err, provider.ErrLockLost), errors.Is(err, provider.ErrNotFound):
		k.cancel(registry.ErrLost)
	case err != nil:
		k.keep(detail)
		if !k.warned && work.Err() == nil {
			k.warned = true
			k.d.log.Warn("holding on to an activity failed: trying again, it goes on meanwhile", "activity_id", k.task.ID.String(), "error", err)
		}
	}
}

// keep keeps a detail that was not stored, unless there is a newer one.
func (k *keeper) keep(detail history.Payload) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pending == nil {
		k.pending = detail
	}
}
