package replay_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
	"github.com/duroxide/duroxide-go/core/provider"
)

func BenchmarkReplay(b *testing.B) {
	for _, n := range []int{10, 1_000} {
		b.Run(fmt.Sprintf("activities=%d", n), func(b *testing.B) {
			fn := func(c *replay.Context, _ history.Payload) (history.Payload, error) {
				for range n {
					if err := activity(c, "a").Await(); err != nil {
						return nil, err
					}
				}
				if err := c.Wait("never", false, "").Await(); err != nil {
					return nil, err
				}
				return nil, nil
			}
			events := trivialHistory(n)
			b.ReportAllocs()
			for b.Loop() {
				m := replay.New(replay.Config{Instance: "i", Func: fn})
				for _, e := range events {
					if err := m.Replay(e); err != nil {
						b.Fatal(err)
					}
				}
				m.Stop()
			}
			b.ReportMetric(float64(len(events)*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func trivialHistory(n int) []history.Event {
	events := []history.Event{{ID: 1, Execution: 1, Time: epoch, Data: &history.ExecutionStarted{Name: "t", Seed: strings.Repeat("0", 32)}}}
	for i := range n {
		id := int64(2 + 2*i)
		events = append(events,
			history.Event{ID: id, Execution: 1, Time: epoch, Data: &history.ActivityScheduled{Name: "a"}},
			history.Event{ID: id + 1, Execution: 1, Time: epoch, Data: &history.ActivityCompleted{Source: id}})
	}
	return events
}

// BenchmarkNextEvent shows that a live instance answers its next event as fast
// with a long history as with a short one.
func BenchmarkNextEvent(b *testing.B) {
	for _, n := range []int{5, 5_000} {
		b.Run(fmt.Sprintf("history=%d", 2*n), func(b *testing.B) {
			var m *replay.Machine
			var next int64
			renew := func() { // histories are bounded
				if m != nil {
					m.Stop()
				}
				m, next = replay.New(replay.Config{Instance: "i", Func: func(c *replay.Context, _ history.Payload) (history.Payload, error) {
					for {
						if err := activity(c, "a").Await(); err != nil {
							return nil, err
						}
					}
				}}), int64(2+2*n)
				for _, e := range trivialHistory(n) {
					if err := m.Replay(e); err != nil {
						b.Fatal(err)
					}
				}
				if err := m.Begin(epoch); err != nil {
					b.Fatal(err)
				}
				if _, err := m.Finish(); err != nil {
					b.Fatal(err)
				}
				m.Committed()
			}
			renew()
			defer func() { m.Stop() }()
			b.ReportAllocs()
			for b.Loop() {
				if next > int64(2+2*n+1_000) {
					b.StopTimer()
					renew()
					b.StartTimer()
				}
				if err := m.Begin(epoch); err != nil {
					b.Fatal(err)
				}
				if err := m.Receive(&provider.Message{Data: &history.ActivityCompleted{Source: next}}); err != nil {
					b.Fatal(err)
				}
				c, err := m.Finish()
				if err != nil || len(c.Events) != 2 {
					b.Fatal(err, len(c.Events))
				}
				m.Committed()
				next += 2
			}
		})
	}
}

// BenchmarkLiveInstance reports what an idle live instance costs: heap and
// stacks, of an orchestration that waits for an event after one activity.
func BenchmarkLiveInstance(b *testing.B) {
	const n = 10_000
	fn := func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		if err := activity(c, "a").Await(); err != nil {
			return nil, err
		}
		if err := c.Wait("never", false, "").Await(); err != nil {
			return nil, err
		}
		return nil, nil
	}
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	for b.Loop() {
		before := used()
		machines := make([]*replay.Machine, n)
		for i := range machines {
			machines[i] = replay.New(replay.Config{Instance: "i", Func: fn})
			for _, e := range trivialHistory(1) {
				if err := machines[i].Replay(e); err != nil {
					b.Fatal(err)
				}
			}
			if err := machines[i].Begin(epoch); err != nil {
				b.Fatal(err)
			}
			if _, err := machines[i].Finish(); err != nil {
				b.Fatal(err)
			}
			machines[i].Committed()
		}
		b.ReportMetric(float64(used()-before)/n, "bytes/instance")
		for _, m := range machines {
			m.Stop()
		}
	}
}

// BenchmarkFanIn reports the cost per activity of a wide fan-out and fan-in.
func BenchmarkFanIn(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		m := replay.New(replay.Config{Instance: "i", Func: func(c *replay.Context, _ history.Payload) (history.Payload, error) {
			tasks := make([]*replay.Task, n)
			for i := range tasks {
				tasks[i] = activity(c, "a")
			}
			return nil, replay.All(tasks).Await()
		}})
		if err := m.Begin(epoch); err != nil {
			b.Fatal(err)
		}
		if err := m.Start(&history.ExecutionStarted{Name: "t", Seed: "0"}, 1); err != nil {
			b.Fatal(err)
		}
		for i := range n {
			if err := m.Receive(&provider.Message{Data: &history.ActivityCompleted{Source: int64(2 + i)}}); err != nil {
				b.Fatal(err)
			}
		}
		if c, err := m.Finish(); err != nil || len(c.Events) != 2*n+2 {
			b.Fatal(err)
		}
		m.Stop()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/activity")
}
