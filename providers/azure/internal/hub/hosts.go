package hub

import (
	"context"

	"github.com/duroxide/duroxide-go/sharding"
)

// HostRows reads the rows of the hub's hosts, as they stand now. One that died
// is among them until another host removes it.
func (s *Store) HostRows(ctx context.Context) ([]sharding.Host, error) {
	if err := s.check(ctx, "reading the hosts"); err != nil {
		return nil, err
	}
	rows, err := (&directory{store: s}).Hosts(ctx)
	if err != nil {
		return nil, failed("reading the hosts", err)
	}
	hosts := make([]sharding.Host, 0, len(rows))
	for _, r := range rows {
		hosts = append(hosts, r.Host)
	}
	return hosts, nil
}
