package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

var listFails = orchestration.Declare[int, int]("fails")

// listed lists ids, and counts the operations that this takes.
func (b *bench) listed(s *hub.Store, q provider.Query) (ids []history.InstanceID, operations int) {
	b.Helper()
	b.reset()
	page, err := s.List(b.Context(), q)
	if err != nil {
		b.Fatal(err)
	}
	for i := range page {
		ids = append(ids, page[i].ID)
	}
	operations, _ = b.count()
	return ids, operations
}

// begun starts instances, and waits until they run.
func (b *bench) begun(c *core.Client, of orchestration.Func[int, int], ids ...history.InstanceID) {
	b.Helper()
	for _, id := range ids {
		if _, err := of.Start(b.Context(), c, 1, orchestration.StartOptions{ID: id}); err != nil {
			b.Fatal(err)
		}
	}
	for _, id := range ids {
		if _, err := c.Wait(b.Context(), id, provider.Until{Started: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAListOfAFewAmongManyReadsThoseFew: the operations of a list by status are
// those of what is selected, however many others there are.
func TestAListOfAFewAmongManyReadsThoseFew(t *testing.T) {
	const few = 10
	measured(t, 1, func(b *bench) {
		b.populate(idle(), budgetSequence, 1)
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{}, listFails.Func(func(*orchestration.Context, int) (int, error) { return 0, errors.New("no") }))
		reader, client := b.open("reader")
		var open, failed []history.InstanceID
		for i := range few {
			at := (i + 1) * idle() / (few + 1)
			open = append(open, history.InstanceID(fmt.Sprintf("idle-%06d-open", at)))
			failed = append(failed, history.InstanceID(fmt.Sprintf("idle-%06d-failed", at)))
		}
		b.begun(client, budgetWaiting, open...)
		b.begun(client, listFails, failed...)

		of := func(statuses ...history.Status) provider.Query { return provider.Query{Statuses: statuses} }
		both := slices.Concat(open, failed)
		slices.Sort(both)
		for _, c := range []struct {
			what string
			q    provider.Query
			want []history.InstanceID
			most int // operations: a page of each place in the index, and what is selected
		}{
			{"what runs", of(history.StatusRunning), open, 1 + few},
			{"what is open", of(history.StatusPending, history.StatusRunning, history.StatusSuspended), open, 1 + few},
			{"what is pending", of(history.StatusPending), nil, 1 + few},
			{"what is parked", provider.Query{Parked: true}, nil, 1 + few},
			{"what failed", of(history.StatusFailed), failed, 1 + few},
			{"what was cancelled", of(history.StatusCancelled), nil, 1},
			{"what runs or failed", of(history.StatusFailed, history.StatusRunning), both, 2 + 2*few},
			{"two that failed", provider.Query{Statuses: []history.Status{history.StatusFailed}, Limit: 2, After: failed[3]}, failed[4:6], 1 + 2},
			// Many stand close together, and a page has many of them.
			{"some that completed", provider.Query{Statuses: []history.Status{history.StatusCompleted}, Prefix: "idle-000", Limit: 50}, nil, 2},
			{"many that completed", provider.Query{Statuses: []history.Status{history.StatusCompleted}, Limit: 1_000}, nil, 4},
		} {
			got, n := b.listed(reader, c.q)
			if n > c.most {
				b.Errorf("a list of %s among %d took %d operations, want at most %d", c.what, idle(), n, c.most)
			} else {
				b.Logf("%s: %d operations", c.what, n)
			}
			if completed := slices.Contains(c.q.Statuses, history.StatusCompleted); !completed && !slices.Equal(got, c.want) || completed && len(got) != c.q.Limit {
				b.Errorf("%s: %q, want %q", c.what, got, c.want)
			}
		}
	})
}

// TestAPageOfManyReadsThePageAlone: what every partition has of them is compared
// in the index.
func TestAPageOfManyReadsThePageAlone(t *testing.T) {
	const partitions, page = 8, 10
	measured(t, partitions, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		var ids []history.InstanceID
		for i := range 20 * page {
			id := history.InstanceID(fmt.Sprintf("order-%03d", i))
			ids = append(ids, id)
			if i%2 == 0 { // others that have ended stand between them
				run(b, budgetSequence, client, 1, id+"-ended")
			}
		}
		b.begun(client, budgetWaiting, ids...)
		got, n := b.listed(host, provider.Query{Statuses: []history.Status{history.StatusRunning}, Limit: page, After: ids[49]})
		if most := partitions + page; n > most || !slices.Equal(got, ids[50:60]) {
			b.Errorf("a page took %d operations, want at most %d: %q", n, most, got)
		}
		// None of the first page has the name.
		budget := 4 * (partitions + len(ids))
		got, n = b.listed(host, provider.Query{Name: "none", Statuses: []history.Status{history.StatusRunning}, Limit: page})
		if n > budget || len(got) > 0 {
			b.Errorf("it took %d operations to find none of %d, want at most %d: %q", n, len(ids), budget, got)
		}
	})
}

// TestLongIDsAreListedInOrder: the key of an id that is cut sorts behind keys of
// later ids which share what is before the cut.
func TestLongIDsAreListedInOrder(t *testing.T) {
	long := history.InstanceID(strings.Repeat("a", 346))
	want := []history.InstanceID{long, long + history.InstanceID(strings.Repeat("a", 50)), long + "b", long + "c"}
	measured(t, 1, func(b *bench) {
		s, client := b.open("client")
		for _, id := range want {
			if _, err := budgetWaiting.Start(b.Context(), client, 1, orchestration.StartOptions{ID: id}); err != nil {
				b.Fatal(err)
			}
		}
		for _, q := range []provider.Query{{Limit: 1}, {Limit: 1, Statuses: []history.Status{history.StatusPending}}} {
			for _, id := range want {
				if got, _ := b.listed(s, q); len(got) != 1 || got[0] != id {
					b.Errorf("after %q comes %q, want %q", q.After, got, id)
				}
				q.After = id
			}
		}
	})
}

// TestAPurgeOfWhatCannotBeReadLeavesNothingInTheIndex: its row does not say where
// it stands there.
func TestAPurgeOfWhatCannotBeReadLeavesNothingInTheIndex(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		run(b, budgetSequence, client, 1, "a")
		spoiled := storage.Row{Key: row.Instance("a"), Cells: map[string][]byte{row.InstanceCell: row.Pack([]byte("{"))}}
		if _, err := b.account.Client("spoiler").Transact(b.Context(), b.cfg.Name, host.PartitionKey(0), []storage.Op{{Verb: storage.Merge, Row: spoiled}}); err != nil {
			b.Fatal(err)
		}
		if err := client.Purge(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
		for _, r := range b.account.State().Rows(b.cfg.Name) {
			if row.KindOf(r.Key) == row.KindIndex && !strings.HasPrefix(r.Key, "x:p:") {
				b.Errorf("row %s was left", r.Key)
			}
		}
	})
}

// TestAListByNameAndStatusReadsWhatHasTheName: the index tells the name.
func TestAListByNameAndStatusReadsWhatHasTheName(t *testing.T) {
	const partitions, others = 4, 60
	measured(t, partitions, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		var ids []history.InstanceID
		for i := range others {
			ids = append(ids, history.InstanceID(fmt.Sprintf("order-%03d", i)))
		}
		b.begun(client, budgetWaiting, ids...)
		named := []history.InstanceID{"order-007x", "order-033x", "order-058x"}
		b.begun(client, budgetSleeping, named...)
		open := []history.Status{history.StatusRunning}
		for _, c := range []struct {
			q    provider.Query
			want []history.InstanceID
			most int
		}{
			{provider.Query{Name: "sleeping", Statuses: open}, named, partitions + len(named)},
			{provider.Query{Name: "sleeping", Statuses: open, Limit: 1, After: named[0]}, named[1:2], partitions + 1},
			{provider.Query{Name: "none", Statuses: open, Limit: 1}, nil, partitions},
			{provider.Query{Name: "sleeping", Statuses: []history.Status{history.StatusCompleted}}, nil, partitions},
			{provider.Query{Name: "sleeping", Parked: true}, nil, partitions + len(named)},
		} {
			if got, n := b.listed(host, c.q); n > c.most || !slices.Equal(got, c.want) {
				b.Errorf("%+v took %d operations, want at most %d, and gave %q", c.q, n, c.most, got)
			}
		}
	})
}

// TestTheIndexHasTheNameThatAnInstanceHas: the name that a commit gives it, whether
// it ends with that or goes on.
func TestTheIndexHasTheNameThatAnInstanceHas(t *testing.T) {
	for _, status := range []history.Status{history.StatusRunning, history.StatusCompleted} {
		synctest.Test(t, func(t *testing.T) {
			_, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
			s := open("server")
			start := story("x", "start", "")
			start.Start.Name = "draft"
			if err := s.Send(t.Context(), start); err != nil {
				t.Fatal(err)
			}
			h := ended(t, s, status) // its name is story now
			for name, want := range map[string]int{"draft": 0, "story": 1} {
				got, err := s.List(t.Context(), provider.Query{Name: name, Statuses: []history.Status{status}})
				if err != nil || len(got) != want {
					t.Errorf("%d are %s and called %s, want %d: %v", len(got), status, name, want, err)
				}
			}
			if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRowsThatStandAloneAreReadSeveralAtATime: and those that stand together are not
// read one by one after them.
func TestRowsThatStandAloneAreReadSeveralAtATime(t *testing.T) {
	const alone, together = 40, 200
	measured(t, 1, func(b *bench) {
		b.populate(5_000, budgetSequence, 1)
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{})
		reader, client := b.open("reader")
		var open []history.InstanceID
		for i := range alone {
			open = append(open, history.InstanceID(fmt.Sprintf("idle-%06d-open", (i+1)*100)))
		}
		for i := range together {
			open = append(open, history.InstanceID(fmt.Sprintf("late-%06d", i)))
		}
		b.begun(client, budgetWaiting, open...)
		for _, c := range []struct {
			after history.InstanceID
			want  []history.InstanceID
			most  int // operations
			long  int // operations, one after the other
		}{
			{"", open[:alone], 1 + alone, 8},
			{"idle-000150", open[1:alone], alone, 8},
			{open[alone-1], open[alone:], 3, 3},
			{open[alone-3], open[alone-2:], 8, 8},
		} {
			began := time.Now()
			got, n := b.listed(reader, provider.Query{Statuses: []history.Status{history.StatusRunning}, After: c.after, Limit: len(c.want)})
			took := int(time.Since(began) / (10 * time.Millisecond))
			if n > c.most || took > c.long || !slices.Equal(got, c.want) {
				b.Errorf("%d after %q took %d operations, %d one after the other, want at most %d and %d: %q", len(c.want), c.after, n, took, c.most, c.long, got)
			}
		}
	})
}
