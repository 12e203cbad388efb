package hub

import (
	"context"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
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

// alive reports whether the incarnation is a host that lives. One that is not
// among those last observed may have just joined: its row tells.
func (m *member) alive(ctx context.Context, incarnation string) bool {
	m.mu.Lock()
	l, gone := m.life, m.gone[incarnation]
	m.mu.Unlock()
	switch {
	case l == nil || gone:
		return false
	case incarnation == l.incarnation:
		return true
	}
	if _, ok := l.host(incarnation); ok {
		return true
	}
	_, err := m.store.account.Get(ctx, m.store.cfg.Name, row.Management, row.HostPrefix+incarnation)
	if !storage.Is(err, storage.Missing) {
		return true // or not known
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.gone) >= maxGone {
		clear(m.gone)
	}
	m.gone[incarnation] = true // for ever
	return false
}

// maxGone bounds how many dead incarnations are remembered.
const maxGone = 1_000

// host finds one of those that live, as last observed.
func (l *life) host(incarnation string) (sharding.Host, bool) {
	for _, h := range l.hosts() {
		if h.Incarnation == incarnation {
			return h, true
		}
	}
	return sharding.Host{}, false
}
