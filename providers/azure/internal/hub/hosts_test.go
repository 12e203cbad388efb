package hub_test

import (
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/sharding"
)

func TestClientsReadWhichHostServesWhat(t *testing.T) {
	l := &lab{partitions: 4}
	store := l.open(t, nil)
	look := store.(*settling).HostRows
	rows := func() []sharding.Host {
		t.Helper()
		hosts, err := look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return hosts
	}
	if hosts := rows(); len(hosts) > 0 {
		t.Errorf("hosts %+v before any has joined", hosts)
	}
	h, err := store.Join(t.Context(), provider.HostInfo{Name: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	for hosts := rows(); len(hosts) != 1 || hosts[0].Name != "ada" || len(hosts[0].Serves) != 4; hosts = rows() {
		<-time.After(time.Millisecond) // a beat tells what was claimed
	}
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if hosts := rows(); len(hosts) > 0 {
		t.Errorf("hosts %+v after all have left", hosts)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if _, err := look(t.Context()); err == nil {
		t.Error("a closed store told its hosts")
	}
	l.done(t)
}
