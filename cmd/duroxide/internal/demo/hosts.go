package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

const (
	// HostTTL is how long a host may be silent: so short that nobody gets bored.
	HostTTL = 3 * time.Second
	// Partitions is how many the demo's hub has.
	Partitions = 12
	// shareSpread is the time over which each act's share of the orders comes in.
	shareSpread = 3500 * time.Millisecond
	// settling bounds the waits for balance, and for a host to be busy.
	settling = 8 * time.Second
	// takeOverLimit is when the demo gives up on a takeover: far beyond what is
	// promised, so that a bad figure is shown and not hidden.
	takeOverLimit = time.Minute
)

// cast are the hosts of a story with several.
type cast struct {
	*director
	owners *owners
	report HostsReport
	cancel context.CancelCauseFunc
	guards sync.WaitGroup // that wait for the end of a host
	cued   int            // shares of the orders so far
	all    []*host
}

// host is a worker process that shares the hub with others.
type host struct {
	*process
	number int
	gate   *gate // nil where there is no emulator
	paused time.Time

	mu    sync.Mutex
	ended bool // it is meant to be gone
}

func (h *host) String() string { return fmt.Sprintf("host %d", h.number) }

// end says that the host is meant to be gone, or soon will be.
func (h *host) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
}

func (h *host) isEnded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

// perform tells the story of several hosts, act by act. A share of the orders
// comes in with each.
func (d *director) perform(ctx context.Context, ready chan struct{}) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &cast{director: d, owners: newOwners(), cancel: cancel}
	defer func() {
		err = errors.Join(err, c.dismiss())
	}()
	err = c.opening(ctx, ready)
	for _, act := range []func(context.Context) error{c.kill, c.join, c.pause, c.leave, c.ending} {
		if err != nil {
			break
		}
		err = act(ctx)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause // why the act broke off
	}
	return err
}

// dismiss ends whoever is left, and sums up.
func (c *cast) dismiss() (err error) {
	for _, h := range c.all {
		h.end()
		_ = resumeProcess(h.cmd.Process) // it fails for one that is gone
		h.process.kill()
	}
	c.cancel(nil)
	c.guards.Wait()
	total := tally.Total{}
	for _, h := range c.all {
		if h.gate != nil {
			err = errors.Join(err, h.gate.Close())
			total = plus(total, h.gate.Total())
		}
	}
	c.report.Transactions = counted(total)
	c.report.Hosts = len(c.all)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acted = &c.report
	return err
}

// start starts a host.
func (c *cast) start() (*host, error) {
	h := &host{number: len(c.all) + 1}
	ref := c.Store
	if ref.Kind == stores.Azurite {
		var err error
		if h.gate, err = openGate(ref.Endpoints(), ref.NewTransport()); err != nil {
			return nil, err
		}
		ref = ref.At(h.gate.servers.Endpoints())
	}
	command := append(slices.Clone(c.Worker), ref.Args()...)
	command = append(command, "--ledger", c.Ledger, "--pace", c.pace.String(), "--ttl", HostTTL.String(), "--name", h.String())
	p, err := startProcess(command, append(os.Environ(), ref.Environment()...), func(n *note) {
		c.owners.heard(h.number, n)
		c.hear(n, h.String())
	})
	if err != nil {
		if h.gate != nil {
			err = errors.Join(err, h.gate.Close())
		}
		return nil, err
	}
	h.process = p
	c.all = append(c.all, h)
	c.mu.Lock()
	c.lives++
	c.mu.Unlock()
	c.guards.Go(func() {
		<-h.gone
		if !h.isEnded() {
			c.cancel(h.failure())
		}
	})
	return h, nil
}

// living are the hosts that work, those with the most partitions first.
func (c *cast) living() (hosts []*host) {
	for _, h := range c.all {
		if !h.isEnded() {
			hosts = append(hosts, h)
		}
	}
	slices.SortStableFunc(hosts, func(a, b *host) int { return len(c.owners.of(b.number)) - len(c.owners.of(a.number)) })
	return hosts
}

// busiest is the host among some that has the most partitions and is in the
// middle of an activity; after a while any of them will do.
func (c *cast) busiest(ctx context.Context, among func(*host) bool) (*host, error) {
	give := time.NewTimer(settling)
	defer give.Stop()
	poll := time.NewTicker(3 * time.Millisecond)
	defer poll.Stop()
	patient := true
	for {
		for _, h := range c.living() {
			if among(h) && len(c.owners.of(h.number)) > 0 && (!patient || len(h.busy()) > 0) {
				return h, nil
			}
		}
		select {
		case <-poll.C:
		case <-give.C:
			if !patient {
				return nil, errors.New("no host serves anything")
			}
			patient = false
			give.Reset(settling)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// awaitMoved waits until others have claimed what a host served.
func (c *cast) awaitMoved(ctx context.Context, served []int, h *host, since time.Time) (time.Duration, error) {
	limited, cancel := context.WithTimeout(ctx, takeOverLimit)
	defer cancel()
	moved := c.owners.await(limited, func() bool {
		_, all := c.owners.moved(served, h.number, since)
		return all
	})
	if !moved {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, fmt.Errorf("what %v served was not taken over within %v", h, takeOverLimit)
	}
	took, _ := c.owners.moved(served, h.number, since)
	return took, nil
}

// awaitShared waits until every partition is served, and every host serves some;
// not for ever, since hosts are balanced by what their partitions cost, and a
// busy one may be worth many that are not.
func (c *cast) awaitShared(ctx context.Context, some int) {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	c.owners.await(ctx, func() bool {
		sum := 0
		for _, h := range c.living() {
			n := len(c.owners.of(h.number))
			if n < some {
				return false
			}
			sum += n
		}
		return sum == Partitions
	})
}

// showOwners says what the rows of the hosts say, once they say it of every
// partition: a claim shows in its owner's next heartbeat.
func (c *cast) showOwners(ctx context.Context) error {
	var hosts []stores.Host
	for began := time.Now(); ; {
		var err error
		if hosts, err = stores.Hosts(ctx, c.store); err != nil {
			return err
		}
		listed := 0
		for _, h := range hosts {
			listed += len(h.Serves)
		}
		if listed == Partitions || time.Since(began) > HostTTL {
			break
		}
		if !pause(ctx, 100*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	for _, h := range hosts {
		served := make([]string, Partitions)
		for p := range served {
			served[p] = " ·"
			if slices.Contains(h.Serves, p) {
				served[p] = fmt.Sprintf("%2d", p)
			}
		}
		c.say(screen.Cyan, "    %-8s %s", screen.Clean(h.Name, 20), strings.Join(served, " "))
	}
	return nil
}

// list writes numbers.
func list(partitions []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(partitions), " ", ", "), "[]")
}
