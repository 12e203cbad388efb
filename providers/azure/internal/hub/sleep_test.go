package hub_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// Instances that sleep are not in memory: for their timers to fire they must come
// back in time, whoever owns their partition by then.

// TestWhoSleepsForHoursWakesInTime: in the process that put it to sleep, after a
// takeover, and after a message that it took meanwhile.
func TestWhoSleepsForHoursWakesInTime(t *testing.T) {
	apart(t, 1, func(s *sites) {
		s.cfg.Cold = 1
		first := s.host("first", core.WorkerConfig{})
		client := core.NewClient(first.store, core.ClientConfig{})
		began := time.Now()
		for i := range 20 {
			for _, kind := range []string{"left", "called"} {
				if _, err := budgetHours.Start(s.Context(), client, 3+i%3, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint(kind, "-", i))}); err != nil {
					s.Fatal(err)
				}
			}
		}
		wakes := func(x *site, id string, after time.Duration) {
			s.Helper()
			ctx, cancel := context.WithTimeout(s.Context(), 24*time.Hour)
			defer cancel()
			if _, err := budgetHours.Handle(core.NewClient(x.store, core.ClientConfig{}), history.InstanceID(id)).Wait(ctx); err != nil {
				s.Fatalf("%s: %v", id, err)
			}
			i, err := x.store.Instance(s.Context(), history.InstanceID(id))
			if err != nil {
				s.Fatal(err)
			}
			if late := i.Finished.Sub(began) - after; late < 0 || late > 10*time.Second {
				s.Errorf("%s ended %v after its time", id, late)
			}
		}
		<-time.After(90 * time.Minute)
		called := time.Since(began)
		for i := range 20 {
			if err := budgetGo.Raise(s.Context(), client, history.InstanceID(fmt.Sprint("called-", i)), 1); err != nil {
				s.Fatal(err)
			}
		}
		for i := range 20 {
			wakes(first, fmt.Sprint("called-", i), called+90*time.Minute)
		}
		wakes(first, "left-0", 3*time.Hour)
		second := s.host("second", core.WorkerConfig{})
		s.kill(first)
		for i := range 20 {
			wakes(second, fmt.Sprint("left-", i), time.Duration(3+i%3)*time.Hour)
		}
	})
}

// TestARetryAfterHoursHasTheProgressOfBefore: whoever owns the partition by then,
// and whatever came meanwhile.
func TestARetryAfterHoursHasTheProgressOfBefore(t *testing.T) {
	for _, called := range []bool{false, true} {
		t.Run(fmt.Sprint("called ", called), func(t *testing.T) {
			apart(t, 1, func(s *sites) {
				first := s.host("first", core.WorkerConfig{})
				client := core.NewClient(first.store, core.ClientConfig{})
				if _, err := budgetStubborn.Start(s.Context(), client, 3, orchestration.StartOptions{ID: "order"}); err != nil {
					s.Fatal(err)
				}
				<-time.After(time.Minute)
				s.kill(first)
				second := s.host("second", core.WorkerConfig{})
				<-time.After(time.Minute)
				client = core.NewClient(second.store, core.ClientConfig{})
				if called { // it is taken up
					if err := budgetGo.Raise(s.Context(), client, "order", 1); err != nil {
						s.Fatal(err)
					}
				}
				ctx, cancel := context.WithTimeout(s.Context(), 24*time.Hour)
				defer cancel()
				if got, err := budgetStubborn.Handle(client, "order").Wait(ctx); err != nil || got != 7 {
					s.Errorf("the second attempt gave %d, %v; want 7, which the first one left", got, err)
				}
			})
		})
	}
}

// TestAnOrderThatIsRefusedKeepsNobodyAsleep: it is judged while the timer of its
// instance comes near, whether that is in memory or not.
func TestAnOrderThatIsRefusedKeepsNobodyAsleep(t *testing.T) {
	for _, cold := range []int{1, 100} {
		t.Run(fmt.Sprint(cold, " in memory"), func(t *testing.T) {
			apart(t, 1, func(s *sites) {
				s.cfg.Cold, s.cfg.Sleep = cold, 10*time.Second
				x := s.host("owner", core.WorkerConfig{})
				var results []func() int
				for i := range 4 {
					results = append(results, begin(s, x, budgetSleeping, 1, history.InstanceID(fmt.Sprint("sleeps-", i))))
				}
				<-time.After(40 * time.Second)
				judging, stop := context.WithCancel(s.Context())
				var judged sync.WaitGroup
				for i := range results {
					judged.Go(func() {
						for judging.Err() == nil {
							if err := x.store.Purge(judging, history.InstanceID(fmt.Sprint("sleeps-", i)), false); err == nil {
								s.Error("what slept was purged")
							}
						}
					})
				}
				<-time.After(17 * time.Second)
				stop()
				judged.Wait()
				for _, result := range results {
					result() // or else it sleeps for ever
				}
			})
		})
	}
}

// TestAnOrderAfterAnOutageKeepsNobodyAsleep: the timers that come near could not be read
// for some minutes, and then their instances are judged.
func TestAnOrderAfterAnOutageKeepsNobodyAsleep(t *testing.T) {
	apart(t, 1, func(s *sites) {
		s.cfg.Cold, s.cfg.Sleep = 1, 10*time.Second
		x := s.host("owner", core.WorkerConfig{})
		var results []func() int
		for i := range 12 {
			results = append(results, begin(s, x, budgetSleeping, 1, history.InstanceID(fmt.Sprint("sleeps-", i))))
			<-time.After(time.Second)
		}
		<-time.After(40 * time.Second)
		s.account.Decide(simulated.When(func(c simulated.Call) bool {
			return c.Kind == simulated.Scan && strings.HasPrefix(c.Range.From, "t:")
		}, simulated.Fault{Kind: simulated.Busy}))
		<-time.After(3 * time.Minute)
		s.account.Decide(nil)
		judging, stop := context.WithTimeout(s.Context(), 5*time.Second)
		defer stop()
		purged := make([]bool, len(results)) // of those that have ended
		var judged sync.WaitGroup
		for i := range results {
			judged.Go(func() {
				for judging.Err() == nil && !purged[i] {
					purged[i] = x.store.Purge(judging, history.InstanceID(fmt.Sprint("sleeps-", i)), false) == nil
				}
			})
		}
		judged.Wait()
		for i, result := range results {
			if !purged[i] {
				result() // or else it sleeps for ever
			}
		}
	})
}

// TestWhoCannotBeWokenKeepsNobodyAsleep: its timers are too many for a row, and the blob
// cannot be read for hours. Others have theirs in time, and it has when it can be read.
func TestWhoCannotBeWokenKeepsNobodyAsleep(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		began := time.Now()
		for id, hours := range map[history.InstanceID]int{"far": 5, "unread": 2, "late": 9} {
			if _, err := budgetHours.Start(b.Context(), client, hours, orchestration.StartOptions{ID: id}); err != nil {
				b.Fatal(err)
			}
		}
		<-time.After(time.Second)
		b.end()
		const blob = "payload/unread/timers"
		partitions, rows := b.rowsOf(row.KindTimers)
		for i, r := range rows {
			if !strings.HasSuffix(r.Key, ":unread") {
				continue
			}
			if err := b.account.Client("vandal").PutBlob(b.Context(), "hub", blob, r.Cells[row.TimersCell]); err != nil {
				b.Fatal(err)
			}
			b.spoil(partitions[i], r.Key, row.TimersCell, row.InBlob(blob))
			b.spoil(partitions[i], r.Key, row.BlobsCell, []byte(blob))
		}
		b.denyBlobs("again")
		_, client = b.restart()
		wakes := func(id history.InstanceID, after, late time.Duration) {
			b.Helper()
			ctx, cancel := context.WithTimeout(b.Context(), 24*time.Hour)
			defer cancel()
			if _, err := budgetHours.Handle(client, id).Wait(ctx); err != nil {
				b.Fatalf("%s: %v", id, err)
			}
			if took := time.Since(began) - after; took < 0 || took > late {
				b.Errorf("%s ended %v after its time", id, took)
			}
		}
		wakes("far", 5*time.Hour, 10*time.Second)
		<-time.After(time.Hour)
		b.account.Decide(nil)
		wakes("unread", 6*time.Hour, 2*time.Minute)
		wakes("late", 9*time.Hour, 10*time.Second)
	})
}
