package hub

import (
	"context"
	"fmt"

	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// damage sets an instance aside of which a row of open work cannot be read: what
// it waits for is not known. Others go on. Its status says why, and what an
// operator can do: upgrade the program, or purge it.
func (p *partition) damage(key string, err error) {
	escaped := row.EscapedOf(key)
	p.log().Error("a row of an instance's open work cannot be read: the instance is set aside", "row", key, "error", err)
	p.mu.Lock()
	p.damaged[escaped] = fmt.Errorf("row %s: %w", key, err)
	p.mu.Unlock()
	p.begin(func(ctx context.Context) {
		if await(ctx, p.ready); ctx.Err() == nil {
			p.parkDamaged(ctx, escaped)
		}
	})
}

// parkDamaged shows an instance that is set aside as parked.
func (p *partition) parkDamaged(ctx context.Context, escaped string) {
	p.mu.Lock()
	reason := p.damaged[escaped]
	p.mu.Unlock()
	if reason == nil {
		return // it was purged
	}
	r, err := p.store.account.Get(ctx, p.store.cfg.Name, p.key, row.InstanceEscaped(escaped))
	if err != nil {
		return // the log has told it
	}
	m, err := readMeta(ctx, r.Cells, p.store.getBlob)
	if err != nil || !m.Exists() {
		return
	}
	m.Parked, m.ParkedAt = corrupt(m.ID, "the open work", reason).Error(), wire.Nanos(p.store.cfg.Now())
	c := row.Cells{Name: func() string { return p.store.blobName(m.ID) }}
	c.Set(row.InstanceCell, wire.MustJSON(m))
	_ = p.commit(ctx, &journal.Entry{Ops: []storage.Op{{Verb: storage.Merge, Row: storage.Row{Key: r.Key, Cells: c.Map}}}}) // the log has told it
}
