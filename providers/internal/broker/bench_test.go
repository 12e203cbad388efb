package broker_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// BenchmarkStep is a turn that is taken and committed, the activity that it
// schedules, and the completion of that: the broker's share of one step of a
// sequence. A thousand instances run at once, for callers that block.
func BenchmarkStep(b *testing.B) {
	for _, callers := range []int{1, 32, 512} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) { benchmarkStep(b, callers) })
	}
}

func benchmarkStep(b *testing.B, callers int) {
	br := broker.New(broker.Config{})
	defer br.Close()
	h := br.Join(provider.HostInfo{})
	b.ReportAllocs()
	var turns, completions atomic.Int64
	done := make(chan struct{})
	var all sync.WaitGroup
	takeTurns := func() {
		for {
			t, err := h.NextTurn(b.Context())
			if err != nil {
				return
			}
			n := turns.Add(1)
			if n == int64(b.N) {
				close(done)
			}
			c := &provider.Commit{
				Consumed:   len(t.Messages),
				Activities: []provider.Activity{{Scheduled: history.Event{ID: n}, Attempt: 1}},
			}
			if t.Keys[0] == 0 {
				c.CompletedActivities = []int64{t.Messages[0].Data.(history.Arrival).SourceEvent()}
			}
			if err := br.Commit(t, c, running); err != nil && !errors.Is(err, provider.ErrLockLost) {
				b.Error(err)
			}
		}
	}
	work := func() {
		for {
			w, err := h.NextActivity(b.Context())
			if err != nil {
				return
			}
			m := provider.Message{
				ID:   strconv.FormatInt(completions.Add(1), 10),
				To:   w.ID.Instance,
				Data: &history.ActivityCompleted{Source: w.ID.Event},
			}
			if err := w.Complete(m); err != nil && !errors.Is(err, provider.ErrLockLost) {
				b.Error(err)
			}
		}
	}
	for range callers {
		all.Go(takeTurns)
		all.Go(work)
	}
	b.ResetTimer()
	for i := range 1_000 {
		d := exists(message(history.InstanceID(fmt.Sprint("instance ", i)), fmt.Sprint("start ", i)))
		d.Key = 1
		br.Deliver(d)
	}
	<-done
	b.StopTimer()
	h.Leave()
	all.Wait()
}
