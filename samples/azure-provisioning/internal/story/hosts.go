package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
)

// A host that ends by itself is replaced, however often, as long as one of so
// many in a row has done a request.
const (
	maxIdle    = 5
	firstPause = 100 * time.Millisecond // before the next one; it doubles
)

// errDismissed is for a host that comes too late.
var errDismissed = errors.New("it is over: no host is needed any more")

// staffing is how hosts are found.
type staffing struct {
	launch func(name string) (*host.Child, error)
	over   <-chan struct{}
	end    context.CancelFunc
}

// staffed makes a tale whose hosts work in a subscription. Until ctx ends, or all
// are dismissed, those that end by themselves are replaced.
func staffed(ctx context.Context, cfg Config, subscription string, key []byte, giveUp func(error)) *tale {
	ctx, end := context.WithCancel(ctx)
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	t := &tale{
		Config: cfg, began: time.Now(), giveUp: giveUp,
		notes: make(chan hostNote, 64), said: map[string]bool{}, begun: map[string]string{},
	}
	t.staffing = staffing{over: ctx.Done(), end: end, launch: func(name string) (*host.Child, error) {
		w := host.Worker{Name: name, Store: t.Store, Subscription: subscription, Endpoint: t.cloud.URL, Key: key}
		return host.StartWorker(ctx, cfg.Program, w, func(n *host.Note) { t.hear(name, n) })
	}}
	return t
}

// hire starts a host, and fills its place again whenever one ends by itself.
func (t *tale) hire() error {
	c, err := t.begin()
	if err != nil {
		return err
	}
	t.places.Go(func() { t.fill(c) }) // ends with dismiss at the latest
	return nil
}

// begin starts a host.
func (t *tale) begin() (*host.Child, error) {
	t.mu.Lock()
	t.hosts++
	name := fmt.Sprint("host ", t.hosts)
	t.mu.Unlock()
	c, err := t.launch(name)
	if err != nil {
		return nil, err
	}
	if !t.adopt(c) {
		return nil, errors.Join(errDismissed, c.Stop())
	}
	t.say("%s works, process %d", name, c.PID)
	return c, nil
}

// fill keeps a place filled until its host ends on purpose. If nobody can work
// there, it gives up.
func (t *tale) fill(c *host.Child) {
	idle := 0 // hosts in a row that have done no request
	for {
		<-c.Gone()
		err := c.Failure()
		if err == nil {
			return
		}
		if idle++; c.Worked() {
			idle = 0
		}
		for {
			if idle >= maxIdle {
				t.resign(fmt.Errorf("%d hosts in a row ended before one had done a request; the last one: %w", idle, err))
				return
			}
			t.say("%v; another one takes its place", err)
			if !t.pause(firstPause << idle) {
				return
			}
			if c, err = t.begin(); err == nil {
				break
			}
			if errors.Is(err, errDismissed) {
				return
			}
			idle++
		}
	}
}

// pause waits, and tells whether a host is still needed then.
func (t *tale) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.over:
		return false
	}
}

// resign ends what waits for hosts, because there are none.
func (t *tale) resign(err error) {
	t.mu.Lock()
	t.deserted = true
	giveUp := t.giveUp
	t.mu.Unlock()
	giveUp(err)
}

// next begins something else, which giveUp ends; if there was nobody to work any
// more, it tries again.
func (t *tale) next(giveUp func(error)) error {
	t.mu.Lock()
	t.giveUp = giveUp
	deserted := t.deserted
	t.deserted = false
	t.mu.Unlock()
	if deserted {
		return t.hire()
	}
	return nil
}

// adopt takes a process into what dismiss ends; false if it is too late for that.
func (t *tale) adopt(c *host.Child) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dismissed {
		return false
	}
	t.children = append(t.children, c)
	return true
}

// dismiss ends all processes, the emulator last.
func (t *tale) dismiss() (err error) {
	t.mu.Lock()
	t.dismissed = true
	children := t.children
	t.children = nil
	t.mu.Unlock()
	t.end()
	for _, c := range slices.Backward(children) {
		err = errors.Join(err, c.Stop())
	}
	t.places.Wait()
	return err
}

// child finds a process by its name.
func (t *tale) child(name string) *host.Child {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.children {
		if c.Name == name {
			return c
		}
	}
	return nil
}
