package providertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Benchmark measures any provider, without an engine on top: sends, turns,
// sequences of activities side by side and alone, a fan-out, and reading a
// long history. Run it with
//
//	go test -run - -bench . -benchmem
//
// Besides time and allocations of one operation it reports turns/s,
// activities/s, and the latency of an instance from its start to its visible
// end, at the median and the 99th percentile.
func Benchmark(b *testing.B, h Harness) {
	h.validate(b)
	b.Run("send", func(b *testing.B) { benchmarkSend(b, h) })
	b.Run("turns", func(b *testing.B) { benchmarkInstances(b, h, plan{Executions: 1}, 256) })
	b.Run("hello5", func(b *testing.B) { benchmarkInstances(b, h, plan{Executions: 1, Steps: 5}, 256) })
	b.Run("hello5-alone", func(b *testing.B) { benchmarkInstances(b, h, plan{Executions: 1, Steps: 5}, 1) })
	b.Run("fanout-1000", func(b *testing.B) { benchmarkInstances(b, h, plan{Executions: 1, Activities: 1_000}, 1) })
	b.Run("history-10000", func(b *testing.B) { benchmarkHistory(b, h) })
}

func benchmarkSend(b *testing.B, h Harness) {
	e := newEnv(b, h, pX)
	const receivers = 64
	for n := range receivers {
		e.running(history.InstanceID(fmt.Sprint("order-", n)), nil)
	}
	var sent atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := sent.Add(1)
			m := eventMessage(fmt.Sprint("message-", n), history.InstanceID(fmt.Sprint("order-", n%receivers)), "a")
			if err := e.store.Send(b.Context(), m); err != nil {
				b.Errorf("sending: %v", err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
}

// benchmarkInstances runs b.N instances of a plan, so many at a time.
func benchmarkInstances(b *testing.B, h Harness, p plan, concurrency int) {
	e := newEnv(b, h, pX)
	ctx, stop := context.WithCancel(b.Context())
	r := newRobot(e.host)
	worked := make(chan error, 1)
	go func() { worked <- r.run(ctx, 8) }()

	latencies := make([]time.Duration, b.N)
	var next atomic.Int64
	var clients sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range min(concurrency, b.N) {
		clients.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= b.N {
					return
				}
				id := history.InstanceID(fmt.Sprint("order-", n))
				begun := time.Now()
				err := e.store.Send(ctx, startMessage(id, p))
				if err == nil {
					_, err = e.store.Wait(ctx, id, provider.Until{Final: true})
				}
				if err != nil {
					b.Errorf("running %q: %v", id, err)
					return
				}
				latencies[n] = time.Since(begun)
			}
		})
	}
	clients.Wait()
	b.StopTimer()
	stop()
	if err := <-worked; err != nil {
		b.Fatal(err)
	}
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(float64(r.stats.Turns)/seconds, "turns/s")
	if r.stats.Activities > 0 {
		b.ReportMetric(float64(r.stats.Activities)/seconds, "activities/s")
	}
	slices.Sort(latencies)
	for _, percent := range []int{50, 99} {
		at := latencies[(len(latencies)-1)*percent/100]
		b.ReportMetric(float64(at.Microseconds())/1_000, fmt.Sprintf("p%d-ms", percent))
	}
}

func benchmarkHistory(b *testing.B, h Harness) {
	e := newEnv(b, h, pX)
	const events = 10_000
	e.running("order", nil)
	for range events / 1_000 {
		e.change(func(d *draft) {
			for range 999 {
				d.status(quoted("packing"))
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range e.store.History(b.Context(), "order", 1, 0) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != events+1 {
			b.Fatalf("%d events, want %d", n, events+1)
		}
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
