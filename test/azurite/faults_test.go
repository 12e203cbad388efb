package azurite

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite/faulty"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// patience bounds a scenario. Only a failure spends it.
const patience = 60 * time.Second

var (
	transactions = []operation.Kind{operation.EntityGroupTransaction} // commits, starts, claims, heartbeats, relays
	wakeUps      = []operation.Kind{operation.PutMessage}
)

// some lets so many of a thousand requests suffer.
func some(perMille int, f faulty.Fault) func() faulty.Decide {
	return func() faulty.Decide { return faulty.Seeded(1, faulty.Share{Fault: f, PerMille: perMille}) }
}

// first lets the first requests suffer.
func first(faults ...faulty.Fault) func() faulty.Decide {
	return func() faulty.Decide { return faulty.Script(faults...) }
}

// faults are what requests suffer, of some kinds or of all.
var faults = []struct {
	name   string
	kinds  []operation.Kind
	decide func() faulty.Decide
}{
	{"requests are lost on their way", nil, some(50,
		faulty.Fault{Kind: faulty.LoseRequest})},
	{"transactions are applied, and nobody learns it", transactions, some(200,
		faulty.Fault{Kind: faulty.LoseAnswer})},
	{"transactions arrive after their sender gave up", transactions, some(150,
		faulty.Fault{Kind: faulty.Late, Delay: 150 * time.Millisecond})},
	{"wake-ups are lost, or put twice", wakeUps, first(
		faulty.Fault{Kind: faulty.LoseRequest}, faulty.Fault{Kind: faulty.LoseAnswer},
		faulty.Fault{Kind: faulty.LoseAnswer}, faulty.Fault{Kind: faulty.LoseRequest})},
	{"the service is busy", nil, some(80,
		faulty.Fault{Kind: faulty.Refuse})},
	{"the service throttles, and says for how long", nil, some(15,
		faulty.Fault{Kind: faulty.Refuse, Status: http.StatusTooManyRequests, RetryAfter: time.Second})},
	{"the service fails after it has applied", nil, some(50,
		faulty.Fault{Kind: faulty.RefuseApplied, Status: http.StatusInternalServerError})},
	{"everything is slow now and then", nil, some(200,
		faulty.Fault{Delay: 20 * time.Millisecond, AnswerDelay: 40 * time.Millisecond})},
	{"answers break off in the middle", nil, some(50,
		faulty.Fault{Kind: faulty.CutAnswer})},
}

// through opens a process whose requests go through the transport.
func (p *place) through(t *testing.T, hub string, transport http.RoundTripper) *process {
	t.Helper()
	cfg := p.config(hub)
	cfg.Partitions, cfg.Transport = 2, transport
	return p.open(t, cfg)
}

func TestNothingIsLostOrDoubled(t *testing.T) {
	for _, f := range faults {
		t.Run("when "+f.name, func(t *testing.T) {
			t.Parallel()
			place := newPlace(t)
			hub := place.newHub()
			transport := faulty.New(place.counter, nil)
			client, a, b := place.through(t, hub, transport), place.through(t, hub, transport), place.through(t, hub, transport)
			decide := f.decide()
			if f.kinds != nil {
				decide = faulty.Only(faulty.Kinds(place.endpoints, f.kinds...), decide)
			}
			transport.Set(decide)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			shop := openShop(t, client, a, b)
			shop.serve(ctx, 0, 8)
			// A client that comes now knows whom to ring.
			shop.client = place.through(t, hub, transport)
			shop.serve(ctx, 8, 12)
			transport.Set(nil)
			transport.Flush()
			shop.audit(ctx)
			shop.close(a, b, client)
			if len(transport.Injected()) == 0 {
				t.Error("no request suffered: the test shows nothing")
			}
			t.Logf("requests that suffered: %v", transport.Injected())
		})
	}
}

// A host is cut off for longer than the others wait for it, in the middle of its
// work: they take over, and it comes back as another.
func TestNothingIsLostOrDoubledWhenAHostIsCutOffAndComesBack(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	hub := place.newHub()
	cable := faulty.New(place.counter, nil)
	client, a, b := place.through(t, hub, place.counter), place.through(t, hub, cable), place.through(t, hub, place.counter)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	shop := openShop(t, client, a, b)
	shop.serve(ctx, 0, 4)
	var all sync.WaitGroup
	all.Go(func() { shop.serve(ctx, 4, 12) })
	cable.Set(func(*http.Request) faulty.Fault { return faulty.Fault{Kind: faulty.LoseRequest} })
	select { // that it is longer than the TTL is what this is about
	case <-time.After(2 * ttl):
	case <-ctx.Done():
	}
	cable.Set(nil)
	all.Wait()
	shop.serve(ctx, 16, 4)
	shop.audit(ctx)
	shop.close(a, b)
	if cable.Injected()[faulty.LoseRequest] == 0 {
		t.Error("no request was lost: the test shows nothing")
	}
}
