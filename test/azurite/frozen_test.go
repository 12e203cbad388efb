package azurite

import (
	"context"
	"flag"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

// frozen is longer than hosts may be silent; the minute takes the flag.
var frozen = flag.Duration("frozen", 2*ttl, "how long the server is stopped in the middle of work")

// TestEverythingEndsAfterTheServerWasStoppedForAWhile: the account does not answer
// for longer than hosts may be silent, in the middle of work. Then everybody goes
// on where it stood: nobody has declared anybody dead, and nobody has taken
// anything over.
//
//	go test ./test/azurite -run TestEverythingEnds -frozen 1m
func TestEverythingEndsAfterTheServerWasStoppedForAWhile(t *testing.T) {
	if inAzure != "" {
		t.Skip("stops the server, which is somebody else's: unset DUROXIDE_AZURE_STORAGE to run it on Azurite")
	}
	t.Parallel()
	server := azuritetest.Start(t, azurite.Config{})
	place := placeOf(t, server)
	heard := &hears{counts: map[string]int{}}
	cfg := place.config(place.newHub())
	cfg.Partitions, cfg.Log = 4, slog.New(heard)
	client, a, b, c := place.open(t, cfg), place.open(t, cfg), place.open(t, cfg), place.open(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), patience+2**frozen)
	defer cancel()
	shop := openShop(t, client, a, b, c)
	shop.serve(ctx, 0, 6)
	until(ctx, t, "every host serves something", func() bool {
		hosts, err := client.Hosts(ctx)
		serving, served := 0, 0
		for _, h := range hosts {
			served += len(h.Serves)
			serving += min(1, len(h.Serves))
		}
		return err == nil && serving == 3 && served == 4
	})

	before, begun := heard.all(), shop.begun.Load()+6
	var all sync.WaitGroup
	all.Go(func() { shop.serve(ctx, 6, 12) })
	until(ctx, t, "the orders are under way", func() bool { return shop.begun.Load() > begun })
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	asleep := time.Now()
	select { // that it is longer than the TTL is what this is about
	case <-time.After(*frozen):
	case <-ctx.Done():
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	slept := time.Since(asleep)
	all.Wait()
	shop.serve(ctx, 18, 4)
	after := heard.all()
	shop.audit(ctx)
	shop.close(a, b, c)
	t.Logf("the server slept for %v; hosts said %v before, %v in the end", slept.Round(time.Millisecond), before, after)
	for _, what := range []string{"host is dead", "incarnation ended", "partition lost"} {
		if n := after[what] - before[what]; n > 0 {
			t.Errorf("%d times %q because the server slept", n, what)
		}
	}
	// Balancing may go on: what is claimed was given up before.
	if claimed, released := after["partition claimed"]-before["partition claimed"], after["partition released"]-before["partition released"]; claimed > released {
		t.Errorf("hosts claimed %d partitions and gave up %d because the server slept", claimed, released)
	}
}

// placeOf is an account on a server of the test's own.
func placeOf(t *testing.T, server *azurite.Server) *place {
	t.Helper()
	pool := http.DefaultTransport.(*http.Transport).Clone()
	pool.MaxIdleConnsPerHost = 64
	p := &place{account: server.ConnectionString(), endpoints: server.Endpoints()}
	p.counter = tally.New(azuritetest.Strict(t, p.endpoints).Over(pool), p.endpoints)
	t.Cleanup(func() {
		t.Logf("requests:\n%s", p.counter.Total())
		pool.CloseIdleConnections()
	})
	return p
}

// hears counts lines of a log by their text.
type hears struct {
	mu     sync.Mutex
	counts map[string]int
}

func (h *hears) Enabled(context.Context, slog.Level) bool { return true }

func (h *hears) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[r.Message]++
	return nil
}

func (h *hears) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *hears) WithGroup(string) slog.Handler      { return h }

func (h *hears) all() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.counts)
}

// until waits for what nobody tells.
func until(ctx context.Context, t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it never came to this: ", what)
		}
	}
}
