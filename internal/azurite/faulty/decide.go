package faulty

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// Decide says what happens to a request. It may be called from several
// goroutines at once, and must not read the request's body.
type Decide func(*http.Request) Fault

// Nth lets the nth request suffer the fault, counted from 1, and no other.
func Nth(n int, f Fault) Decide {
	faults := make([]Fault, n)
	faults[n-1] = f
	return Script(faults...)
}

// Script lets the first requests suffer these faults, in order, and no other.
func Script(faults ...Fault) Decide {
	var mu sync.Mutex
	return func(*http.Request) Fault {
		mu.Lock()
		defer mu.Unlock()
		if len(faults) == 0 {
			return Fault{}
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

// Share is a fault and how many of a thousand requests suffer it.
type Share struct {
	Fault    Fault
	PerMille int
}

// Seeded draws a fault for each request. The shares add up to at most 1,000; the
// rest of the requests suffer nothing.
func Seeded(seed uint64, shares ...Share) Decide {
	shares = slices.Clone(shares)
	draws := rand.New(rand.NewPCG(seed, 0)) // one draw a request, so that shares can change
	var mu sync.Mutex
	return func(*http.Request) Fault {
		mu.Lock()
		n := draws.IntN(1000)
		mu.Unlock()
		for _, s := range shares {
			if n -= s.PerMille; n < 0 {
				return s.Fault
			}
		}
		return Fault{}
	}
}

// Only lets another decide on the requests that match; they alone count for it.
func Only(match func(*http.Request) bool, decide Decide) Decide {
	return func(request *http.Request) Fault {
		if !match(request) {
			return Fault{}
		}
		return decide(request)
	}
}

// Kinds matches requests by their operation.
func Kinds(endpoints azurite.Endpoints, kinds ...operation.Kind) func(*http.Request) bool {
	reader := operation.NewReader(endpoints)
	return func(request *http.Request) bool { return slices.Contains(kinds, reader.Read(request).Kind) }
}
