package audit_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
	"github.com/duroxide/duroxide-go/sharding"
)

// mixed is a hub without a host that has a little of everything: order-1 waits
// for an event and a timer, order-2 has completed, order-3 was purged, loop has
// completed in execution 51 and keeps three of them, stuck has an open activity, and
// late was started after its hosts had left.
func mixed(t *testing.T) *simulated.State {
	var state *simulated.State
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := l.open(l.account.Client("one"))
		stop := l.work(s, "one")
		handles := l.start(s, 1, 2, 3)
		client := core.NewClient(s, core.ClientConfig{})
		start := func(id string) {
			if _, err := stuckFunc.Start(t.Context(), client, 0, orchestration.StartOptions{ID: history.InstanceID(id)}); err != nil {
				t.Fatal(err)
			}
		}
		start("stuck")
		l.approve(s, handles[1:])
		for _, h := range handles[1:] {
			if _, err := h.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		rest(time.Minute)
		if err := client.Purge(t.Context(), "order-3"); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		start("late")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		l.clean("before anything is planted", audit.Options{})
		state = l.account.State()
	})
	return state
}

// spoiler changes rows of a hub.
type spoiler struct {
	*testing.T
	client     *simulated.Client
	generation string
}

func (s *spoiler) partition(id history.InstanceID) string {
	return row.Partition(s.generation, sharding.Partition(string(id), partitions))
}

func (s *spoiler) rows(partition string, r row.Range) (all []storage.Row) {
	s.Helper()
	for at := storage.Range(r); ; {
		page, err := s.client.Scan(s.Context(), "hub", partition, at, 0, nil)
		if err != nil {
			s.Fatal(err)
		}
		all = append(all, page.Rows...)
		if at.From = page.Next; at.From == "" {
			return all
		}
	}
}

func (s *spoiler) row(partition string, r row.Range) storage.Row {
	s.Helper()
	all := s.rows(partition, r)
	if len(all) == 0 {
		s.Fatalf("%s has no row from %s", partition, r.From)
	}
	return all[0]
}

func (s *spoiler) apply(partition string, ops ...storage.Op) {
	s.Helper()
	if _, err := s.client.Transact(s.Context(), "hub", partition, ops); err != nil {
		s.Fatal(err)
	}
}

func (s *spoiler) put(partition, key string, cells map[string][]byte) {
	s.Helper()
	s.apply(partition, storage.Op{Verb: storage.Put, Row: storage.Row{Key: key, Cells: cells}})
}

func (s *spoiler) remove(partition, key string) {
	s.Helper()
	s.apply(partition, storage.Op{Verb: storage.Delete, Row: storage.Row{Key: key}})
}

// packed changes JSON in a cell that is packed.
func (s *spoiler) packed(partition string, r storage.Row, cell string, into any, change func()) {
	s.Helper()
	value, err := row.Value(s.Context(), r.Cells, cell, nil)
	if err == nil {
		err = json.Unmarshal(value, into)
	}
	if err != nil {
		s.Fatal(err)
	}
	change()
	r.Cells[cell] = row.Pack(wire.MustJSON(into))
	s.put(partition, r.Key, r.Cells)
}

func (s *spoiler) meta(id history.InstanceID, change func(*row.Meta)) {
	s.Helper()
	var m row.Meta
	s.packed(s.partition(id), s.row(s.partition(id), row.Only(row.Instance(id))), row.InstanceCell, &m, func() { change(&m) })
}

func (s *spoiler) timers(id history.InstanceID) (partition string, r storage.Row) {
	s.Helper()
	partition = s.partition(id)
	for _, r := range s.rows(partition, row.Range{From: "t:", To: "t;"}) {
		if strings.HasSuffix(r.Key, ":"+row.Escape(id)) {
			return partition, r
		}
	}
	s.Fatalf("%s has no timers", id)
	return
}

// flow finds two partitions of which one has sent to the other.
func (s *spoiler) flow() (from int, to string, seen map[int]row.Numbers) {
	s.Helper()
	for n := range partitions {
		to = row.Partition(s.generation, n)
		for _, r := range s.rows(to, row.Only(row.FromPartitions)) {
			seen = map[int]row.Numbers{}
			if err := row.Parse(r.Cells[row.NumbersCell], &seen); err != nil {
				s.Fatal(err)
			}
			for from, numbers := range seen {
				if from != n && numbers[0][1] > 3 {
					return from, to, seen
				}
			}
		}
	}
	s.Fatal("no partition has sent to another")
	return
}

func letterCells(to history.InstanceID, change func(*row.Envelope)) map[string][]byte {
	e := row.Envelope{Format: row.Format, To: to, Sent: time.Now().UnixNano(), Count: 1}
	change(&e)
	line := wire.MustJSON(wire.Message{ID: "planted", To: to, Data: wire.MustJSON(json.RawMessage(`{"kind":"EventRaised","data":{"name":"n"}}`))})
	return map[string][]byte{row.EnvelopeCell: wire.MustJSON(e), row.MessagesCell: row.Pack(append(line, '\n'))}
}

func unchanged(*row.Envelope) {}

// inPartition makes an id that lives in a partition.
func (s *spoiler) inPartition(key string) history.InstanceID {
	for n := 0; ; n++ {
		if id := history.InstanceID(fmt.Sprint("nobody-", n)); s.partition(id) == key {
			return id
		}
	}
}

// elsewhere is a partition in which the instance does not live.
func (s *spoiler) elsewhere(id history.InstanceID) string {
	n := sharding.Partition(string(id), partitions)
	return row.Partition(s.generation, (n+1)%partitions)
}

type plant struct {
	name string
	want string // the invariants found broken
	says string
	do   func(*spoiler)
}

func (p plant) run(t *testing.T, state *simulated.State, o audit.Options) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 3, From: state})
		defer account.Close()
		client := account.Client("auditor")
		s := &spoiler{T: t, client: client}
		rec, err := client.Get(t.Context(), "hub", row.Management, row.HubRecord)
		if err != nil {
			t.Fatal(err)
		}
		var hub struct {
			Generation string `json:"generation"`
		}
		if err := json.Unmarshal(rec.Cells["Hub"], &hub); err != nil {
			t.Fatal(err)
		}
		s.generation = hub.Generation
		p.do(s)
		r, err := audit.Run(t.Context(), client, "hub", o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		said := false
		for _, f := range r.Findings {
			got = append(got, string(f.Invariant))
			said = said || strings.Contains(f.String(), p.says)
			if f.Next == "" {
				t.Errorf("%s says nothing of what to do", f)
			}
		}
		slices.Sort(got)
		if found := strings.Join(slices.Compact(got), " "); found != p.want || !said {
			t.Errorf("found %q, want %s: %s; all: %v", found, p.want, p.says, r.Findings)
		}
	})
}

func TestEachPlantedCorruptionIsNamedAndNothingElse(t *testing.T) {
	state := mixed(t)
	for _, p := range slices.Concat(plantsOfOwners, plantsOfRows, plantsOfMessages, plantsOfInstances, plantsOfPrunes, plantsOfBlobs) {
		t.Run(p.name, func(t *testing.T) { p.run(t, state, audit.Options{}) })
	}
}

func TestWithHostsEveryPartitionIsServed(t *testing.T) {
	state := mixed(t)
	plant{"nobody serves", "Z12", "nobody serves it", func(*spoiler) {}}.run(t, state, audit.Options{Served: true})
	plant{"an orphan", "Z12", "waits since 48h", func(s *spoiler) {
		id := history.InstanceID("nobody")
		s.put(s.partition(id), row.Message(id, "cx", 1), letterCells(id, func(e *row.Envelope) { e.Sent -= int64(48 * time.Hour) }))
	}}.run(t, state, audit.Options{Served: true})
}
