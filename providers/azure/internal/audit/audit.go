package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Run audits a hub. The error says that the audit could not be done; what it
// found wrong is in the report.
func Run(ctx context.Context, account storage.Account, hub string, o Options) (*Report, error) {
	o = o.withDefaults()
	a := &auditor{
		reader:  reader{account, hub},
		o:       o,
		now:     account.Now(),
		r:       &Report{Hub: hub, Epochs: map[int]int64{}, Findings: []Finding{}, Notes: []Finding{}, most: o.MaxFindings},
		blobs:   newReferences(),
		numbers: map[pair]*flow{},
	}
	for _, step := range []func(context.Context) error{
		a.open, a.listBlobs, a.readHosts, a.readSenders, a.readPartitions,
		a.checkNumbers, a.checkEpochs, a.checkServed, a.checkQueues, a.checkOrphans,
	} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("auditing hub %s: %w", hub, err)
		}
	}
	return a.r, nil
}

// auditor is one audit of a hub.
type auditor struct {
	reader
	o          Options
	r          *Report
	now        time.Time // by the service's clock
	partitions []*partition
	hosts      []host
	blobs      *references
	numbers    map[pair]*flow
}

// open reads what the hub is.
func (a *auditor) open(ctx context.Context) error {
	rec, err := a.record(ctx)
	if err != nil {
		return err
	}
	a.r.Generation = rec.Generation
	for n := range rec.Partitions {
		a.partitions = append(a.partitions, &partition{number: n, key: row.Partition(rec.Generation, n)})
	}
	return nil
}

// readSenders reads all heads and outboxes, before any inbox.
func (a *auditor) readSenders(ctx context.Context) error {
	for _, p := range a.partitions {
		if err := a.readHead(ctx, p); err != nil {
			return err
		}
		if p.owned && !p.unknown {
			a.r.Epochs[p.number] = p.head.Epoch
		}
		for to, next := range p.head.Next {
			f := a.flow(pair{p.number, to})
			f.next, f.last = next, next
		}
		if err := a.readOutbox(ctx, p, func(r *storage.Row, out *row.Outgoing, err error) error {
			return a.takeOutgoing(ctx, p, r, out, err)
		}); err != nil {
			return err
		}
	}
	return nil
}

// readHead reads the head of a partition; owned says that there is one.
func (a *auditor) readHead(ctx context.Context, p *partition) error {
	r, err := a.get(ctx, p.key, row.Head)
	if err != nil || r == nil {
		return err
	}
	head, err := row.ParseOwner(r.Cells)
	switch {
	case err != nil:
		a.r.found(Finding{Invariant: OneOwner, Partition: p.number, Row: row.Head, What: fmt.Sprintf("it cannot be read: %v", err)})
	case head.Epoch < 1 || head.Commit < 0:
		a.r.found(Finding{Invariant: OneOwner, Partition: p.number, Row: row.Head, What: fmt.Sprintf("it stands at commit %d of epoch %d", head.Commit, head.Epoch)})
	}
	p.head, p.owned, p.unknown = head, true, err != nil
	return nil
}

// readPartitions reads everything else, one partition after the other.
func (a *auditor) readPartitions(ctx context.Context) error {
	for _, p := range a.partitions {
		p.subjects = map[string]*subject{}
		for _, step := range []func(context.Context, *partition) error{a.readOutstanding, a.readKeys, a.readInstances, a.readLeft} {
			if err := step(ctx, p); err != nil {
				return err
			}
		}
		p.subjects, p.index, p.sealed, p.states = nil, nil, nil, nil
	}
	return nil
}
