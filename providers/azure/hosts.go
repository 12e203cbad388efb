package azure

import (
	"cmp"
	"context"
	"slices"

	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
)

// Host is a host of a hub, as it said of itself in its last heartbeat.
type Host struct {
	// Incarnation names one life of one process; a host that was declared dead
	// and goes on has another.
	Incarnation string
	// Name is that of the worker, for operators.
	Name string
	// Leaving says that it hands its partitions over.
	Leaving bool
	// Serves are the partitions that it owns, in ascending order.
	Serves []int
}

// Hosts reads which hosts the hub has, by name and then by incarnation. What it
// says is as old as each host's last heartbeat, a third of the TTL; one that died
// is listed until others notice.
func (s *Store) Hosts(ctx context.Context) ([]Host, error) {
	rows, err := s.opened.(*hub.Store).HostRows(ctx)
	if err != nil {
		return nil, err
	}
	hosts := make([]Host, 0, len(rows))
	for _, r := range rows {
		h := Host{Incarnation: r.Incarnation, Name: r.Name, Leaving: r.Leaving}
		for _, p := range r.Serves {
			h.Serves = append(h.Serves, p.Partition)
		}
		slices.Sort(h.Serves)
		hosts = append(hosts, h)
	}
	slices.SortFunc(hosts, func(a, b Host) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Incarnation, b.Incarnation))
	})
	return hosts, nil
}
