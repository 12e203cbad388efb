package broker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a broker with one host that accepts everything, in virtual time.
type world struct {
	*testing.T
	b *broker.Broker
	h *broker.Host
}

// within runs a test in a bubble.
func within(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, b: broker.New(broker.Config{})}
		defer w.b.Close()
		w.h = w.b.Join(provider.HostInfo{Name: "host"})
		test(t, w)
	})
}

// pass lets virtual time pass, and what is due then happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func message(to history.InstanceID, id string) provider.Message {
	return provider.Message{ID: id, To: to, Data: &history.EventRaised{Name: id}}
}

func exists(m provider.Message) broker.Delivery {
	return broker.Delivery{Message: m, Receiver: broker.Exists, Name: "story", Version: "1"}
}

func (w *world) deliver(to history.InstanceID, ids ...string) {
	w.Helper()
	for _, id := range ids {
		if w.b.Deliver(exists(message(to, id))) != 1 {
			w.Fatalf("message %q to %q was taken for one that waits already", id, to)
		}
	}
}

// atOnce makes a call that must not block: time passes only when everyone waits.
func atOnce[T any](t *testing.T, call func(context.Context) (*T, error)) (*T, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	return call(ctx)
}

// turn takes the turn that must be ready.
func (w *world) turn(want history.InstanceID) *broker.Turn {
	w.Helper()
	return turnOf(w.T, w.h, want)
}

func turnOf(t *testing.T, h *broker.Host, want history.InstanceID) *broker.Turn {
	t.Helper()
	turn, err := atOnce(t, h.NextTurn)
	if err != nil {
		t.Fatalf("no turn is ready, want one of %q: %v", want, err)
	}
	if turn.Instance != want {
		t.Fatalf("the turn is of %q, want %q", turn.Instance, want)
	}
	return turn
}

func noTurn(t *testing.T, h *broker.Host) {
	t.Helper()
	if turn, err := atOnce(t, h.NextTurn); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got turn %+v, error %v; want none to be ready", turn, err)
	}
}

// commit consumes the turn's messages.
func (w *world) commit(turn *broker.Turn, c provider.Commit, sent ...broker.Delivery) {
	w.Helper()
	c.Consumed = len(turn.Messages)
	if err := w.b.Commit(turn, &c, running, sent...); err != nil {
		w.Fatalf("committing: %v", err)
	}
}

var running = broker.Place{Execution: 1, Name: "story", Version: "1"}

// opened commits a turn of a new instance that opens what c says.
func (w *world) opened(id history.InstanceID, c provider.Commit) {
	w.Helper()
	w.deliver(id, "open "+string(id))
	w.commit(w.turn(id), c)
}

func (w *world) work(event int64) *broker.Work {
	w.Helper()
	return workOf(w.T, w.h, event)
}

func workOf(t *testing.T, h *broker.Host, event int64) *broker.Work {
	t.Helper()
	work, err := atOnce(t, h.NextActivity)
	if err != nil {
		t.Fatalf("no activity is offered, want that of event %d: %v", event, err)
	}
	if work.ID.Event != event {
		t.Fatalf("got the activity of event %d, want %d", work.ID.Event, event)
	}
	return work
}

func noWork(t *testing.T, h *broker.Host) {
	t.Helper()
	if work, err := atOnce(t, h.NextActivity); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got activity %+v, error %v; want none to be offered", work, err)
	}
}

func activity(event int64, tag string) provider.Activity {
	return provider.Activity{Scheduled: history.Event{ID: event}, Attempt: 1, Tag: tag}
}

func timer(event int64, due time.Time) provider.Timer {
	return provider.Timer{Event: event, Due: due, Fire: &history.TimerFired{Source: event}}
}

func ids(messages []provider.Message) string {
	all := make([]string, len(messages))
	for i, m := range messages {
		switch d := m.Data.(type) {
		case *history.TimerFired:
			all[i] = fmt.Sprint("timer ", d.Source)
		default:
			all[i] = m.ID
		}
	}
	return fmt.Sprint(all)
}

func (w *world) wantIDs(turn *broker.Turn, want ...string) {
	w.Helper()
	if got := ids(turn.Messages); got != fmt.Sprint(want) {
		w.Fatalf("the turn has messages %s, want %s", got, want)
	}
}

// wantNothing asserts that the broker remembers nothing.
func (w *world) wantNothing() {
	w.Helper()
	if s := w.b.Stats(); s != (broker.Stats{}) {
		w.Fatalf("the broker remembers %+v, want nothing", s)
	}
}
