package memory

import (
	"context"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// host is one of the hosts of a store.
type host struct {
	store  *Store
	broker *broker.Host
}

// Join implements [provider.Store]. Any number of hosts may join.
func (s *Store) Join(ctx context.Context, info provider.HostInfo) (provider.Host, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("memory: joining as %q: %w", info.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("memory: joining as %q: %w", info.Name, provider.ErrClosed)
	}
	return &host{store: s, broker: s.broker.Join(info)}, nil
}

// Leave implements [provider.Host].
func (h *host) Leave(context.Context) error {
	// Under the mutex, so that no commit is halfway.
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	h.broker.Leave()
	return nil
}

// NextTurn implements [provider.Host].
func (h *host) NextTurn(ctx context.Context) (*provider.Turn, error) {
	for {
		bt, err := h.broker.NextTurn(ctx)
		if err != nil {
			return nil, err
		}
		if at, held := h.store.turn(bt); held {
			return &provider.Turn{Instance: at, Messages: bt.Messages, Behind: bt.Behind, Attempt: bt.Attempt, Lock: bt}, nil
		}
	}
}

// turn reads the instance of a turn, unless it was purged or replaced since the
// broker handed it out.
func (s *Store) turn(bt *broker.Turn) (at provider.Instance, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bt.Held() {
		return at, false
	}
	return s.records[bt.Instance].Instance, true
}

var errForeign = fmt.Errorf("%w: it was not handed out by this store: pass on what NextTurn or NextActivity returned", provider.ErrInvalid)

// CommitTurn implements [provider.Host]. It takes no time, so it does not look
// at ctx: what was decided is better applied than lost.
func (h *host) CommitTurn(_ context.Context, t *provider.Turn, c *provider.Commit) error {
	bt, ok := t.Lock.(*broker.Turn)
	if !ok {
		return failed("committing a turn of", t.Instance.ID, errForeign)
	}
	s := h.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bt.Held() {
		return failed("committing a turn of", t.Instance.ID, provider.ErrLockLost)
	}
	if err := s.commit(bt, c); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}

// ReleaseTurn implements [provider.Host].
func (h *host) ReleaseTurn(_ context.Context, t *provider.Turn, r provider.Release) error {
	bt, ok := t.Lock.(*broker.Turn)
	if !ok {
		return failed("releasing a turn of", t.Instance.ID, errForeign)
	}
	s := h.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bt.Held() {
		return nil
	}
	if rec := s.records[bt.Instance]; r.Park != "" && (rec.Parked == nil || rec.Parked.Reason != r.Park) {
		rec.Parked = &provider.Parked{Reason: r.Park, Since: s.now()}
	}
	bt.Release(r)
	return nil
}

// NextActivity implements [provider.Host].
func (h *host) NextActivity(ctx context.Context) (*provider.ActivityTask, error) {
	w, err := h.broker.NextActivity(ctx)
	if err != nil {
		return nil, err
	}
	return &provider.ActivityTask{
		ID:            w.ID,
		Activity:      w.Activity,
		Orchestration: w.Orchestration,
		Version:       w.Version,
		Delivery:      w.Delivery,
		Progress:      w.Progress,
		Lock:          w,
	}, nil
}

// CompleteActivity implements [provider.Host].
func (h *host) CompleteActivity(_ context.Context, t *provider.ActivityTask, completion provider.Message) error {
	w, ok := t.Lock.(*broker.Work)
	if !ok {
		return failed("completing an activity of", t.ID.Instance, errForeign)
	}
	if err := admit.Message(&completion, h.store.now()); err != nil {
		return fmt.Errorf("memory: completing activity %s: %w", t.ID, err)
	}
	if completion.To != w.ID.Instance {
		return failed("completing an activity of", t.ID.Instance,
			fmt.Errorf("%w: its completion is for instance %+q", provider.ErrInvalid, string(completion.To)))
	}
	if err := w.Complete(admit.Keep(completion)); err != nil {
		return fmt.Errorf("memory: completing activity %s: %w", t.ID, err)
	}
	return nil
}

// ExtendActivity implements [provider.Host].
func (h *host) ExtendActivity(_ context.Context, t *provider.ActivityTask, progress history.Payload) (provider.Signals, error) {
	w, ok := t.Lock.(*broker.Work)
	if !ok {
		return provider.Signals{}, failed("extending an activity of", t.ID.Instance, errForeign)
	}
	if err := history.ValidatePayload("progress", len(progress)); err != nil {
		return provider.Signals{}, fmt.Errorf("memory: extending activity %s: %w: %w", t.ID, provider.ErrInvalid, err)
	}
	signals, err := w.Extend(progress)
	if err != nil {
		return signals, fmt.Errorf("memory: extending activity %s: %w", t.ID, err)
	}
	return signals, nil
}

// ReleaseActivity implements [provider.Host].
func (h *host) ReleaseActivity(_ context.Context, t *provider.ActivityTask, r provider.Release) error {
	w, ok := t.Lock.(*broker.Work)
	if !ok {
		return failed("releasing an activity of", t.ID.Instance, errForeign)
	}
	w.Release(r)
	return nil
}

// History implements [provider.Host].
func (h *host) History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	return h.store.History(ctx, id, execution, after)
}

// KeepsSessions implements [provider.SessionKeeper]: all hosts are in one process.
func (h *host) KeepsSessions() time.Duration { return math.MaxInt64 }
