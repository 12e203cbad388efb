package chaos

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/strict"
	"github.com/duroxide/duroxide-go/providers/azure"
)

// accountVariable holds the account of a hub, for a worker that is to serve one.
const accountVariable = "DUROXIDE_CHAOS_AZURE"

// soakPace is the most that an activity takes.
const soakPace = 300 * time.Millisecond

// openHub opens the hub of the soak. What Azure would refuse is refused, and told.
func openHub(ctx context.Context, account string, log *slog.Logger, refused func(strict.Violation)) (*azure.Store, error) {
	pool := http.DefaultTransport.(*http.Transport).Clone()
	pool.MaxIdleConnsPerHost, pool.IdleConnTimeout = 64, 2*time.Second // before the emulator closes them
	checker := strict.New(strict.Config{Endpoints: azurite.EndpointsIn(account)})
	return azure.Open(ctx, account, azure.Config{
		Hub: "soak", Partitions: 8, TTL: 3 * time.Second, Transport: &checked{checker, checker.Over(pool), refused}, Log: log,
		Doorbell: azure.Doorbell{Listen: "127.0.0.1:0"},
	})
}

// checked tells of each request that Azure would refuse.
type checked struct {
	checker *strict.Checker
	next    http.RoundTripper
	refused func(strict.Violation)
}

func (c *checked) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.next.RoundTrip(r)
	for _, v := range c.checker.Forgive() {
		c.refused(v)
	}
	return answer, err
}
