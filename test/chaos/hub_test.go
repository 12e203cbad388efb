package chaos

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure"
)

// accountVariable holds the account of a hub, for a worker that is to serve one.
const accountVariable = "DUROXIDE_CHAOS_AZURE"

// soakPace is the most that an activity takes.
const soakPace = 300 * time.Millisecond

// openHub opens the hub of the soak.
func openHub(ctx context.Context, account string, log *slog.Logger) (*azure.Store, error) {
	pool := http.DefaultTransport.(*http.Transport).Clone()
	pool.MaxIdleConnsPerHost, pool.IdleConnTimeout = 64, 2*time.Second // before the emulator closes them
	return azure.Open(ctx, account, azure.Config{
		Hub: "soak", Partitions: 8, TTL: 3 * time.Second, Transport: pool, Log: log,
		Doorbell: azure.Doorbell{Listen: "127.0.0.1:0"},
	})
}
