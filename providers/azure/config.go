package azure

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/sharding"
)

// DefaultHub is the name of a hub that was opened without one.
const DefaultHub = "duroxide"

const (
	minTTL     = 500 * time.Millisecond
	defaultTTL = 15 * time.Second
	maxTTL     = 10 * time.Minute
)

// Config of a [Store]. The zero value is complete.
type Config struct {
	// Hub is the hub's name, not "tables": 3 to 21 lower-case letters and digits, a letter
	// first, since it becomes the name of a table and of a container, and begins
	// those of queues. Hubs of different names in one account have nothing in
	// common but its limits. Empty means [DefaultHub].
	Hub string

	// Partitions is how many partitions the hub gets when it is created: 1 to
	// 256. It can never change: a hub that exists keeps its number, whatever
	// stands here. It bounds how many hosts can share the work of turns, and how
	// many commits are in flight at once; each partition costs its owner a sweep
	// a minute. 0 means 16, which suits up to some thousand turns a second.
	Partitions int

	// Existing opens the hub only if there is one, and otherwise gives
	// [provider.ErrNotFound]; nothing is created. For programs that look.
	Existing bool

	// Credential gives tokens for an account that is named by URL or by name.
	// Nil means the default chain of azidentity: environment, workload and
	// managed identity, command lines. It must be nil where the account comes
	// with a key or a signature.
	Credential azcore.TokenCredential

	// TTL is how long a host may be silent before others take its partitions:
	// 500 ms to 10 min. All hosts and clients of a hub must agree on it. Shorter
	// means a quicker takeover after a crash, and more requests of a hub at rest:
	// heartbeats (three per host and TTL), and below 15 s sweeps of inboxes (one
	// per partition and four TTLs). Below 3 s slow requests look like deaths, so
	// that is for tests. 0 means 15 s.
	TTL time.Duration

	// OrphanAfter is how long a message may wait for an instance that does not
	// exist before it goes to the dead letters. 0 means 24 hours.
	OrphanAfter time.Duration

	// Doorbell lets other processes of the hub ring this one, while a worker
	// runs on the store, and wait at it. The zero value listens nowhere. Clients
	// ring whoever listens and need no configuration.
	Doorbell Doorbell

	// Transport sends requests; nil means a pool of connections that belongs to
	// the store. It sees every request once, retries included, and must follow
	// no redirects. Where Credential is nil it sends those for tokens, too. For
	// proxies, and tests that count or disturb requests.
	Transport http.RoundTripper

	// Log hears what an operator can act on: deaths of hosts, takeovers, lost
	// partitions. It hears no secret. Nil means slog.Default().
	Log *slog.Logger

	// Now is the hub's clock, for tests; nil means this machine's, corrected by
	// the service's, of which every answer tells.
	Now func() time.Time
}

// Doorbell is where a host can be rung over HTTP, which costs no transaction and
// takes no poll: what is sent is found at once, and a client that waits is told
// of changes. It carries signed hints and no data; see docs/security.md. Where it
// does not answer, wake-ups go through storage queues.
type Doorbell struct {
	// Listen is host:port. Without a host that is loopback, for processes of one
	// machine; 0.0.0.0:7071 is every address of the machine, 10.0.0.5:7071 one.
	// Port 0 is any that is free. Empty means no doorbell.
	Listen string
	// Advertise is the host, or host:port, at which others reach it, for where
	// that is not where it listens: behind NAT, in a container, or when it
	// listens on every address. Without a port it gets that of Listen.
	Advertise string
}

func (cfg *Config) withDefaults() {
	if cfg.Hub == "" {
		cfg.Hub = DefaultHub
	}
	if cfg.TTL == 0 {
		cfg.TTL = defaultTTL
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
}

// validate names the field that is wrong.
func (cfg *Config) validate() error {
	if err := hub.ValidateName(cfg.Hub); err != nil {
		return fmt.Errorf("Config.Hub: %w", err)
	}
	switch {
	case cfg.Partitions < 0 || cfg.Partitions > sharding.MaxPartitions:
		return fmt.Errorf("%w: Config.Partitions is %d: choose from 1 to %d, or 0 for the default", provider.ErrInvalid, cfg.Partitions, sharding.MaxPartitions)
	case cfg.TTL < minTTL || cfg.TTL > maxTTL:
		return fmt.Errorf("%w: Config.TTL is %v: choose from %v to %v, or 0 for the default", provider.ErrInvalid, cfg.TTL, minTTL, maxTTL)
	case cfg.OrphanAfter < 0:
		return fmt.Errorf("%w: Config.OrphanAfter is %v: it must not be negative", provider.ErrInvalid, cfg.OrphanAfter)
	case cfg.Doorbell.Listen == "" && cfg.Doorbell.Advertise != "":
		return fmt.Errorf("%w: Config.Doorbell.Advertise is %q, and Listen is empty: without it there is no doorbell", provider.ErrInvalid, cfg.Doorbell.Advertise)
	}
	return nil
}
