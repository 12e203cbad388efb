package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// Config of a [Store]. The zero value is complete.
type Config struct {
	// Now is the hub's clock; nil means time.Now.
	Now func() time.Time
	// OrphanAfter is how long a message for an instance that does not exist
	// waits for it to be started before it goes to the dead letters. 0 means
	// 24 hours.
	OrphanAfter time.Duration
}

const (
	defaultOrphanAfter = 24 * time.Hour

	// maxDeadLetters bounds what is kept of them: the oldest go first.
	maxDeadLetters = 10_000
)

// Store is a hub in memory. It implements [provider.Store].
type Store struct {
	now         func() time.Time
	orphanAfter time.Duration
	broker      *broker.Broker
	watchers    broker.Watchers
	done        chan struct{} // closed by Close

	mu          sync.Mutex
	closed      bool
	records     map[history.InstanceID]*record
	ids         index
	consumed    consumed
	deadLetters []provider.DeadLetter
	incarnation uint64 // of the newest record
}

var _ provider.Store = (*Store)(nil)

// New makes an empty hub. [Store.Close] ends it.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.OrphanAfter <= 0 {
		cfg.OrphanAfter = defaultOrphanAfter
	}
	return &Store{
		now:         cfg.Now,
		orphanAfter: cfg.OrphanAfter,
		broker:      broker.New(broker.Config{Now: cfg.Now}),
		done:        make(chan struct{}),
		records:     map[history.InstanceID]*record{},
		consumed:    consumed{at: map[string]consumption{}},
	}
}

// lock takes the mutex for an operation, unless the store was closed or ctx has
// ended.
func (s *Store) lock(ctx context.Context, operation string, id history.InstanceID) error {
	if err := ctx.Err(); err != nil {
		return failed(operation, id, err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return failed(operation, id, provider.ErrClosed)
	}
	return nil
}

// failed adds to a cause what was to be done.
func failed(operation string, id history.InstanceID, cause error) error {
	return fmt.Errorf("memory: %s instance %+q: %w", operation, string(id), cause)
}

// Purge implements [provider.Store].
func (s *Store) Purge(ctx context.Context, id history.InstanceID, force bool) error {
	if err := s.lock(ctx, "purging", id); err != nil {
		return err
	}
	defer s.mu.Unlock()
	rec := s.records[id]
	if rec == nil {
		return failed("purging", id, provider.ErrNotFound)
	}
	if !force && !rec.Status.Final() {
		return failed("purging", id, fmt.Errorf("%w: it is %s: wait for its end, cancel it, or force", provider.ErrConflict, rec.Status))
	}
	s.bequeath(s.remove(rec))
	s.watchers.Notify(id)
	return nil
}

// remove takes a record out with everything that belongs to it. Who holds the
// instance loses the lock. It returns the starts that waited at it.
func (s *Store) remove(rec *record) (heirs []provider.Message) {
	for _, m := range s.broker.Outstanding(rec.ID).Messages {
		if m.Start != nil && m.ID != rec.startedBy {
			heirs = append(heirs, m)
		}
	}
	delete(s.records, rec.ID)
	s.broker.Drop(rec.ID)
	return heirs
}

// bequeath delivers starts that waited at an instance which is gone: the first
// makes the next one, unless there is one already.
func (s *Store) bequeath(heirs []provider.Message) {
	for i := range heirs {
		s.broker.Deliver(s.delivery(&heirs[i]))
	}
}

// DeadLetters implements [provider.Store].
func (s *Store) DeadLetters(ctx context.Context, limit int) ([]provider.DeadLetter, error) {
	if err := s.lock(ctx, "reading the dead letters of", ""); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	s.expire()
	return slices.Clone(s.deadLetters[:max(0, min(limit, len(s.deadLetters)))]), nil
}

// expire moves orphans whose time is over to the dead letters. It is called
// before anything that could tell the difference, so no clock has to.
func (s *Store) expire() {
	now := s.now()
	expired := s.broker.Orphans(now.Add(-s.orphanAfter))
	for _, o := range expired {
		s.broker.DropOrphans(o.Message.ID)
		s.deadLetters = append(s.deadLetters, provider.DeadLetter{
			Message: o.Message,
			Reason:  fmt.Sprintf("instance %+q does not exist and was not started within %v: start it and send again", string(o.Message.To), s.orphanAfter),
			Time:    o.Since.Add(s.orphanAfter),
		})
	}
	if surplus := len(s.deadLetters) - maxDeadLetters; surplus > 0 {
		s.deadLetters = slices.Delete(s.deadLetters, 0, surplus)
	}
}

// Close implements [provider.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.done)
	s.mu.Unlock()
	s.broker.Close()
	return nil
}
