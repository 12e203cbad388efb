package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
)

// outstanding is what a new owner finds in the partition: everything that is
// not at rest (Z8).
type outstanding struct {
	inbox    []storage.Row
	pages    int
	notices  []storage.Row
	outbox   []storage.Row
	progress []storage.Row
	work     []storage.Row
	timers   []storage.Row
}

// load reads what is outstanding and goes on with it. It runs after the claim:
// whatever was read before would be void.
func (p *partition) load(head row.Owner, etag string) {
	defer close(p.ready)
	for n := 0; ; n++ {
		err := p.tryLoad(head, etag)
		if err == nil {
			for _, id := range p.purging {
				p.begin(func(ctx context.Context) { p.resumePurge(ctx, id) })
			}
			p.freeSoon()
			p.begin(p.sweepAgain)
		}
		if err == nil || p.ctx.Err() != nil {
			return
		}
		switch {
		case errors.Is(err, storage.ErrGone):
			p.lost()
			return
		case errors.Is(err, row.ErrFormat), errors.Is(err, storage.ErrDamaged):
			p.log().Error("a partition cannot be served: upgrade the program if a newer one wrote the row, or else restore or remove it; it is tried again", "error", err)
			pause(p.ctx, p.store.cfg.TTL)
		default:
			if unlogged, due := p.complaints.loading.Due(); due {
				p.log().Warn("reading what is outstanding in a partition failed; it is tried again", "error", err, "unlogged", unlogged)
			}
			pause(p.ctx, backoff(n))
		}
	}
}

func (p *partition) tryLoad(head row.Owner, etag string) error {
	p.purging = nil
	found, err := p.readOutstanding()
	if err != nil {
		return err
	}
	notices, err := journal.ReadNotices(found.notices)
	if err != nil {
		return err
	}
	restored, err := p.restore(found)
	if err != nil {
		return err
	}
	outbox, err := p.readOutbox(found.outbox)
	if err != nil {
		return err
	}
	if found.pages > 1 { // not a snapshot
		if found.inbox, err = p.readInbox(p.ctx, row.Inbox()); err != nil {
			return err
		}
	}
	latest := notices.Latest()
	p.openJournal(head, etag, notices)
	for i, out := range outbox {
		if out != nil {
			p.relays.add(found.outbox[i].Key, *out)
		}
	}
	letters := p.readLetters(found.inbox)
	p.mu.Lock()
	p.lookedLocked(look{over: row.Inbox(), latest: latest}, found.inbox)
	own := slices.DeleteFunc(slices.Clone(letters), func(l *letter) bool {
		return l.foreign(p.instances[l.to]) || p.consumed(l) && !bug.Planted("copies-count-as-done")
	})
	p.mu.Unlock()
	withholdDone(restored, own)
	p.takeOver(restored, letters)
	p.relays.start()
	return nil
}

// readOutbox reads rows of the outbox. One that cannot be read stays where it
// is, and others go on.
func (p *partition) readOutbox(rows []storage.Row) ([]*row.Outgoing, error) {
	if bug.Planted("outbox-forgotten") {
		return nil, nil
	}
	all := make([]*row.Outgoing, len(rows))
	for i := range rows {
		out, err := row.ParseOutgoing(p.ctx, rows[i].Cells, p.store.getBlob)
		switch {
		case unreadable(err):
			p.log().Error("a row of the outbox cannot be read: what it holds is not sent; upgrade the program if a newer one wrote it", "row", rows[i].Key, "error", err)
			continue
		case err != nil:
			return nil, fmt.Errorf("row %s: %w", rows[i].Key, err)
		}
		for n := range out.Parts { // it may have been sent before
			for o := range out.Parts[n].Offers {
				out.Parts[n].Offers[o].Again = true
			}
		}
		all[i] = &out
	}
	return all, nil
}

// unreadable reports whether a row is damaged, rather than the way to it.
func unreadable(err error) bool {
	return errors.Is(err, row.ErrFormat) || storage.Is(err, storage.Missing)
}

// openJournal makes the partition ready to commit.
func (p *partition) openJournal(head row.Owner, etag string, notices *journal.Notices) {
	j := journal.New(journal.Config{
		Account: p.store.account, Table: p.store.cfg.Name, Partition: p.key, Number: p.number,
		Head: head, ETag: etag, Notices: notices,
		Timeout: max(p.store.cfg.TTL/5, minTimeout),
		Now:     p.store.cfg.Now,
		Backoff: backoff,
		Lost:    p.lost,
		Trouble: p.trouble,
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.journal = j
}

// trouble tells the log that commits are held up, and that they go on.
func (p *partition) trouble(err error) {
	p.mu.Lock()
	before := p.troubled
	p.troubled = err != nil
	p.mu.Unlock()
	switch {
	case err != nil && !before:
		p.log().Warn("commits are held up by the storage account; they are tried again until they succeed", "error", err)
	case err == nil && before:
		p.log().Info("commits go on")
	}
}

func (p *partition) readOutstanding() (found outstanding, err error) {
	p.mu.Lock()
	p.awake = p.horizon()
	r := row.OutstandingBefore(p.awake)
	p.mu.Unlock()
	switch {
	case bug.Planted("all-read"):
		r.From = row.Instance("")
	case bug.Planted("sleepers-read"):
		r = row.Outstanding()
	}
	err = p.store.scan(p.ctx, p.key, r, nil, func(rows []storage.Row) error {
		found.pages++
		for _, r := range rows {
			switch row.KindOf(r.Key) {
			case row.KindInbox:
				found.inbox = append(found.inbox, r)
			case row.KindNotice:
				found.notices = append(found.notices, r)
			case row.KindOutbox:
				found.outbox = append(found.outbox, r)
			case row.KindProgress:
				found.progress = append(found.progress, r)
			case row.KindWork:
				found.work = append(found.work, r)
			case row.KindTimers:
				found.timers = append(found.timers, r)
			default: // none of ours, in that range
			}
		}
		return nil
	})
	return found, err
}

// scan reads all pages of a range.
func (s *Store) scan(ctx context.Context, partition string, r row.Range, cells []string, each func([]storage.Row) error) error {
	at := storage.Range(r)
	for {
		page, err := s.scanPage(ctx, partition, at, 0, cells)
		if err != nil {
			return err
		}
		if err := each(page.Rows); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		at.From = page.Next
	}
}

// scanPage reads one page of a range, again while storage is busy.
func (s *Store) scanPage(ctx context.Context, partition string, r storage.Range, limit int, cells []string) (storage.Page, error) {
	for n := 0; ; n++ {
		page, err := s.account.Scan(ctx, s.cfg.Name, partition, r, limit, cells)
		if !errors.Is(err, storage.ErrBusy) || n >= 5 {
			return page, err
		}
		pause(ctx, storage.RetryAfter(err, backoff(n)))
	}
}

// restore takes in the open work that a former owner left, and returns what of
// it is for the broker.
func (p *partition) restore(found outstanding) (all []broker.Restored, err error) {
	instances := map[history.InstanceID]*instance{}
	progress := progressRead{}
	of := func(id history.InstanceID) *instance {
		i := instances[id]
		if i == nil {
			i = &instance{id: id}
			instances[id] = i
		}
		return i
	}
	read := func(rows []storage.Row, f func(storage.Row) error) error {
		for _, r := range rows {
			switch err := f(r); {
			case unreadable(err):
				p.damage(r.Key, err)
			case err != nil:
				return fmt.Errorf("row %s: %w", r.Key, err)
			}
		}
		return nil
	}
	if err := errors.Join(
		read(found.progress, func(r storage.Row) error { return p.readProgress(progress, r) }),
		read(found.work, func(r storage.Row) error { return p.readWork(of, r) }),
		read(found.timers, func(r storage.Row) error { return p.readTimers(of, r) }),
	); err != nil {
		return nil, err
	}
	ids := make([]history.InstanceID, 0, len(instances))
	for id := range instances {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	p.mu.Lock()
	for id, rows := range progress {
		p.progress[id] = map[int64]stored{}
		for event, r := range rows {
			p.progress[id][event] = r.stored
		}
	}
	p.mu.Unlock()
	for _, id := range ids {
		if p.damaged[row.Escape(id)] != nil {
			continue
		}
		r, err := p.restoreOne(instances[id], progress.of(id, instances[id].execution))
		if err != nil {
			p.damage(row.Work(id), err)
			continue
		}
		if r.Again || len(r.Activities)+len(r.Timers) > 0 {
			all = append(all, r)
		}
	}
	return all, nil
}

func (p *partition) readTimers(of func(history.InstanceID) *instance, r storage.Row) error {
	set, err := readTimerSet(p.ctx, r.Cells, p.store.getBlob)
	if err != nil {
		return err
	}
	i := of(set.ID)
	i.born, i.execution, i.name, i.version, i.timers, i.timed = set.Born, set.Execution, set.Name, set.Version, set.Timers, true
	if _, err := fmt.Sscanf(r.Key, "t:%016x:", &i.due); err != nil {
		return fmt.Errorf("%w: %w", row.ErrFormat, err)
	}
	return nil
}

func readTimerSet(ctx context.Context, cells map[string][]byte, get row.GetBlob) (set row.TimerSet, err error) {
	value, err := row.Value(ctx, cells, row.TimersCell, get)
	if err == nil {
		if err = json.Unmarshal(value, &set); err != nil {
			err = fmt.Errorf("%w: timers: %w", row.ErrFormat, err)
		}
	}
	return set, err
}

func (p *partition) readWork(of func(history.InstanceID) *instance, r storage.Row) error {
	var w row.OpenWork
	value, err := row.Value(p.ctx, r.Cells, row.WorkCell, p.store.getBlob)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(value, &w); err != nil {
		return fmt.Errorf("%w: open work: %w", row.ErrFormat, err)
	}
	i := of(w.ID)
	i.born, i.execution, i.name, i.version, i.again, i.work = w.Born, w.Execution, w.Name, w.Version, w.Again, true
	if w.Purging {
		p.removing[w.ID] = true
	}
	for _, of := range []struct {
		text string
		set  *spans.Set
	}{{w.Activities, &i.spans}, {w.Queued, &i.queued}} {
		got, err := spans.Decode(of.text)
		if err != nil {
			return fmt.Errorf("%w: %w", row.ErrFormat, err)
		}
		if len(got) > 0 {
			*of.set = got
		}
	}
	running, err := decodeLeft(w.Running)
	if err != nil {
		return fmt.Errorf("%w: %w", row.ErrFormat, err)
	}
	i.running = running
	if bug.Planted("running-forgotten") && len(running) > 0 {
		i.spans = nil
	}
	return nil
}

// restoreOne takes in the open work of an instance.
func (p *partition) restoreOne(i *instance, progress map[int64]history.Payload) (r broker.Restored, err error) {
	timers, err := providerTimers(i.timers)
	if err != nil {
		return r, fmt.Errorf("%s: %w", quote(i.id), err)
	}
	if p.removing[i.id] {
		p.mu.Lock()
		p.putLocked(i)
		p.mu.Unlock()
		p.purging = append(p.purging, i.id)
		return r, nil
	}
	p.mu.Lock()
	timers = slices.DeleteFunc(timers, func(t provider.Timer) bool { return !p.soonLocked(&t) })
	p.mu.Unlock()
	r = broker.Restored{
		Instance: i.id, Born: i.born, Execution: i.execution, Name: i.name, Version: i.version,
		Again: i.again, Timers: timers, Progress: progress,
	}
	withheld := map[int64]bool{}
	i.spans.Each(func(event int64, a spans.Span) {
		if _, queued := i.queued.Find(event); queued {
			return // other hosts have it
		}
		restored := p.restored(i, event, a, progress[event])
		if _, running := i.running.find(event); running {
			restored.Elsewhere, withheld[event] = true, true
		}
		r.Activities = append(r.Activities, restored)
	})
	p.mu.Lock()
	p.putLocked(i)
	if len(withheld) > 0 {
		p.withheld[i.id] = withheld
	}
	p.mu.Unlock()
	return r, nil
}

func (p *partition) restored(i *instance, event int64, a spans.Span, progress history.Payload) broker.RestoredActivity {
	id := history.ActivityID{Instance: i.id, Execution: i.execution, Event: event}
	return broker.RestoredActivity{
		Activity: provider.Activity{
			Scheduled: history.Event{ID: event, Execution: i.execution},
			Attempt:   a.Attempt, Tag: a.Tag, Session: a.Session,
		},
		Deliveries: p.store.handed.Deliveries(id, a.Attempt),
		Progress:   progress,
	}
}

// minTimeout bounds requests from below, however short the TTL is.
const minTimeout = 200 * time.Millisecond
