package providertest

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var runs = flag.Int("providertest.runs", 20, "runs of random operations against the model")

// DifferentialConfig says how much to try. Zero fields have defaults.
type DifferentialConfig struct {
	Seed  uint64 // of the first run; default 1
	Runs  int    // each on a hub of its own, with the next seed; default 20, or the flag -providertest.runs
	Steps int    // of each run; default 250
}

// Differential runs random operations against the provider and against a model
// of a few maps, and compares every answer. A failure prints the seed and the
// operations; the same seed runs the same operations.
func Differential(t *testing.T, h Harness, cfg DifferentialConfig) {
	h.validate(t)
	if cfg.Seed == 0 {
		cfg.Seed = 1
	}
	if cfg.Runs == 0 {
		cfg.Runs = *runs
	}
	if cfg.Steps == 0 {
		cfg.Steps = 250
	}
	for run := range cfg.Runs {
		seed := cfg.Seed + uint64(run)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			d := newDuel(newEnv(t, h, pX), seed)
			for range cfg.Steps {
				d.step()
			}
			d.drain()
		})
	}
}

// duel is one run: the provider in env against the model.
type duel struct {
	*env
	random *rand.Rand
	model  *model
	log    []string
	sent   []provider.Message       // by clients
	lost   []*provider.Turn         // turns that are over
	tasks  []*provider.ActivityTask // that were handed out and not completed
}

var duelists = []history.InstanceID{"a", "a/b", "A", "a%", "ä", "a::1"}

func newDuel(e *env, seed uint64) *duel {
	d := &duel{env: e, random: rand.New(rand.NewPCG(seed, 0xd0e1)), model: newModel()}
	e.more = func() string {
		return fmt.Sprintf("\nseed %d, %d operations:\n  %s", seed, len(d.log), strings.Join(d.log, "\n  "))
	}
	return d
}

func (d *duel) note(format string, args ...any) { d.log = append(d.log, fmt.Sprintf(format, args...)) }

func (d *duel) id() history.InstanceID { return duelists[d.random.IntN(len(duelists))] }

func (d *duel) chance(percent int) bool { return d.random.IntN(100) < percent }

// pick draws one of a list, nothing of an empty one.
func pick[T any](d *duel, list []T) (one T, ok bool) {
	if len(list) == 0 {
		return one, false
	}
	return list[d.random.IntN(len(list))], true
}

// step does one random operation that can be done now.
func (d *duel) step() {
	d.Helper()
	operations := []struct {
		weight int
		do     func() bool // reports false if there is nothing to do it with
	}{
		{12, d.doStart}, {14, d.doEvent}, {4, d.doResend},
		{30, d.doTurn}, {36, d.doCommit}, {5, d.doRelease}, {3, d.doStaleCommit},
		{14, d.doActivity}, {12, d.doComplete}, {4, d.doExtend}, {3, d.doReleaseActivity},
		{3, d.doPurge}, {2, d.doList}, {1, d.doRejoin}, {1, d.doReopen},
	}
	total := 0
	for _, o := range operations {
		total += o.weight
	}
	for {
		n := d.random.IntN(total)
		for _, o := range operations {
			if n -= o.weight; n >= 0 {
				continue
			}
			if o.do() {
				return
			}
			break
		}
	}
}

// same demands the error that the model predicts.
func (d *duel) same(err, want error) {
	d.Helper()
	d.wants(err, want, "the last operation")
}

func (d *duel) doStart() bool {
	m := d.start(d.id())
	m.Start.Reuse = provider.Reuse(d.random.IntN(4))
	if i := d.model.instances[m.To]; i != nil && d.chance(20) {
		m.Start.RequestID = i.RequestID
	}
	want := d.model.send(m)
	d.note("start %q, request %s, reuse %d: %v", m.To, m.Start.RequestID, m.Start.Reuse, want)
	d.same(d.trySend(m), want)
	d.check(m.To)
	return true
}

func (d *duel) doEvent() bool {
	m := d.event(d.id(), "")
	m.Data = &history.EventRaised{Name: m.ID, Payload: quoted(m.ID)}
	d.note("send %q to %q", m.ID, m.To)
	d.same(d.trySend(m), d.model.send(m))
	d.sent = append(d.sent, m)
	d.check(m.To)
	return true
}

// doResend sends a message again that is known to wait or to be consumed. One
// that was purged with its instance may be a new one.
func (d *duel) doResend() bool {
	m, ok := pick(d, d.sent)
	if !ok || !d.model.wasConsumed(m) && !d.model.waits(m) {
		return false
	}
	d.note("send %q to %q again", m.ID, m.To)
	d.same(d.trySend(m), d.model.send(m))
	d.check(m.To)
	return true
}

func (d *duel) doTurn() bool {
	if !slices.ContainsFunc(d.model.sorted(), func(i *modelInstance) bool { surely, _ := i.ready(); return surely }) {
		return false
	}
	d.note("take a turn")
	t := d.turn()
	d.note("  of %q at event %d of %d, attempt %d, with %v", t.Instance.ID, t.Instance.LastEvent, t.Instance.Execution, t.Attempt, names(t.Messages))
	if err := d.model.take(t); err != nil {
		d.breaks("%v", err)
	}
	d.check(t.Instance.ID)
	return true
}

// held lists the instances whose turns are held.
func (d *duel) held() []*modelInstance {
	return slices.DeleteFunc(d.model.sorted(), func(i *modelInstance) bool { return i.held == nil })
}

func (d *duel) doCommit() bool {
	i, ok := pick(d, d.held())
	if !ok {
		return false
	}
	t := i.held.turn
	c := d.decide(i, t)
	if len(c.Events) > 0 && d.chance(8) {
		c.Events = slices.Clone(c.Events)
		for n := range c.Events {
			c.Events[n].ID++
		}
		d.note("commit %q with a gap", i.ID)
		d.same(d.tryCommit(t, c), provider.ErrConflict)
		d.release(t, provider.Release{})
		i.release(provider.Release{})
		d.lost = append(d.lost, t)
		d.check(i.ID)
		return true
	}
	d.note("commit %q: consumes %d of %d, %d events, status %q, new execution %v, again %v, activities +%v -%v ✓%v, timers +%v -%v, sends %d, prunes %d",
		i.ID, c.Consumed, len(t.Messages), len(c.Events), c.Status, c.NewExecution, c.Again,
		len(c.Activities), c.CancelActivities, c.CompletedActivities, len(c.Timers), c.CancelTimers, len(c.Send), c.PruneThrough)
	d.same(d.tryCommit(t, c), nil)
	d.model.commit(i, c)
	d.lost = append(d.lost, t)
	d.check(i.ID)
	for _, m := range c.Send {
		d.check(m.To)
	}
	return true
}

func (d *duel) doRelease() bool {
	i, ok := pick(d, d.held())
	if !ok {
		return false
	}
	r := provider.Release{Uncounted: d.chance(30)}
	if d.chance(25) {
		r.Delay, r.Park = far, "random"
	}
	t := i.held.turn
	d.note("release %q: %+v", i.ID, r)
	d.release(t, r)
	i.release(r)
	d.lost = append(d.lost, t)
	d.check(i.ID)
	return true
}

func (d *duel) doStaleCommit() bool {
	t, ok := pick(d, d.lost)
	if !ok {
		return false
	}
	d.note("commit a turn of %q that is over", t.Instance.ID)
	err := d.tryCommit(t, &takeSome(t, min(len(t.Messages), 1)).status(quoted("stale")).Commit)
	d.wants(err, provider.ErrLockLost, "committing a turn that is over")
	d.check(t.Instance.ID)
	return true
}

func (d *duel) doPurge() bool {
	id, force := d.id(), d.chance(50)
	if i := d.model.instances[id]; i != nil && i.held != nil {
		d.lost = append(d.lost, i.held.turn)
	}
	want := d.model.purge(id, force)
	d.note("purge %q, force %v: %v", id, force, want)
	if errors.Is(want, provider.ErrConflict) {
		d.lost = slices.DeleteFunc(d.lost, func(t *provider.Turn) bool { return d.isHeld(t) })
	}
	d.same(d.tryPurge(id, force), want)
	if want == nil && d.model.instances[id] != nil {
		d.note("  a start that waited makes the next")
		d.appears(id)
	}
	d.check(id)
	return true
}

// appears waits until there is an instance.
func (d *duel) appears(id history.InstanceID) {
	d.Helper()
	ctx, cancel := d.context()
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		_, err := d.store.Instance(ctx, id)
		if err == nil {
			return
		}
		d.wants(err, provider.ErrNotFound, "reading %q", id)
		select {
		case <-tick.C:
		case <-ctx.Done():
			d.breaks("%q is not there after %v, and a start waited when it was purged", id, patience)
		}
	}
}

func (d *duel) isHeld(t *provider.Turn) bool {
	i := d.model.instances[t.Instance.ID]
	return i != nil && i.held != nil && i.held.turn == t
}

func (d *duel) doRejoin() bool {
	d.note("leave and join")
	d.rejoin(everything("random"))
	d.restarted(false)
	return true
}

func (d *duel) doReopen() bool {
	if d.h.Persists != Yes {
		return false
	}
	if d.h.Crash != nil && d.chance(50) {
		d.note("crash")
		d.crash()
	} else {
		d.note("close and open")
		d.reopen()
	}
	d.restarted(true)
	return true
}

func (d *duel) restarted(lost bool) {
	d.lost, d.tasks = nil, nil // of a host that is gone
	d.model.restart(lost)
	for _, id := range duelists {
		d.check(id)
	}
	d.doList()
}

func (d *duel) doList() bool {
	q := provider.Query{Parked: d.chance(15)}
	for _, s := range statuses {
		if d.chance(25) {
			q.Statuses = append(q.Statuses, s)
		}
	}
	size := 1 + d.random.IntN(3)
	d.note("list %+v in pages of %d", q, size)
	var all, want []history.InstanceID
	for _, i := range d.model.sorted() {
		all = append(all, i.ID)
		if (len(q.Statuses) == 0 || slices.Contains(q.Statuses, i.Status)) && (!q.Parked || i.Parked != nil) {
			want = append(want, i.ID)
		}
	}
	d.wantList(provider.Query{}, all...)
	if got := d.pages(q, size); !slices.Equal(got, want) {
		d.breaks("in pages of %d List(%+v) gives %s, want %s", size, q, quoteIDs(got), quoteIDs(want))
	}
	return true
}
