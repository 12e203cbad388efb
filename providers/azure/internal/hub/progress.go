package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// What an activity has reached stands in a row of its owner: from the time at which
// it runs there, or comes back from those who had it, until its execution ends. So
// the next attempt finds it, wherever that runs.

// stored is a row of progress, as the owner knows it.
type stored struct {
	row.Whose
	blob string // that the row names; empty if it names none
}

// progressRow is a row of progress that is to be written, and what must be written
// before it.
type progressRow struct {
	stored
	op    storage.Op
	blobs []row.BlobData
}

// progressRow is the row of what an activity has reached; by is the letter in which a
// former owner said it, nil if none did.
func (p *partition) progressRow(id history.ActivityID, progress history.Payload, by *letter) progressRow {
	whose := row.Whose{ID: id.Instance, Execution: id.Execution, Event: id.Event}
	if by != nil {
		whose.From, whose.Seq = by.from, by.seq
	}
	c := row.Cells{Name: func() string { return p.store.blobName(id.Instance) }}
	c.Set(row.ProgressCell, progress)
	blob, _ := row.BlobOf(c.Map, row.ProgressCell)
	c.Map[row.WhoseCell] = wire.MustJSON(whose)
	return progressRow{
		stored: stored{whose, blob}, blobs: c.Blobs,
		op: storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.Progress(id.Instance, id.Event), Cells: c.Map}},
	}
}

// wroteLocked notes that a row of progress is there. It returns the blob of the one
// before, which nothing names any more.
func (p *partition) wroteLocked(r *progressRow) (former []string) {
	of := p.progress[r.ID]
	if of == nil {
		of = map[int64]stored{}
		p.progress[r.ID] = of
	}
	if was := of[r.Event].blob; was != "" && !bug.Planted("former-progress-kept") {
		former = []string{was}
	}
	of[r.Event] = r.stored
	return former
}

// erasedLocked notes that rows of progress are gone. It returns their blobs.
func (p *partition) erasedLocked(id history.InstanceID, events []int64) (blobs []string) {
	of := p.progress[id]
	for _, event := range events {
		if was := of[event].blob; was != "" {
			blobs = append(blobs, was)
		}
		delete(of, event)
	}
	if len(of) == 0 {
		delete(p.progress, id)
	}
	return blobs
}

// eraseProgress deletes the rows of progress of an instance, up to an execution. What is
// written of its next one, under the same keys, stays.
func (p *partition) eraseProgress(id history.InstanceID, execution int64) {
	later := func(event int64) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.progress[id][event].Execution > execution
	}
	for events := range slices.Chunk(slices.DeleteFunc(p.progressOf(id), later), maxRemoved) {
		e := &journal.Entry{
			Valid: func() error {
				if slices.ContainsFunc(events, later) {
					return errNotOpen
				}
				return nil
			},
			Applied: func(journal.Applied) {
				p.mu.Lock()
				blobs := p.erasedLocked(id, events)
				p.mu.Unlock()
				p.store.dropBlobs(blobs)
			},
		}
		for _, event := range events {
			e.Ops = append(e.Ops, deletion(row.Progress(id, event)))
		}
		lenient(e)
		p.journal.Submit(e)
	}
}

// writeProgress writes rows of progress of an instance, unless its activities are
// closed by then.
func (p *partition) writeProgress(ctx context.Context, i *instance, rows ...progressRow) error {
	e := &journal.Entry{Valid: func() error { return p.unchanged(i) }}
	for k := range rows {
		if err := p.store.putBlobs(ctx, rows[k].blobs); err != nil {
			return err
		}
		e.Ops = append(e.Ops, rows[k].op)
	}
	e.Applied = func(journal.Applied) { p.wrote(i, rows...) }
	return p.commit(ctx, e)
}

// wrote takes note of rows of progress that were written by themselves. If their
// execution ended in the same transaction they go, too.
func (p *partition) wrote(i *instance, rows ...progressRow) {
	var former []string
	p.mu.Lock()
	for k := range rows {
		former = append(former, p.wroteLocked(&rows[k])...)
	}
	p.mu.Unlock()
	p.store.dropBlobs(former)
	if errors.Is(p.unchanged(i), errNotOpen) {
		p.eraseProgress(i.id, i.execution)
	}
}

// storeProgress writes what an activity of an instance that runs here has reached.
func (p *partition) storeProgress(ctx context.Context, i *instance, id history.ActivityID, progress history.Payload) error {
	err := p.writeProgress(ctx, i, p.progressRow(id, progress, nil))
	switch {
	case errors.Is(err, errNotOpen):
		return nil // the next signal tells
	case errors.Is(err, errBusy):
		return fmt.Errorf("%w: %w", errMoved, err) // or it stays, and has its progress stored then
	}
	return moved(err)
}

// hasProgress reports whether an activity has a row of progress.
func (p *partition) hasProgress(id history.ActivityID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.progress[id.Instance][id.Event]
	return ok && s.Execution == id.Execution
}

// progressOf are the events of the rows of progress of an instance, in order.
func (p *partition) progressOf(id history.InstanceID) []int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.progress[id]))
}

// progressRead are rows of progress, by instance and event.
type progressRead map[history.InstanceID]map[int64]readRow

type readRow struct {
	stored
	progress history.Payload
}

// of is the progress of the activities of an execution.
func (read progressRead) of(id history.InstanceID, execution int64) map[int64]history.Payload {
	reached := map[int64]history.Payload{}
	for event, r := range read[id] {
		if r.Execution == execution {
			reached[event] = r.progress
		}
	}
	return reached
}

func (p *partition) readProgress(read progressRead, r storage.Row) error {
	whose, progress, err := p.store.readProgress(p.ctx, &r)
	if err != nil {
		return err
	}
	if read[whose.ID] == nil {
		read[whose.ID] = map[int64]readRow{}
	}
	blob, _ := row.BlobOf(r.Cells, row.ProgressCell)
	read[whose.ID][whose.Event] = readRow{stored{whose, blob}, progress}
	return nil
}

func (s *Store) readProgress(ctx context.Context, r *storage.Row) (whose row.Whose, progress history.Payload, err error) {
	if err = row.Parse(r.Cells[row.WhoseCell], &whose); err == nil {
		progress, err = row.Value(ctx, r.Cells, row.ProgressCell, s.getBlob)
	}
	return whose, progress, err
}

// progressNow reads the progress of activities of an execution that have some.
func (p *partition) progressNow(ctx context.Context, id history.InstanceID, execution int64) (map[int64]history.Payload, error) {
	if len(p.progressOf(id)) == 0 {
		return nil, nil
	}
	read := progressRead{}
	err := p.store.scan(ctx, p.key, row.ProgressOf(id), nil, func(rows []storage.Row) error {
		for _, r := range rows {
			if err := p.readProgress(read, r); err != nil && !unreadable(err) {
				return err
			}
		}
		return nil
	})
	return read.of(id, execution), err
}

// getProgress reads the row of progress of an activity. Without the row there is
// none, and that of another execution is not its own.
func (s *Store) getProgress(ctx context.Context, id history.ActivityID) (history.Payload, error) {
	for etag := ""; ; {
		r, err := s.account.Get(ctx, s.cfg.Name, s.partitionKey(s.Partition(id.Instance)), row.Progress(id.Instance, id.Event))
		if storage.Is(err, storage.Missing) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		whose, progress, err := s.readProgress(ctx, &r)
		switch {
		case storage.Is(err, storage.Missing) && r.ETag != etag:
			etag = r.ETag // the row was replaced meanwhile, and its blob removed: once more
		case err != nil:
			return nil, err
		case whose.Execution != id.Execution:
			return nil, nil
		default:
			return progress, nil
		}
	}
}

// maxSideBytes bounds what a turn's commit has of progress, in bytes of its rows.
const maxSideBytes = 256 << 10

// encodeReached finds out what the activities have reached that the commit completes
// and has tried again, where others ran them. What came with a completion becomes the
// row of progress; otherwise that is as it was.
func (c *commit) encodeReached(ctx context.Context) error {
	if c.given.NewExecution || c.after.seen.final() || bug.Planted("progress-not-passed") {
		return nil
	}
	size := 0
	for _, l := range c.rows {
		if l.progress == nil {
			continue
		}
		l.completes(func(id history.ActivityID, attempt int) {
			if !c.triesAgain(id, attempt) {
				return
			}
			c.knows(id.Event, l.progress)
			r := c.p.progressRow(id, l.progress, nil)
			if size += r.op.Row.Size(); size > maxSideBytes || len(c.progress) == maxSideRows || c.room() < sendRoom+1 {
				c.early = append(c.early, r)
				return
			}
			c.ops, c.blobs, c.progress = append(c.ops, r.op), append(c.blobs, r.blobs...), append(c.progress, r)
		})
	}
	for i := range c.given.Timers {
		if err := c.lookUp(ctx, c.given.Timers[i].Event); err != nil {
			return err
		}
	}
	for i := range c.given.Activities {
		a := &c.given.Activities[i]
		if a.Attempt == 1 || c.places[a.Scheduled.ID] != "" || !c.p.member.serves(a.Tag) {
			continue // it is new, or who has it next reads the row
		}
		if err := c.lookUp(ctx, a.Scheduled.ID); err != nil {
			return err
		}
	}
	return nil
}

// triesAgain reports whether the commit takes in that an attempt of an open activity
// has failed, and has the next one tried, or a timer delay it.
func (c *commit) triesAgain(id history.ActivityID, attempt int) bool {
	n, open := c.before.spans.Find(id.Event)
	return open && id.Execution == c.before.execution && c.before.spans[n].Attempt == attempt && c.completes(id.Event) &&
		(slices.ContainsFunc(c.given.Timers, func(t provider.Timer) bool { return t.Event == id.Event }) ||
			slices.ContainsFunc(c.given.Activities, func(a provider.Activity) bool { return a.Scheduled.ID == id.Event }))
}

func (c *commit) completes(event int64) bool {
	return slices.Contains(c.given.CompletedActivities, event)
}

// lookUp reads what an activity has reached that is tried again, if others had it
// and its completion does not say.
func (c *commit) lookUp(ctx context.Context, event int64) error {
	_, queued := c.before.queued.Find(event)
	_, running := c.before.running.find(event)
	id := history.ActivityID{Instance: c.before.id, Execution: c.before.execution, Event: event}
	if c.reached[event] != nil || !c.completes(event) || !queued && !running || !c.p.hasProgress(id) {
		return nil
	}
	progress, err := c.p.store.getProgress(ctx, id)
	if err != nil && !unreadable(err) {
		return reading(ctx, "reading the progress of "+id.String(), err)
	}
	c.knows(event, progress)
	return nil
}

func (c *commit) knows(event int64, progress history.Payload) {
	if c.reached == nil {
		c.reached = map[int64]history.Payload{}
	}
	c.reached[event] = progress
}

// writeEarly writes the rows of progress for which the commit has no room. They are
// true whatever becomes of it.
func (c *commit) writeEarly(ctx context.Context) error {
	for some := range slices.Chunk(c.early, maxSideRows) {
		if err := c.p.writeProgress(ctx, c.before, some...); err != nil {
			return err
		}
	}
	return nil
}
