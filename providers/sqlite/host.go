package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/scheduled"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// corruptPause is how long an instance that cannot be read is set aside, and
// an activity of which the history cannot be read.
const corruptPause = time.Minute

// host is the one worker that the file admits. It implements [provider.Host].
type host struct {
	store  *Store
	info   provider.HostInfo
	lock   *workerLock
	bell   *bell // other processes ring it
	broker *broker.Broker
	taker  *broker.Host
	cache  cache

	// nextSeq is the place of the next row of history. It belongs to the
	// writer's goroutine.
	nextSeq int64

	work sync.WaitGroup // the goroutines of this host
	stop chan struct{}  // closed when they are to end

	scheduled scheduled.Events

	left      atomic.Bool
	leaveOnce sync.Once
	leaveErr  error
}

var _ provider.Host = (*host)(nil)

// turnLock is the Lock of the turns that a host hands out.
type turnLock struct {
	host *host
	turn *broker.Turn
	row  *row
	busy atomic.Bool // a commit is under way
}

var errForeign = fmt.Errorf("%w: it was not handed out by this store: pass on what NextTurn or NextActivity returned", provider.ErrInvalid)

// Join implements [provider.Store].
func (s *Store) Join(ctx context.Context, info provider.HostInfo) (provider.Host, error) {
	if s.writer == nil {
		return nil, s.write(ctx, &request{op: "joining"})
	}
	lock, err := s.lockWorker(ctx)
	if err != nil {
		return nil, err
	}
	h := &host{store: s, info: info, lock: lock, stop: make(chan struct{})}
	h.broker = broker.New(broker.Config{Now: s.cfg.Now})
	h.bell = newBell(h)
	if err := h.recover(ctx); err != nil {
		h.broker.Close()
		return nil, errors.Join(err, h.bell.close(), lock.release())
	}
	h.taker = h.broker.Join(info)
	h.work.Go(h.sweepNowAndThen)
	h.bell.serve()

	s.mu.Lock()
	closed := s.mu.closed
	if !closed {
		s.mu.host = h
	}
	s.mu.Unlock()
	if closed {
		return nil, errors.Join(fmt.Errorf("sqlite: joining: %w", provider.ErrClosed), h.Leave(ctx))
	}
	s.waiters.LookAll()
	return h, nil
}

// forget drops what is in memory of an instance that was removed. It runs on
// the writer's goroutine.
func (h *host) forget(id history.InstanceID) {
	h.broker.Drop(id)
	h.cache.remove(id)
	h.store.handed.Gone(id)
	h.store.progress.forget(id)
	h.scheduled.Drop(id)
}

// NextTurn implements [provider.Host].
func (h *host) NextTurn(ctx context.Context) (*provider.Turn, error) {
	for {
		t, err := h.taker.NextTurn(ctx)
		if err != nil {
			return nil, err
		}
		r := h.cache.get(t.Instance)
		if r == nil {
			if r, err = h.store.findRow(ctx, t.Instance); err != nil {
				h.setAside(ctx, t, err)
				if errors.Is(err, provider.ErrCorrupt) {
					continue
				}
				return nil, err
			}
		}
		if !t.Held() {
			continue // it was purged or replaced meanwhile
		}
		h.store.handed.Turn(t)
		if r == nil { // it was purged, and the broker is about to hear of it
			h.giveBack(t, provider.Release{Delay: time.Millisecond, Uncounted: true})
			continue
		}
		return &provider.Turn{
			Instance: r.instance,
			Messages: t.Messages,
			Behind:   t.Behind,
			Attempt:  t.Attempt,
			Lock:     &turnLock{host: h, turn: t, row: r},
		}, nil
	}
}

// giveBack releases a turn that is held.
func (h *host) giveBack(t *broker.Turn, r provider.Release) {
	h.store.handed.Released(t, !r.Uncounted)
	t.Release(r)
}

// setAside gives back a turn of an instance that could not be read.
func (h *host) setAside(ctx context.Context, t *broker.Turn, err error) {
	if !errors.Is(err, provider.ErrCorrupt) {
		t.Release(provider.Release{Uncounted: true, Delay: provider.RetryAfter(err, 0)})
		return
	}
	_ = h.park(ctx, t.Instance, err.Error()) // whoever reads the instance meets the same error
	t.Release(provider.Release{Delay: corruptPause, Park: err.Error()})
}

func (s *Store) findRow(ctx context.Context, id history.InstanceID) (r *row, err error) {
	err = s.read(ctx, fmt.Sprintf("reading %s", wire.Quote(id)), func(c *conn) (err error) {
		r, err = findRow(c, id)
		return err
	})
	return r, err
}

// History implements [provider.Host].
func (h *host) History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	return h.store.History(ctx, id, execution, after)
}

// ReleaseTurn implements [provider.Host].
func (h *host) ReleaseTurn(ctx context.Context, t *provider.Turn, r provider.Release) error {
	lock, err := h.lockOf(t)
	if err != nil && errors.Is(err, provider.ErrInvalid) {
		return err
	}
	if err != nil || !lock.turn.Held() {
		return nil //nolint:nilerr // A lock that is gone is no error.
	}
	if r.Park != "" {
		// Shown is not as important as given back.
		err = h.park(ctx, lock.row.instance.ID, r.Park)
	}
	h.giveBack(lock.turn, r)
	return err
}

// park shows an instance as parked until its next commit.
func (h *host) park(ctx context.Context, id history.InstanceID, reason string) error {
	now := h.store.cfg.Now()
	var parked *row
	return h.store.write(ctx, &request{
		op: fmt.Sprintf("parking %s", wire.Quote(id)),
		write: func(c *conn) (err error) {
			if err := parkInstance(c, id, reason, now); err != nil {
				return err
			}
			parked, err = findRow(c, id)
			if err != nil && parked != nil {
				parked, err = nil, nil // it is parked because it cannot be read
			}
			return err
		},
		settled: func() {
			if parked != nil {
				h.cache.put(parked)
				h.store.waiters.Changed(&parked.instance)
			}
		},
	})
}

func (h *host) lockOf(t *provider.Turn) (*turnLock, error) {
	lock, ok := t.Lock.(*turnLock)
	switch {
	case !ok:
		return nil, fmt.Errorf("sqlite: the turn of %s: %w", wire.Quote(t.Instance.ID), errForeign)
	case lock.host != h:
		return nil, fmt.Errorf("sqlite: the turn of %s was handed out by another host: %w", wire.Quote(t.Instance.ID), provider.ErrLockLost)
	}
	return lock, nil
}

// Leave implements [provider.Host].
func (h *host) Leave(ctx context.Context) error {
	h.leaveOnce.Do(func() { h.leaveErr = h.leave(ctx) })
	return h.leaveErr
}

func (h *host) leave(ctx context.Context) error {
	s := h.store
	h.left.Store(true)
	h.taker.Leave() // blocked calls end; commits under way go on
	close(h.stop)
	h.work.Wait()
	// The bell before the lock: who rings from now on writes by himself.
	err := h.bell.close()

	s.mu.Lock()
	if s.mu.host == h {
		s.mu.host = nil
	}
	s.mu.Unlock()
	err = errors.Join(err, s.write(context.WithoutCancel(ctx), &request{op: "leaving", write: forgetWorker}))
	// Commits before this one settle with the host, whatever came of the above.
	err = errors.Join(err, s.writer.on(func() {
		if s.joined == h {
			s.joined, s.writer.absorber = nil, nil
		}
	}))
	h.broker.Close()
	s.handed.Left()
	err = errors.Join(err, h.lock.release())
	s.waiters.LookAll()
	return err
}

// KeepsSessions implements [provider.SessionKeeper]: all hosts are in one process.
func (h *host) KeepsSessions() time.Duration { return math.MaxInt64 }
