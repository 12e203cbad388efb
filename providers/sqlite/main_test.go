package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role))
	}
	goleak.VerifyTestMain(m)
}

// open opens a store for the length of the test, at a new path.
func open(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "hub.db"), Config{})
}

func openAt(t testing.TB, path string, cfg Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, cfg)
	if err != nil {
		t.Fatalf("opening %s: %v", path, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return s
}

func join(t testing.TB, s *Store) *host {
	t.Helper()
	h, err := s.Join(t.Context(), provider.HostInfo{Name: "test"})
	if err != nil {
		t.Fatalf("joining: %v", err)
	}
	t.Cleanup(func() {
		if err := h.Leave(context.Background()); err != nil {
			t.Errorf("leaving: %v", err)
		}
	})
	return h.(*host)
}

// soon is a context for one operation; it ends only when a test fails.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

const seed = "00112233445566778899aabbccddeeff"

func startMessage(id history.InstanceID) provider.Message {
	return provider.Message{
		ID: "start of " + string(id), To: id, Sent: time.Now(),
		Start: &provider.Start{Name: "story", RequestID: "request of " + string(id)},
		Data:  &history.ExecutionStarted{Name: "story", Seed: seed, Input: history.Payload(`{"a":"<b>"}`)},
	}
}

func eventMessage(id history.InstanceID, messageID string) provider.Message {
	return provider.Message{ID: messageID, To: id, Sent: time.Now(), Data: &history.EventRaised{Name: "news", MessageID: messageID}}
}

// turn makes commits as the engine does, one event a message.
type turn struct {
	provider.Commit
	execution, last int64
}

func takeIn(t *provider.Turn) *turn {
	c := &turn{execution: t.Instance.Execution, last: t.Instance.LastEvent}
	if c.execution == 0 {
		c.execution = 1
		c.NewExecution, c.Name, c.Version, c.Status = true, t.Instance.Name, "1", history.StatusRunning
	}
	c.Consumed = len(t.Messages)
	for i := range t.Messages {
		c.add(t.Messages[i].Data)
	}
	return c
}

func (c *turn) add(d history.Data) int64 {
	c.last++
	c.Events = append(c.Events, history.Event{ID: c.last, Execution: c.execution, Time: time.Now().UTC(), Data: d})
	return c.last
}

func (c *turn) schedule() {
	c.add(&history.ActivityScheduled{Name: "step", Input: history.Payload(`"in"`)})
	c.Activities = append(c.Activities, provider.Activity{Scheduled: c.Events[len(c.Events)-1], Attempt: 1})
}

func (c *turn) finish() {
	c.add(&history.ExecutionCompleted{Output: history.Payload(`"out"`)})
	c.Status, c.Output = history.StatusCompleted, history.Payload(`"out"`)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runHello runs turns of instances with five sequential activities each, until
// none is left.
func runHello(ctx context.Context, h provider.Host, instances int) error {
	for done := 0; done < instances; {
		t, err := h.NextTurn(ctx)
		if err != nil {
			return err
		}
		c := takeIn(t)
		for i := range t.Messages {
			if d, ok := t.Messages[i].Data.(*history.ActivityCompleted); ok {
				c.CompletedActivities = append(c.CompletedActivities, d.Source)
			}
		}
		if t.Instance.LastEvent < 10 {
			c.schedule()
		} else {
			c.finish()
			done++
		}
		if err := h.CommitTurn(ctx, t, &c.Commit); err != nil {
			return err
		}
	}
	return nil
}

func runActivities(ctx context.Context, h provider.Host) error {
	for {
		a, err := h.NextActivity(ctx)
		if err != nil {
			return err
		}
		err = h.CompleteActivity(ctx, a, provider.Message{
			ID: fmt.Sprintf("%s completed", a.ID), To: a.ID.Instance, Execution: a.ID.Execution,
			Data: &history.ActivityCompleted{Source: a.ID.Event, Attempt: 1, Output: history.Payload(`"out"`)},
		})
		if err != nil {
			return err
		}
	}
}
