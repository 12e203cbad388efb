package sqlite

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
)

const (
	// maxBatch and maxBatchBytes bound what one transaction takes in, so that
	// the first of a batch does not wait long for the last, and so that other
	// processes get the write lock in between.
	maxBatch      = 1_000
	maxBatchBytes = 8 << 20

	// pollEvery is how often an idle worker looks whether another process
	// changed the file, in case its ring got lost.
	pollEvery = 100 * time.Millisecond
)

// request is one write. Its caller waits for the answer.
type request struct {
	op   string
	size int // of its data in bytes, roughly

	// write changes the database, in a transaction that it shares with other
	// requests. An error of the contract rejects this request alone, and must
	// come before anything was written; any other error undoes the transaction.
	// It may run again after that, so it leaves memory alone.
	write func(c *conn) error

	// settled, if not nil, takes note of a write that is committed. It runs
	// before the caller is told, in the order of the writes.
	settled func()

	// alone, instead of write, runs on the writer's goroutine between
	// transactions.
	alone func()

	state atomic.Int32
	err   error
	done  chan struct{}
}

const (
	waiting int32 = iota
	taken
	withdrawn
)

// absorber learns what other processes changed since the last transaction.
type absorber interface {
	// absorb reads it in a transaction, and returns what to do once that is
	// committed.
	absorb(c *conn) (settled func(), err error)
}

// writer owns the connection that writes. Requests that come while it is busy
// wait and then share one transaction: group commit. A lonely request is
// written at once; there is no timer.
type writer struct {
	conn     *conn
	wake     chan struct{} // holds one token: there is something in the queue
	ring     chan struct{} // holds one token: another process rang
	stopped  chan struct{}
	absorber absorber // written by requests, on the writer's goroutine

	queue struct {
		sync.Mutex
		requests []*request
		closed   bool
	}
}

func startWriter(c *conn) *writer {
	w := &writer{
		conn:    c,
		wake:    make(chan struct{}, 1),
		ring:    make(chan struct{}, 1),
		stopped: make(chan struct{}),
	}
	go w.loop()
	return w
}

// do has a request written and waits for the outcome. If ctx ends before the
// writer takes it, it is withdrawn and nothing is applied; afterwards the
// outcome is a matter of milliseconds, and worth waiting for.
func (w *writer) do(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sqlite: %s: %w", r.op, err)
	}
	r.done = make(chan struct{})
	w.queue.Lock()
	closed := w.queue.closed
	if !closed {
		w.queue.requests = append(w.queue.requests, r)
	}
	w.queue.Unlock()
	if closed {
		return fmt.Errorf("sqlite: %s: %w", r.op, provider.ErrClosed)
	}
	signal(w.wake)
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, withdrawn) {
			return fmt.Errorf("sqlite: %s: %w", r.op, ctx.Err())
		}
		<-r.done
	}
	return r.err
}

// on runs f on the writer's goroutine, after everything that is queued.
func (w *writer) on(f func()) error {
	return w.do(context.Background(), &request{op: "stopping", alone: f})
}

// close writes what is queued, refuses what comes later, and ends the
// goroutine. The connection is the caller's again.
func (w *writer) close() {
	w.queue.Lock()
	w.queue.closed = true
	w.queue.Unlock()
	signal(w.wake)
	<-w.stopped
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (w *writer) loop() {
	defer close(w.stopped)
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	// The last data_version of the idle connection. Whoever joins reads the file then,
	// so only what changes from here on is news.
	seen, _ := w.conn.int64("PRAGMA data_version")
	for {
		batch, closed := w.take()
		if len(batch) > 0 {
			w.commit(batch)
			continue
		}
		if closed {
			return
		}
		select {
		case <-w.wake:
		case <-w.ring:
			w.takeNote() // if it fails, the next look finds the change
		case <-poll.C:
			if w.absorber == nil {
				continue
			}
			if v, err := w.conn.int64("PRAGMA data_version"); err == nil && v != seen && w.takeNote() {
				seen = v
			}
		}
	}
}

// take is the next batch: what waits, in order, within the bounds.
func (w *writer) take() (batch []*request, closed bool) {
	w.queue.Lock()
	defer w.queue.Unlock()
	size, n := 0, 0
	for _, r := range w.queue.requests {
		if n > 0 && (len(batch) >= maxBatch || size+r.size > maxBatchBytes) {
			break
		}
		if r.alone != nil && len(batch) > 0 {
			break
		}
		n++
		if r.state.CompareAndSwap(waiting, taken) {
			batch = append(batch, r)
			size += r.size
			if r.alone != nil {
				break
			}
		}
	}
	w.queue.requests = w.queue.requests[n:]
	if len(w.queue.requests) == 0 {
		w.queue.requests = nil
	} else {
		signal(w.wake)
	}
	return batch, w.queue.closed && w.queue.requests == nil
}

// takeNote absorbs what other processes wrote, and reports whether it could.
func (w *writer) takeNote() bool {
	absorbed, err := w.transaction(nil)
	if err == nil && absorbed != nil {
		absorbed()
	}
	return err == nil
}

// commit writes a batch in one transaction. If that fails for a reason that
// may lie with one of the requests, each is written by itself, so that a bad
// one never fails its neighbours.
func (w *writer) commit(batch []*request) {
	if len(batch) == 1 && batch[0].alone != nil {
		batch[0].alone()
		close(batch[0].done)
		return
	}
	settle := func(batch []*request, absorbed func(), err error) {
		if err == nil && absorbed != nil {
			absorbed()
		}
		for _, r := range batch {
			if err != nil {
				r.err = err
			} else if r.err == nil && r.settled != nil {
				r.settled()
			}
			close(r.done)
		}
	}
	absorbed, err := w.transaction(batch)
	if err != nil && len(batch) > 1 && !isContract(err) {
		for _, r := range batch {
			one := []*request{r}
			absorbed, err := w.transaction(one)
			settle(one, absorbed, mapError(r.op, err))
		}
		return
	}
	settle(batch, absorbed, mapError(batch[0].op, err))
}

// transaction tries a batch. Requests that are rejected keep their own error;
// the error it returns is of all of them: one of the contract if it is final,
// the driver's if writing them one by one may help.
func (w *writer) transaction(batch []*request) (absorbed func(), err error) {
	c := w.conn
	if err := c.run("BEGIN IMMEDIATE", nil); err != nil {
		return nil, mapError("beginning a transaction", err)
	}
	defer func() {
		if err != nil && !c.AutocommitEnabled() {
			_ = c.run("ROLLBACK", nil) // the first error is the one that tells
		}
	}()
	if w.absorber != nil {
		if absorbed, err = w.absorber.absorb(c); err != nil {
			return nil, err
		}
	}
	for _, r := range batch {
		if r.err = r.write(c); r.err != nil && !isContract(r.err) {
			return nil, r.err
		}
	}
	if err := c.run("COMMIT", nil); err != nil {
		return nil, mapCommitError("committing", err)
	}
	c.counters.transactions.Add(1)
	c.counters.requests.Add(int64(len(batch)))
	return absorbed, nil
}
