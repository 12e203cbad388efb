package faulty

import (
	"errors"
	"fmt"
	"time"
)

// ErrLost is how a lost request or answer ends: the connection broke, and nobody
// can say whether the request was applied.
var ErrLost = errors.New("connection reset (injected)")

// Kind is what goes wrong.
type Kind int

// The kinds of faults.
const (
	None          Kind = iota // nothing, apart from delays
	LoseRequest               // the service never sees the request
	LoseAnswer                // the service does as asked, the client sees no answer
	Late                      // as LoseRequest, but the service sees it after the delay
	Refuse                    // the client is answered with Status; the service never sees the request
	RefuseApplied             // the same, but the service has done as asked
	CutAnswer                 // the answer breaks off in the middle of its body
)

func (k Kind) String() string {
	names := []string{"none", "lose request", "lose answer", "late", "refuse", "refuse applied", "cut answer"}
	if k < 0 || int(k) >= len(names) {
		return fmt.Sprintf("fault %d", int(k))
	}
	return names[k]
}

// Fault is what happens to one request. The zero value is nothing.
type Fault struct {
	Kind Kind

	// Delay passes before the request is sent. The client waits for it, except
	// if the request is [Late]; a client that gives up meanwhile has not sent it.
	Delay time.Duration

	// AnswerDelay passes before the client sees the answer, or its loss.
	AnswerDelay time.Duration

	// Status is that of [Refuse] and [RefuseApplied], 0 for 503.
	Status int

	// RetryAfter is when the service asks to come back, in whole seconds, rounded
	// up. Zero says nothing.
	RetryAfter time.Duration
}
