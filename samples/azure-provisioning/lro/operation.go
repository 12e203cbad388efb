package lro

import (
	"cmp"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
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
	// Limit is how long the operation may take in all. Default two hours.
	Limit time.Duration
	// Every is the wait between two requests where the service does not say.
	// Default 10 seconds.
	Every time.Duration
	// Changed is told after each answer that is not the last. It runs inside the
	// orchestration and must be as deterministic.
	Changed func(Progress)
	// Admit is called before each begin, also when it is asked for again after an
	// answer; what got none is repeated without (Retry). It may block, and its error
	// ends the operation: so a budget of writes is kept. It runs inside the
	// orchestration and must be as deterministic.
	Admit func(*orchestration.Context) error
	// Retry is how requests are repeated that got no answer. Default 10 attempts,
	// from one second to 30.
	Retry activity.Retry
	// IfMatch makes the begin conditional: it is refused if the resource has
	// another ETag than this. What has changed meanwhile is looked at, and the
	// operation begun anew if the resource is not as wanted.
	IfMatch string
	// Describe is a text for people about what is asked for.
	Describe string
}

// Progress is how far an operation is.
type Progress struct {
	Next     Step          `json:"next"`
	Requests int           `json:"requests"` // so far
	Wait     time.Duration `json:"wait"`     // before the next
	Why      string        `json:"why,omitempty"`
}

// requestLimit bounds one request.
const requestLimit = time.Minute

func (o Options) withDefaults() Options {
	o.Limit = cmp.Or(o.Limit, 2*time.Hour)
	o.Every = cmp.Or(o.Every, 10*time.Second)
	if o.Retry.MaxAttempts == 0 {
		o.Retry = activity.Retry{MaxAttempts: 10, First: time.Second, Max: 30 * time.Second, Jitter: 0.3}
	}
	return o
}

// Run asks for something and returns when it is done, or has failed. It blocks:
// call it in a branch to do several things at once. In a cancelled scope it
// returns orchestration.ErrCancelled once no begin of its own is on its way (L3).
func (o Operation[I, O]) Run(ctx *orchestration.Context, in I, options Options) (O, error) {
	var none O
	options = options.withDefaults()
	end := ctx.Now().Add(options.Limit)
	answer := Answer[O]{Next: Begin}
	refusals := 0 // in a row
	for requests := 1; ; requests++ {
		var err error
		asked := answer.Next
		if answer, err = o.ask(ctx, in, answer, &options); err != nil {
			return none, err
		}
		if answer.Next == Done {
			return answer.Value, nil
		}
		wait := cmp.Or(answer.After, options.Every)
		if asked == Begin && answer.Next == Begin {
			wait += spread(ctx, options.Every, refusals)
			refusals++
		} else {
			refusals = 0
		}
		if ctx.Now().Add(wait).After(end) {
			return none, &Error{What: cmp.Or(options.Describe, o.name), Code: "NotDoneInTime", Message: fmt.Sprintf(
				"not done within the limit of %v after %d requests (%s); it may still succeed: look at the resource, raise the limit, or remove it", options.Limit, requests, answer.Why)}
		}
		if options.Changed != nil {
			options.Changed(Progress{Next: answer.Next, Requests: requests, Wait: wait, Why: answer.Why})
		}
		if err := ctx.Sleep(wait); err != nil {
			return none, err
		}
	}
}

// spread is a random wait on top of the one that the service asks for: the longer,
// the more often it has refused. Many who were refused together would otherwise
// come back together.
func spread(ctx *orchestration.Context, every time.Duration, refusals int) time.Duration {
	return time.Duration(ctx.Rand().Float64() * float64(every) * float64(int(1)<<min(refusals, 4)))
}

// Look looks at the resource once.
func (o Operation[I, O]) Look(ctx *orchestration.Context, in I, options Options) *orchestration.Future[Reading[O]] {
	options = options.withDefaults()
	return o.look.Call(ctx, request[I]{In: in}, options.Retry, activity.Options{Timeout: requestLimit, Description: options.Describe})
}

// ask makes the request that an answer asked for.
func (o Operation[I, O]) ask(ctx *orchestration.Context, in I, last Answer[O], options *Options) (answer Answer[O], err error) {
	limits := activity.Options{Timeout: requestLimit, Description: options.Describe}
	switch last.Next {
	case Poll:
		return o.poll.Call(ctx, request[I]{In: in, Token: last.Token}, options.Retry, limits).Await()
	case Look:
		reading, err := o.Look(ctx, in, *options).Await()
		if options.IfMatch != "" && reading.ETag != "" {
			options.IfMatch = reading.ETag
		}
		return o.judge(reading, *options), err
	case Begin, Done: // after Done nobody asks
	}
	if options.Admit != nil && !ctx.Cancelled() {
		if err := options.Admit(ctx); err != nil {
			return answer, err
		}
	}
	if ctx.Cancelled() {
		return answer, orchestration.ErrCancelled
	}
	err = ctx.Shield(func(ctx *orchestration.Context) (err error) { // L3
		answer, err = o.begin.Call(ctx, request[I]{In: in, IfMatch: options.IfMatch}, options.Retry, limits).Await()
		return err
	})
	return answer, err
}

// judge says what follows from the sight of a resource (L4): it is as it should
// be, or something goes on, or it must be asked for again.
func (o Operation[I, O]) judge(r Reading[O], options Options) Answer[O] {
	switch {
	case r.Wanted && r.Settled():
		return Answer[O]{Next: Done, Value: r.Value}
	case !r.Settled():
		return Answer[O]{Next: Look, Why: "the resource is " + r.State}
	}
	return Answer[O]{Next: Begin, After: min(time.Second, options.Every), Why: cmp.Or(r.Why, "the resource is not as asked for")}
}
