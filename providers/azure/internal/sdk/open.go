package sdk

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	blobs "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/internal/redact"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// defaultTryTimeout is long enough for 4 MiB over a slow line, and short enough
// that a lost answer does not stop a partition for long.
const defaultTryTimeout = 10 * time.Second

// Config says which account to open.
type Config struct {
	// Account is a connection string, the URL of one of the account's services
	// (https://name.blob.core.windows.net, with or without a shared access
	// signature), or the account's name.
	Account string
	// Credential gives tokens for an account named by URL or name. Nil means
	// azidentity's default chain: environment, workload and managed identity,
	// command lines.
	Credential azcore.TokenCredential
	// TryTimeout is how long one request may take; 0 means 10 s. Requests with
	// large bodies get more.
	TryTimeout time.Duration
	// Transport sends requests, those for tokens of the default credential too; nil
	// means a pool of connections of this account's own, which [Account.Close] closes.
	Transport http.RoundTripper
}

// String hides the account, which may hold a key.
func (c Config) String() string { return "sdk.Config(" + redact.Secrets(c.Account) + ")" }

// GoString is for %#v.
func (c Config) GoString() string { return c.String() }

func (c Config) validate() error {
	if c.TryTimeout < 0 {
		return fmt.Errorf("TryTimeout is %v, want a positive duration", c.TryTimeout)
	}
	return nil
}

// Account is a storage account. It keeps no state but connections and the
// difference of clocks.
type Account struct {
	name       string
	tryTimeout time.Duration
	clock      *clock
	idle       func() // closes idle connections, nil for a foreign transport

	tables tableService
	queues *azqueue.ServiceClient
	blobs  *blobs.Client
}

var _ storage.Account = (*Account)(nil)

// Open makes an account's clients. It sends nothing: a wrong key or a name that
// does not exist shows at the first call.
func Open(cfg Config) (*Account, error) {
	a, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("azure: opening the storage account: %w", err)
	}
	return a, nil
}

func open(cfg Config) (*Account, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	where, err := locate(cfg.Account)
	if err != nil {
		return nil, err
	}
	if where.key == "" && where.signature == "" {
		if where.plain() {
			return nil, errors.New("tokens are sent over https only, and the account's URL says http: use https, or a connection string with the account's key")
		}
		if cfg.Credential == nil {
			if cfg.Credential, err = defaultCredential(where, cfg.Transport); err != nil {
				return nil, fmt.Errorf("no credential was given, and none was found: %w", err)
			}
		}
	} else if cfg.Credential != nil {
		return nil, errors.New("both a credential and a key or signature were given: give one of them")
	}

	a := &Account{name: where.name, tryTimeout: cfg.TryTimeout, clock: newClock()}
	if a.tryTimeout == 0 {
		a.tryTimeout = defaultTryTimeout
	}
	transport := cfg.Transport
	if transport == nil {
		pool := newPool()
		transport, a.idle = pool, pool.CloseIdleConnections
	}
	retry := policy.RetryOptions{MaxRetries: -1} // K1
	if bug.Planted("writes-repeated") {
		retry = policy.RetryOptions{} // the SDK's default
	}
	err = a.connect(where, cfg.Credential, policy.ClientOptions{
		Retry:     retry,
		Transport: &observer{next: transport, clock: a.clock},
	})
	return a, err
}

// newPool is made for one host name per service and many requests at once. It
// closes idle connections before the service does, which takes minutes: a write
// on a connection that is just being closed has an unknown outcome.
func newPool() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       60 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
}

// connect makes the clients of the three services.
func (a *Account) connect(where location, credential azcore.TokenCredential, options policy.ClientOptions) (err error) {
	queueOptions := &azqueue.ClientOptions{ClientOptions: options}
	queueOptions.PerCallPolicies = []policy.Policy{bodyless{}}
	blobOptions := &blobs.ClientOptions{ClientOptions: options}
	var table []policy.Policy

	switch {
	case where.key != "":
		key, err := newTableKey(where.name, where.key)
		if err != nil {
			return err
		}
		table = append(table, key)
		queueKey, err := azqueue.NewSharedKeyCredential(where.name, where.key)
		if err != nil {
			return err
		}
		blobKey, err := blobs.NewSharedKeyCredential(where.name, where.key)
		if err != nil {
			return err
		}
		if a.queues, err = azqueue.NewServiceClientWithSharedKeyCredential(where.queue, queueKey, queueOptions); err != nil {
			return err
		}
		a.blobs, err = blobs.NewClientWithSharedKeyCredential(where.blob, blobKey, blobOptions)
		if err != nil {
			return err
		}
	case where.signature != "":
		if a.queues, err = azqueue.NewServiceClientWithNoCredential(where.queue+"/?"+where.signature, queueOptions); err != nil {
			return err
		}
		if a.blobs, err = blobs.NewClientWithNoCredential(where.blob+"/?"+where.signature, blobOptions); err != nil {
			return err
		}
	default:
		credential = tokens{credential}
		table = append(table, runtime.NewBearerTokenPolicy(credential, []string{tokenScope}, nil))
		if a.queues, err = azqueue.NewServiceClient(where.queue, credential, queueOptions); err != nil {
			return err
		}
		if a.blobs, err = blobs.NewClient(where.blob, credential, blobOptions); err != nil {
			return err
		}
	}
	a.tables = tableService{
		endpoint:  where.table,
		signature: where.signature,
		pipeline:  runtime.NewPipeline("duroxide", "v1", runtime.PipelineOptions{PerRetry: table}, &options),
	}
	return nil
}

// tokenScope is the audience of tokens, the same in all clouds.
const tokenScope = "https://storage.azure.com/.default" //nolint:gosec // It is public, and no credential.

// Now implements [storage.Account].
func (a *Account) Now() time.Time { return a.clock.now() }

// Close closes connections that are idle. Calls under way are not disturbed.
func (a *Account) Close() {
	if a.idle != nil {
		a.idle()
	}
}

// Name is the account's name.
func (a *Account) Name() string { return a.name }

// String hides everything but the name.
func (a *Account) String() string { return "storage account " + a.name }

// GoString is for %#v.
func (a *Account) GoString() string { return a.String() }
