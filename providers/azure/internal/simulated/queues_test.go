package simulated_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

func enqueue(t *testing.T, c *simulated.Client, body string, delay time.Duration) {
	t.Helper()
	if err := c.Enqueue(t.Context(), "q-q", []byte(body), delay); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, c *simulated.Client, n int, hide time.Duration) []storage.Message {
	t.Helper()
	return must[[]storage.Message](t)(c.Take(t.Context(), "q-q", n, hide))
}

func TestATakenMessageIsHiddenUntilItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := open(t, simulated.Config{})
		enqueue(t, c, "now", 0)
		enqueue(t, c, "later", 5*time.Second)
		first := take(t, c, 32, 10*time.Second)
		if len(first) != 1 || string(first[0].Body) != "now" || first[0].Taken != 1 {
			t.Fatalf("took %v", first)
		}
		<-time.After(5 * time.Second)
		if got := take(t, c, 32, 10*time.Second); len(got) != 1 || string(got[0].Body) != "later" {
			t.Fatalf("took %v", got)
		}
		<-time.After(5 * time.Second)
		again := take(t, c, 32, time.Second)
		if len(again) != 1 || again[0].ID != first[0].ID || again[0].Taken != 2 || again[0].Receipt == first[0].Receipt {
			t.Fatalf("took %v after %v", again, first)
		}
		_, err := c.Extend(t.Context(), "q-q", first[0], time.Second, nil)
		rejected(t, err, storage.Precondition, -1)
		rejected(t, c.Remove(t.Context(), "q-q", first[0]), storage.Precondition, -1)
		if err := c.Remove(t.Context(), "q-q", again[0]); err != nil {
			t.Fatal(err)
		}
		rejected(t, c.Remove(t.Context(), "q-q", again[0]), storage.Missing, -1)
		_, err = c.Extend(t.Context(), "q-q", again[0], time.Second, nil)
		rejected(t, err, storage.Missing, -1)
	})
}

func TestAReceiptHoldsUntilSomebodyElseTakesTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := open(t, simulated.Config{})
		enqueue(t, c, "old", 0)
		m := take(t, c, 1, time.Second)[0]
		<-time.After(time.Minute)
		receipt := must[string](t)(c.Extend(t.Context(), "q-q", m, 10*time.Second, []byte("new")))
		rejected(t, c.Remove(t.Context(), "q-q", m), storage.Precondition, -1)
		if got := take(t, c, 1, time.Second); len(got) != 0 {
			t.Errorf("took %v, which is hidden", got)
		}
		<-time.After(10 * time.Second)
		if got := must[[]storage.Message](t)(c.Peek(t.Context(), "q-q", 1)); len(got) != 1 || string(got[0].Body) != "new" || got[0].Receipt != "" || got[0].Taken != 1 {
			t.Errorf("peeked %v", got)
		}
		m.Receipt = receipt
		if err := c.Remove(t.Context(), "q-q", m); err != nil {
			t.Error(err)
		}
	})
}

func TestQueuesHaveLimits(t *testing.T) {
	_, c := open(t, simulated.Config{})
	ctx := t.Context()
	for _, n := range []int{0, -1, 33} {
		_, err := c.Take(ctx, "q-q", n, time.Second)
		rejected(t, err, storage.Invalid, -1)
		_, err = c.Peek(ctx, "q-q", n)
		rejected(t, err, storage.Invalid, -1)
	}
	for _, hide := range []time.Duration{0, time.Millisecond, 1500 * time.Millisecond, 7*24*time.Hour + time.Second} {
		_, err := c.Take(ctx, "q-q", 1, hide)
		rejected(t, err, storage.Invalid, -1)
	}
	rejected(t, c.Enqueue(ctx, "q-q", nil, time.Millisecond), storage.Invalid, -1)
	rejected(t, c.Enqueue(ctx, "q-q", make([]byte, 48<<10+1), 0), storage.TooLarge, -1)
	enqueue(t, c, strings.Repeat("x", 48<<10), 0)
	enqueue(t, c, `{"a":"`+strings.Repeat("x", 64<<10-8)+`"}`, 0)
	rejected(t, c.Enqueue(ctx, "q-q", []byte(`{"a":"`+strings.Repeat("x", 64<<10-7)+`"}`), 0), storage.TooLarge, -1)
	rejected(t, c.Enqueue(ctx, "q-q", []byte(`{"a":"`+strings.Repeat("x", 50<<10)+"\u202e\"}"), 0), storage.TooLarge, -1)
	for _, name := range []string{"ab", "-abc", "abc-", "a--b", "Abc", strings.Repeat("a", 64)} {
		rejected(t, c.CreateQueue(ctx, name), storage.Invalid, -1)
		rejected(t, c.CreateContainer(ctx, name), storage.Invalid, -1)
	}
	if err := c.CreateQueue(ctx, "q-q"); err != nil {
		t.Errorf("creating it again: %v", err)
	}
	is(t, c.Enqueue(ctx, "other", nil, 0), storage.ErrGone)
	if got := must[[]string](t)(c.Queues(ctx, "q-")); !slices.Equal(got, []string{"q-q"}) {
		t.Errorf("queues %v", got)
	}
	if got := must[[]string](t)(c.Queues(ctx, "r")); len(got) != 0 {
		t.Errorf("queues %v", got)
	}
}

func TestMessagesComeInNoOrderAndNoneIsForgotten(t *testing.T) {
	const messages = 100
	_, c := open(t, simulated.Config{Seed: 7})
	for i := range messages {
		enqueue(t, c, fmt.Sprintf("%03d", i), 0)
	}
	var got []string
	for {
		taken := take(t, c, 3, time.Hour)
		if len(taken) == 0 {
			break
		}
		for _, m := range taken {
			got = append(got, string(m.Body))
		}
	}
	inOrder := slices.IsSorted(got)
	slices.Sort(got)
	if got = slices.Compact(got); len(got) != messages || inOrder {
		t.Errorf("%d of %d messages, in order: %v", len(got), messages, inOrder)
	}
}

func TestADeletedQueueComesBackOnlyAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := open(t, simulated.Config{})
		enqueue(t, c, "x", 0)
		for _, d := range []struct{ remove, create func() error }{
			{func() error { return c.DeleteQueue(t.Context(), "q-q") }, func() error { return c.CreateQueue(t.Context(), "q-q") }},
			{func() error { return c.DeleteContainer(t.Context(), "c-c") }, func() error { return c.CreateContainer(t.Context(), "c-c") }},
		} {
			if err := d.remove(); err != nil {
				t.Fatal(err)
			}
			is(t, d.remove(), storage.ErrGone)
			is(t, d.create(), storage.ErrGone)
			<-time.After(simulated.QueueReuse)
			if err := d.create(); err != nil {
				t.Error(err)
			}
		}
		if got := take(t, c, 1, time.Second); len(got) != 0 {
			t.Errorf("the new queue holds %v", got)
		}
	})
}
