package azuretest

import (
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// Fault is what happens to a request: a name of [Faults].
type Fault string

// The faults that tests enumerate.
const (
	LostRequest Fault = "lost-request" // it never arrives, and the caller waits in vain
	LostAnswer  Fault = "lost-answer"  // it is applied, and the caller waits in vain
	Late        Fault = "late"         // it fails at once, and is applied seconds later
	Busy        Fault = "busy"         // 503
	CrashBefore Fault = "crash-before" // the host is killed before it leaves
	CrashAfter  Fault = "crash-after"  // the host is killed when it was applied
)

// Faults lists every kind, those above and the rest of what a mix is made of.
func Faults() (all []Fault) {
	for _, k := range simulated.FaultKinds() {
		all = append(all, Fault(k.String()))
	}
	return all
}

func (f Fault) kind() simulated.FaultKind {
	kinds := simulated.FaultKinds()
	i := slices.IndexFunc(kinds, func(k simulated.FaultKind) bool { return k.String() == string(f) })
	if i < 0 {
		panic(fmt.Sprintf("azuretest: there is no fault %q: choose one of %v", f, Faults())) // panic: a misspelt name in a test
	}
	return kinds[i]
}

// Fail gives a fault to the nth request from now on, whoever sends it, and ends
// what was arranged before.
func (a *Account) Fail(n int, f Fault) {
	a.inner.Decide(simulated.At(a.inner.Calls()+n, simulated.Fault{Kind: f.kind(), Delay: lateness}))
}

// lateness is by how much the request that [Account.Fail] makes late is.
const lateness = 7 * time.Second

// Swarm gives faults to requests at random, in a mix that the seed determines,
// of these kinds or, if there are none, of all that leave hosts alive. It
// describes the mix.
func (a *Account) Swarm(seed uint64, kinds ...Fault) string {
	var inner []simulated.FaultKind
	for _, k := range kinds {
		inner = append(inner, k.kind())
	}
	s := simulated.NewSwarm(seed, inner...)
	a.inner.Decide(s.Decide)
	return s.String()
}

// SwarmBlobs is [Account.Swarm] for requests of blobs alone.
func (a *Account) SwarmBlobs(seed uint64) string {
	s := simulated.NewSwarm(seed)
	a.inner.Decide(func(c simulated.Call) simulated.Fault {
		switch c.Kind {
		case simulated.PutBlob, simulated.GetBlob, simulated.DeleteBlob:
			return s.Decide(c)
		}
		return simulated.Fault{}
	})
	return "of blobs: " + s.String()
}

// Outage lets no request of anybody through until [Account.Calm].
func (a *Account) Outage() {
	a.inner.Decide(func(simulated.Call) simulated.Fault { return simulated.Fault{Kind: simulated.LostRequest} })
}

// Calm ends faults. Hosts that are cut or paused stay so.
func (a *Account) Calm() { a.inner.Decide(nil) }

// Failed is how often a kind of fault happened.
func (a *Account) Failed(f Fault) int { return a.inner.Faults().Of(f.kind()) }
