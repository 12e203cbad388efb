package verify

import (
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// execution is what the history of one execution comes to. It takes in one
// event after the other, and reports what breaks a rule on the way.
type execution struct {
	number int64
	report func(rule Rule, event int64, what string, args ...any)
	whole  bool // read to its end, and in order

	broken  bool // V1: what follows has no place
	time    time.Time
	kinds   []history.Kind // by event
	answers []int64        // by event: which one answered it
	started *history.ExecutionStarted
	ended   history.Data // the final event

	activities map[int64]*activity // open
	timers     map[int64]time.Time // open: when they are due
	children   []child             // all
	childAt    map[int64]int       // by event
	channels   map[channel]*line   // of external events
	waits      map[int64]channel   // open
	carried    []int64             // by carried event: which one received it
	detached   []detached          // all
	sent       []sent              // all
	raised     []history.Event     // that say which message they were
	cancelled  bool                // asked to
	status     history.Payload     // custom
	state      map[string]history.Payload
	touched    map[string]bool // keys of the state
	scheduled  map[int64]outcome
	counts     Counts
}

// activity is a scheduled activity that is open.
type activity struct {
	name    string
	most    int  // attempts that its policy allows
	attempt int  // the newest
	waiting bool // for the next one, due at retry
	retry   time.Time
}

// outcome is what became of an activity.
type outcome struct {
	name      string
	completed bool
}

// child is a child that was scheduled, and what its parent knows of it.
type child struct {
	event     int64
	data      *history.ChildScheduled
	outcome   history.Data // ChildCompleted or ChildFailed
	at        int64        // the event of that
	cancelled bool
}

type detached struct {
	event    int64
	instance history.InstanceID
}

type sent struct {
	event int64
	to    history.InstanceID
}

func newExecution(number int64, report func(Rule, int64, string, ...any)) *execution {
	return &execution{
		number: number, report: report,
		activities: map[int64]*activity{},
		timers:     map[int64]time.Time{},
		childAt:    map[int64]int{},
		channels:   map[channel]*line{},
		waits:      map[int64]channel{},
		state:      map[string]history.Payload{},
		touched:    map[string]bool{},
		scheduled:  map[int64]outcome{},
	}
}

// shrink forgets what only the next execution needed to know.
func (x *execution) shrink() {
	x.kinds, x.answers, x.raised, x.state, x.channels = nil, nil, nil, nil, nil
	x.activities, x.timers, x.waits, x.carried, x.touched = nil, nil, nil, nil, nil
	if x.number > 1 {
		x.started = nil
	}
	for i, c := range x.children {
		x.children[i].data = &history.ChildScheduled{Name: c.data.Name, Instance: c.data.Instance, ParentClose: c.data.ParentClose}
	}
}

// next takes in an event.
func (x *execution) next(e history.Event) {
	if x.broken || !x.placed(e) {
		x.broken = true
		return
	}
	x.kinds = append(x.kinds, e.Data.Kind())
	x.answers = append(x.answers, 0)
	x.counts.Events++
	if e.ID > 1 && e.Time.Before(x.time) {
		x.report(Time, e.ID, "its time %s is before that of the event before it, %s", stamp(e.Time), stamp(x.time))
	}
	x.time = e.Time
	if problem := contents(e.Data); problem != "" {
		x.report(Contents, e.ID, "%s: %s", e.Data.Kind(), problem)
	}
	x.take(e)
}

// placed checks that the event is the next one of this execution (V1).
func (x *execution) placed(e history.Event) bool {
	want := int64(len(x.kinds)) + 1
	switch {
	case e.ID != want:
		x.report(Order, e.ID, "event %d is expected; what follows was not examined", want)
	case e.Data == nil:
		x.report(Order, e.ID, "it has no data; what follows was not examined")
	case e.Execution != x.number:
		x.report(Order, e.ID, "it belongs to execution %d; what follows was not examined", e.Execution)
	case (e.Data.Kind() == history.KindExecutionStarted) != (want == 1):
		x.report(Order, e.ID, "it is %s: event 1, and no other, is ExecutionStarted; what follows was not examined", e.Data.Kind())
	case x.ended != nil:
		x.report(Order, e.ID, "%s follows %s, which ended the execution", e.Data.Kind(), x.ended.Kind())
	default:
		return true
	}
	return false
}

// take applies an event to what is known.
func (x *execution) take(e history.Event) {
	switch d := e.Data.(type) {
	case *history.ExecutionStarted:
		x.start(e, d)
	case *history.ExecutionCompleted, *history.ExecutionFailed, *history.ExecutionCancelled, *history.ExecutionTerminated, *history.ContinuedAsNew:
		x.ended = d
		x.counts.Activities.Closed += int64(len(x.activities))
	case *history.CancelRequested:
		x.cancelled = true
		x.received(e, d.MessageID)
	case *history.ActivityScheduled, *history.ActivityAttemptFailed, *history.ActivityRetried, *history.ActivityCompleted, *history.ActivityFailed, *history.ActivityCancelled:
		x.takeActivity(e)
	case *history.InlineRan:
		x.counts.Inline++
	case *history.TimerCreated:
		x.timers[e.ID] = d.Due
		x.counts.Timers++
	case *history.TimerFired:
		if x.answer(e.ID, d.Source, history.KindTimerCreated) {
			x.notBefore(e, x.timers[d.Source], "the timer")
			delete(x.timers, d.Source)
		}
	case *history.TimerCancelled:
		if x.answer(e.ID, d.Source, history.KindTimerCreated) {
			delete(x.timers, d.Source)
		}
	case *history.EventAwaited:
		x.await(e.ID, d)
	case *history.EventRaised:
		x.counts.Raised++
		x.received(e, d.MessageID)
		x.raise(e.ID, d)
	case *history.WaitCancelled:
		if x.answer(e.ID, d.Source, history.KindEventAwaited) {
			x.line(x.waits[d.Source]).removeWait(d.Source)
			delete(x.waits, d.Source)
		}
	case *history.EventSent:
		x.sent = append(x.sent, sent{e.ID, d.To})
	case *history.ChildScheduled, *history.ChildCompleted, *history.ChildFailed, *history.ChildCancelled:
		x.takeChild(e)
	case *history.DetachedStarted:
		x.detached = append(x.detached, detached{e.ID, d.Instance})
	case *history.StatusSet:
		x.status = d.Status
	case *history.StateSet:
		x.set(d.Key, d.Value)
	case *history.ValueRecorded, *history.Patched:
	default:
		x.report(Readable, e.ID, "%s is not known to this auditor", e.Data.Kind())
	}
}

func (x *execution) start(e history.Event, d *history.ExecutionStarted) {
	x.started, x.status = d, d.Status
	for key, value := range d.State {
		x.set(key, value)
	}
	x.carried = make([]int64, len(d.Carried))
	for i, c := range d.Carried {
		l := x.line(channel{c.Name, c.Queue})
		l.kept = append(l.kept, kept{int64(-1 - i), c})
	}
	if d.Scheduled != nil {
		x.notBefore(e, *d.Scheduled, "the start")
	}
}

func (x *execution) set(key string, value history.Payload) {
	x.touched[key] = true
	if value == nil {
		delete(x.state, key)
	} else {
		x.state[key] = value
	}
}

func (x *execution) takeActivity(e history.Event) {
	switch d := e.Data.(type) {
	case *history.ActivityScheduled:
		a := &activity{name: d.Name, most: 1, attempt: 1}
		if d.Retry != nil {
			a.most = max(1, d.Retry.MaxAttempts)
		}
		x.activities[e.ID] = a
		x.scheduled[e.ID] = outcome{name: d.Name}
		x.counts.Activities.Scheduled++
	case *history.ActivityAttemptFailed:
		a := x.openActivity(e.ID, d.Source)
		switch {
		case a == nil:
			return
		case a.waiting || d.Attempt != a.attempt:
			x.report(Attempts, e.ID, "attempt %d of activity %d failed, while %s", d.Attempt, d.Source, a)
		case d.Attempt >= a.most:
			x.report(Attempts, e.ID, "attempt %d of activity %d is to be followed by another one, while its policy allows %d", d.Attempt, d.Source, a.most)
		}
		a.waiting, a.retry = true, d.Retry
	case *history.ActivityRetried:
		a := x.openActivity(e.ID, d.Source)
		if a == nil {
			return
		}
		if !a.waiting || d.Attempt != a.attempt+1 {
			x.report(Attempts, e.ID, "attempt %d of activity %d began, while %s", d.Attempt, d.Source, a)
		}
		x.notBefore(e, a.retry, "the retry")
		a.waiting, a.attempt = false, d.Attempt
		x.counts.Activities.Retried++
	case *history.ActivityCompleted:
		if a := x.openActivity(e.ID, d.Source); a != nil {
			if d.Attempt < 0 || d.Attempt > a.attempt {
				x.report(Attempts, e.ID, "attempt %d of activity %d completed, while %s", d.Attempt, d.Source, a)
			}
			x.closeActivity(e.ID, d.Source)
			x.scheduled[d.Source] = outcome{a.name, true}
			x.counts.Activities.Completed++
		}
	case *history.ActivityFailed:
		if a := x.openActivity(e.ID, d.Source); a != nil {
			if d.Attempt != 0 && d.Attempt != a.attempt {
				x.report(Attempts, e.ID, "attempt %d of activity %d failed for good, while %s", d.Attempt, d.Source, a)
			}
			x.closeActivity(e.ID, d.Source)
			x.counts.Activities.Failed++
		}
	case *history.ActivityCancelled:
		if x.openActivity(e.ID, d.Source) != nil {
			x.closeActivity(e.ID, d.Source)
			x.counts.Activities.Cancelled++
		}
	}
}

// openActivity finds the open activity that an event is about.
func (x *execution) openActivity(event, source int64) *activity {
	if !x.refers(event, source, history.KindActivityScheduled) {
		return nil
	}
	return x.activities[source]
}

func (x *execution) closeActivity(event, source int64) {
	x.answers[source-1] = event
	delete(x.activities, source)
}

func (a *activity) String() string {
	if a.waiting {
		return fmt.Sprintf("attempt %d has failed and attempt %d is due", a.attempt, a.attempt+1)
	}
	return fmt.Sprintf("attempt %d is running", a.attempt)
}

func (x *execution) takeChild(e history.Event) {
	var source int64
	switch d := e.Data.(type) {
	case *history.ChildScheduled:
		x.childAt[e.ID] = len(x.children)
		x.children = append(x.children, child{event: e.ID, data: d})
		x.counts.Children++
		return
	case *history.ChildCompleted:
		source = d.Source
	case *history.ChildFailed:
		source = d.Source
	case *history.ChildCancelled:
		source = d.Source
	}
	if !x.answer(e.ID, source, history.KindChildScheduled) {
		return
	}
	c := &x.children[x.childAt[source]]
	if _, given := e.Data.(*history.ChildCancelled); given {
		c.cancelled = true
	} else {
		c.outcome, c.at = e.Data, e.ID
	}
}

// refers checks that source is an earlier event of a kind, and still open (V3).
func (x *execution) refers(event, source int64, want history.Kind) bool {
	kind := x.kinds[event-1]
	switch {
	case source < 1 || source >= event:
		x.report(Answers, event, "%s answers event %d, which is not before it", kind, source)
	case x.kinds[source-1] != want:
		x.report(Answers, event, "%s answers event %d, which is %s, not %s", kind, source, x.kinds[source-1], want)
	case x.answers[source-1] != 0:
		x.report(Answers, event, "%s answers event %d, which was answered by event %d", kind, source, x.answers[source-1])
	default:
		return true
	}
	return false
}

// answer is refers for an event that closes its source.
func (x *execution) answer(event, source int64, want history.Kind) bool {
	if !x.refers(event, source, want) {
		return false
	}
	x.answers[source-1] = event
	return true
}

func (x *execution) notBefore(e history.Event, due time.Time, what string) {
	if e.Time.Before(due) {
		x.report(Time, e.ID, "%s was due at %s and came at %s, too early", what, stamp(due), stamp(e.Time))
	}
}

// received notes that a message became an event.
func (x *execution) received(e history.Event, message string) {
	if message != "" {
		x.raised = append(x.raised, e)
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
