package azurite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/sharding"
)

// TestATakeoverReadsOnlyWhatIsBusy (Z8): in a partition with many instances that
// wait, a new owner reads the rows of those alone that have something to do. How
// many requests and rows that is, and that the others cost nothing afterwards
// either, is asserted on simulated storage, in the tests of package hub.
func TestATakeoverReadsOnlyWhatIsBusy(t *testing.T) {
	t.Parallel()
	const each, partitions = 10, 8 // in large ones Azurite is slow
	idle := 5_000
	if testing.Short() {
		idle = 500
	}
	waiting := orchestration.Declare[int, int]("waiting")
	sleeping := orchestration.Declare[time.Duration, int]("sleeping")
	word := orchestration.DeclareEvent[int]("word")
	handlers := []core.Handler{
		waiting.Func(func(ctx *orchestration.Context, _ int) (int, error) { return word.Wait(ctx).Await() }),
		sleeping.Func(func(ctx *orchestration.Context, d time.Duration) (int, error) { return 1, ctx.Sleep(d) }),
	}
	e := newEngine(t, newPlace(t), partitions)
	first := e.open()
	table := e.place.table(first)
	if table == nil {
		t.Skip("copies rows, for which the account must be given as a connection string in DUROXIDE_AZURE_STORAGE")
	}
	e.work(first, core.WorkerConfig{}, handlers...)
	const model = "idle-00000"
	must(waiting.Start(e.ctx, e.client, 0, orchestration.StartOptions{ID: model}))(t)
	e.awaits(model)
	populate(t, table, e.place.bare(t, e.hub), model, idle, partitions)

	busy := map[string]bool{}
	var results []*orchestration.Handle[int]
	for i := range each {
		id := fmt.Sprintf("timer-%02d", i)
		busy[id] = true
		results = append(results, must(sleeping.Start(e.ctx, e.client, 2*time.Second, orchestration.StartOptions{ID: history.InstanceID(id)}))(t))
	}
	for _, h := range results {
		e.awaits(h.ID())
	}
	first.kill()
	e.place.declareDead(t, first)
	for i := range each {
		id := fmt.Sprintf("start-%02d", i)
		busy[id] = true
		results = append(results, must(sleeping.Start(e.ctx, e.client, 0, orchestration.StartOptions{ID: history.InstanceID(id)}))(t))
		id = fmt.Sprintf("idle-%05d", (i+1)*idle/(each+1))
		busy[id] = true
		if err := word.Raise(e.ctx, e.client, history.InstanceID(id), 1); err != nil {
			t.Fatal(err)
		}
		results = append(results, waiting.Handle(e.client, history.InstanceID(id)))
	}

	cfg, seen := e.user.cfg, &rowsSeen{next: e.place.counter, keys: map[string]int{}}
	cfg.Transport = seen
	e.work(e.place.open(t, cfg), core.WorkerConfig{}, handlers...)
	for _, h := range results {
		if got, err := h.Wait(e.ctx); err != nil || got != 1 {
			t.Errorf("%s gave %d, %v", h.ID(), got, err)
		}
	}
	e.end()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	of := regexp.MustCompile(`(idle|timer|start)-\d+`)
	read := 0
	for _, key := range slices.Sorted(maps.Keys(seen.keys)) {
		if id := of.FindString(key); id != "" && !busy[id] {
			t.Fatalf("row %s was read, of an instance that has nothing to do", key)
		}
		if strings.HasPrefix(key, "t:") || strings.HasPrefix(key, "m:") {
			read++
		}
	}
	// Each timer, each start and each event; and each timer's instance is no other row.
	if read != len(busy) {
		t.Errorf("of %d instances that were busy, %d rows of timers and messages were read", len(busy), read)
	}
	t.Logf("of %d instances, %d busy ones: %d rows were read", idle+2*each, len(busy), len(seen.keys))
}

// awaits waits until an instance has written its first decision.
func (e *engine) awaits(id history.InstanceID) {
	e.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for must(e.user.Instance(e.ctx, id))(e.t).LastEvent < 2 {
		select {
		case <-tick.C:
		case <-e.ctx.Done():
			e.t.Fatalf("%s did not begin", id)
		}
	}
}

// populate writes the rows of an instance again, under so many ids of its length,
// each in the partition where it belongs.
func populate(t *testing.T, from, to *aztables.Client, model string, n, partitions int) {
	t.Helper()
	var models []aztables.EDMEntity
	for pages := from.NewListEntitiesPager(nil); pages.More(); {
		page := must(pages.NextPage(t.Context()))(t)
		for _, text := range page.Entities {
			var e aztables.EDMEntity
			if err := json.Unmarshal(text, &e); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(e.RowKey, model) {
				models = append(models, e)
			}
		}
	}
	actions := make([][]aztables.TransactionAction, partitions)
	for i := 1; i < n; i++ {
		id := fmt.Sprintf("idle-%05d", i)
		in := sharding.Partition(id, partitions)
		for _, m := range models {
			key := fmt.Sprintf("%s%03d", m.PartitionKey[:len(m.PartitionKey)-3], in)
			one := aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: key, RowKey: strings.ReplaceAll(m.RowKey, model, id)}, Properties: map[string]any{}}
			for name, value := range m.Properties {
				if b, ok := value.(aztables.EDMBinary); ok {
					value = aztables.EDMBinary(bytes.ReplaceAll(b, []byte(model), []byte(id)))
				}
				if s, ok := value.(string); ok {
					value = strings.ReplaceAll(s, model, id)
				}
				one.Properties[name] = value
			}
			actions[in] = append(actions[in], aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: must(json.Marshal(one))(t)})
		}
	}
	for _, of := range actions {
		for some := range slices.Chunk(of, 100) {
			must(to.SubmitTransaction(t.Context(), some, nil))(t)
		}
	}
	t.Logf("%d instances of %d rows each", n, len(models))
}

// bare is a hub's table without the checks and counts, for what would take too
// long with them.
func (p *place) bare(t *testing.T, hub string) *aztables.Client {
	t.Helper()
	pool := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(pool.CloseIdleConnections)
	service := must(aztables.NewServiceClientFromConnectionString(p.account, &aztables.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: pool}},
	}))(t)
	return service.NewClient(hub)
}

// rowsSeen notes the keys of rows that queries and reads return.
type rowsSeen struct {
	next http.RoundTripper
	mu   sync.Mutex
	keys map[string]int
}

var rowKey = regexp.MustCompile(`"RowKey":"([^"]*)"`)

func (s *rowsSeen) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := s.next.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || !strings.Contains(answer.Header.Get("Content-Type"), "json") {
		return answer, err
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, found := range rowKey.FindAllSubmatch(text, -1) {
		s.keys[string(found[1])]++
	}
	return answer, nil
}
