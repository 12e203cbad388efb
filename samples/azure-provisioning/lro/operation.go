package lro

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Operation is a declared long-running operation: I says what is asked for, O is
// what it comes to. Its three kinds of request are activities.
type Operation[I, O any] struct {
	name  string
	begin activity.Func[request[I], Answer[O]]
	poll  activity.Func[request[I], Answer[O]]
	look  activity.Func[request[I], Reading[O]]
}

// request is the input of the three.
type request[I any] struct {
	In      I      `json:"in"`
	What    string `json:"what"`              // in errors
	Token   Token  `json:"token,omitzero"`    // of a poll
	IfMatch string `json:"ifMatch,omitempty"` // of a begin
}

// Declare declares an operation by its name, which workers and orchestrations
// share.
func Declare[I, O any](name string) Operation[I, O] {
	return Operation[I, O]{
		name:  name,
		begin: activity.Declare[request[I], Answer[O]](name + ".begin"),
		poll:  activity.Declare[request[I], Answer[O]](name + ".poll"),
		look:  activity.Declare[request[I], Reading[O]](name + ".look"),
	}
}

// Options of a run; zeros are defaults.
type Options struct {
	// Limit is how long the operation may take in all: its requests, of which each
	// with its repetitions counts for a minute at most, and the waits between them, as
	// they were meant to be. So neither the time in Admit counts, nor the hours in
	// which no worker was there. Default two hours.
	Limit time.Duration
	// Every is the wait between two requests where the service does not say. Each
	// wait is at least a hundredth of the time so far. Default 10 seconds.
	Every time.Duration
	// Changed is told after each answer that is not the last. It runs inside the
	// orchestration and must be as deterministic.
	Changed func(Progress)
	// Admit is called before each begin, also when it is asked for again; but not
	// before the repetitions of Retry. It may block, and its error ends the
	// operation: so a budget of writes is kept. It runs inside the orchestration and
	// must be as deterministic.
	Admit func(*orchestration.Context) error
	// Retry is how a begin is repeated that got no answer; when it is used up, and
	// for polls and looks at once, the request is made again after Every, until the
	// limit. [Operation.Look] has all of it. Zeros are 10 attempts, from one second
	// to 30, with a jitter of 0.3.
	Retry activity.Retry
	// IfMatch makes the begin conditional: it is refused if the resource has
	// another ETag than this. What has changed meanwhile is looked at, and the
	// operation begun anew if the resource is not as wanted.
	IfMatch string
	// Describe names what is asked for, to people: in errors, and beside the
	// activities. Default the name of the operation.
	Describe string
}

// Progress is how far an operation is.
type Progress struct {
	Next     Step          `json:"next"`
	Requests int           `json:"requests"` // so far, without repetitions
	Wait     time.Duration `json:"wait"`     // before the next
	Why      string        `json:"why,omitempty"`
}

const (
	// requestLimit bounds one request.
	requestLimit = time.Minute
	// share: a wait is at least the time that was spent, divided by this, so that a
	// history stays short however long it takes.
	share = 100
)

func (o Options) withDefaults(name string) Options {
	o.Describe = cmp.Or(o.Describe, name)
	o.Limit = cmp.Or(o.Limit, 2*time.Hour)
	o.Every = cmp.Or(o.Every, 10*time.Second)
	o.Retry.MaxAttempts = cmp.Or(o.Retry.MaxAttempts, 10)
	o.Retry.First = cmp.Or(o.Retry.First, time.Second)
	o.Retry.Max = cmp.Or(o.Retry.Max, 30*time.Second)
	o.Retry.Jitter = cmp.Or(o.Retry.Jitter, 0.3)
	return o
}

// maxAccepted is how many operations of one run are accepted. A resource that is not
// as asked for after so many will not be after more, as when a policy forbids it.
const maxAccepted = 3

// Run asks for something and returns when it is done, or has failed. It blocks:
// call it in a branch to do several things at once. In a cancelled scope it
// returns orchestration.ErrCancelled once no begin of its own is on its way (L3),
// unless that begin was the end of it.
func (o Operation[I, O]) Run(ctx *orchestration.Context, in I, options Options) (O, error) {
	var none O
	options = options.withDefaults(o.name)
	r := run[I, O]{Operation: o, in: in, options: options}
	answer := Answer[O]{Next: Begin}
	var spent time.Duration
	accepted, refusals := 0, 0 // in all; in a row
	var denied *Error          // of the last operation
	for requests := 1; ; requests++ {
		asked := answer
		if asked.Next == Begin {
			if err := r.admit(ctx); err != nil {
				return none, err
			}
		}
		began := ctx.Now()
		var err error
		if answer, err = r.ask(ctx, asked); Unanswered(err) {
			answer = Answer[O]{Next: asked.Next, Token: asked.Token, Why: "no answer: " + err.Error()}
		} else if err != nil {
			return none, err
		}
		if answer.Next == Done {
			return answer.Value, nil
		}
		if answer.Accepted {
			accepted++
			denied = nil
		}
		denied = cmp.Or(answer.Denied, denied)
		if ctx.Cancelled() {
			return none, orchestration.ErrCancelled
		}
		if answer.Next == Begin && accepted == maxAccepted {
			return none, cmp.Or(denied, &Error{What: options.Describe, Code: "NotAsAskedFor", Message: fmt.Sprintf("%d operations were accepted and have ended, and %s", accepted, answer.Why)})
		}
		wait := cmp.Or(answer.After, options.Every)
		if asked.Next == Begin && answer.Next == Begin {
			wait += spread(ctx, options.Every, refusals)
			refusals++
		} else {
			refusals = 0
		}
		spent += min(ctx.Now().Sub(began), requestLimit)
		wait = max(wait, spent/share)
		spent += wait
		if spent > options.Limit {
			return none, &Error{What: options.Describe, Code: "NotDoneInTime", Message: fmt.Sprintf(
				"not done within the limit of %v after %d steps (%s); it may still succeed: look at the resource, raise the limit, or remove it", options.Limit, requests, answer.Why)}
		}
		if options.Changed != nil {
			options.Changed(Progress{Next: answer.Next, Requests: requests, Wait: wait, Why: answer.Why})
		}
		if err := ctx.Sleep(wait); err != nil {
			return none, err
		}
	}
}

// Unanswered reports whether the error of an activity says that its request got no
// answer, however often it was repeated: the network is down, or the service does
// not answer in time. It is true as well of an error that the activity did not mark
// as one that no retry heals.
func Unanswered(err error) bool {
	failed, ok := errors.AsType[*activity.Error](err)
	if !ok || failed.Failure().NonRetryable {
		return false
	}
	kind := failed.Failure().Kind
	return kind == history.FailureError || kind == history.FailureTimeout
}

// spread is a random wait on top of the one that the service asks for: the longer,
// the more often it has refused. Many who were refused together would otherwise
// come back together.
func spread(ctx *orchestration.Context, every time.Duration, refusals int) time.Duration {
	return time.Duration(ctx.Rand().Float64() * float64(every) * float64(int(1)<<min(refusals, 4)))
}

// Look looks at the resource once.
func (o Operation[I, O]) Look(ctx *orchestration.Context, in I, options Options) *orchestration.Future[Reading[O]] {
	options = options.withDefaults(o.name)
	return o.look.Call(ctx, request[I]{In: in, What: options.Describe}, options.Retry, activity.Options{Timeout: requestLimit, Description: options.Describe})
}

// run is an operation that is being run.
type run[I, O any] struct {
	Operation[I, O]
	in      I
	options Options
}

// ask makes the request that an answer asked for.
func (r *run[I, O]) ask(ctx *orchestration.Context, last Answer[O]) (answer Answer[O], err error) {
	limits := activity.Options{Timeout: requestLimit, Description: r.options.Describe}
	switch last.Next { // Run repeats what gets no answer
	case Poll:
		return r.poll.Call(ctx, request[I]{In: r.in, What: r.options.Describe, Token: last.Token}, activity.Retry{}, limits).Await()
	case Look:
		seen, err := r.look.Call(ctx, request[I]{In: r.in, What: r.options.Describe}, activity.Retry{}, limits).Await()
		if err != nil {
			return answer, err
		}
		if known := seen.Unknown == ""; known && r.options.IfMatch != "" && (seen.ETag != "" || !seen.Exists) {
			r.options.IfMatch = seen.ETag
		}
		return r.judge(seen), nil
	case Begin, Done: // after Done nobody asks
	}
	err = ctx.Shield(func(ctx *orchestration.Context) (err error) { // L3
		answer, err = r.begin.Call(ctx, request[I]{In: r.in, What: r.options.Describe, IfMatch: r.options.IfMatch}, r.options.Retry, limits).Await()
		return err
	})
	return answer, err
}

// admit waits until a begin may be made.
func (r *run[I, O]) admit(ctx *orchestration.Context) error {
	if r.options.Admit != nil && !ctx.Cancelled() {
		if err := r.options.Admit(ctx); err != nil {
			return err
		}
	}
	if ctx.Cancelled() {
		return orchestration.ErrCancelled
	}
	return nil
}

// judge says what follows from the sight of a resource (L4): it is as it should
// be, or something goes on, or it must be asked for again.
func (r *run[I, O]) judge(seen Reading[O]) Answer[O] {
	switch {
	case seen.Unknown != "":
		return Answer[O]{Next: Look, After: seen.After, Why: "not known: " + seen.Unknown}
	case seen.Done():
		return Answer[O]{Next: Done, Value: seen.Value}
	case !seen.Settled():
		return Answer[O]{Next: Look, After: seen.After, Why: "the resource is " + seen.State}
	case seen.Why == "" && seen.State != "":
		seen.Why = "the resource is " + seen.State
	}
	return Answer[O]{Next: Begin, After: min(time.Second, r.options.Every), Why: cmp.Or(seen.Why, "the resource is not as asked for")}
}
