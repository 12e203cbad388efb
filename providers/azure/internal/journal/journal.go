package journal

import (
	"context"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Config of a [Journal]. All fields are required, unless said otherwise.
type Config struct {
	Account   storage.Account
	Table     string
	Partition string // partition key
	Number    int    // of the partition
	// Head is the owner row as this host's claim wrote it, and ETag its ETag.
	Head row.Owner
	ETag string
	// Notices are those of the partition; the journal has them from now on.
	Notices *Notices
	// Timeout bounds each request.
	Timeout time.Duration
	// Now is hub time.
	Now func() time.Time
	// Backoff is the pause before the nth repetition of a request, from 0 on.
	Backoff func(n int) time.Duration
	// Lost is called once, when it turns out that another owns the partition.
	Lost func()
	// Trouble, if not nil, is told of requests that failed and will be repeated,
	// and with nil when they succeed again.
	Trouble func(error)
}

// Journal commits entries. Make it with [New]; [Journal.Stop] ends it.
type Journal struct {
	cfg    Config
	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	queue    []*Entry
	lazy     []*Entry  // that go along with others
	lazyAt   time.Time // when they go alone; zero without any
	draining bool      // no entries are taken any more, those taken are sent
	stopped  bool      // nothing is sent any more
	notices  *Notices
	commits  int64 // transactions applied
	sending  bool  // entries are between being asked whether they are valid and being settled
	settling []chan error

	// Of the journal's goroutine:
	head   row.Owner
	etag   string
	letter uint32 // rows of the outbox and of ids made in this epoch
	most   int    // entries in a batch, after one was rejected as a whole; 0: any
}

// New makes a journal and starts its goroutine.
func New(cfg Config) *Journal {
	j := &Journal{
		cfg:     cfg,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		notices: cfg.Notices,
		head:    cfg.Head,
		etag:    cfg.ETag,
	}
	ctx, cancel := context.WithCancel(context.Background())
	j.cancel = cancel
	go j.run(ctx)
	return j
}

// Submit queues an entry. It does not block.
func (j *Journal) Submit(e *Entry) {
	j.mu.Lock()
	if j.stopped || j.draining {
		j.mu.Unlock()
		e.failed(ErrStopped)
		return
	}
	j.queue = append(j.queue, e)
	j.mu.Unlock()
	j.ring()
}

// lazily is how long an entry waits for others with which it can go.
const lazily = time.Minute

// SubmitLazily queues an entry that is in no hurry: it goes along with others,
// or alone after a minute. It must not depend on entries that wait.
func (j *Journal) SubmitLazily(e *Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped || j.draining {
		return // whoever owns the partition next finds the same to do
	}
	j.lazy = append(j.lazy, e)
	if j.lazyAt.IsZero() {
		j.lazyAt = time.Now().Add(lazily)
		j.ring()
	}
}

func (j *Journal) ring() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Numbered reports whether a row of the inbox with that number was consumed.
func (j *Journal) Numbered(from row.Sender, seq int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.notices.Numbered(from, seq)
}

// Noticed reports whether a message was consumed lately, by its hash.
func (j *Journal) Noticed(hash string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.notices.Noticed(hash)
}

// Compared says that everything which was in the inbox at that time, or before,
// has been compared with the notices.
func (j *Journal) Compared(at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.notices.compared = max(j.notices.compared, at.UnixNano())
}

// Commits is how many transactions were applied.
func (j *Journal) Commits() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.commits
}

// Backlog is how many entries wait.
func (j *Journal) Backlog() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.queue)
}

// Settle waits until everything that is being sent now is settled.
func (j *Journal) Settle(ctx context.Context) error {
	done := make(chan error, 1)
	j.mu.Lock()
	switch {
	case j.stopped:
		j.mu.Unlock()
		return ErrStopped
	case !j.sending:
		j.mu.Unlock()
		return nil
	}
	j.settling = append(j.settling, done)
	j.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settled tells those who wait in Settle.
func (j *Journal) settled(err error) {
	j.mu.Lock()
	waiting := j.settling
	j.settling, j.sending = nil, false
	j.mu.Unlock()
	for _, done := range waiting {
		done <- err
	}
}

// Drain takes no more entries, sends those that wait, and ends the journal. It
// returns the owner row and its ETag as they then are. After ctx has ended what
// is not sent yet fails, and the error says so.
func (j *Journal) Drain(ctx context.Context) (row.Owner, string, error) {
	j.mu.Lock()
	j.draining = true
	j.mu.Unlock()
	j.ring()
	select {
	case <-j.done:
	case <-ctx.Done():
		j.Stop()
		return row.Owner{}, "", ctx.Err()
	}
	j.mu.Lock()
	lost := j.stopped
	j.mu.Unlock()
	if lost {
		return row.Owner{}, "", ErrLost
	}
	return j.head, j.etag, nil
}

// Stop ends the journal at once and waits for its goroutine. Entries that were
// not applied fail.
func (j *Journal) Stop() {
	j.halt()
	j.cancel()
	<-j.done
}

func (j *Journal) halt() (first bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	first = !j.stopped
	j.stopped = true
	return first
}

// run is the journal's goroutine.
func (j *Journal) run(ctx context.Context) {
	defer close(j.done)
	defer j.settled(ErrStopped)
	defer j.failAll(ErrStopped)
	alone := time.NewTimer(lazily)
	defer alone.Stop()
	for {
		select {
		case <-j.wake:
		case <-alone.C:
		case <-ctx.Done():
			return
		}
		for {
			b, more := j.pack()
			if b == nil {
				j.settled(nil)
				if !more {
					return
				}
				break
			}
			ours := j.commit(ctx, b)
			j.settled(nil)
			if !ours {
				return
			}
		}
		alone.Reset(j.untilAlone())
	}
}

// untilAlone is when lazy entries go alone.
func (j *Journal) untilAlone() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lazyAt.IsZero() {
		return lazily
	}
	return max(time.Until(j.lazyAt), 0)
}

// failAll fails what still waits.
func (j *Journal) failAll(err error) {
	j.mu.Lock()
	queue := j.queue
	j.queue = nil
	j.mu.Unlock()
	for _, e := range queue {
		e.failed(err)
	}
}
