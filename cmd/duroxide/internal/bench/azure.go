package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
)

const rawGroupsDescription = "orchestrations per second that a bare loop of equal entity groups could carry, run afterwards against the same account: " +
	"as many rows in a group as in the run's, inserted, changed and deleted in its proportions and as large, one group at a time to each partition, " +
	"in as many partitions as the hub has, each as full as those were"

// runOnAzure measures a hub of its own, and then what the account can do for
// rows like those.
func runOnAzure(ctx context.Context, c Config, prefix string) (r *Report, err error) {
	name := c.Store.String()
	started, stop, err := c.Store.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c.Store = started
	if c.Store.Hub == "" {
		c.Store.Hub = scratchHub()
		first := newMeter(c.Store)
		defer first.close()
		if err := create(ctx, c.Store, first); err != nil {
			return nil, explain(ctx, err)
		}
		defer func() { err = errors.Join(err, c.Store.Remove(context.WithoutCancel(ctx))) }()
	}
	m := newMeter(c.Store)
	if r, err = measure(ctx, c, prefix, m); err != nil {
		return nil, explain(ctx, err)
	}
	r.Store = name
	if err := measureGroups(ctx, c, m, r); err != nil {
		return nil, fmt.Errorf("measuring the raw limit: %w", explain(ctx, err))
	}
	return r, nil
}

// create creates a hub.
func create(ctx context.Context, ref stores.Ref, m *meter) error {
	store, err := ref.Open(ctx, m.options())
	if err != nil {
		return err
	}
	return store.Close()
}

func scratchHub() string { return "bench" + strings.ToLower(rand.Text()[:10]) }

// The bare loops take turns, so that a noisy moment meets them all.
const (
	rawRounds = 3
	rawTime   = 1200 * time.Millisecond // of each loop in each round
)

// measureGroups runs the bare loops, on a hub's table that goes away.
func measureGroups(ctx context.Context, c Config, m *meter, r *Report) (err error) {
	ref := c.Store
	ref.Hub = scratchHub()
	scratch := newMeter(ref)
	defer scratch.close()
	if err := create(ctx, ref, scratch); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Remove(context.WithoutCancel(ctx))) }()
	g := m.used.Groups
	loop := &groupLoop{model: scratch.model, pool: scratch.pool, table: ref.Hub, mixture: mixtureOf(g, m.partitions, m.took)}
	if err := loop.fill(ctx, m.partitions); err != nil {
		return err
	}
	own := float64(g.rows()) / float64(max(g.Groups, 1))
	var full, equal, single sent
	for range rawRounds {
		for _, l := range []struct {
			into *sent
			size float64
		}{{&full, maxGroup}, {&equal, own}, {&single, 1}} {
			s, err := loop.run(ctx, l.size, rawTime, m.partitions)
			if err != nil {
				return err
			}
			l.into.add(s)
		}
	}
	lonely, err := loop.run(ctx, 1, rawTime, 1)
	if err != nil {
		return err
	}

	orchestrations, perSecond := float64(c.orchestrations()), r.OrchestrationsPerSecond
	rows := max(float64(g.rows())/orchestrations, 1e-9)
	e := &Entities{
		TransactionsPerOrchestration: round(float64(r.StorageOperations.Total)/orchestrations, 3),
		RowsPerOrchestration:         round(rows, 2),
		RowsInserted:                 round(float64(g.Inserts)/orchestrations, 2),
		RowsChanged:                  round(float64(g.Changes-g.Heads)/orchestrations, 2),
		RowsDeleted:                  round(float64(g.Deletes)/orchestrations, 2),
		RowsPerGroup:                 round(own, 2),
		RawRowsPerSecond:             round(equal.perSecond(), 0),
		RawGroupMillis:               medianMillis(lonely.times),
		CommitMillis:                 m.commitMillis(),
		RowsPerPartition:             loop.mixture.rows,
		FullGroupsPerSecond:          round(full.perSecond()/rows, 4),
	}
	if n := c.activities(); n > 0 {
		e.TransactionsPerActivity = round(float64(r.StorageOperations.Total)/float64(n), 3)
	}
	r.RawLimit = RawLimit{Description: rawGroupsDescription, PerSecond: round(equal.perSecond()/rows, 4)}
	r.RatioToRawLimit = round(perSecond/max(r.RawLimit.PerSecond, 1e-9), 3)
	e.RatioToFullGroups = round(perSecond/max(e.FullGroupsPerSecond, 1e-9), 3)
	if c.Workload.dtf != nil {
		e.DTFTransactions = c.Workload.dtf(c.N)
		e.DTFPerSecond = round(single.perSecond()/float64(e.DTFTransactions), 3)
		e.TimesDTF = round(perSecond/max(e.DTFPerSecond, 1e-9), 1)
	}
	r.Entities = e
	return nil
}

var _ http.RoundTripper = (*meter)(nil)
