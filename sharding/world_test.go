package sharding

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a hub in memory: host rows and heads, with versions, behind calls
// that take time and may fail. It checks by itself that an epoch has one owner
// and that epochs grow.
type world struct {
	t     *testing.T
	count int

	mu      sync.Mutex
	version int
	rows    map[string]Seen
	heads   map[int]Head
	owners  map[string]string // "partition/epoch" to its owner
	loads   map[int]Load
	ops     map[string]int
	claims  []claimed
	freedAt map[int]time.Time // releases for somebody that nobody claimed yet
	gaps    []time.Duration   // from such a release to the claim
	faults  faults
	before  func(op string) // called before an operation is applied
	nodes   []*node
}

// claimed is a claim that was applied.
type claimed struct {
	at        time.Time
	by, from  string
	partition int
}

// faults are what may happen to calls now.
type faults struct {
	outage bool // nothing gets through
	refuse bool // and that is said at once
	writes bool // no write gets through
	lost   float64
	late   time.Duration // by how much a lost write may come late
	head   int           // the partition whose head cannot be read; 0 for none
	failed string        // the kind of operation that fails
}

func newWorld(t *testing.T, partitions int) *world {
	w := &world{
		t: t, count: partitions, rows: map[string]Seen{}, heads: map[int]Head{},
		owners: map[string]string{}, loads: map[int]Load{}, ops: map[string]int{}, freedAt: map[int]time.Time{},
	}
	t.Cleanup(w.close)
	return w
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, partitions int, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, newWorld(t, partitions))
	})
}

// close ends every node without ceremony.
func (w *world) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var all sync.WaitGroup
	for _, n := range w.all() {
		n.resume()
		all.Go(func() { _ = n.Leave(ctx) })
	}
	all.Wait()
}

func (w *world) all() []*node {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.nodes)
}

// start joins a host with the default configuration.
func (w *world) start(name string) *node {
	w.t.Helper()
	n := w.host(name)
	if err := n.join(Config{}); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func wait(d time.Duration) { <-time.After(d) }

// write is the conditional write of a head. The world's mutex is held.
func (w *world) write(p int, etag string, h Head) (Head, error) {
	old := w.heads[p]
	if old.ETag != etag {
		return Head{}, ErrLost
	}
	if h.Epoch <= old.Epoch {
		w.t.Errorf("Z1: partition %d goes from epoch %d to %d", p, old.Epoch, h.Epoch)
	}
	key := fmt.Sprintf("%d/%d", p, h.Epoch)
	if other, ok := w.owners[key]; ok {
		w.t.Errorf("Z1: partition/epoch %s belongs to %q and to %q", key, other, h.Owner)
	}
	w.owners[key] = h.Owner
	w.version++
	h.ETag, h.Format = fmt.Sprint(w.version), old.Format
	w.heads[p] = h
	return h, nil
}

// unserved says what is wrong with Z12, nothing if every partition has one
// owner that knows its epoch.
func (w *world) unserved() (wrong []string) {
	w.mu.Lock()
	heads := maps.Clone(w.heads)
	w.mu.Unlock()
	served := map[int]int{}
	for _, n := range w.all() {
		if n.isKilled() {
			continue
		}
		for p, epoch := range n.owned() {
			if h := heads[p]; h.Owner != n.host.Incarnation || h.Epoch != epoch {
				wrong = append(wrong, fmt.Sprintf("%s serves %d in epoch %d, the head says %q, %d", n.host.Incarnation, p, epoch, h.Owner, h.Epoch))
				continue
			}
			if e, ok := n.serves(p); !ok || e != epoch {
				wrong = append(wrong, fmt.Sprintf("%s's driver serves %d in epoch %d, its member in %d", n.host.Incarnation, p, epoch, e))
			}
			served[p]++
		}
	}
	for p := range w.count {
		if served[p] != 1 {
			wrong = append(wrong, fmt.Sprintf("partition %d has %d owners, the head is %+v", p, served[p], heads[p]))
		}
	}
	return wrong
}

// settle waits until Z12 holds, and returns how long that took.
func (w *world) settle(limit time.Duration) time.Duration {
	w.t.Helper()
	start := time.Now()
	for {
		wrong := w.unserved()
		if len(wrong) == 0 {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			w.t.Fatalf("Z12 does not hold after %v: %v", limit, wrong)
		}
		wait(10 * time.Millisecond)
	}
}

// spread is how many partitions each living node owns, in ascending order.
func (w *world) spread() (counts []int) {
	for _, n := range w.all() {
		if !n.isKilled() {
			counts = append(counts, len(n.owned()))
		}
	}
	slices.Sort(counts)
	return counts
}

// counted resets the counters of operations and returns them.
func (w *world) counted() (total int, by map[string]int, claims []claimed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	by, claims = w.ops, w.claims
	w.ops, w.claims = map[string]int{}, nil
	for _, n := range by {
		total += n
	}
	return total, by, claims
}

func (w *world) set(f faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = f
}

// serves is the epoch in which the member believes to own the partition.
func (m *Member) serves(partition int) (epoch int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.serving[partition]; s != nil {
		return s.epoch, true
	}
	return 0, false
}

// hook arranges that f is called, with the world's mutex held, before every
// operation that is applied.
func (w *world) hook(f func(op string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = f
}
