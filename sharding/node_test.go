package sharding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

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
	calls   calls
}

var errLostCall = errors.New("no answer")

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
	kind, _, _ := strings.Cut(op, " ")
	if !killed {
		n.w.ops[kind]++
	}
	n.w.mu.Unlock()
	if f.refuse || f.failed == kind {
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
	defer n.enter("join", all)()
	return n.call(ctx, "join", true, func() error {
		n.w.version++
		n.w.rows[h.Incarnation] = Seen{Host: h, ETag: fmt.Sprint(n.w.version)}
		return nil
	})
}

func (n *node) Beat(ctx context.Context, h Host) error {
	defer n.enter("beat", all)()
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
	defer n.enter("remove", all)()
	return n.call(ctx, "remove", true, func() error {
		if row, ok := n.w.rows[incarnation]; ok && etag != "" && row.ETag != etag {
			return ErrChanged
		}
		delete(n.w.rows, incarnation)
		return nil
	})
}

func (n *node) Hosts(ctx context.Context) (rows []Seen, err error) {
	defer n.enter("hosts", all)()
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
	defer n.enter("head", p)()
	err = n.call(ctx, fmt.Sprint("head ", p), false, func() error {
		if h = n.w.heads[p]; p > 0 && p == n.w.faults.head {
			return errors.New("its server is busy")
		}
		return nil
	})
	return h, err
}

func (n *node) Claim(ctx context.Context, p int, h Head) (int64, error) {
	defer n.enter("claim", p)()
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
	defer n.enter("release", p)()
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
	defer n.enter("drop", p)()
	n.forget(p)
}

// forget is what happens to a driver that loses a partition by itself.
func (n *node) forget(p int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.serving, p)
}

func (n *node) Ring(_ context.Context, h Host) {
	defer n.enter("ring", all)()
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
