package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/sharding"
)

// host is a host that has a row.
type host struct{ sharding.Host }

// serves is the epoch in which the host lists a partition.
func (h *host) serves(partition int) (epoch int64, ok bool) {
	for _, s := range h.Serves {
		if s.Partition == partition {
			return s.Epoch, true
		}
	}
	return 0, false
}

// home is the partition in which an instance lives.
func (a *auditor) home(id string) int { return sharding.Partition(id, len(a.partitions)) }

// readHosts reads the rows of hosts, before any head: what they say of epochs
// can then only be behind the heads.
func (a *auditor) readHosts(ctx context.Context) (err error) {
	a.hosts, err = a.listHosts(ctx, func(f Finding) { a.r.found(f) })
	a.r.Hosts = len(a.hosts)
	return err
}

func (a *auditor) listHosts(ctx context.Context, tell func(Finding)) (all []host, err error) {
	rows := row.Range{From: row.HostPrefix, To: row.HostPrefix + "~"}
	err = a.scan(ctx, row.Management, rows, nil, func(r *storage.Row) error {
		var h host
		value, err := row.Value(ctx, r.Cells, hostCell, a.blob)
		if err == nil {
			err = json.Unmarshal(value, &h.Host)
		}
		if unavailable(ctx, err) {
			return err
		}
		if err == nil && row.HostPrefix+h.Incarnation != r.Key {
			err = fmt.Errorf("it is of %q", h.Incarnation)
		}
		if err != nil {
			tell(Finding{Invariant: Served, Partition: -1, Row: r.Key, What: fmt.Sprintf("it cannot be read: %v", err)})
			return nil
		}
		all = append(all, h)
		return nil
	})
	return all, err
}

// checkEpochs holds the rows of hosts, and an earlier report, against the heads
// (Z1).
func (a *auditor) checkEpochs(context.Context) error {
	for i := range a.hosts {
		h := &a.hosts[i]
		for _, s := range h.Serves {
			tell := func(what string, args ...any) {
				a.r.found(Finding{Invariant: OneOwner, Partition: s.Partition, Row: row.HostPrefix + h.Incarnation, What: fmt.Sprintf(what, args...)})
			}
			if s.Partition < 0 || s.Partition >= len(a.partitions) {
				tell("it lists a partition that the hub does not have")
				continue
			}
			head := &a.partitions[s.Partition].head
			switch {
			case a.partitions[s.Partition].unknown:
			case s.Epoch > head.Epoch:
				tell("it lists the partition in epoch %d, and the head is in epoch %d", s.Epoch, head.Epoch)
			case s.Epoch == head.Epoch && head.Owner != h.Incarnation:
				tell("it lists the partition in epoch %d, which the head gives to %q", s.Epoch, head.Owner)
			}
		}
	}
	if since := a.o.Since; since != nil && since.Generation == a.r.Generation {
		for _, n := range slices.Sorted(maps.Keys(since.Epochs)) {
			if now := a.r.Epochs[n]; now < since.Epochs[n] && !a.partitions[n].unknown {
				a.r.found(Finding{Invariant: OneOwner, Partition: n, Row: row.Head, What: fmt.Sprintf("it is in epoch %d, and was in epoch %d before", now, since.Epochs[n])})
			}
		}
	}
	return nil
}

// unserved are the partitions that no host lists in the epoch of their head.
func (a *auditor) unserved() (all []Finding) {
	for _, p := range a.partitions {
		f := Finding{Invariant: Served, Partition: p.number, Row: row.Head}
		i := slices.IndexFunc(a.hosts, func(h host) bool { return h.Incarnation == p.head.Owner })
		switch {
		case !p.owned:
			f.Row, f.What = "", "nobody has ever served it"
		case p.head.Owner == "":
			f.What = "nobody serves it"
		case i < 0:
			f.What = fmt.Sprintf("its owner is %s, which is no host of the hub", p.head.Owner)
		default:
			if epoch, ok := a.hosts[i].serves(p.number); ok && epoch == p.head.Epoch {
				continue
			}
			f.What = fmt.Sprintf("its owner %s does not list it in epoch %d", p.head.Owner, p.head.Epoch)
		}
		all = append(all, f)
	}
	return all
}

// checkServed judges whether every partition is served (Z12).
func (a *auditor) checkServed(ctx context.Context) error {
	found := a.unserved()
	for n := 0; a.o.Served && len(found) > 0 && n < steadyTries; n++ {
		// A host's row follows its claims a moment later.
		pause(ctx, time.Millisecond<<(2*n))
		hosts, err := a.listHosts(ctx, func(Finding) {})
		if err != nil {
			return err
		}
		a.hosts = hosts
		for _, p := range a.partitions {
			r, err := a.get(ctx, p.key, row.Head)
			if err != nil {
				return err
			}
			if r != nil {
				if head, err := row.ParseOwner(r.Cells); err == nil {
					p.head, p.owned = head, true
				}
			}
		}
		found = a.unserved()
	}
	a.tellServed(found)
	return nil
}

func (a *auditor) tellServed(all []Finding) {
	for _, f := range all {
		switch {
		case a.o.Served:
			a.r.found(f)
		case len(a.hosts) > 0: // with no hosts at all it goes without saying
			a.r.noted(f)
		}
	}
}

// checkQueues: every host can be woken, and no queue was left by one.
func (a *auditor) checkQueues(ctx context.Context) error {
	prefix, own := a.hub+"-wake-", a.hub+"-wh-" // the latter for work of sessions, where it has any
	var queues []string
	if err := again(ctx, func() (err error) {
		queues, err = a.account.Queues(ctx, a.hub+"-w")
		return err
	}); err != nil {
		return fmt.Errorf("listing queues: %w", err)
	}
	hosts, err := a.listHosts(ctx, func(Finding) {})
	if err != nil {
		return err
	}
	var left []string
	for _, q := range queues {
		incarnation, wakes := strings.CutPrefix(q, prefix)
		if !wakes {
			var works bool
			if incarnation, works = strings.CutPrefix(q, own); !works {
				continue
			}
		}
		known := func(h host) bool { return h.Incarnation == incarnation }
		if !slices.ContainsFunc(a.hosts, known) && !slices.ContainsFunc(hosts, known) {
			left = append(left, q)
		}
	}
	if len(left) > 0 {
		a.r.noted(Finding{Invariant: Served, Partition: -1, What: fmt.Sprintf("%d queues of hosts belong to none any more, %s the first of them", len(left), left[0])})
	}
	// A queue is made before its host's row, and removed after it: the rows were
	// read before and after the queues.
	for i := range a.hosts {
		h := &a.hosts[i]
		there := slices.ContainsFunc(hosts, func(now host) bool { return now.Incarnation == h.Incarnation })
		if there && !slices.Contains(queues, prefix+h.Incarnation) {
			a.tellServed([]Finding{{Invariant: Served, Partition: -1, Row: row.HostPrefix + h.Incarnation, What: "the host has no queue for wake-ups: it learns of messages from elsewhere only by looking now and then"}})
		}
	}
	return nil
}
