package hub

import (
	"context"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
)

// recalling is there while the row of an instance is read. What was read counts if
// nothing of the instance changed in memory meanwhile: a commit may have been
// applied after the row was read, and the instance, ended or at rest, may be out of
// memory again.
type recalling struct {
	readers int
	changes int
}

// read returns an instance with its row, from memory or storage; nil if there
// is none.
func (p *partition) read(ctx context.Context, id history.InstanceID) (*instance, error) {
	for {
		p.mu.Lock()
		i, damaged := p.instances[id], p.damaged[row.Escape(id)]
		if damaged != nil || i != nil && i.seen != nil {
			p.mu.Unlock()
			if damaged != nil {
				return nil, fmt.Errorf("%w: %w", row.ErrFormat, damaged)
			}
			return i, nil
		}
		r := p.reading[id]
		if r == nil {
			r = &recalling{}
			p.reading[id] = r
		}
		r.readers++
		before := r.changes
		p.mu.Unlock()

		got, err := p.recall(ctx, id, i)

		p.mu.Lock()
		if r.readers--; r.readers == 0 {
			delete(p.reading, id)
		}
		if r.changes != before {
			p.mu.Unlock()
			continue
		}
		if err == nil {
			i = p.takeInLocked(id, got)
		}
		p.mu.Unlock()
		if err != nil {
			return nil, err
		}
		return i, nil
	}
}

// recalled is what storage says of an instance.
type recalled struct {
	seen     *seen
	asleep   *instance                 // with its timers alone; nil if they are known
	progress map[int64]history.Payload // of activities whose retry they delay
}

// recall reads an instance of which the memory has this, or nothing.
func (p *partition) recall(ctx context.Context, id history.InstanceID, known *instance) (got recalled, err error) {
	for {
		if got.seen, err = p.store.getSeen(ctx, id); err != nil || got.seen == nil || !got.seen.meta.Exists() {
			return got, err
		}
		m := &got.seen.meta
		if m.Timer == 0 || known != nil && known.timed || bug.Planted("sleepers-half-awake") {
			return got, nil
		}
		var there bool
		if got.asleep, there, err = p.timersOf(ctx, m); err != nil {
			return got, err
		}
		if there {
			got.progress, err = p.progressNow(ctx, id, m.Execution)
			return got, err
		}
		// It was changed between the two reads, or its rows are damaged.
		now, err := p.store.getSeen(ctx, id)
		if err != nil {
			return got, err
		}
		if now != nil && now.meta.Timer == m.Timer && now.meta.Updated == m.Updated {
			return got, fmt.Errorf("%w: row %s, which the instance's names, is not there", row.ErrFormat, row.Timers(m.Timer, id))
		}
	}
}

// startedLocked reports whether the broker has, or had, the start of a pending instance,
// which may have been out of memory since.
func (p *partition) startedLocked(id history.InstanceID, m *row.Meta) bool {
	if m.Execution > 0 || bug.Planted("start-forgotten") {
		return false
	}
	for _, l := range p.inboxOf[id] {
		if l.envelope.Born == m.Born && len(l.handed) > 0 {
			return true
		}
	}
	return false
}

// takeInLocked puts an instance into memory as it was read.
func (p *partition) takeInLocked(id history.InstanceID, got recalled) *instance {
	known := p.instances[id]
	switch {
	case known != nil && known.seen != nil:
		return known
	case got.seen == nil || !got.seen.meta.Exists():
		return nil
	}
	m := &got.seen.meta
	i := &instance{id: id, seen: got.seen, open: open{born: m.Born, execution: m.Execution, name: m.Name, version: m.Version}}
	if known != nil {
		i.open = known.open
	}
	if got.asleep != nil {
		i.timers, i.due = got.asleep.timers, got.asleep.due
	}
	i.timed, i.started = true, p.startedLocked(id, m)
	if !p.removing[id] {
		p.putLocked(i)
		p.openTimersLocked(i, got.progress)
	}
	return i
}
