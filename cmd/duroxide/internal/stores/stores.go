package stores

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/redact"
	"github.com/duroxide/duroxide-go/providers/memory"
	"github.com/duroxide/duroxide-go/providers/sqlite"
)

// Grammar is how a store is written, for usage texts.
const Grammar = "memory|sqlite:PATH|azurite|azure:ACCOUNT_URL"

// Kind is a kind of store.
type Kind string

// The kinds of stores.
const (
	Memory  Kind = "memory"
	SQLite  Kind = "sqlite"
	Azurite Kind = "azurite"
	Azure   Kind = "azure"
)

// Ref names a hub in a store.
type Ref struct {
	Kind Kind
	Path string // of the file, for SQLite; the account, for Azure: empty for that of [AccountVariable]
	Hub  string // empty for the store's default

	emulator azurite.Endpoints // of Azurite, once it was started
}

// Parse reads a store as written on the command line, with the name of a hub or
// "". All its errors are errors of usage.
func Parse(store, hub string) (Ref, error) {
	if redact.Secrets(store) != store {
		return Ref{}, fmt.Errorf("--store: the account comes with a secret, which everybody on this machine could read in the list of processes: put it into the variable %s, and write --store azure: alone", AccountVariable)
	}
	kind, place, placed := strings.Cut(store, ":")
	ref := Ref{Kind: Kind(kind), Path: place, Hub: hub}
	if hub != "" {
		if err := history.ValidateName("hub", hub); err != nil {
			return Ref{}, fmt.Errorf("--hub: %w", err)
		}
		if ref.OnAzure() {
			if err := checkHub(hub); err != nil {
				return Ref{}, err
			}
		}
	}
	switch ref.Kind {
	case Memory:
		if placed {
			return Ref{}, fmt.Errorf("--store %s: memory takes nothing after it: write --store memory", store)
		}
	case SQLite:
		if place == "" {
			return Ref{}, fmt.Errorf("--store %s: the path of the file is missing: write, for example, --store sqlite:orders.db", store)
		}
	case Azurite:
		if placed {
			return Ref{}, fmt.Errorf("--store %s: azurite takes nothing after it; for an emulator that runs already (%s) write --store azure:UseDevelopmentStorage=true, or put its connection string into the variable %s, and write azure: alone for the store", store, StartEmulator, AccountVariable)
		}
	case Azure:
		if err := checkAccount(store, place); err != nil {
			return Ref{}, err
		}
	case "":
		return Ref{}, fmt.Errorf("--store is empty: write one of %s", Grammar)
	default:
		return Ref{}, fmt.Errorf("--store %s: no kind of store is called %q: write one of %s", store, kind, Grammar)
	}
	return ref, nil
}

// String is the store as written on the command line.
func (r Ref) String() string {
	if r.Kind == SQLite || r.Kind == Azure {
		return string(r.Kind) + ":" + r.Path
	}
	return string(r.Kind)
}

// Args are the flags that name the same hub to another process.
func (r Ref) Args() []string {
	args := []string{"--store", r.String()}
	if r.Hub != "" {
		args = append(args, "--hub", r.Hub)
	}
	return args
}

// Shared reports whether other processes can open the same store.
func (r Ref) Shared() bool { return r.Kind != Memory }

// OnAzure reports whether the hub is in Azure Storage or its emulator, where
// any number of hosts share it.
func (r Ref) OnAzure() bool { return r.Kind == Azurite || r.Kind == Azure }

// Open opens the hub for everything, and creates the store if there is none.
func (r Ref) Open(ctx context.Context, o Options) (provider.Store, error) {
	if r.OnAzure() {
		return r.openAzure(ctx, o, false)
	}
	return r.open(ctx, sqlite.Config{Hub: r.Hub})
}

// OpenForReading opens a hub that exists, without ever changing it.
func (r Ref) OpenForReading(ctx context.Context) (provider.Store, error) {
	if r.OnAzure() {
		return r.openAzure(ctx, Options{}, true)
	}
	return r.open(ctx, sqlite.Config{Hub: r.Hub, ReadOnly: true})
}

func (r Ref) open(ctx context.Context, cfg sqlite.Config) (provider.Store, error) {
	if r.Kind == Memory {
		return &named{memory.New(memory.Config{}), r.Hub}, nil
	}
	s, err := sqlite.Open(ctx, r.Path, cfg)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Sibling names a store of the same kind beside this one, for scratch work.
func (r Ref) Sibling(suffix string) Ref {
	if r.Kind == SQLite {
		r.Path += suffix
	}
	return r
}

// Remove deletes a store that is not open: the files of SQLite, the hub in an
// Azure Storage account.
func (r Ref) Remove(ctx context.Context) error {
	if r.OnAzure() {
		return r.deleteHub(ctx)
	}
	if r.Kind != SQLite {
		return nil
	}
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", ".worker"} {
		if err := os.Remove(r.Path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Transactions counts what the store committed since it was opened, 0 where
// that means nothing.
func Transactions(s provider.Store) int64 {
	if s, ok := s.(*sqlite.Store); ok {
		return s.Stats().Transactions
	}
	return 0
}

// named gives a memory store the name of its hub.
type named struct {
	*memory.Store
	hub string
}

func (n *named) Hub() string {
	if n.hub == "" {
		return sqlite.DefaultHub
	}
	return n.hub
}
