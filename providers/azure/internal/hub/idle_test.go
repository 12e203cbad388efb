package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Instances that wait for something that only others can bring are rows in a
// table, and nothing else: they cost a host no request and no memory.

// idle is how many there are.
func idle() int {
	if testing.Short() {
		return 5_000
	}
	return 100_000
}

// model is the id of the instance of which the others are copies. It is as long
// as theirs.
const model = "idle-000000"

// populate fills the hub's only partition with instances: one runs until it waits,
// and its rows are written again under other ids.
func (b *bench) populate(n int, of orchestration.Func[int, int], input int) {
	b.Helper()
	s, err := hub.Open(b.Context(), b.account.Client("first"), b.cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() {
		done <- core.NewWorker(s, core.WorkerConfig{Logger: slog.New(slog.DiscardHandler)}).Register(budgetHandlers()...).Run(ctx)
	}()
	client := core.NewClient(s, core.ClientConfig{})
	if _, err := of.Start(b.Context(), client, input, orchestration.StartOptions{ID: model}); err != nil {
		b.Fatal(err)
	}
	<-time.After(time.Minute)
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	pk := s.PartitionKey(0)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var models []storage.Row // in ascending order of their keys, so that the copies come in order
	for of, r := range b.account.State().Rows(b.cfg.Name) {
		if of == pk && strings.Contains(r.Key, model) {
			models = append(models, r)
		}
	}
	writer := b.account.Client("copyist")
	for _, r := range models {
		var ops []storage.Op
		for i := 1; i < n; i++ {
			id := fmt.Sprintf("idle-%06d", i)
			cells := map[string][]byte{}
			for name, cell := range r.Cells {
				cells[name] = bytes.ReplaceAll(cell, []byte(model), []byte(id))
			}
			ops = append(ops, storage.Op{Verb: storage.Insert, Row: storage.Row{Key: strings.ReplaceAll(r.Key, model, id), Cells: cells}})
		}
		for some := range slices.Chunk(ops, 100) {
			if _, err := writer.Transact(b.Context(), b.cfg.Name, pk, some); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Logf("%d instances of %d rows each", n, len(models))
}

// reader notes what is read of the partitions.
type reader struct {
	storage.Account
	mu    sync.Mutex
	gets  int
	pages int
	rows  map[row.Kind]int
	keys  []string
}

func (r *reader) Get(ctx context.Context, table, partition, key string) (storage.Row, error) {
	got, err := r.Account.Get(ctx, table, partition, key)
	r.note(partition, &r.gets, key)
	return got, err
}

func (r *reader) Scan(ctx context.Context, table, partition string, within storage.Range, limit int, cells []string) (storage.Page, error) {
	page, err := r.Account.Scan(ctx, table, partition, within, limit, cells)
	keys := make([]string, len(page.Rows))
	for i := range page.Rows {
		keys[i] = page.Rows[i].Key
	}
	r.note(partition, &r.pages, keys...)
	return page, err
}

func (r *reader) note(partition string, requests *int, keys ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if partition == row.Management {
		return
	}
	*requests++
	r.keys = append(r.keys, keys...)
	for _, key := range keys {
		r.rows[row.KindOf(key)]++
	}
}

// openReader opens the hub as another process would, and notes what that reads.
func (b *bench) openReader(name string) (*hub.Store, *reader) {
	b.Helper()
	r := &reader{Account: b.account.Client(name), rows: map[row.Kind]int{}}
	s, err := hub.Open(b.Context(), r, b.cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.stops = append(b.stops, func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s, r
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers let go
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestIdleInstancesCostAHostNothing: no operation and no byte more than an empty
// hub, neither when it takes over nor afterwards; and no memory.
func TestIdleInstancesCostAHostNothing(t *testing.T) {
	t.Run("they wait for an event", func(t *testing.T) { costNothing(t, budgetWaiting, 1) })
	t.Run("they sleep for a month", func(t *testing.T) { costNothing(t, budgetHours, 30*24) })
}

func costNothing(t *testing.T, of orchestration.Func[int, int], input int) {
	t.Helper()
	type cost struct {
		operations, received, read string
		memory                     int64
	}
	with := func(instances int) (c cost) {
		measured(t, 1, func(b *bench) {
			b.cfg.SweepEvery = 0 // as it is by default
			b.populate(max(instances, 1), of, input)
			before := heap()
			host, read := b.openReader("host")
			b.work(host, core.WorkerConfig{})
			<-time.After(5 * time.Minute)
			began := b.account.Counts()
			<-time.After(70 * time.Minute)
			used := b.account.Counts().Sub(began)
			c = cost{fmt.Sprint(used.Calls), fmt.Sprint(used.Received), fmt.Sprint(read.rows), heap() - before}
			b.Logf("%d instances: in 70 minutes %v; %d bytes of memory", instances, used, c.memory)
			for _, key := range read.keys {
				if strings.Contains(key, "idle-") {
					b.Fatalf("row %s was read", key)
				}
			}
		})
		return c
	}
	empty, full := with(0), with(idle())
	if full.operations != empty.operations || full.received != empty.received || full.read != empty.read {
		t.Errorf("idle instances cost %+v, none %+v", full, empty)
	}
	if more, most := full.memory-empty.memory, int64(2<<20); more > most { // 20 bytes of each
		t.Errorf("%d idle instances take %d bytes of memory, more than %d: something is kept of each", idle(), more, most)
	}
}

// TestATakeoverReadsOnlyWhatIsBusy (Z8): the new owner of a partition with many
// instances reads the rows of those that have something to do.
func TestATakeoverReadsOnlyWhatIsBusy(t *testing.T) {
	const each = 25 // of four kinds
	measured(t, 1, func(b *bench) {
		s := &sites{bench: b}
		b.cfg.TTL = 3 * time.Second
		b.populate(idle(), budgetWaiting, 1)
		first := s.host("host", core.WorkerConfig{MaxActivities: each})
		_, client := b.open("client")
		busy := map[string]bool{} // instances
		var results []func()
		some := func(kind string, begin func(id history.InstanceID) (wait func() error)) {
			for i := range each {
				id := history.InstanceID(fmt.Sprintf("%s-%06d", kind, (i+1)*idle()/(each+1)))
				busy[string(id)] = true
				wait := begin(id)
				results = append(results, func() {
					if err := wait(); err != nil {
						b.Errorf("%s: %v", id, err)
					}
				})
			}
		}
		some("long", func(id history.InstanceID) func() error { return started(b, client, longOne, 30*time.Second, id) })
		some("timer", func(id history.InstanceID) func() error { return started(b, client, budgetSleeping, 1, id) })
		<-time.After(10 * time.Second)
		s.kill(first)
		some("start", func(id history.InstanceID) func() error { return started(b, client, longOne, time.Second, id) })
		some("idle", func(id history.InstanceID) func() error { // what these wait for comes
			if err := budgetGo.Raise(b.Context(), client, id, 1); err != nil {
				b.Fatal(err)
			}
			return func() error { _, err := budgetWaiting.Handle(client, id).Wait(b.Context()); return err }
		})

		second, read := b.openReader("second")
		b.work(second, core.WorkerConfig{MaxActivities: 4 * each}, s.handlers("second")...)
		for _, result := range results {
			result()
		}
		read.mu.Lock()
		defer read.mu.Unlock()
		b.Logf("a takeover with %d instances of which %d are busy, and the end of those: %d pages and %d single rows, in all %v", idle()+3*each, len(busy), read.pages, read.gets, read.rows)
		of := func(key string) bool {
			for id := range busy {
				if strings.Contains(key, id) {
					return true
				}
			}
			return false
		}
		for _, key := range read.keys {
			if k := row.KindOf(key); k != row.KindHead && k != row.KindNotice && !of(key) {
				b.Fatalf("row %s was read: its instance has nothing to do", key)
			}
		}
		// Open activities, timers and messages, each once.
		want := map[row.Kind]int{row.KindWork: each, row.KindTimers: each, row.KindInbox: 2 * each}
		for kind, n := range want {
			if read.rows[kind] != n {
				b.Errorf("%d rows %c: were read, want %d", read.rows[kind], kind, n)
			}
		}
		if read.gets > 2*len(busy)+2 || read.pages > 4 {
			b.Errorf("%d rows and %d pages were read one by one, for %d instances that are busy", read.gets, read.pages, len(busy))
		}
	})
}

// started starts an instance; the returned function waits for its end.
func started[I, O any](b *bench, c *core.Client, of orchestration.Func[I, O], in I, id history.InstanceID) func() error {
	b.Helper()
	h, err := of.Start(b.Context(), c, in, orchestration.StartOptions{ID: id})
	if err != nil {
		b.Fatal(err)
	}
	return func() error { _, err := h.Wait(b.Context()); return err }
}
