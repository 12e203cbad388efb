package simulated

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Client is the handle of one host's incarnation on an account.
type Client struct {
	a      *Account
	name   string
	handle int    // its number among the handles of that name, from 1 on
	slot   int    // which part of a quantum its waits end in
	stream uint64 // seeds what is drawn for its requests
	killed chan struct{}

	// guarded is under the account's mutex.
	guarded struct {
		dead       bool
		resumed    chan struct{} // closed by Resume; nil while running
		cut        bool          // requests do not arrive
		cutAnswers bool
		skew       time.Duration // of the host's clock to this machine's
		measured   bool          // by an answer:
		offset     time.Duration // of the service's clock to this machine's
		calls      int
		asked      map[string]int // how often, by request
		taken      map[int64]bool // instants at which waits end
		resumes    uint64         // calls that went on after a pause
		counts     Counts
	}
}

var _ storage.Account = (*Client)(nil)

// Client makes a handle. A host that starts again after a crash takes a new one,
// of the same name or another.
func (a *Account) Client(name string) *Client {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.handles[name]++
	a.mu.clients++
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", a.cfg.Seed, name, a.mu.handles[name])
	c := &Client{a: a, name: name, handle: a.mu.handles[name], slot: a.mu.clients, stream: h.Sum64(), killed: make(chan struct{})}
	c.guarded.asked, c.guarded.taken = map[string]int{}, map[int64]bool{}
	return c
}

// Name is the name given to [Account.Client].
func (c *Client) Name() string { return c.name }

// Kill ends the process, as kill -9 does: no request arrives from now on, and no
// call returns before its context ends.
func (c *Client) Kill() {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	c.killLocked()
}

func (c *Client) killLocked() {
	if !c.guarded.dead {
		c.guarded.dead = true
		close(c.killed)
	}
}

// Killed is closed when the client is killed, by Kill or by a fault: who runs
// the host then ends its contexts.
func (c *Client) Killed() <-chan struct{} { return c.killed }

// Pause stops the process, as SIGSTOP does: requests under way arrive, and no
// call returns until Resume.
func (c *Client) Pause() {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if c.guarded.resumed == nil {
		c.guarded.resumed = make(chan struct{})
	}
}

// Resume ends a pause.
func (c *Client) Resume() {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if c.guarded.resumed != nil {
		close(c.guarded.resumed)
		c.guarded.resumed = nil
	}
}

// Cut takes the network away: requests are lost, those under way too, and so
// are the answers.
func (c *Client) Cut() { c.network(true, true) }

// CutAnswers takes the way back away: requests are applied, answers lost.
func (c *Client) CutAnswers() { c.network(false, true) }

// Heal ends a cut. What was lost stays lost.
func (c *Client) Heal() { c.network(false, false) }

func (c *Client) network(cut, cutAnswers bool) {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	c.guarded.cut, c.guarded.cutAnswers = cut, cutAnswers
}

// SetSkew sets by how much the host's clock is ahead of this machine's.
func (c *Client) SetSkew(d time.Duration) {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	c.guarded.skew = d
}

// Now implements [storage.Account].
func (c *Client) Now() time.Time {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if !c.guarded.measured {
		return time.Now().Add(c.guarded.skew)
	}
	return time.Now().Add(c.guarded.offset)
}

// golden spreads the numbers of requests over the seeds.
const golden = 0x9e3779b97f4a7c15

// The waits of a host end at instants that no other shares: at a multiple of the
// quantum, then a part of it by host, then one nanosecond by request: which of
// two requests of one instant is sent first does not matter.
const (
	quantum     = clientSlots * waitSlots // of nanoseconds
	waitSlots   = 1_000
	clientSlots = 64
)

// instantLocked is the instant at which a wait that lasts until then ends, of the
// request with that hash.
func (c *Client) instantLocked(t time.Time, hash uint64) time.Time {
	if len(c.guarded.taken) > waitSlots {
		now := time.Now().UnixNano()
		maps.DeleteFunc(c.guarded.taken, func(at int64, _ bool) bool { return at < now })
	}
	begin := (t.UnixNano()+quantum-1)/quantum*quantum + int64(c.slot%clientSlots*waitSlots)
	late := begin + int64(hash%waitSlots)
	for n := uint64(1); c.guarded.taken[late] && n < waitSlots; n++ {
		late = begin + int64((hash+n)%waitSlots)
	}
	c.guarded.taken[late] = true
	return t.Add(time.Duration(late - t.UnixNano()))
}

// wait returns at an instant, or with the reason for giving up before. A zero
// instant is now.
func (c *Client) wait(ctx context.Context, until time.Time) error {
	if until.IsZero() {
		return nil
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		if !time.Now().Before(until) {
			return nil // Both at one instant: which of them shows first is chance.
		}
		return ctx.Err()
	case <-c.a.done:
		return errClosed
	}
}

// running returns when the process runs: not while it is paused, and once it was
// killed only when nobody waits any more, with an error.
func (c *Client) running(ctx context.Context) error {
	for {
		c.a.mu.Lock()
		dead, resumed := c.guarded.dead, c.guarded.resumed
		c.a.mu.Unlock()
		switch {
		case dead:
			return c.over(ctx)
		case resumed == nil:
			return nil
		}
		select {
		case <-resumed:
			c.stagger()
		case <-c.killed:
		case <-c.a.done:
			return errClosed
		}
	}
}

// stagger lets calls that were let go together go on one after another.
func (c *Client) stagger() {
	if c.a.cfg.Latency == nil {
		return
	}
	c.a.mu.Lock()
	c.guarded.resumes++
	until := c.instantLocked(time.Now(), c.guarded.resumes)
	c.a.mu.Unlock()
	_ = c.wait(context.Background(), until) // Who closed the account is met by whoever waits next.
}

// over is the end of a call of a dead process.
func (c *Client) over(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-c.a.done:
	}
	return errKilled
}
