package sqlite

import (
	"fmt"
	"sync"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// BenchmarkHello5 is the storage's part of orchestrations with five sequential
// activities: without an engine, one goroutine an instance.
func BenchmarkHello5(b *testing.B) {
	for _, concurrency := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			s := open(b)
			h := join(b, s)
			ctx := b.Context()
			var work sync.WaitGroup
			for range 2 {
				work.Go(func() { _ = runActivities(ctx, h) })
			}
			ids := make(chan history.InstanceID)
			var clients sync.WaitGroup
			for range concurrency {
				clients.Go(func() {
					for id := range ids {
						if err := s.Send(ctx, startMessage(id)); err != nil {
							b.Error(err)
							return
						}
						if _, err := s.Wait(ctx, id, provider.Until{Final: true}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			commits := make(chan struct{}, 256)
			var turns sync.WaitGroup
			turns.Go(func() {
				for {
					t, err := h.NextTurn(ctx)
					if err != nil {
						return
					}
					commits <- struct{}{}
					turns.Go(func() {
						defer func() { <-commits }()
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
						}
						if err := h.CommitTurn(ctx, t, &c.Commit); err != nil {
							b.Error(err)
						}
					})
				}
			})
			b.ResetTimer()
			before := s.Stats()
			for i := range b.N {
				ids <- history.InstanceID(fmt.Sprintf("i-%d", i))
			}
			close(ids)
			clients.Wait()
			b.StopTimer()
			after := s.Stats()
			b.ReportMetric(float64(after.Turns-before.Turns)/float64(after.Transactions-before.Transactions), "turns/tx")
			b.ReportMetric(float64(after.Statements-before.Statements)/float64(b.N), "statements/op")
			_ = h.Leave(ctx)
			turns.Wait()
			work.Wait()
		})
	}
}
