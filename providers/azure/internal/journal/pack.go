package journal

import (
	"maps"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/internal/invariant"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// batch is a transaction in the making.
type batch struct {
	entries []*Entry
	ops     []storage.Op
	starts  []int // index in ops of the first of each entry
	head    row.Owner
	draft   draft
	applied []Applied
	letter  uint32
	size    int // in bytes
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
	j.sending = true // what is valid now is sent, and Settle waits for it
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
	b = &batch{ops: make([]storage.Op, 1, 32), head: j.head, letter: j.letter, size: headSize}
	b.head.Commit++
	b.head.Next = maps.Clone(j.head.Next)
	keys := map[string]bool{}
	var rest []*Entry
	for i, e := range j.queue {
		fits := b.fits(e)
		switch {
		case !fits && len(b.entries) == 0:
			*tooLarge = append(*tooLarge, e)
			continue
		case !fits || j.most > 0 && len(b.entries) == j.most:
			rest = append(rest, j.queue[i:]...)
		case overlaps(e, keys) && !bug.Planted("rows-twice"):
			// Its own later entries must not overtake it.
			e.keys(func(k string) { keys[k] = true })
			rest = append(rest, e)
			continue
		default:
			e.keys(func(k string) { keys[k] = true })
			j.add(b, e)
			continue
		}
		break
	}
	j.queue = rest
	if len(b.entries) > 0 || j.draining || !j.lazyAt.IsZero() && !time.Now().Before(j.lazyAt) {
		j.addLazyLocked(b, keys)
	}
	if len(b.entries) == 0 {
		return nil, !j.draining || len(rest)+len(j.lazy) > 0
	}
	b.ops = append(b.ops, b.draft.ops(j.notices, j.cfg.Now(), func() string { return row.RecentIDs(b.next()) })...)
	b.ops[0] = storage.Op{Verb: storage.Merge, IfMatch: j.etag, Row: storage.Row{Key: row.Head, Cells: b.head.Cells()}}
	if bug.Planted("no-fence") {
		b.ops[0].IfMatch = ""
	}
	return b, true
}

// headSize is room for the head row and the notices that entries add to, in bytes.
const headSize = 32 << 10

// fits reports whether the batch has room for an entry.
func (b *batch) fits(e *Entry) bool {
	return len(b.ops)+e.ops()+NoticeRows <= storage.MaxOps &&
		b.size+e.size() <= storage.MaxTransactBytes &&
		(len(b.draft.ids)+e.ids() <= maxIDs || bug.Planted("page-of-any-size"))
}

// ids is how many ids the entry notices.
func (e *Entry) ids() int {
	n := len(e.Noticed)
	for i := range e.Consumed {
		n += len(e.Consumed[i].Hash)
	}
	return n
}

// size is what the entry adds to a transaction, with its notices.
func (e *Entry) size() int {
	size := len(e.Consumed)*(storage.RowOverhead+1_200) + e.ids()*idBytes
	for i := range e.Ops {
		size += e.Ops[i].Row.Size()
	}
	if e.Send != nil {
		size += storage.RowOverhead + e.Send.Size()
	}
	return size
}

// addLazyLocked fills what is left of the batch with lazy entries.
func (j *Journal) addLazyLocked(b *batch, keys map[string]bool) {
	var rest []*Entry
	for _, e := range j.lazy {
		if overlaps(e, keys) || !b.fits(e) {
			rest = append(rest, e)
			continue
		}
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
	b.size += e.size()
	b.starts = append(b.starts, start)
	b.ops = append(b.ops, e.Ops...)
	if e.Head != nil {
		e.Head(&b.head)
	}
	for i := range e.Consumed {
		c := &e.Consumed[i]
		b.ops = append(b.ops, storage.Op{Verb: storage.Delete, Row: storage.Row{Key: c.Key}})
		b.draft.add(j.notices, c)
	}
	b.draft.ids = append(b.draft.ids, e.Noticed...)
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
	if bug.Planted("told-aside") {
		go b.tell()
		return
	}
	b.tell() // J3
}

// tell tells the entries that they are applied.
func (b *batch) tell() {
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
func (b *batch) entryOf(op int) (e *Entry, at, index int) {
	i, _ := slices.BinarySearch(b.starts, op+1) // of those without rows, which begin there too, the last
	i--
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
