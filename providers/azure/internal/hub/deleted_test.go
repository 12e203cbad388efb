package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// TestAHostOfADeletedHubEnds: who waits for work or for an instance learns of it, the
// log says it once, and soon nothing is asked of what is gone for ever.
func TestAHostOfADeletedHubEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(10 * time.Millisecond)})
		defer account.Close()
		var log bytes.Buffer
		s, err := hub.Open(t.Context(), account.Client("server"), hub.Config{Name: "hub", Partitions: 2, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		host, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		start := provider.Message{ID: "start", To: "a", Start: &provider.Start{Name: "any"}, Data: &history.ExecutionStarted{Name: "any"}}
		if err := s.Send(t.Context(), start); err != nil {
			t.Fatal(err)
		}
		if _, err := host.NextTurn(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		turn, wait := make(chan error, 1), make(chan error, 1)
		go func() { _, err := host.NextTurn(ctx); turn <- err }()
		go func() { _, err := s.Wait(ctx, "a", provider.Until{Final: true}); wait <- err }()
		<-time.After(time.Second)
		if err := hub.Delete(ctx, account.Client("operator"), "hub"); err != nil {
			t.Fatal(err)
		}
		if err := <-turn; !errors.Is(err, provider.ErrClosed) {
			t.Errorf("waiting for a turn: %v, want %v", err, provider.ErrClosed)
		}
		if err := <-wait; !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "the hub was deleted") {
			t.Errorf("waiting for an instance: %v, want that the hub was deleted", err)
		}
		synctest.Wait()
		if got := strings.Count(log.String(), "the hub is gone: this host ends"); got != 1 {
			t.Errorf("the log says %d times that the hub is gone, want once:\n%s", got, log.String())
		}
		before := account.Calls()
		<-time.After(time.Minute)
		if got := account.Calls() - before; got > 60 {
			t.Errorf("%d requests in a minute after the hub was deleted", got)
		}
		_ = host.Leave(t.Context())
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestAClientOfAHubThatWasMadeAnewIsTold: what it sends would be stored where nobody
// looks.
func TestAClientOfAHubThatWasMadeAnewIsTold(t *testing.T) {
	for name, busy := range map[string]time.Duration{"that was idle": 0, "that sends all the time": 100 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(10 * time.Millisecond)})
				defer account.Close()
				open := func(name string) *hub.Store {
					s, err := hub.Open(t.Context(), account.Client(name), hub.Config{Name: "hub", Partitions: 2})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = s.Close() })
					return s
				}
				sent := 0
				send := func(s *hub.Store) error {
					sent++
					id := history.InstanceID(fmt.Sprint("order-", sent))
					return s.Send(t.Context(), provider.Message{ID: string(id), To: id, Start: &provider.Start{Name: "any"}, Data: &history.ExecutionStarted{Name: "any"}})
				}
				client := open("client")
				if err := send(client); err != nil {
					t.Fatal(err)
				}
				if err := hub.Delete(t.Context(), account.Client("operator"), "hub"); err != nil {
					t.Fatal(err)
				}
				for made := time.Now().Add(45 * time.Second); time.Now().Before(made); {
					if <-time.After(max(busy, time.Second)); busy > 0 {
						if err := send(client); err == nil {
							t.Error("a hub that is being deleted has taken a message")
						}
					}
				}
				open("other")
				account.Decide(simulated.When(func(c simulated.Call) bool {
					return c.Client == "client" && (c.Kind == simulated.Scan || c.Kind == simulated.Get && c.Key == row.HubRecord)
				}, simulated.Fault{Kind: simulated.Busy}))
				if err := send(client); !errors.Is(err, provider.ErrUnknown) || errors.Is(err, provider.ErrUnavailable) {
					t.Errorf("sending when it cannot be seen which hub it is: %v, want that the outcome is not known", err)
				}
				account.Decide(nil)
				sent--
				if err := send(client); !errors.Is(err, provider.ErrSchema) {
					t.Errorf("sending that again: %v, want that the hub was made anew", err)
				}
				if err := send(client); !errors.Is(err, provider.ErrSchema) {
					t.Errorf("sending: %v, want that the hub was made anew", err)
				}
				if _, err := client.Instance(t.Context(), "order-1"); !errors.Is(err, provider.ErrSchema) {
					t.Errorf("reading: %v, want that the hub was made anew", err)
				}
			})
		})
	}
}

// TestAClientSendsAlthoughTheRowOfAHostIsDamaged: that tells nothing of the hub, which is seen by its record.
func TestAClientSendsAlthoughTheRowOfAHostIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 2})
		client := open("client")
		damaged := storage.Row{Key: row.HostPrefix + "damaged", Cells: map[string][]byte{"Host": []byte("{")}}
		if _, err := account.Client("other").Transact(t.Context(), "hub", row.Management, []storage.Op{{Verb: storage.Insert, Row: damaged}}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if err := client.Send(t.Context(), story("x", "x", "")); err != nil {
			t.Error(err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}
