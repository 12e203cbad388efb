package azure

import (
	"context"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/sdk"
)

// Store is a hub in a storage account. It implements [provider.Store] and
// [provider.Named].
type Store struct {
	opened
	account *sdk.Account
}

// opened is what a store has from package hub.
type opened interface {
	provider.Store
	provider.Named
	// Partitions is how many the hub has.
	Partitions() int
}

var (
	_ provider.Store = (*Store)(nil)
	_ provider.Named = (*Store)(nil)
)

// Open opens a hub, and creates it if there is none.
//
// The account is a connection string (with a key, a shared access signature, or
// UseDevelopmentStorage=true for an emulator on its usual ports), the URL of one
// of the account's services such as https://NAME.blob.core.windows.net (with or
// without a signature), or the account's name. The last two need a credential:
// see [Config].
//
// The errors are those of the contract: [provider.ErrInvalid] for an account or
// a [Config] that cannot be meant; [provider.ErrSchema] for a hub of a newer
// program; [provider.ErrNotFound] for Config.Existing where there is no hub;
// [provider.ErrUnavailable] where the account cannot be reached or refuses, with
// the role that is missing.
func Open(ctx context.Context, account string, cfg Config) (*Store, error) {
	a, err := cfg.connect(account)
	if err != nil {
		return nil, err
	}
	s, err := hub.Open(ctx, a, hub.Config{
		Name:        cfg.Hub,
		Partitions:  cfg.Partitions,
		Existing:    cfg.Existing,
		TTL:         cfg.TTL,
		OrphanAfter: cfg.OrphanAfter,
		WakeEvery:   min(cfg.TTL/6, 2500*time.Millisecond),
		SweepEvery:  min(4*cfg.TTL, time.Minute),
		Doorbell:    hub.Doorbell{Listen: cfg.Doorbell.Listen, Advertise: cfg.Doorbell.Advertise},
		Now:         cfg.Now,
		Log:         cfg.Log,
	})
	if err != nil {
		a.Close()
		return nil, err
	}
	return &Store{s, a}, nil
}

// Delete removes a hub with all of its instances, whoever uses it: stores that
// have it open fail from then on. It removes the hub's table, its container and its
// queues, and nothing else: a table or a container of that name that is no hub's is
// refused with [provider.ErrSchema]. A hub that does not exist is no error; one of which
// a part was left, by a call that failed, can be deleted again. Azure needs about a
// minute until a hub of that name can be created again. Of the [Config] only
// Credential and Transport are used.
func Delete(ctx context.Context, account, hubName string, cfg Config) error {
	cfg.Hub = hubName
	a, err := cfg.connect(account)
	if err != nil {
		return err
	}
	defer a.Close()
	return hub.Delete(ctx, a, hubName)
}

// connect checks the configuration and opens the account.
func (cfg *Config) connect(account string) (*sdk.Account, error) {
	cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	a, err := sdk.Open(sdk.Config{Account: account, Credential: cfg.Credential, Transport: cfg.Transport})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", provider.ErrInvalid, err)
	}
	return a, nil
}

// Close implements [provider.Store]. A host that has not left is abandoned: its
// partitions wait for another host, one TTL at most.
func (s *Store) Close() error {
	err := s.opened.Close()
	s.account.Close()
	return err
}

// String hides everything but the names of hub and account.
func (s *Store) String() string { return "hub " + s.Hub() + " in " + s.account.String() }

// GoString is for %#v.
func (s *Store) GoString() string { return s.String() }
