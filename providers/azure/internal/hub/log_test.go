package hub_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// logged is the log of a process.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// logged has what is opened next write its log.
func (b *bench) logged() *logged {
	l := &logged{}
	b.cfg.Log = slog.New(slog.NewJSONHandler(l, nil))
	return l
}

// records are the attributes of each record. A key that is there twice fails the
// test.
func (l *logged) records(t *testing.T) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		for key := range r {
			if strings.Count(line, `,"`+key+`":`) > 1 {
				t.Errorf("the key %q is there twice: %s", key, line)
			}
		}
		all = append(all, r)
	}
	return all
}

// warnings are how often each message came, without those of level info.
func (l *logged) warnings(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, r := range l.records(t) {
		if r["level"] != "INFO" {
			all[r["msg"].(string)]++
		}
	}
	return all
}

// TestEveryRecordSaysOfWhichHubItIs: two hubs in one process can be told apart.
func TestEveryRecordSaysOfWhichHubItIs(t *testing.T) {
	apart(t, 4, func(s *sites) {
		log := s.logged()
		first := s.host("first", core.WorkerConfig{})
		second := s.host("second", core.WorkerConfig{})
		s.kill(second)
		<-time.After(time.Minute)
		s.leave(first)
		said := map[any]bool{}
		for _, r := range log.records(t) {
			if said[r["msg"]] = true; r["hub"] != "hub" {
				t.Errorf("it does not say of which hub it is: %v", r)
			}
		}
		for _, message := range []string{"partition claimed", "partition released", "host is dead", "incarnation ended"} {
			if !said[message] {
				t.Errorf("the log lacks %q: %v", message, slices.Collect(maps.Keys(said)))
			}
		}
	})
}

// TestWhatIsHeldUpIsInTheLogOnceAMinute: messages for another partition, and
// activities for a work queue.
func TestWhatIsHeldUpIsInTheLogOnceAMinute(t *testing.T) {
	relayed := func(c simulated.Call) bool {
		return c.Kind == simulated.Transact && c.Partition != row.Management && !slices.ContainsFunc(c.Ops, func(op storage.Op) bool { return op.Row.Key == row.Head })
	}
	child := "b" // in partition 0; a is in the other
	offered := func(c simulated.Call) bool { return c.Kind == simulated.Enqueue }
	for name, held := range map[string]struct {
		name   string
		in     any
		target string
		match  func(simulated.Call) bool
	}{
		"partition": {budgetParent.Name(), child, "partition 0", relayed},
		"queue":     {budgetRemote.Name(), 1, "queue hub-wt-far", offered},
	} {
		t.Run(name, func(t *testing.T) {
			measured(t, 2, func(b *bench) {
				log := b.logged()
				host, _ := b.open("host")
				b.work(host, core.WorkerConfig{})
				_, client := b.open("client")
				b.account.Decide(simulated.When(func(c simulated.Call) bool { return c.Client == "host" && held.match(c) }, simulated.Fault{Kind: simulated.Denied}))
				if _, err := client.StartInstance(b.Context(), held.name, held.in, orchestration.StartOptions{ID: "a"}); err != nil {
					t.Fatal(err)
				}
				<-time.After(10*time.Minute + 30*time.Second)
				b.account.Decide(nil)
				n := 0
				for _, r := range log.records(t) {
					if r["msg"] != "what a commit sent is held up" {
						continue
					}
					if n++; r["target"] != held.target {
						t.Errorf("its target is %v, want %q", r["target"], held.target)
					}
				}
				if n < 10 || n > 11 {
					t.Errorf("%d records in ten minutes, want one a minute", n)
				}
			})
		})
	}
}

// TestAReceiverThatCannotBeReadIsInTheLogOnceAMinute: its row is damaged, and messages
// wait for it.
func TestAReceiverThatCannotBeReadIsInTheLogOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1, Log: slog.New(slog.NewJSONHandler(log, nil))})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		if _, err := account.Client("operator").Transact(t.Context(), "hub", s.PartitionKey(0), []storage.Op{{
			Verb: storage.Merge, Row: storage.Row{Key: row.Instance("x"), Cells: map[string][]byte{row.InstanceCell: []byte("{")}},
		}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), event("x", "event")); err != nil {
			t.Fatal(err)
		}
		<-time.After(10*time.Minute + 30*time.Second)
		if n := log.warnings(t)["the receiver of messages cannot be read; it is tried again"]; n < 10 || n > 11 {
			t.Errorf("%d records in ten minutes, want one a minute", n)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
