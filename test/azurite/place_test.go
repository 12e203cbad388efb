package azurite

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
	"github.com/duroxide/duroxide-go/providers/azure"
)

// place is an account for the hubs of one test.
type place struct {
	account   string
	endpoints azurite.Endpoints // of the emulator, empty for an account in Azure
	counter   *tally.Counter

	mu   sync.Mutex
	hubs []string
}

// inAzure names the account to be used instead of Azurite, if it is set.
var inAzure = os.Getenv("DUROXIDE_AZURE_STORAGE")

// newPlace is the account in Azure if there is one, otherwise the shared
// Azurite, strict. The hubs are deleted when the test and its subtests are over.
func newPlace(t *testing.T) *place {
	t.Helper()
	pool := http.DefaultTransport.(*http.Transport).Clone()
	pool.MaxIdleConnsPerHost = 64
	p := &place{account: inAzure}
	var next http.RoundTripper = pool
	if inAzure == "" {
		server := azuritetest.Shared(t)
		p.account, p.endpoints = server.ConnectionString(), server.Endpoints()
		next = azuritetest.Strict(t, p.endpoints).Over(pool)
	}
	p.counter = tally.New(next, p.endpoints)
	t.Cleanup(func() {
		p.deleteHubs(t)
		t.Logf("requests:\n%s", p.counter.Total())
		pool.CloseIdleConnections()
	})
	return p
}

func (p *place) newHub() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hubs = append(p.hubs, azuritetest.Name())
	return p.hubs[len(p.hubs)-1]
}

func (p *place) deleteHubs(t *testing.T) {
	var all sync.WaitGroup
	several := make(chan struct{}, 4)
	for _, name := range p.hubs {
		all.Go(func() {
			several <- struct{}{}
			defer func() { <-several }()
			if err := azure.Delete(context.WithoutCancel(t.Context()), p.account, name, azure.Config{Transport: p.counter}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// ttl is the least with which a slow request is not taken for a death.
const ttl = 3 * time.Second

// config is that of the hubs here.
func (p *place) config(name string) azure.Config {
	return azure.Config{Hub: name, Partitions: 1, TTL: ttl, Transport: p.counter, Log: slog.New(slog.DiscardHandler)}
}

// process is a store with a way to the account of its own, which can be cut as
// if the process had been killed.
type process struct {
	*azure.Store
	place *place
	cfg   azure.Config
	line  *line
}

func (p *place) open(t testing.TB, cfg azure.Config) *process {
	t.Helper()
	l := &line{next: cfg.Transport}
	over := cfg
	over.Transport = l
	s, err := azure.Open(context.WithoutCancel(t.Context()), p.account, over)
	if err != nil {
		t.Fatal(err)
	}
	return &process{s, p, cfg, l}
}

// kill is kill -9 as far as the account can tell.
func (p *process) kill() {
	p.line.cut.Store(true)
	go p.Close() //nolint:errcheck // Nobody is left to hear: this ends its goroutines.
}

// line is a way to the account.
type line struct {
	next http.RoundTripper
	cut  atomic.Bool
}

var errCut = errors.New("the process was killed")

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.cut.Load() {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errCut
	}
	answer, err := l.next.RoundTrip(r)
	if l.cut.Load() && err == nil {
		_ = answer.Body.Close()
		return nil, errCut
	}
	return answer, err
}
