package stores

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/strict"
	"github.com/duroxide/duroxide-go/providers/azure"
)

// The variables of the environment that name accounts. What they hold may be
// secret, and the arguments of a process are not: everybody on the machine can
// read them.
const (
	// AccountVariable is the account of a store that is written azure: alone.
	AccountVariable = "DUROXIDE_AZURE_STORAGE"
	// EmulatorVariable is the connection string of the emulator that a parent
	// process has started.
	EmulatorVariable = "DUROXIDE_AZURITE"
)

// StartEmulator is the command that starts an emulator for every version of the SDK.
const StartEmulator = "npx azurite --inMemoryPersistence --skipApiVersionCheck"

// azureHub is what the name of a hub looks like where it becomes part of the
// names of tables, queues and containers.
var azureHub = regexp.MustCompile(`^[a-z][a-z0-9]{2,20}$`)

// Options of [Ref.Open] that matter on Azure Storage; zeros are defaults.
type Options struct {
	TTL        time.Duration     // how long a host may be silent
	Partitions int               // of a hub that is created
	Transport  http.RoundTripper // sends the requests
	Log        *slog.Logger      // hears of hosts that come and go
}

func checkHub(hub string) error {
	switch {
	case hub == "tables":
		return fmt.Errorf("--hub %s: on Azure Storage no hub can be called that: the Table service reserves that name", hub)
	case !azureHub.MatchString(hub):
		return fmt.Errorf("--hub %s: on Azure Storage a hub's name is 3 to 21 lower-case letters and digits, a letter first", hub)
	}
	return nil
}

func checkAccount(store, place string) error {
	if place == "" && os.Getenv(AccountVariable) == "" {
		return fmt.Errorf("--store %s: which account? Write its URL, as in --store azure:https://NAME.blob.core.windows.net, or put a connection string into the variable %s", store, AccountVariable)
	}
	return nil
}

// Start starts what the store needs and nobody has started: an emulator, for
// azurite. The Ref that it returns names the same hub there. Stop ends what was
// started; the hub is gone with it.
func (r Ref) Start(ctx context.Context) (started Ref, stop func() error, err error) {
	if r.Kind != Azurite || r.account() != "" {
		return r, func() error { return nil }, nil
	}
	server, err := azurite.Start(ctx, azurite.Config{})
	if err != nil {
		return r, nil, err
	}
	return r.At(server.Endpoints()), server.Stop, nil
}

// At is the same hub reached at other addresses: those of an emulator, or of
// something that stands between.
func (r Ref) At(e azurite.Endpoints) Ref {
	r.emulator = e
	return r
}

// Environment is what another process needs to know beside [Ref.Args].
func (r Ref) Environment() []string {
	if r.Kind == Azurite {
		return []string{EmulatorVariable + "=" + r.account()}
	}
	return nil
}

// account is how package azure finds the account, empty if nobody knows.
func (r Ref) account() string {
	switch {
	case r.Kind == Azure && r.Path == "":
		return os.Getenv(AccountVariable)
	case r.Kind == Azure:
		return r.Path
	case r.emulator != azurite.Endpoints{}:
		return r.emulator.ConnectionString()
	}
	return os.Getenv(EmulatorVariable)
}

// Endpoints are the addresses of an emulator's services, empty for an account in
// the cloud.
func (r Ref) Endpoints() azurite.Endpoints {
	account := r.account()
	if strings.Contains(strings.ToLower(account), "usedevelopmentstorage=true") {
		at := func(port string) string { return "http://127.0.0.1:" + port + "/" + azurite.AccountName }
		return azurite.Endpoints{Blob: at("10000"), Queue: at("10001"), Table: at("10002")}
	}
	return azurite.EndpointsIn(account)
}

// NewTransport makes a pool of connections to the account, for those who want to
// stand between. An emulator closes connections that are not used for five
// seconds, and a request that meets the closing is lost.
func (r Ref) NewTransport() *http.Transport {
	idle := time.Minute
	if (r.Endpoints() != azurite.Endpoints{}) {
		idle = 2 * time.Second
	}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     idle,
		TLSHandshakeTimeout: 5 * time.Second,
		DisableCompression:  true,
	}
}

// Strict is a transport to an emulator that refuses what Azure would refuse; to an
// account in the cloud it is next.
func (r Ref) Strict(next http.RoundTripper) http.RoundTripper {
	if r.Kind != Azurite {
		return next
	}
	return strict.New(strict.Config{Endpoints: r.Endpoints()}).Over(next)
}

var errNoEmulator = errors.New("--store azurite: an emulator that a command starts ends with it, and holds nothing to look at. For one that runs already (" + StartEmulator + ") write --store azure:UseDevelopmentStorage=true, or put its connection string into the variable " +
	AccountVariable + ", and write azure: alone for the store")

// Running reports what keeps a store from being opened as it is, without
// [Ref.Start].
func (r Ref) Running() error {
	if r.OnAzure() && r.account() == "" {
		return errNoEmulator
	}
	return nil
}

func (r Ref) openAzure(ctx context.Context, o Options, existing bool) (provider.Store, error) {
	if err := r.Running(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var own *http.Transport
	if o.Transport == nil {
		own = r.NewTransport()
		o.Transport = r.Strict(own)
	}
	s, err := azure.Open(ctx, r.account(), azure.Config{
		Hub: r.Hub, Partitions: o.Partitions, Existing: existing, TTL: o.TTL, Transport: o.Transport, Log: o.Log,
		Doorbell: azure.Doorbell{Listen: "127.0.0.1:0"}, // all processes of a command are on this machine
	})
	if err != nil {
		return nil, err
	}
	return &pooled{s, own}, nil
}

func (r Ref) deleteHub(ctx context.Context) error {
	own := r.NewTransport()
	defer own.CloseIdleConnections()
	hub := r.Hub
	if hub == "" {
		hub = azure.DefaultHub
	}
	return azure.Delete(ctx, r.account(), hub, azure.Config{Transport: own})
}

// pooled is a hub with a pool of connections of its own.
type pooled struct {
	*azure.Store
	pool *http.Transport // nil for somebody else's
}

func (p *pooled) Close() error {
	err := p.Store.Close()
	if p.pool != nil {
		p.pool.CloseIdleConnections()
	}
	return err
}

// Host is a host of a hub, as its row says.
type Host = azure.Host

// Hosts reads which hosts a hub has and what they serve; nothing for stores
// that have no such thing.
func Hosts(ctx context.Context, s provider.Store) ([]Host, error) {
	if p, ok := s.(*pooled); ok {
		return p.Hosts(ctx)
	}
	return nil, nil
}
