package sharding

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
}

// node is one incarnation with its driver.
type node struct {
	w    *world
	host Host
	*Member

	mu      sync.Mutex
	drawn   map[string]int // by operation
	serving map[int]Head
	killed  bool
	deaf    bool // rings do not arrive
	paused  chan struct{}
	drain   time.Duration
	claimed func(p int, epoch int64) // called before Claim returns
	slow    bool                     // it measures a rate only 10 s after a claim
	since   map[int]time.Time        // when partitions were claimed
}

var errLostCall = errors.New("no answer")

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

// host makes a node that has not joined.
func (w *world) host(name string) *node {
	return &node{w: w, drawn: map[string]int{}, host: Host{Incarnation: name, Name: "host " + name, Address: name}, serving: map[int]Head{}, since: map[int]time.Time{}, drain: 30 * time.Millisecond}
}

func (n *node) join(cfg Config) error {
	cfg.Partitions, cfg.Me = n.w.count, n.host
	n.w.mu.Lock()
	n.w.nodes = append(n.w.nodes, n)
	n.w.mu.Unlock()
	m, err := Join(context.Background(), n, n, cfg)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Member = m
	if err != nil {
		n.w.mu.Lock()
		n.w.nodes = slices.DeleteFunc(n.w.nodes, func(other *node) bool { return other == n })
		n.w.mu.Unlock()
	}
	return err
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

// kill is kill -9: nothing of the node reaches anybody again.
func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.killed = true
}

// pause stalls the node's calls, wherever they are, until resume.
func (n *node) pause() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.paused == nil {
		n.paused = make(chan struct{})
	}
}

func (n *node) resume() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.paused != nil {
		close(n.paused)
		n.paused = nil
	}
}

func (n *node) isKilled() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.killed
}

func wait(d time.Duration) { <-time.After(d) }

// stall waits while the node is paused, whatever the caller's context says.
func (n *node) stall(op string) {
	n.mu.Lock()
	paused := n.paused
	n.mu.Unlock()
	if paused != nil {
		<-paused
		wait(n.latency(op)) // so that they do not all go on at one instant
	}
}

// latency is half of a call's time: hardly any two are equal.
func (n *node) latency(op string) time.Duration {
	return 2*time.Millisecond + time.Duration(n.chance(op)*float64(6*time.Millisecond))
}

// chance draws a number that depends on the node, the kind of operation, and how
// many of the kind came before, so that it does not matter which of several
// goroutines draws first.
func (n *node) chance(op string) float64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drawn[op]++
	return float64(hash(fmt.Sprint(n.host.Incarnation, " ", op, " ", n.drawn[op]))>>11) / (1 << 53)
}

// call is one storage operation.
func (n *node) call(ctx context.Context, op string, write bool, apply func() error) error {
	n.stall(op)
	wait(n.latency(op))
	n.stall(op)
	n.w.mu.Lock()
	f, killed := n.w.faults, n.isKilled()
	if !killed {
		kind, _, _ := strings.Cut(op, " ")
		n.w.ops[kind]++
	}
	n.w.mu.Unlock()
	if f.refuse {
		return errLostCall
	}
	if killed || f.outage || f.writes && write {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.lost > 0 && n.chance(op) < f.lost {
		return n.lose(ctx, op, f, write, apply)
	}
	n.w.mu.Lock()
	if n.w.before != nil {
		n.w.before(op)
	}
	err := apply()
	n.w.mu.Unlock()
	wait(n.latency(op))
	n.stall(op)
	if n.isKilled() {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// lose answers nothing; the call may have been applied, or will be.
func (n *node) lose(ctx context.Context, op string, f faults, write bool, apply func() error) error {
	do := func() {
		n.w.mu.Lock()
		defer n.w.mu.Unlock()
		_ = apply()
	}
	switch c := n.chance(op); {
	case !write || c < 0.3:
	case c < 0.6 || f.late == 0:
		do()
	default:
		after := time.Duration(n.chance(op) * float64(f.late))
		time.AfterFunc(after, do)
	}
	if n.chance(op) < 0.5 {
		<-ctx.Done()
	}
	return errLostCall
}

// The node as a directory.

func (n *node) Join(ctx context.Context, h Host) error {
	return n.call(ctx, "join", true, func() error {
		n.w.version++
		n.w.rows[h.Incarnation] = Seen{Host: h, ETag: fmt.Sprint(n.w.version)}
		return nil
	})
}

func (n *node) Beat(ctx context.Context, h Host) error {
	return n.call(ctx, "beat", true, func() error {
		if _, ok := n.w.rows[h.Incarnation]; !ok {
			return ErrGone
		}
		n.w.version++
		n.w.rows[h.Incarnation] = Seen{Host: h, ETag: fmt.Sprint(n.w.version)}
		return nil
	})
}

func (n *node) Remove(ctx context.Context, incarnation, etag string) error {
	return n.call(ctx, "remove", true, func() error {
		if row, ok := n.w.rows[incarnation]; ok && etag != "" && row.ETag != etag {
			return ErrChanged
		}
		delete(n.w.rows, incarnation)
		return nil
	})
}

func (n *node) Hosts(ctx context.Context) (rows []Seen, err error) {
	err = n.call(ctx, "hosts", false, func() error {
		rows = nil
		for _, row := range n.w.rows {
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}

// The node as a driver.

func (n *node) Head(ctx context.Context, p int) (h Head, err error) {
	err = n.call(ctx, fmt.Sprint("head ", p), false, func() error {
		if h = n.w.heads[p]; p > 0 && p == n.w.faults.head {
			return errors.New("its server is busy")
		}
		return nil
	})
	return h, err
}

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

func (n *node) Claim(ctx context.Context, p int, h Head) (int64, error) {
	var mine Head
	err := n.call(ctx, fmt.Sprint("claim ", p), true, func() (err error) {
		mine, err = n.w.write(p, h.ETag, Head{Owner: n.host.Incarnation, Epoch: h.Epoch + 1})
		if err == nil {
			n.w.claims = append(n.w.claims, claimed{time.Now(), n.host.Incarnation, h.Owner, p})
			if freed, ok := n.w.freedAt[p]; ok {
				n.w.gaps = append(n.w.gaps, time.Since(freed))
				delete(n.w.freedAt, p)
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	n.mu.Lock()
	n.serving[p], n.since[p] = mine, time.Now()
	n.mu.Unlock()
	if n.claimed != nil {
		n.claimed(p, mine.Epoch)
	}
	return mine.Epoch, nil
}

func (n *node) Release(ctx context.Context, p int, target string) error {
	n.mu.Lock()
	mine, drain := n.serving[p], n.drain
	delete(n.serving, p)
	n.mu.Unlock()
	wait(drain)
	return n.call(ctx, fmt.Sprint("release ", p), true, func() error {
		_, err := n.w.write(p, mine.ETag, Head{For: target, Epoch: mine.Epoch + 1})
		if err == nil && target != "" {
			n.w.freedAt[p] = time.Now()
		}
		return err
	})
}

func (n *node) Drop(p int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.serving, p)
}

func (n *node) Ring(_ context.Context, h Host) {
	wait(n.latency("ring " + h.Incarnation))
	for _, other := range n.w.all() {
		if other.host.Incarnation == h.Incarnation && h.Address != "" && !other.isKilled() && !n.isKilled() && !other.deaf && other.member() != nil {
			other.Nudge()
		}
	}
}

func (n *node) member() *Member {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.Member
}

// owned lists what the node serves.
func (n *node) owned() map[int]int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	owned := map[int]int64{}
	for p, h := range n.serving {
		owned[p] = h.Epoch
	}
	return owned
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
