package journal

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/invariant"
	"github.com/duroxide/duroxide-go/providers/azure/internal/bug"
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
	sending  bool  // a batch is between being packed and being settled
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

// Compared says that everything which was in the inbox when the partition was
// claimed has been compared with the notices: from now on ids may be forgotten
// when their time is over.
func (j *Journal) Compared() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.notices.mayExpire = true
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

// batch is a transaction in the making.
type batch struct {
	entries []*Entry
	ops     []storage.Op
	starts  []int // index in ops of the first of each entry
	head    row.Owner
	draft   draft
	applied []Applied
	letter  uint32
}

// pack takes entries from the queue, as many as fit, and makes a transaction of
// them. Nil if there is nothing to send; then more says whether there may be.
func (j *Journal) pack() (b *batch, more bool) {
	j.sift()
	var tooLarge []*Entry
	b, more = j.packSifted(&tooLarge)
	for _, e := range tooLarge {
		e.failed(ErrTooLarge)
	}
	return b, more
}

// sift fails the entries that are not valid any more. It asks them without the
// mutex: they may look at what others, who hold mutexes of their own, ask the
// journal about.
func (j *Journal) sift() {
	j.mu.Lock()
	queue := j.queue
	j.queue = nil
	j.mu.Unlock()
	valid := make([]*Entry, 0, len(queue))
	for _, e := range queue {
		if e.Valid != nil {
			if err := e.Valid(); err != nil {
				e.failed(err)
				continue
			}
		}
		valid = append(valid, e)
	}
	j.requeue(valid)
}

func (j *Journal) packSifted(tooLarge *[]*Entry) (b *batch, more bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped {
		return nil, false
	}
	b = &batch{ops: make([]storage.Op, 1, 32), head: j.head, letter: j.letter}
	b.head.Commit++
	b.head.Next = maps.Clone(j.head.Next)
	size := headSize
	keys := map[string]bool{}
	var rest []*Entry
	for i, e := range j.queue {
		bytes, rows := e.size(), len(b.ops)+e.ops()+NoticeRows
		fits := rows <= storage.MaxOps && size+bytes <= storage.MaxTransactBytes
		switch {
		case !fits && len(b.entries) == 0:
			*tooLarge = append(*tooLarge, e)
			continue
		case !fits || j.most > 0 && len(b.entries) == j.most:
			rest = append(rest, j.queue[i:]...)
		case overlaps(e, keys):
			// Its own later entries must not overtake it.
			e.keys(func(k string) { keys[k] = true })
			rest = append(rest, e)
			continue
		default:
			e.keys(func(k string) { keys[k] = true })
			size += bytes
			j.add(b, e)
			continue
		}
		break
	}
	j.queue = rest
	if len(b.entries) > 0 || j.draining || !j.lazyAt.IsZero() && !time.Now().Before(j.lazyAt) {
		j.addLazyLocked(b, size, keys)
	}
	if len(b.entries) == 0 {
		return nil, !(j.draining && len(rest)+len(j.lazy) == 0)
	}
	b.ops = append(b.ops, b.draft.ops(j.notices, j.cfg.Now(), func() string { return row.RecentIDs(b.next()) })...)
	j.sending = true
	b.ops[0] = storage.Op{Verb: storage.Replace, IfMatch: j.etag, Row: storage.Row{Key: row.Head, Cells: b.head.Cells()}}
	if bug.Planted("no-fence") {
		b.ops[0].IfMatch = ""
	}
	return b, true
}

// headSize is room for the head row and the notices, in bytes.
const headSize = 32 << 10

// size is what the entry adds to a transaction, with its notices.
func (e *Entry) size() int {
	size := len(e.Consumed) * (storage.RowOverhead + 1_200)
	for i := range e.Ops {
		size += e.Ops[i].Row.Size()
	}
	if e.Send != nil {
		size += storage.RowOverhead + e.Send.Size()
	}
	return size
}

// addLazyLocked fills what is left of the batch with lazy entries.
func (j *Journal) addLazyLocked(b *batch, size int, keys map[string]bool) {
	var rest []*Entry
	for _, e := range j.lazy {
		if overlaps(e, keys) || len(b.ops)+e.ops()+NoticeRows > storage.MaxOps || size+e.size() > storage.MaxTransactBytes {
			rest = append(rest, e)
			continue
		}
		size += e.size()
		j.add(b, e)
	}
	j.lazy = rest
	j.lazyAt = time.Time{}
	if len(rest) > 0 {
		j.lazyAt = time.Now().Add(lazily)
	}
}

func overlaps(e *Entry, keys map[string]bool) bool {
	found := false
	e.keys(func(k string) { found = found || keys[k] })
	return found
}

// next is a sequence that this epoch has not used.
func (b *batch) next() int64 {
	b.letter++
	return row.Sequence(b.head.Epoch, b.letter)
}

// add puts an entry into the batch.
func (j *Journal) add(b *batch, e *Entry) {
	start := len(b.ops)
	b.entries = append(b.entries, e)
	b.starts = append(b.starts, start)
	b.ops = append(b.ops, e.Ops...)
	for i := range e.Consumed {
		c := &e.Consumed[i]
		b.ops = append(b.ops, storage.Op{Verb: storage.Delete, Row: storage.Row{Key: c.Key}})
		b.draft.add(j.notices, c)
	}
	var a Applied
	for _, d := range e.Direct {
		n := b.take(j.cfg.Number, 1)
		b.ops[start+d.Op].Row.Key = row.Message(d.To, row.PartitionSender(j.cfg.Number), n)
		a.Direct = append(a.Direct, n)
	}
	if e.Send != nil {
		a.Send = *e.Send
		a.Send.Format = row.Format
		a.Send.Parts = slices.Clone(e.Send.Parts)
		for i := range a.Send.Parts {
			if p := &a.Send.Parts[i]; p.Queue == "" {
				p.First = b.take(p.To, len(p.Parcels))
			}
		}
		a.Outbox = row.Outbox(b.next())
		b.ops = append(b.ops, storage.Op{Verb: storage.Insert, Row: storage.Row{Key: a.Outbox, Cells: a.Send.Cells()}})
	}
	b.applied = append(b.applied, a)
}

// take takes n numbers of rows to a partition and returns the first.
func (b *batch) take(to, n int) int64 {
	if b.head.Next == nil {
		b.head.Next = map[int]int64{}
	}
	first := max(b.head.Next[to], 1)
	b.head.Next[to] = first + int64(n)
	return first
}

// applied makes a batch what is, and tells its entries.
func (j *Journal) applied(b *batch, etag string) {
	j.mu.Lock()
	j.head, j.etag, j.letter, j.most = b.head, etag, b.letter, 0
	j.notices.settle(&b.draft)
	j.commits++
	j.mu.Unlock()
	for i, e := range b.entries {
		if e.Applied != nil {
			e.Applied(b.applied[i])
		}
	}
}

// requeue puts entries back to the front of the queue.
func (j *Journal) requeue(entries []*Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = append(slices.Clone(entries), j.queue...)
}

// entryOf finds the entry to which an op of the batch belongs, and the op's
// index within it; nil for head and notices.
func (b *batch) entryOf(op int) (e *Entry, at int, index int) {
	i, found := slices.BinarySearch(b.starts, op)
	if !found {
		i--
	}
	if i < 0 {
		return nil, 0, -1
	}
	e = b.entries[i]
	if index = op - b.starts[i]; index >= e.ops() {
		return nil, 0, -1
	}
	return e, i, index
}

func assertHead(b *batch) {
	invariant.Assert(bug.Planted("no-fence") || b.ops[0].Row.Key == row.Head && b.ops[0].IfMatch != "",
		"Z11: a commit begins with %q, If-Match %q, want head with an ETag", b.ops[0].Row.Key, b.ops[0].IfMatch)
}
