package simulated

import (
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// FaultKind is what goes wrong with a request.
type FaultKind int

// The kinds of faults. Lost ones cost the caller its try timeout.
const (
	None        FaultKind = iota
	LostRequest           // never arrives
	LostAnswer            // is applied, and the answer lost
	Late                  // fails at once, and is applied after the delay; of reads: Reset
	Busy                  // 503: not applied
	Throttle              // 503 that asks to wait for the delay: not applied
	Slow                  // takes the delay longer to arrive; beyond the try timeout it is lost and late
	Reset                 // the connection breaks on the way there: not applied
	ResetAfter            // the connection breaks on the way back: applied
	Garbled               // the answer makes no sense; a write is applied
	Denied                // 403: not applied
	CrashBefore           // the client is killed before the request leaves
	CrashAfter            // the client is killed after the request was applied

	faultKinds = iota
)

var faultNames = [faultKinds]string{
	"none", "lost-request", "lost-answer", "late", "busy", "throttle", "slow", "reset", "reset-after", "garbled", "denied",
	"crash-before", "crash-after",
}

func (k FaultKind) String() string { return faultNames[k] }

// FaultKinds are all but None.
func FaultKinds() []FaultKind {
	all := make([]FaultKind, 0, faultKinds-1)
	for k := None + 1; k < faultKinds; k++ {
		all = append(all, k)
	}
	return all
}

// Fault is what happens to one request.
type Fault struct {
	Kind  FaultKind
	Delay time.Duration // of Late, Throttle and Slow
}

func (f Fault) String() string {
	if f.Delay == 0 {
		return f.Kind.String()
	}
	return fmt.Sprintf("%v %v", f.Kind, f.Delay)
}

// Decider chooses the fault of a request before it is sent. It is called under
// the account's mutex and must not call the account.
type Decider func(Call) Fault

// At gives the fault to the nth request of the account.
func At(n int, f Fault) Decider {
	return When(func(c Call) bool { return c.N == n }, f)
}

// When gives the fault to the requests that match.
func When(match func(Call) bool, f Fault) Decider {
	return func(c Call) Fault {
		if match(c) {
			return f
		}
		return Fault{}
	}
}

// Nth gives the fault to the nth of the requests that match.
func Nth(n int, match func(Call) bool, f Fault) Decider {
	seen := 0
	return When(func(c Call) bool {
		if match(c) {
			seen++
			return seen == n
		}
		return false
	}, f)
}

// First takes the first fault that one of several deciders chooses. All are
// asked.
func First(deciders ...Decider) Decider {
	return func(c Call) Fault {
		var first Fault
		for _, d := range deciders {
			if f := d(c); first.Kind == None {
				first = f
			}
		}
		return first
	}
}

// FaultCounts says how often each kind of fault happened.
type FaultCounts [faultKinds]int

// Of is how often one kind happened.
func (f FaultCounts) Of(k FaultKind) int { return f[k] }

// Faults counts the faults that happened.
func (a *Account) Faults() FaultCounts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.faults
}

// What the caller of a request that got no answer, or none that makes sense, is told.
var (
	// ErrReset is a connection that broke, on the way there or back.
	ErrReset = errors.New("connection reset")
	// ErrGarbled is an answer that makes no sense.
	ErrGarbled = fmt.Errorf("%w: the answer is no answer", storage.ErrCorrupt)

	errLost   = errors.New("no answer in time")
	errKilled = errors.New("the client was killed")
)

// What the service answers, whatever it is asked.
const (
	errBusy   = said("503 ServerBusy")
	errClock  = said("403 AuthenticationFailed: the clock of this host is wrong")
	errDenied = said("403 AuthorizationPermissionMismatch: a role is missing")
)
