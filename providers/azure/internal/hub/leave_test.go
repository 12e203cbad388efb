package hub_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// A host that was paused for too long leaves when it wakes: the others took it
// for dead, and removed its row and its queue.
func TestAHostThatOthersTookForDeadLeavesInOrder(t *testing.T) {
	l := &lab{partitions: 1}
	s := l.open(t, nil)
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	account := l.of(s).client
	queues, err := account.Queues(t.Context(), "hub-wake-")
	if err != nil || len(queues) != 1 {
		t.Fatalf("the queues for wake-ups are %v, %v, want one", queues, err)
	}
	if err := account.DeleteQueue(t.Context(), queues[0]); err != nil {
		t.Fatal(err)
	}
	if err := h.Leave(t.Context()); err != nil {
		t.Errorf("it leaves with %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	l.done(t)
}

// TestTheRowOfAHostThatWasBuriedDoesNotComeBack: its heartbeat replaces the row, and
// makes none (L5). It joins as another incarnation.
func TestTheRowOfAHostThatWasBuriedDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1, TTL: 3 * time.Second})
		s := open("server")
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		client := account.Client("other")
		hosts := func() []string {
			page, err := client.Scan(t.Context(), "hub", row.Management, storage.Range{From: row.HostPrefix, To: row.HubRecord}, 10, nil)
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, r := range page.Rows {
				keys = append(keys, r.Key)
			}
			return keys
		}
		buried := hosts()
		if len(buried) != 1 {
			t.Fatalf("the rows of hosts are %v, want one", buried)
		}
		if _, err := client.Transact(t.Context(), "hub", row.Management, []storage.Op{{Verb: storage.Delete, Row: storage.Row{Key: buried[0]}}}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if now := hosts(); len(now) != 1 || now[0] == buried[0] {
			t.Errorf("the rows are %v, want that of another incarnation", now)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
