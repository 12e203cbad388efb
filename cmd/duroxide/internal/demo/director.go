package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

// Config configures a run of the demo.
type Config struct {
	Store  stores.Ref
	Ledger string // path of the ledger; it must not exist
	Orders []Order
	// Kills is how often the worker is killed. With Hosts above 0 that many
	// workers share the hub instead, and one of them is killed, one paused, one
	// leaves, and one more joins.
	Kills, Hosts int
	Limit        time.Duration // for the whole story
	Screen       *screen.Screen
	// Worker is the command that starts the worker; flags that say which store,
	// ledger and pace are added.
	Worker []string
}

const (
	// reconcilerID is the instance that counts the inventory.
	reconcilerID = "inventory"
	// minRounds is how often it continues as new at least.
	minRounds = 5
	// detailed is how many orders are shown one by one; more are summed up.
	detailed = 50
	// senders is how many starts or approvals are sent at once.
	senders = 32
	// shares is in how many the orders come where several hosts share the hub:
	// one for each act.
	shares = 5
)

// director tells the story.
type director struct {
	Config
	store  provider.Store
	client *core.Client
	// watching counts what this process asks of Azure Storage.
	watching *tally.Counter
	began    time.Time
	pace     time.Duration
	glance   time.Duration // between two looks at all orders
	shares   chan []Order  // that come in, one share after the other; closed after the last
	spread   time.Duration // over which a share comes in

	ordersDone chan struct{} // closed when every order has ended
	storyDone  chan struct{} // closed when the inventory has ended, too

	byID map[history.InstanceID]*Order

	mu       sync.Mutex
	placed   int
	lives    int // worker processes started
	kills    []time.Time
	answered map[history.InstanceID]bool
	orders   map[history.InstanceID]provider.Instance // as last seen
	begun    map[attempt]*begun
	failed   error // the first trouble: it ends the story
	acted    *HostsReport
	warned   map[string]time.Time
}

// attempt names one attempt of an activity, and begun says how often workers
// began it.
type attempt struct {
	instance         string
	execution, event int64
	attempt          int
}

type begun struct {
	activity, order string
	runs            int
}

// NotBegunError says that the story did not begin: nothing is worth keeping.
type NotBegunError struct{ Cause error }

func (e *NotBegunError) Error() string { return e.Cause.Error() }
func (e *NotBegunError) Unwrap() error { return e.Cause }

func notBegun(err error) error { return &NotBegunError{err} }

// Run tells the story once and audits it. The error says that it could not be
// told to its end; how it ended is in the report.
func Run(ctx context.Context, cfg Config) (_ *Report, err error) {
	d := &director{
		Config: cfg, began: time.Now(), pace: pace(cfg.Orders), glance: 150 * time.Millisecond, shares: make(chan []Order, shares),
		ordersDone: make(chan struct{}), storyDone: make(chan struct{}),
		byID:     make(map[history.InstanceID]*Order, len(cfg.Orders)),
		answered: map[history.InstanceID]bool{}, orders: map[history.InstanceID]provider.Instance{}, begun: map[attempt]*begun{},
		warned: map[string]time.Time{},
	}
	for i := range cfg.Orders {
		d.byID[history.InstanceID(cfg.Orders[i].ID)] = &cfg.Orders[i]
	}
	if _, err := os.Stat(cfg.Ledger); err == nil {
		return nil, notBegun(fmt.Errorf("the ledger %s exists, of an earlier demo: name another store, or delete both files", cfg.Ledger))
	}
	if err := d.open(ctx); err != nil {
		return nil, notBegun(err)
	}
	defer func() { err = errors.Join(err, d.store.Close()) }()
	if there, err := d.store.List(ctx, provider.Query{Limit: 1}); err != nil {
		return nil, notBegun(err)
	} else if len(there) > 0 {
		return nil, notBegun(fmt.Errorf("%s holds instances already (the first is %q): the demo wants a hub of its own; name another", cfg.Store, there[0].ID))
	}
	d.client = core.NewClient(d.store, core.ClientConfig{})
	if err := d.tell(ctx); err != nil {
		return nil, err
	}
	return d.report(ctx)
}

// open opens the store, and decides in how many shares the orders come in.
func (d *director) open(ctx context.Context) (err error) {
	var o stores.Options
	if d.Hosts == 0 {
		d.spread = min(time.Minute, 1500*time.Millisecond*time.Duration(1+d.Kills))
		d.shares <- d.Orders
		close(d.shares)
	} else {
		d.spread, d.glance = shareSpread, 500*time.Millisecond
		pool := d.Store.NewTransport()
		d.watching = tally.New(pool, d.Store.Endpoints())
		o = stores.Options{TTL: HostTTL, Partitions: Partitions, Transport: d.Store.Strict(d.watching)}
	}
	d.store, err = d.Store.Open(ctx, o)
	return err
}

// pace is how long an activity takes: long enough to watch, and shorter when
// there are so many orders that it would take minutes.
func pace(orders []Order) time.Duration {
	steps := 0
	for _, o := range orders {
		steps += 2 + 2*len(o.Items)
	}
	const atOnce, total = 50, 5 * time.Second
	return max(2*time.Millisecond, min(450*time.Millisecond, atOnce*total/time.Duration(max(steps, 1))))
}

// tell runs everything that happens at the same time, and waits for all of it.
func (d *director) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.Limit, fmt.Errorf("the story did not end within %v", d.Limit))
	defer cancel()
	ready := make(chan struct{})
	var all sync.WaitGroup
	run := func(part func(context.Context) error) {
		all.Go(func() {
			if err := part(ctx); err != nil {
				d.fail(err)
				cancel()
			}
		})
	}
	supervise := d.supervise
	if d.Hosts > 0 {
		supervise = d.perform
	}
	run(func(ctx context.Context) error { return supervise(ctx, ready) })
	run(func(ctx context.Context) error {
		select {
		case <-ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		run(d.place)
		run(d.watch)
		return d.inventory(ctx)
	})
	all.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// fail keeps the first trouble; what follows from it is not interesting.
func (d *director) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		d.failed = err
	}
}

// supervise runs one worker after another: it kills all but the last.
func (d *director) supervise(ctx context.Context, ready chan struct{}) error {
	for life := 1; ; life++ {
		p, err := d.employ(ctx)
		switch {
		case err != nil && life == 1:
			return notBegun(err)
		case err != nil:
			return err
		case life == 1:
			close(ready)
		}
		again, err := d.attend(ctx, p, life)
		if err != nil || !again {
			return err
		}
	}
}

// employ starts a worker and waits until it works.
func (d *director) employ(ctx context.Context) (*process, error) {
	command := append([]string{}, d.Worker...)
	command = append(command, d.Store.Args()...)
	command = append(command, "--ledger", d.Ledger, "--pace", d.pace.String())
	p, err := startProcess(command, nil, func(n *note) { d.hear(n, "worker") })
	if err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx); err != nil {
		p.kill()
		return nil, err
	}
	d.mu.Lock()
	d.lives++
	first := d.lives == 1
	d.mu.Unlock()
	if first {
		d.say(screen.Green, "▶ worker process %d at work", p.pid)
	} else {
		d.say(screen.Green, "▶ worker process %d takes over: %s unfinished", p.pid, plural(d.unfinished(), "order"))
	}
	return p, nil
}

// attend lets a worker live: until its time has come to be killed (true), or
// the story ends.
func (d *director) attend(ctx context.Context, p *process, life int) (again bool, err error) {
	var fate <-chan time.Time
	if life <= d.Kills {
		t := time.NewTimer(700*time.Millisecond + rand.N(1300*time.Millisecond))
		defer t.Stop()
		fate = t.C
	}
	poll := time.NewTicker(3 * time.Millisecond)
	defer poll.Stop()
	var look <-chan time.Time // after its time has come: for work in progress
	done := d.ordersDone
	for {
		select {
		case <-p.gone:
			return false, p.failure()
		case <-ctx.Done():
			p.kill()
			return false, context.Cause(ctx)
		case <-d.storyDone:
			return false, p.stop()
		case <-done: // nothing is left that would be worth a kill
			done, fate, look = nil, nil, nil
		case <-fate:
			fate, look = nil, poll.C
		case <-look:
			if len(p.busy()) == 0 {
				continue
			}
			p.kill()
			d.killed(p)
			return true, nil
		}
	}
}

func (d *director) killed(p *process) {
	d.mu.Lock()
	d.kills = append(d.kills, time.Now())
	n := len(d.kills)
	d.mu.Unlock()
	d.say(screen.Red, "✗ kill -9 of worker process %d (%d of %d), %s", p.pid, n, d.Kills, middle(p.busy()))
}

// middle says what a worker is in the middle of.
func middle(busy []string) string {
	if len(busy) == 0 {
		return "between two steps"
	}
	what := "in the middle of " + strings.Join(busy[:min(len(busy), 3)], ", ")
	if more := len(busy) - 3; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	return what
}

// place starts the orders, share by share.
func (d *director) place(ctx context.Context) error {
	for {
		select {
		case share, more := <-d.shares:
			if !more {
				return nil
			}
			if err := d.placeShare(ctx, share); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// placeShare starts orders, spread over a while.
func (d *director) placeShare(ctx context.Context, share []Order) error {
	const tick = 25 * time.Millisecond
	batch := max(1, (len(share)*int(tick)+int(d.spread)-1)/int(d.spread))
	gap := d.spread / time.Duration(max(1, (len(share)+batch-1)/batch))
	for rest := share; len(rest) > 0; rest = rest[min(batch, len(rest)):] {
		err := sideBySide(rest[:min(batch, len(rest))], func(o Order) error {
			_, err := Fulfil.Start(ctx, d.client, o, orchestration.StartOptions{ID: history.InstanceID(o.ID)})
			if err != nil {
				return err
			}
			d.mu.Lock()
			d.placed++
			d.mu.Unlock()
			d.detail(o.ID, "", "%s orders for %s: %s", screen.Clean(or(o.Customer, "somebody"), 30), money(o.Cents), o.about())
			return nil
		})
		if err != nil {
			return err
		}
		if !pause(ctx, gap) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// inventory starts the loop, lets it go its rounds, and closes the shop when
// every order has ended.
func (d *director) inventory(ctx context.Context) error {
	loop, err := Reconcile.Start(ctx, d.client, Round{Number: 1}, orchestration.StartOptions{ID: reconcilerID})
	if err != nil {
		return err
	}
	select {
	case <-d.ordersDone:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		i, err := loop.Status(ctx)
		if err != nil {
			return err
		}
		if i.Execution >= minRounds {
			break
		}
		if !pause(ctx, 50*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	if err := Closing.Raise(ctx, d.client, reconcilerID, orchestration.None{}); err != nil {
		return err
	}
	if _, err := loop.Wait(ctx); err != nil {
		return err
	}
	close(d.storyDone)
	return nil
}

// sideBySide does something to each, some at a time, and joins the errors.
func sideBySide[T any](all []T, do func(T) error) error {
	var group sync.WaitGroup
	slots := make(chan struct{}, senders)
	errs := make([]error, len(all))
	for i, one := range all {
		slots <- struct{}{}
		group.Go(func() {
			errs[i] = do(one)
			<-slots
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
