package dispatch

import (
	"context"
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/internal/replay"
	"github.com/duroxide/duroxide-go/core/provider"
)

// TestAnInstanceIsNotGoneOnWithAsAnotherOfItsId: it was purged and started anew while
// another host had it, and stands where the one before stood when it went there.
func TestAnInstanceIsNotGoneOnWithAsAnotherOfItsId(t *testing.T) {
	r := registry.New()
	r.AddOrchestration(registry.Orchestration{Name: "late", Version: "1.0.0", Run: func(c *replay.Context, in history.Payload) (history.Payload, error) {
		return in, c.Wait("go", false, "").Await()
	}})
	native := NewNative(r, &registry.Env{Hub: "test", Codec: codec.JSON, Logger: slog.New(slog.DiscardHandler)}, CacheConfig{}, time.Now)
	defer native.live.close()
	begin := time.Now()
	first := func(input string, created time.Time) Work {
		return Work{Now: created, Turn: &provider.Turn{
			Instance: provider.Instance{ID: "x", Created: created, Status: history.StatusPending},
			Messages: []provider.Message{{ID: "start", To: "x", Data: &history.ExecutionStarted{Name: "late", Input: history.Payload(input), Seed: "00112233445566778899aabbccddeeff"}}},
		}}
	}
	run := func(n *Native, w Work) *provider.Commit {
		t.Helper()
		commit, err := n.Execute(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		n.Settle("x", true)
		return commit
	}
	run(native, first("1", begin))
	elsewhere := NewNative(r, native.env, CacheConfig{}, time.Now)
	defer elsewhere.live.close()
	events := run(elsewhere, first("2", begin.Add(time.Second))).Events
	commit := run(native, Work{
		Now: begin.Add(2 * time.Second),
		Turn: &provider.Turn{
			Instance: provider.Instance{
				ID: "x", Created: begin.Add(time.Second), Status: history.StatusRunning, Name: "late", Version: "1.0.0",
				Execution: 1, LastEvent: events[len(events)-1].ID,
			},
			Messages: []provider.Message{{ID: "go", To: "x", Data: &history.EventRaised{Name: "go"}}},
		},
		History: func(context.Context, int64) iter.Seq2[history.Event, error] {
			return func(yield func(history.Event, error) bool) {
				for _, e := range events {
					if !yield(e, nil) {
						return
					}
				}
			}
		},
	})
	if commit.Status != history.StatusCompleted || string(commit.Output) != "2" {
		t.Errorf("it is %s with %s, want completed with 2", commit.Status, commit.Output)
	}
}
