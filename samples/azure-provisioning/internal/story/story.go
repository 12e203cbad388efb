package story

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// Config says what to show.
type Config struct {
	Program string // this program, which is worker and emulator, too
	Store   host.Store
	Fleet   int           // how many environments to make at once, besides
	Pace    time.Duration // what the emulator's operations are measured in
	Out     io.Writer
	Log     io.Writer     // what workers log
	Limit   time.Duration // for everything
}

// The emulator is as fast as people like to watch, and throttles like Azure does,
// in proportion.
const (
	defaultPace     = 700 * time.Millisecond
	writesPerSecond = 50
	burst           = 100
	latency         = 20 * time.Millisecond
	subscription    = "00000000-0000-0000-0000-000000000000"
	location        = "westeurope"
)

// tale is a story being told.
type tale struct {
	Config
	began  time.Time
	cloud  emulator.Admin
	store  provider.Store
	client *core.Client
	staffing
	places sync.WaitGroup // of hosts, each filled again

	mu        sync.Mutex // of what hosts' notes and acts share
	giveUp    func(error)
	deserted  bool // nobody works any more
	dismissed bool
	children  []*host.Child
	hosts     int
	notes     chan hostNote // to whoever waits for one; dropped if nobody does
	facts     []fact
	said      map[string]bool   // warnings of hosts, so far
	begun     map[string]string // who makes a request, until it has ended
}

type hostNote struct {
	from string
	*host.Note
}

// Run tells the story.
func Run(ctx context.Context, cfg Config) (err error) {
	if err := cfg.Store.New(); err != nil {
		return err
	}
	cfg.Pace = cmp.Or(cfg.Pace, defaultPace)
	limited, stop := context.WithTimeoutCause(ctx, cfg.Limit, fmt.Errorf("not done within --timeout %v: raise it", cfg.Limit))
	defer stop()
	ctx, cancel := context.WithCancelCause(limited)
	t := staffed(ctx, cfg, subscription, lro.NewKey(), cancel)
	defer func() {
		cancel(nil)
		err = errors.Join(err, t.dismiss())
	}()
	stopStore, err := t.open(ctx)
	if err != nil {
		return because(ctx, err)
	}
	defer func() { err = errors.Join(err, stopStore()) }()
	for _, act := range []func(context.Context) error{t.provisionAndKill, t.drift, t.failing, t.fleet, t.ending} {
		if err := act(ctx); err != nil {
			return because(ctx, err)
		}
	}
	return t.verdict()
}

// open starts everything.
func (t *tale) open(ctx context.Context) (stop func() error, err error) {
	started, stopStore, err := t.Store.Start(ctx)
	if err != nil {
		return nil, err
	}
	t.Store = started
	stop = stopStore
	fail := func(err error) (func() error, error) { return nil, errors.Join(err, stop()) }
	cloud, url, err := host.StartEmulator(ctx, t.Program, host.Emulator{Pace: t.Pace, Latency: latency, WritesPerSecond: writesPerSecond, Burst: burst})
	if err != nil {
		return fail(err)
	}
	t.adopt(cloud)
	go func() { // ends with the process, which dismiss sees to
		<-cloud.Gone()
		if err := cloud.Failure(); err != nil {
			t.resign(err)
		}
	}()
	t.cloud = emulator.Admin{URL: url}
	if t.store, err = t.Store.Open(ctx, nil); err != nil {
		return fail(err)
	}
	stop = func() error { return errors.Join(t.dismiss(), t.store.Close(), stopStore()) }
	t.client = core.NewClient(t.store, core.ClientConfig{})
	t.say("the store is %s; the emulator of Azure Resource Manager is process %d, at %s", t.Store, cloud.PID, url)
	hosts := 1
	if t.Store.Shared() {
		hosts = 2
	}
	for range hosts {
		if err := t.hire(); err != nil {
			return fail(err)
		}
	}
	_, err = environment.Budget.Start(ctx, t.client, environment.BudgetSpec{PerMinute: writesPerSecond * 60, Burst: burst},
		orchestration.StartOptions{ID: orchestration.InstanceID(environment.BudgetID(subscription)), Reuse: orchestration.ReuseIgnore})
	if err != nil {
		return fail(err)
	}
	return stop, nil
}

// hear takes a note of a host.
func (t *tale) hear(from string, n *host.Note) {
	if (n.Level == "WARN" || n.Level == "ERROR") && t.news(from, n.Msg+n.Name) {
		text := n.Msg
		if n.Name != "" {
			text += ": " + n.Name
		}
		if n.Reason != "" {
			text += ": " + n.Reason
		}
		if n.Error != nil {
			text += fmt.Sprintf(": %v", n.Error)
		}
		t.say("%s says: %s", from, text)
	}
	if first := t.record(from, n); first != "" {
		t.say("%s makes a request again that %s has not ended: %s, %s of %s", from, first, n.Activity, n.What, n.Instance)
	}
	if n.Begun() {
		select {
		case t.notes <- hostNote{from, n}:
		default:
		}
	}
}

// record keeps what a host logs. If that is that a request begins which another
// host has begun and not ended, it says which host.
func (t *tale) record(from string, n *host.Note) (first string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.Log.Write(n.Line) // a log that cannot be written ends nothing
	request := n.Instance + " " + n.Activity + " " + n.What
	if n.Begun() {
		if first = t.begun[request]; first == from {
			first = ""
		}
		t.begun[request] = from
	} else if n.Ended() {
		delete(t.begun, request)
	}
	return first
}

// news reports whether a host says something for the first time: one that waits
// for a busy store says so again and again.
func (t *tale) news(from, msg string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := from + msg
	old := t.said[key]
	t.said[key] = true
	return !old || msg == "undoing"
}

// say prints a line, with the time since the story began.
func (t *tale) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.Out, "%6.1fs  %s\n", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
}

// title begins an act.
func (t *tale) title(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(t.Out, "\n%s\n%s\n", text, strings.Repeat("─", len([]rune(text))))
}

// spec is what the story's environments are like.
func (t *tale) spec() environment.Spec {
	return environment.Spec{
		Subscription: subscription, Location: location, Hub: host.Hub, Pace: t.Pace, Budget: environment.BudgetID(subscription),
	}
}

func (t *tale) plan(name string) environment.Plan {
	return environment.Plan{Spec: t.spec(), Owner: environment.Owner{Hub: host.Hub, Instance: name}}
}
