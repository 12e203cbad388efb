package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// maxTail is how long the unsealed tail of a history may be, in bytes: it is
// rewritten with every commit.
const maxTail = 4 << 10

// commit is what a turn decided, as rows.
type commit struct {
	host  *host
	p     *partition
	lock  *turnLock
	given *provider.Commit

	before *instance
	after  *instance
	ops    []storage.Op
	blobs  []row.BlobData
	stale  []string // blobs that no row names afterwards
	rows   []*letter
	done   []journal.Consumed
	passed []string        // what is noticed of letters consumed in part
	parts  map[*letter]int // letters consumed in part: messages consumed by then
	mail   mail
	offers map[string][]row.Offer // by work queue
	places map[int64]string       // hosts of the sessions of activities that it opens, by event

	reached  map[int64]history.Payload // by activities that others had and that are tried again, by event
	progress []progressRow             // that are in it
	early    []progressRow             // that are to be written before it
	erased   []int64                   // events of the rows of progress that it deletes
}

// encode makes rows of a commit. Nothing is written, and nothing changes.
func (h *host) encode(ctx context.Context, lock *turnLock, given *provider.Commit) (*commit, error) {
	c := &commit{host: h, p: lock.partition, lock: lock, given: given, before: lock.instance}
	now := h.store.cfg.Now()
	at := c.before.seen.instance()
	if err := admit.Commit(&at, len(lock.turn.Messages), given, now); err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	after := *c.before
	seenAfter := *c.before.seen
	seenAfter.blobs = maps.Clone(seenAfter.blobs)
	if seenAfter.blobs == nil {
		seenAfter.blobs = map[string]string{}
	}
	after.seen = &seenAfter
	c.after = &after

	cells := row.Cells{Name: func() string { return h.store.blobName(after.id) }}
	if err := c.encodeEvents(&cells); err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	if err := c.encodeSeen(&cells, wire.Nanos(now)); err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	if err := c.encodeState(ctx); err != nil {
		return nil, err
	}
	if err := c.placeSessions(ctx); err != nil {
		return nil, err
	}
	c.encodeConsumed()
	if err := c.encodeReached(ctx); err != nil {
		return nil, err
	}
	if err := c.encodeOpen(); err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	c.encodeInstance(&cells)
	if err := c.encodeSends(); err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	return c, nil
}

// cells is a builder of a row of the instance.
func (c *commit) cells() row.Cells {
	return row.Cells{Name: func() string { return c.p.store.blobName(c.after.id) }}
}

func (c *commit) put(verb storage.Verb, key string, cells row.Cells) {
	c.ops = append(c.ops, storage.Op{Verb: verb, Row: storage.Row{Key: key, Cells: cells.Map}})
	c.blobs = append(c.blobs, cells.Blobs...)
}

func (c *commit) delete(key string) {
	c.ops = append(c.ops, storage.Op{Verb: storage.Delete, Row: storage.Row{Key: key}})
}

// encodeEvents appends events to the tail, and seals it when it is long, or its
// execution over and not pruned.
func (c *commit) encodeEvents(cells *row.Cells) error {
	s := c.after.seen
	s.meta.Pruned = max(s.meta.Pruned, c.given.PruneThrough)
	tail, first := s.tail, s.meta.Tail
	for events := c.given.Events; len(events) > 0; {
		at, n := events[0], 1
		for n < len(events) && events[n].Execution == at.Execution {
			n++
		}
		if s.meta.Execution != at.Execution && len(tail) > 0 {
			c.seal(s.meta.Execution, first, tail)
			tail, first = nil, 0
		}
		lines, err := wire.EncodeEvents(events[:n])
		if err != nil {
			return fmt.Errorf("%w: %w", provider.ErrInvalid, err)
		}
		if len(tail) == 0 {
			first = at.ID
		}
		tail = append(slices.Clip(tail), lines...)
		s.meta.Execution, s.meta.Last = at.Execution, events[n-1].ID
		events = events[n:]
	}
	if len(tail) > maxTail {
		c.seal(s.meta.Execution, first, tail)
		tail, first = nil, 0
	}
	if len(c.given.Events) > 0 {
		s.tail, s.meta.Tail = tail, first
		cells.Set(row.TailCell, tail)
	}
	return nil
}

func (c *commit) seal(execution, first int64, events []byte) {
	if execution <= c.after.seen.meta.Pruned {
		return
	}
	cells := c.cells()
	cells.Set(row.EventsCell, events)
	c.put(storage.Insert, row.Segment(c.after.id, execution, first), cells)
}

// encodeSeen changes what clients see.
func (c *commit) encodeSeen(cells *row.Cells, now int64) error {
	given, s := c.given, c.after.seen
	m := &s.meta
	m.Updated = now
	renamed := given.Name != "" && given.Name != m.Name
	if renamed {
		m.Name = given.Name
	}
	if given.Version != "" {
		m.Version = given.Version
	}
	if given.CustomStatus != nil {
		s.custom = *given.CustomStatus
		m.Revision++
		cells.Set(row.CustomCell, s.custom)
	}
	if given.Status != "" {
		m.Status = given.Status
	}
	if m.Status.Final() && !c.before.seen.final() {
		m.Finished = now
		m.Revision++
		s.output, s.failure = given.Output, given.Failure
		if s.output != nil {
			cells.Set(row.OutputCell, s.output)
		}
		if s.failure != nil {
			failure, err := wire.JSON(s.failure)
			if err != nil {
				return fmt.Errorf("%w: the failure: %w", provider.ErrInvalid, err)
			}
			cells.Set(row.FailureCell, failure)
		}
		if !bug.Planted("index-not-moved") {
			c.delete(row.Open(c.after.id))
			c.ops = append(c.ops, storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.PlaceOf(m.Status).Key(c.after.id), Cells: row.IndexCells(m)}})
		}
	} else if renamed && !m.Status.Final() {
		c.ops = append(c.ops, storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.Open(c.after.id), Cells: row.IndexCells(m)}})
	}
	m.Parked, m.ParkedAt = "", 0
	return nil
}

// encodeInstance completes the instance's own row.
func (c *commit) encodeInstance(cells *row.Cells) {
	s := c.after.seen
	cells.Set(row.InstanceCell, wire.MustJSON(&s.meta))
	for cell := range cells.Map {
		if name, ok := row.BlobOf(cells.Map, cell); ok {
			if old := s.blobs[cell]; old != "" {
				c.stale = append(c.stale, old)
			}
			s.blobs[cell] = name
		} else if old := s.blobs[cell]; old != "" {
			c.stale = append(c.stale, old)
			delete(s.blobs, cell)
		}
	}
	if len(s.blobs) > 0 || len(c.before.seen.blobs) > 0 {
		cells.Map[row.BlobsCell] = row.BlobList(s.blobs)
	}
	c.put(storage.Merge, row.Instance(c.after.id), *cells)
}

// encodeState changes the durable state, which is one row.
func (c *commit) encodeState(ctx context.Context) error {
	if len(c.given.State) == 0 {
		return nil
	}
	state := map[string]history.Payload{}
	id, key := c.after.id, row.State(c.after.id)
	if c.before.seen.meta.State {
		r, err := c.p.store.account.Get(ctx, c.p.store.cfg.Name, c.p.key, key)
		if err != nil {
			return reading(ctx, "reading the state of "+quote(id), err)
		}
		if state, err = readState(ctx, r.Cells, c.p.store.getBlob); err != nil {
			return reading(ctx, "reading the state of "+quote(id), err)
		}
		c.stale = append(c.stale, row.Blobs(r.Cells)...)
	}
	if err := admit.State(state, c.given.State); err != nil {
		return fmt.Errorf("azure: committing a turn of %s: %w", quote(id), err)
	}
	for _, change := range c.given.State {
		if change.Value == nil {
			delete(state, change.Key)
		} else {
			state[change.Key] = change.Value
		}
	}
	c.after.seen.meta.State = len(state) > 0
	switch {
	case len(state) > 0:
		cells := c.cells()
		cells.Set(row.StateCell, wire.MustJSON(state))
		c.put(storage.Put, key, cells)
	case c.before.seen.meta.State:
		c.delete(key)
	}
	return nil
}

func readState(ctx context.Context, cells map[string][]byte, get row.GetBlob) (map[string]history.Payload, error) {
	value, err := row.Value(ctx, cells, row.StateCell, get)
	state := map[string]history.Payload{}
	if err == nil && len(value) > 0 {
		if err = json.Unmarshal(value, &state); err != nil {
			err = fmt.Errorf("%w: state: %w", row.ErrFormat, err)
		}
	}
	return state, err
}

// encodeOpen changes the rows of open work.
func (c *commit) encodeOpen() error {
	given, o := c.given, &c.after.open
	m := &c.after.seen.meta
	final := m.Status.Final()
	fires := make([]json.RawMessage, len(given.Timers))
	for i := range given.Timers {
		fire, err := history.MarshalData(given.Timers[i].Fire)
		if err != nil {
			return fmt.Errorf("%w: the timer of event %d: %w", provider.ErrInvalid, given.Timers[i].Event, err)
		}
		fires[i] = fire
	}
	effects := *given
	effects.Status = m.Status
	o.born, o.execution, o.name, o.version = m.Born, m.Execution, m.Name, m.Version
	o.again = given.Again && !final
	o.spans = o.spans.Apply(&effects)
	c.encodeQueued(&effects)
	o.timers, o.timed = applyTimers(o.timers, &effects, fires), true

	id := c.after.id
	if o.again || len(o.spans) > 0 {
		cells := c.cells()
		cells.Set(row.WorkCell, wire.MustJSON(o.row(id)))
		verb := storage.Put
		if o.work {
			verb = storage.Replace // the same, and cheaper on Azurite: an upsert looks for the row twice
		}
		c.put(verb, row.Work(id), cells)
		o.work = true
	} else if o.work {
		c.delete(row.Work(id))
		o.work = false
	}
	if c.endsExecution() {
		for n, event := range c.p.progressOf(id) {
			if n == maxSideRows || c.room() < sendRoom { // the rest goes afterwards
				break
			}
			c.delete(row.Progress(id, event))
			c.erased = append(c.erased, event)
		}
	}
	changed := len(given.Timers)+len(given.FiredTimers)+len(given.CancelTimers) > 0 || final || given.NewExecution
	if !changed && o.due == 0 {
		return nil
	}
	due := earliest(o.timers)
	if o.due != 0 && o.due != due {
		c.delete(row.Timers(o.due, id))
	}
	if due != 0 && (changed || o.due != due) {
		cells := c.cells()
		cells.Set(row.TimersCell, wire.MustJSON(row.TimerSet{
			Format: row.Format, ID: id, Born: o.born, Execution: o.execution, Name: o.name, Version: o.version, Timers: o.timers,
		}))
		c.put(storage.Put, row.Timers(due, id), cells)
	}
	o.due, m.Timer = due, due
	return nil
}

// endsExecution reports whether nothing that was open is open afterwards.
func (c *commit) endsExecution() bool {
	return c.given.NewExecution || c.after.seen.meta.Status.Final()
}

const (
	// maxSideRows bounds the rows of a kind that one commit touches beside its
	// own.
	maxSideRows = 20
	// sendRoom are the rows that a commit needs after its open work: that of the
	// instance, its work, its timers twice, and the outbox.
	sendRoom = 5
)

// room is how many rows more the commit may have.
func (c *commit) room() int {
	const others = 1 + journal.NoticeRows // head is the one
	return storage.MaxOps - others - len(c.done) - len(c.ops)
}

// encodeConsumed deletes the rows of the inbox that the turn consumes; of a row
// that it consumes in part it keeps how far. Copies of the rows go afterwards: there
// may be any number of them, and what is noticed tells that they count no more.
func (c *commit) encodeConsumed() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	taken := map[*letter]int{}
	for _, key := range c.lock.turn.Keys[:c.given.Consumed] {
		if key == 0 {
			continue
		}
		l := c.p.member.letter(key)
		if l == nil {
			continue
		}
		if taken[l] == 0 {
			c.rows = append(c.rows, l)
		}
		taken[l]++
	}
	c.parts = map[*letter]int{}
	whole := c.rows[:0]
	for _, l := range c.rows {
		if l.done+taken[l] < len(l.handed) {
			envelope := l.envelope
			c.parts[l] = l.done + taken[l]
			envelope.Done = l.handed[c.parts[l]]
			if !bug.Planted("parts-not-noticed") {
				c.passed = append(c.passed, l.hashes(l.done, c.parts[l], c.before.seen.meta.Born)...)
			}
			c.ops = append(c.ops, storage.Op{Verb: storage.Merge, Row: storage.Row{
				Key: l.key, Cells: map[string][]byte{row.EnvelopeCell: wire.MustJSON(envelope)},
			}})
			continue
		}
		whole = append(whole, l)
		c.done = append(c.done, l.consumption(c.before.seen.meta.Born))
		if bug.Planted("copies-in-the-turn") {
			for _, again := range l.copies {
				c.done = append(c.done, again.consumption(c.before.seen.meta.Born))
			}
		}
	}
	c.rows = whole
}
