package broker

import (
	"context"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Work is an activity held by a host.
type Work struct {
	ID            history.ActivityID
	Born          string // of its instance; see [Place]
	Activity      provider.Activity
	Orchestration string
	Version       string
	Delivery      int
	Progress      history.Payload
	Guest         any // what came with it, if it is a [Guest]

	activity *activity
	host     *Host
	seq      uint64
	// cancelled: a commit or Drop closed the activity while it was held.
	cancelled bool
	detached  bool // its instance left the broker while it was held
}

// activity is an open activity. It is in exactly one of these states: in a
// lineup, aside after a release, held as work, done, or elsewhere.
type activity struct {
	provider.Activity
	inst       *instance
	deliveries int
	progress   history.Payload
	waits      link[activity] // in a lineup
	aside      *alarm
	work       *Work
	done       *message // its completion, while that waits
	guest      *Guest   // nil for those of instances
}

// elsewhere reports whether somebody works on it whom the broker does not know.
func (a *activity) elsewhere() bool {
	return a.waits.in == nil && a.aside == nil && a.work == nil && a.done == nil
}

// tagLine is where activities with one tag wait. Instances take turns (B4).
type tagLine struct {
	tag     string
	hosts   []*Host // that serve the tag
	line    list[lineup]
	lineups map[*instance]*lineup
	spare   *lineup // to use again
}

// lineup are the waiting activities of one instance with one tag.
type lineup struct {
	inst  *instance
	waits list[activity]
	place link[lineup]
	seq   uint64
}

func (b *Broker) tagLineLocked(tag string) *tagLine {
	line := b.tags[tag]
	if line == nil {
		line = &tagLine{tag: tag, lineups: map[*instance]*lineup{}}
		b.tags[tag] = line
	}
	return line
}

// settleTagLocked forgets a tag that nobody serves and nothing has.
func (b *Broker) settleTagLocked(line *tagLine) {
	if len(line.hosts) == 0 && line.line.len == 0 {
		delete(b.tags, line.tag)
	}
}

// NextActivity blocks until there is an activity with a tag of the host and
// gives it to the caller. It ends with ctx.Err(), or [provider.ErrClosed].
func (h *Host) NextActivity(ctx context.Context) (*Work, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := h.broker
	b.mu.Lock()
	if h.left {
		b.mu.Unlock()
		return nil, h.closedError()
	}
	if a := b.nextActivityLocked(h); a != nil {
		w := b.handOutLocked(a, h)
		b.mu.Unlock()
		return w, nil
	}
	c := takeCaller[Work](&b.pool.works)
	h.works.joinLocked(b, c)
	if b.free != nil {
		b.free()
	}
	b.mu.Unlock()
	return await(ctx, h, c, &b.pool.works)
}

// nextActivityLocked takes the first activity of the lineup that waits longest,
// and sends the rest of that lineup to the tail.
func (b *Broker) nextActivityLocked(h *Host) *activity {
	var next *lineup
	var in *tagLine
	for _, line := range h.tags {
		if first := line.line.front(); first != nil && (next == nil || first.seq < next.seq) {
			next, in = first, line
		}
	}
	if next == nil {
		return nil
	}
	a := next.waits.front()
	b.quitLineLocked(in, a)
	if next.waits.len > 0 {
		b.queued++
		next.seq = b.queued
		next.place.unlink()
		in.line.pushBack(&next.place)
	}
	return a
}

// offerLocked gives an activity to the caller that has waited longest among the
// hosts that serve its tag, or puts it in line.
func (b *Broker) offerLocked(a *activity) {
	line := b.tagLineLocked(a.Tag)
	var host *Host
	var longest uint64
	for _, h := range line.hosts {
		if since, waits := h.works.since(); waits && (host == nil || since < longest) {
			host, longest = h, since
		}
	}
	if host != nil {
		host.works.giveLocked(b.handOutLocked(a, host))
		return
	}
	up := line.lineups[a.inst]
	if up == nil {
		up, line.spare = line.spare, nil
		if up == nil {
			up = &lineup{}
			up.place.value = up
		}
		b.queued++
		up.inst, up.seq = a.inst, b.queued
		line.lineups[a.inst] = up
		line.line.pushBack(&up.place)
	}
	up.waits.pushBack(&a.waits)
}

// quitLineLocked takes an activity out of its lineup, and the lineup out of the
// line if nothing is left in it.
func (b *Broker) quitLineLocked(line *tagLine, a *activity) {
	up := line.lineups[a.inst]
	a.waits.unlink()
	if up.waits.len == 0 {
		delete(line.lineups, up.inst)
		up.place.unlink()
		up.inst, line.spare = nil, up
		b.settleTagLocked(line)
	}
}

func (b *Broker) handOutLocked(a *activity, h *Host) *Work {
	a.deliveries++
	b.queued++
	a.work = &Work{
		ID:            history.ActivityID{Instance: a.inst.id, Execution: a.inst.execution, Event: a.Scheduled.ID},
		Born:          a.inst.born,
		Activity:      a.Activity,
		Orchestration: a.inst.name,
		Version:       a.inst.version,
		Delivery:      a.deliveries,
		Progress:      a.progress,
		activity:      a,
		host:          h,
		seq:           b.queued,
	}
	if a.guest != nil {
		a.work.Guest, a.work.detached = a.guest.Of, true
	}
	return a.work
}

func (b *Broker) openActivityLocked(inst *instance, r RestoredActivity) {
	event := r.Activity.Scheduled.ID
	before := b.closeActivityLocked(inst, event)
	a := &activity{Activity: r.Activity, inst: inst, deliveries: r.Deliveries, progress: r.Progress}
	if a.progress == nil {
		a.progress = before
	}
	a.waits.value = a
	if inst.activities == nil {
		inst.activities = map[int64]*activity{}
	}
	inst.activities[event] = a
	inst.mostOpen = max(inst.mostOpen, len(inst.activities))
	if !r.Elsewhere {
		b.offerLocked(a)
	}
}

// closeActivityLocked removes an open activity with the completion that may
// still wait, and returns its progress. Who works on it finds it cancelled.
func (b *Broker) closeActivityLocked(inst *instance, event int64) history.Payload {
	a := inst.activities[event]
	if a == nil {
		return nil
	}
	delete(inst.activities, event)
	switch {
	case a.work != nil:
		a.work.cancelled = true
		a.work = nil
	case a.waits.in != nil:
		b.quitLineLocked(b.tags[a.Tag], a)
	case a.done != nil:
		b.discardLocked(a.done)
	}
	b.alarms.remove(a.aside)
	a.aside = nil
	return a.progress
}

// Complete ends the work and delivers its completion, with key 0. The activity
// stays open until a commit closes it. [provider.ErrLockLost] if the work does
// not count any more; [ErrDetached], with nothing delivered, if it counts
// elsewhere.
func (w *Work) Complete(m provider.Message) error {
	b, a := w.host.broker, w.activity
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case w.detached:
		return w.detachedError()
	case a.work != w:
		return lost("activity", w.ID.Instance)
	}
	a.work = nil
	if _, waits := b.waiting[m.ID]; waits {
		return nil
	}
	done := newMessage(m, 0, 0)
	done.answer, a.done = a, done
	if m.ID != "" {
		b.waiting[m.ID] = done
	}
	b.placeLocked(a.inst, done, false)
	b.settleLocked(a.inst)
	return nil
}

// Extend keeps progress, if it is not nil, for later deliveries and attempts,
// and tells whether the activity was cancelled. [provider.ErrLockLost] if the
// work was given back or completed; [ErrDetached] if whether it was cancelled is
// known elsewhere: then [Work.Reached] alone has the progress.
func (w *Work) Extend(progress history.Payload) (provider.Signals, error) {
	b, a := w.host.broker, w.activity
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := w.detached || a.work == w
	if progress != nil && counts && !w.cancelled {
		a.progress = progress
	}
	switch {
	case w.cancelled:
		return provider.Signals{Cancelled: true}, nil
	case w.detached:
		return provider.Signals{}, w.detachedError()
	case !counts:
		return provider.Signals{}, lost("activity", w.ID.Instance)
	}
	return provider.Signals{}, nil
}

// Reached is the progress of the work: what it began with, or what Extend was given
// since.
func (w *Work) Reached() history.Payload {
	w.host.broker.mu.Lock()
	defer w.host.broker.mu.Unlock()
	return w.activity.progress
}

// Release gives the work back unfinished. Work that does not count any more, or
// not here, is none of its business.
func (w *Work) Release(r provider.Release) {
	b := w.host.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.activity.work == w {
		b.giveBackLocked(w, r)
	}
}

// TakeOut takes the work out as [Broker.Divert] does, for the provider to have it
// run elsewhere; that it was handed out does not count. It reports false if the
// work does not count here any more.
func (w *Work) TakeOut() (d Diverted, ok bool) {
	b, a := w.host.broker, w.activity
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.work != w || w.detached {
		return d, false
	}
	a.work = nil
	delete(a.inst.activities, a.Scheduled.ID)
	b.settleLocked(a.inst)
	return Diverted{w.ID, w.Born, w.Orchestration, w.Version, RestoredActivity{Activity: a.Activity, Deliveries: a.deliveries - 1, Progress: a.progress}}, true
}

// Over reports whether nobody waits for the work any more, as far as is known
// here.
func (w *Work) Over() bool {
	b := w.host.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	return w.cancelled || !w.detached && w.activity.work != w
}

func (b *Broker) giveBackLocked(w *Work, r provider.Release) {
	a := w.activity
	a.work = nil
	if r.Uncounted {
		a.deliveries--
	}
	if r.Delay <= 0 {
		b.offerLocked(a)
		return
	}
	a.aside = b.setAlarmLocked(nanos(b.now().Add(r.Delay)), func() {
		a.aside = nil
		b.offerLocked(a)
	})
}
