package azure_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/providers/azure"
)

// connections are a test's own.
func connections(t *testing.T) *http.Transport {
	t.Helper()
	pool := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(pool.CloseIdleConnections)
	return pool
}

// config is for a hub of the test's own on the shared Azurite.
func config(t *testing.T) (account string, cfg azure.Config) {
	t.Helper()
	server := azuritetest.Shared(t)
	return server.ConnectionString(), azure.Config{
		Hub: azuritetest.Name(), Partitions: 1, Log: slog.New(slog.DiscardHandler),
		Transport: azuritetest.Strict(t, server.Endpoints()).Over(connections(t)),
	}
}

func open(t *testing.T, account string, cfg azure.Config) *azure.Store {
	t.Helper()
	s, err := azure.Open(t.Context(), account, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func start(ctx context.Context, s provider.Store) error {
	return s.Send(ctx, provider.Message{ID: "start-1", To: "order-1", Start: &provider.Start{Name: "order"}, Data: &history.ExecutionStarted{Name: "order"}})
}

func TestAConfigThatCannotBeMeantNamesTheField(t *testing.T) {
	for field, cfg := range map[string]azure.Config{
		"Hub":         {Hub: "Orders"},
		"Partitions":  {Partitions: 257},
		"TTL":         {TTL: time.Millisecond},
		"OrphanAfter": {OrphanAfter: -1},
		"Advertise":   {Doorbell: azure.Doorbell{Advertise: "host:7071"}},
	} {
		_, err := azure.Open(t.Context(), "UseDevelopmentStorage=true", cfg)
		if !errors.Is(err, provider.ErrInvalid) || !strings.Contains(err.Error(), "azure: ") || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, name := range []string{"ab", "1ab", "orders-1", "a23456789012345678901b", "Ärger", "tables"} {
		if err := azure.Delete(t.Context(), "UseDevelopmentStorage=true", name, azure.Config{}); !errors.Is(err, provider.ErrInvalid) {
			t.Errorf("deleting hub %q: %v", name, err)
		}
	}
}

func TestAnAccountThatCannotBeMeantIsInvalid(t *testing.T) {
	for _, account := range []string{"", "An Account", "AccountName=orders;AccountKey=short", "ftp://orders", "https://example.com", "http://orders.blob.core.windows.net"} {
		if _, err := azure.Open(t.Context(), account, azure.Config{}); !errors.Is(err, provider.ErrInvalid) {
			t.Errorf("account %q: %v", account, err)
		}
	}
}

func TestAHubIsCreatedOnceAndDeletedWhole(t *testing.T) {
	account, cfg := config(t)
	cfg.Existing = true
	if _, err := azure.Open(t.Context(), account, cfg); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("opening a hub that does not exist: %v", err)
	}
	cfg.Existing, cfg.Partitions = false, 3
	if s := open(t, account, cfg); s.Partitions() != 3 || s.Hub() != cfg.Hub {
		t.Errorf("hub %s has %d partitions", s.Hub(), s.Partitions())
	}
	cfg.Existing, cfg.Partitions = true, 5
	s := open(t, account, cfg)
	if s.Partitions() != 3 {
		t.Errorf("opened again, it has %d partitions", s.Partitions())
	}
	if err := start(t.Context(), s); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := azure.Delete(t.Context(), account, cfg.Hub, cfg); err != nil {
			t.Errorf("deleting: %v", err)
		}
	}
	for what, err := range map[string]error{
		"sending":  start(t.Context(), s),
		"reading":  func() error { _, err := s.Instance(t.Context(), "order-1"); return err }(),
		"listing":  func() error { _, err := s.List(t.Context(), provider.Query{}); return err }(),
		"creating": func() error { cfg.Existing = false; _, err := azure.Open(t.Context(), account, cfg); return err }(),
	} {
		if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "the hub was deleted") {
			t.Errorf("%s in a hub that was deleted: %v", what, err)
		}
	}
}

func TestAHubOfANewerProgramIsLeftAlone(t *testing.T) {
	account, cfg := config(t)
	open(t, account, cfg)
	service, err := aztables.NewServiceClientFromConnectionString(account, nil)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := json.Marshal(aztables.EDMEntity{
		Entity:     aztables.Entity{PartitionKey: "~hub", RowKey: "hub"},
		Properties: map[string]any{"Hub": `{"format":99,"partitions":4,"generation":"x"}`},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.NewClient(cfg.Hub).UpdateEntity(t.Context(), newer, nil); err != nil {
		t.Fatal(err)
	}
	_, err = azure.Open(t.Context(), account, cfg)
	if !errors.Is(err, provider.ErrSchema) || !strings.Contains(err.Error(), "upgrade the program") {
		t.Errorf("opening it: %v", err)
	}
}
