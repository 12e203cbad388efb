package hub

import (
	"context"
	"errors"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

const (
	// maintainEvery is how often owners look for what time has made superfluous.
	maintainEvery = time.Hour

	// collectEvery is how many of those looks there are between two collections
	// of blobs, which read every row of the hub.
	collectEvery = 24

	// tombstoneAge is how long a purged id is remembered: longer than any copy
	// of its start may be on its way.
	tombstoneAge = 24 * time.Hour
)

// maintainNowAndThen removes tombstones and blobs that nobody needs any more,
// until the member leaves. Blobs, and sessions of dead hosts, are the business of
// whoever owns partition 0.
func (m *member) maintainNowAndThen() {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		for _, p := range m.partitions() {
			if p.live() {
				p.begin(p.dropTombstones)
			}
		}
		if m.partition(0) != nil {
			m.dropSessions(m.ctx)
		}
		if n%collectEvery == 0 && m.partition(0) != nil {
			m.collect()
		}
	}
}

func (m *member) collect() {
	s := m.store
	c, err := audit.Collect(m.ctx, s.account, s.cfg.Name, 0)
	switch {
	case err != nil && m.ctx.Err() == nil:
		s.cfg.Log.Warn("blobs that nobody needs could not be collected; it is tried again tomorrow", "error", err)
	case c.Blobs > 0:
		s.cfg.Log.Info("blobs that no row names were removed", "blobs", c.Blobs, "bytes", c.Bytes)
	}
}

// dropTombstones forgets ids that were purged long ago. The row of a tombstone
// in the index is there as long as the tombstone itself, so that deleting both
// deletes nothing else.
func (p *partition) dropTombstones(ctx context.Context) {
	before := p.store.cfg.Now().Add(-tombstoneAge).UnixNano()
	err := p.store.scan(ctx, p.key, row.PurgedBefore(before), []string{row.IndexCell}, func(rows []storage.Row) error {
		for i := range rows {
			x, err := row.ParseIndexed(rows[i].Cells)
			if err != nil {
				return err
			}
			if err := p.dropTombstone(ctx, x.ID, rows[i].Key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		p.log().Warn("tombstones could not be removed; it is tried again in an hour", "error", err)
	}
}

func (p *partition) dropTombstone(ctx context.Context, id history.InstanceID, key string) error {
	if err := p.reserve(ctx, id); err != nil {
		return err
	}
	defer p.unreserve(id)
	err := p.commit(ctx, &journal.Entry{Ops: []storage.Op{deletion(key), deletion(row.Instance(id))}})
	if storage.Is(err, storage.Missing) || errors.Is(err, journal.ErrLost) {
		return nil // started anew, or another's to do
	}
	return err
}
