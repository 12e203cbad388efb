package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/internal/replay"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/memory"
)

// In steady state every turn goes on where the one before stopped: a store that
// hands the next turn over before the last one is settled (D9) must not make
// instances replay.
func TestLiveInstancesDoNotReplay(t *testing.T) {
	const instances, activities = 200, 20
	r := registry.New()
	r.AddActivity(registry.Activity{Name: "echo", Run: func(_ context.Context, in history.Payload) (history.Payload, error) { return in, nil }})
	r.AddOrchestration(registry.Orchestration{Name: "fan", Version: "1.0.0", Run: func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		var tasks []*replay.Task
		for i := range activities {
			tasks = append(tasks, c.Activity(&history.ActivityScheduled{Name: "echo", Input: history.Payload(fmt.Sprint(i))}))
		}
		for i, task := range tasks {
			if err := task.Await(); err != nil {
				return nil, err
			}
			if out, f, err := task.Result(); err != nil || f != nil || string(out) != fmt.Sprint(i) {
				return nil, fmt.Errorf("activity %d came to %s, %v: %w", i, out, f, err)
			}
		}
		return history.Payload(`"done"`), nil
	}})
	store := memory.New(memory.Config{})
	env := &registry.Env{Hub: "test", Codec: codec.JSON, Logger: slog.New(slog.DiscardHandler)}
	native := NewNative(r, env, CacheConfig{}, time.Now)
	host, err := store.Join(t.Context(), provider.HostInfo{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- New(host, native, r, Config{Env: env}).Run(ctx) }()

	for i := range instances {
		id := history.InstanceID(fmt.Sprintf("fan-%d", i))
		m := provider.Message{ID: string(id), To: id, Sent: time.Now(),
			Start: &provider.Start{Name: "fan", RequestID: string(id)},
			Data:  &history.ExecutionStarted{Name: "fan", RequestID: string(id), Seed: "00112233445566778899aabbccddeeff"}}
		if err := store.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for i := range instances {
		id := history.InstanceID(fmt.Sprintf("fan-%d", i))
		got, err := store.Wait(t.Context(), id, provider.Until{Final: true})
		if err != nil || got.Status != history.StatusCompleted {
			t.Fatalf("%s: %+v, %v", id, got, err)
		}
	}
	if replays, events := native.Replays(); replays != 0 {
		t.Errorf("%d instances replayed %d events", replays, events)
	}
	stop()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	if count, _ := native.Live(); count != 0 {
		t.Errorf("%d machines are left", count)
	}
}

// TestTheFirstCommitConsumesTheStart: an instance that continues as new at once, for
// longer than a turn lasts, is begun all the same.
func TestTheFirstCommitConsumesTheStart(t *testing.T) {
	r := registry.New()
	r.AddOrchestration(registry.Orchestration{Name: "eternal", Version: "1.0.0", Run: func(*replay.Context, history.Payload) (history.Payload, error) {
		return nil, &replay.ContinueAsNew{}
	}})
	native := NewNative(r, &registry.Env{Hub: "test", Codec: codec.JSON, Logger: slog.New(slog.DiscardHandler)}, CacheConfig{}, time.Now)
	defer native.live.close()
	commit, err := native.Execute(t.Context(), Work{Now: time.Now(), Turn: &provider.Turn{
		Instance: provider.Instance{ID: "x", Status: history.StatusPending},
		Messages: []provider.Message{
			{ID: "start", To: "x", Data: &history.ExecutionStarted{Name: "eternal", Seed: "00112233445566778899aabbccddeeff"}},
			{ID: "event", To: "x", Data: &history.EventRaised{Name: "event"}},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if commit.Consumed != 1 || !commit.Again {
		t.Errorf("it consumes %d messages, again %v: want the start, and to go on", commit.Consumed, commit.Again)
	}
}

// TestARequestToCancelOvertakesWhatTheTurnDoesNotHave: of any parent, the right one counts.
func TestARequestToCancelOvertakesWhatTheTurnDoesNotHave(t *testing.T) {
	r := registry.New()
	r.AddOrchestration(registry.Orchestration{Name: "eternal", Version: "1.0.0", Run: func(*replay.Context, history.Payload) (history.Payload, error) {
		return nil, &replay.ContinueAsNew{}
	}})
	native := NewNative(r, &registry.Env{Hub: "test", Codec: codec.JSON, Logger: slog.New(slog.DiscardHandler)}, CacheConfig{}, time.Now)
	defer native.live.close()
	event := provider.Message{ID: "event", To: "x", Data: &history.EventRaised{Name: "event"}}
	behind := []*provider.Message{
		&event,
		{ID: "stranger", To: "x", Data: &history.CancelRequested{Reason: "of no parent of it", Parent: &history.ParentRef{Instance: "stranger"}}},
		&event,
		{ID: "cancel", To: "x", Data: &history.CancelRequested{Reason: "enough"}},
	}
	commit, err := native.Execute(t.Context(), Work{Now: time.Now(), Turn: &provider.Turn{
		Instance: provider.Instance{ID: "x", Status: history.StatusPending},
		Messages: []provider.Message{
			{ID: "start", To: "x", Data: &history.ExecutionStarted{Name: "eternal", Seed: "00112233445566778899aabbccddeeff"}},
			event,
		},
		Behind: slices.Values(behind),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if commit.Status != history.StatusCancelled || commit.Failure.Message != "cancelled: enough" || commit.Consumed != 1 {
		t.Errorf("it is %s by %+v and consumes %d messages, want it cancelled by the request, and the start consumed", commit.Status, commit.Failure, commit.Consumed)
	}
}
