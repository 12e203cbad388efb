package hub_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
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

// slowLog has somebody ask the store what it does while a record is written.
type slowLog struct {
	slog.Handler
	meanwhile func()
}

func (l *slowLog) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "owners of this partition die") {
		l.meanwhile()
	}
	return nil
}

func (l *slowLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// TestALogThatIsSlowHoldsNobodyUp (B4): the handler of records is the program's.
func TestALogThatIsSlowHoldsNobodyUp(t *testing.T) {
	account := simulated.New(simulated.Config{})
	defer account.Close()
	log := &slowLog{Handler: slog.Default().Handler()}
	store, err := hub.Open(t.Context(), account.Client("host"), hub.Config{Name: "hub", Partitions: 1, Log: slog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	head := row.Owner{Format: row.Format, Epoch: 1, Crash: &row.Crash{Count: 3}}
	_, err = account.Client("former").Transact(t.Context(), "hub", store.PartitionKey(0), []storage.Op{
		{Verb: storage.Insert, Row: storage.Row{Key: row.Head, Cells: head.Cells()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	log.meanwhile = func() {
		sent := make(chan error, 1)
		go func() { sent <- store.Send(t.Context(), story("order", "start", "")) }()
		select {
		case err := <-sent:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("nothing can be sent while a record is written")
		}
		close(written)
	}
	account.Decide(func(c simulated.Call) simulated.Fault { // until the host has joined, nothing that is sent looks for its partitions
		if slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return o.Row.Key == row.Head }) {
			return simulated.Fault{Kind: simulated.Slow, Delay: time.Second}
		}
		return simulated.Fault{}
	})
	h, err := store.Join(t.Context(), provider.HostInfo{Name: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	account.Decide(nil)
	<-written
	for _, err := range []error{h.Leave(t.Context()), store.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
}
