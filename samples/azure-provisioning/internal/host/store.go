package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/providers/azure"
	"github.com/duroxide/duroxide-go/providers/sqlite"
)

// Hub is the name of the sample's hub. It is in the tags of all that is made.
const Hub = "provisioning"

// HostTTL is how long a host may be silent before others take over what it does.
// It is short, so that nobody gets bored; the default of 15 s is kinder to a host
// that has a hiccup.
const HostTTL = 3 * time.Second

// Store says where the state is.
type Store struct {
	SQLite string // path of the file; empty for Azure Storage
	// connection is that of an emulator or of an account, for Azure Storage.
	connection string
}

// ParseStore reads a store as it is written on the command line.
func ParseStore(text string) (Store, error) {
	kind, path, _ := strings.Cut(text, ":")
	switch {
	case text == "azurite":
		return Store{}, nil
	case kind == "sqlite" && path != "":
		return Store{SQLite: path}, nil
	case kind == "sqlite":
		return Store{}, fmt.Errorf("--store %s: the path of the file is missing: write, for example, --store sqlite:provisioning.db", text)
	}
	return Store{}, fmt.Errorf("--store %s: write azurite, or sqlite:PATH", text)
}

func (s Store) String() string {
	if s.SQLite != "" {
		return "sqlite:" + s.SQLite
	}
	return "azurite"
}

// Shared reports whether several hosts can work on the store at a time.
func (s Store) Shared() bool { return s.SQLite == "" }

// New reports an error if the store holds something already.
func (s Store) New() error {
	if s.SQLite == "" {
		return nil
	}
	if is, err := os.Stat(s.SQLite); err == nil && is.IsDir() {
		return fmt.Errorf("--store %s: that is a directory: write the name of a file in it", s)
	}
	var old []string
	for _, suffix := range []string{"", "-wal", "-shm", ".worker"} {
		if _, err := os.Stat(s.SQLite + suffix); err == nil {
			old = append(old, s.SQLite+suffix)
		}
	}
	if len(old) == 0 || old[0] != s.SQLite {
		return nil
	}
	return fmt.Errorf("--store %s: the file is there already, and what it tells of was in an emulator that is gone: remove %s, or name another", s, strings.Join(old, " "))
}

// Start starts what the store needs. Stop ends it.
func (s Store) Start(ctx context.Context) (_ Store, stop func() error, err error) {
	if s.SQLite != "" {
		return s, func() error { return nil }, nil
	}
	server, err := azurite.Start(ctx, azurite.Config{})
	if err != nil {
		return s, nil, fmt.Errorf("%w\n(--store sqlite:PATH needs no Azurite, and shows the same with one host at a time)", err)
	}
	s.connection = server.ConnectionString()
	return s, server.Stop, nil
}

// Open opens the hub. Closing what it returns closes its connections, too.
func (s Store) Open(ctx context.Context, log *slog.Logger) (provider.Store, error) {
	if s.SQLite != "" {
		return sqlite.Open(ctx, s.SQLite, sqlite.Config{Hub: Hub})
	}
	if s.connection == "" {
		return nil, errors.New("the store azurite was not started")
	}
	// Azurite closes connections that are idle for five seconds; a request that
	// meets the closing would be lost.
	pool := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 2 * time.Second, DisableCompression: true,
	}
	store, err := azure.Open(ctx, s.connection, azure.Config{
		Hub: Hub, Partitions: 8, TTL: HostTTL, Transport: pool, Log: log,
		Doorbell: azure.Doorbell{Listen: "127.0.0.1:0"}, // all hosts are on this machine
	})
	if err != nil {
		return nil, err
	}
	return &pooled{store, pool}, nil
}

// pooled is a hub with connections of its own.
type pooled struct {
	*azure.Store
	pool *http.Transport
}

func (p *pooled) Close() error {
	err := p.Store.Close()
	p.pool.CloseIdleConnections()
	return err
}

// The variables of the environment by which children learn what is secret.
const (
	connectionVariable = "PROVISIONING_STORE"
	keyVariable        = "PROVISIONING_KEY"
)

// environment is what a child needs to know to open the store.
func (s Store) environment() []string { return []string{connectionVariable + "=" + s.connection} }

// inherited is the store as a child is told of it.
func inherited(text string) (Store, error) {
	s, err := ParseStore(text)
	s.connection = os.Getenv(connectionVariable)
	return s, err
}
