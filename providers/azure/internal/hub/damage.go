package hub

import (
	"context"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// damage sets an instance aside of which a row of open work cannot be read: what
// it waits for is not known. Others go on. Its status says why, and what an
// operator can do: upgrade the program, or purge it.
//
// An instance that changed since the row was read, or is being removed, is not
// damaged: its rows, and their blobs, are others by now.
func (p *partition) damage(key string, err error) {
	escaped := row.EscapedOf(key)
	p.mu.Lock()
	for _, changed := range []map[history.InstanceID]bool{p.moved, p.removing} {
		for id := range changed {
			if row.Escape(id) == escaped {
				p.mu.Unlock()
				return
			}
		}
	}
	p.damaged[escaped] = fmt.Errorf("row %s: %w", key, err)
	p.mu.Unlock()
	p.log().Error("a row of an instance's open work cannot be read: the instance is set aside", "row", key, "error", err)
	p.begin(func(ctx context.Context) {
		await(ctx, p.ready)
		for n := 0; ctx.Err() == nil && transient(p.parkDamaged(ctx, escaped)); n++ {
			pause(ctx, backoff(n))
		}
	})
}

// parkDamaged shows an instance that is set aside as parked.
func (p *partition) parkDamaged(ctx context.Context, escaped string) error {
	reason := p.damageOf(escaped)
	if reason == nil {
		return nil // it was purged
	}
	r, err := p.store.account.Get(ctx, p.store.cfg.Name, p.key, row.InstanceEscaped(escaped))
	if err != nil {
		return err // the log has told it
	}
	m, err := readMeta(ctx, r.Cells, p.store.getBlob)
	if err != nil || !m.Exists() || m.Status.Final() {
		return err
	}
	m.Parked, m.ParkedAt = corrupt(m.ID, "the open work", reason).Error(), wire.Nanos(p.store.cfg.Now())
	c := row.Cells{Name: func() string { return p.store.blobName(m.ID) }}
	c.Set(row.InstanceCell, wire.MustJSON(m))
	return p.commit(ctx, &journal.Entry{
		Ops: []storage.Op{{Verb: storage.Merge, Row: storage.Row{Key: r.Key, Cells: c.Map}}},
		Valid: func() error {
			if p.damageOf(escaped) == nil {
				return errNotOpen // it was purged since its row was read
			}
			return nil
		},
	})
}

// damageOf is why an instance is set aside, nil if it is not.
func (p *partition) damageOf(escaped string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.damaged[escaped]
}
