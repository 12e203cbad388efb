package hub_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Rows that cannot be read: one instance is set aside, one partition at most is
// not served, and others go on.

// spoil overwrites a cell as a broken program would.
func (b *bench) spoil(partition, key, cell string, value []byte) {
	b.Helper()
	_, err := b.account.Client("vandal").Transact(b.Context(), "hub", partition, []storage.Op{{
		Verb: storage.Merge, Row: storage.Row{Key: key, Cells: map[string][]byte{cell: value}},
	}})
	if err != nil {
		b.Fatal(err)
	}
}

// end ends what was opened so far.
func (b *bench) end() {
	for _, stop := range slices.Backward(b.stops) {
		stop()
	}
	b.stops = nil
}

// restart ends what was opened last and opens the hub anew, with a worker.
func (b *bench) restart() (*hub.Store, *core.Client) {
	b.Helper()
	b.end()
	host, client := b.open("again")
	b.work(host, core.WorkerConfig{})
	return host, client
}

func TestAnInstanceOfWhichTheOpenWorkCannotBeReadIsSetAsideAlone(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		for _, id := range []history.InstanceID{"damaged", "sound"} {
			if _, err := client.StartInstance(b.Context(), budgetSleeping.Name(), 1_000, orchestration.StartOptions{ID: id}); err != nil {
				b.Fatal(err)
			}
		}
		<-time.After(90 * time.Second)
		for pk, r := range b.account.State().Rows("hub") {
			if strings.HasPrefix(r.Key, "t:") && strings.HasSuffix(r.Key, ":damaged") {
				b.spoil(pk, r.Key, row.TimersCell, []byte("jnonsense"))
			}
		}
		_, client = b.restart()
		run(b, budgetSequence, client, 3, "new") // others go on
		i, err := client.Status(b.Context(), "damaged")
		if err != nil || i.Parked == nil || !strings.Contains(i.Parked.Reason, "purge the instance") {
			b.Errorf("the damaged instance is %+v, %v; want it parked, with what to do", i, err)
		}
		began := time.Now()
		if err := client.Cancel(b.Context(), "damaged", "enough"); err != nil || time.Since(began) > time.Minute {
			b.Errorf("a message to the damaged instance: %v after %v, want none soon", err, time.Since(began))
		}
		if err := client.Cancel(b.Context(), "sound", "enough"); err != nil {
			b.Fatal(err)
		}
		if _, err := client.Wait(b.Context(), "sound", provider.Until{Final: true}); err != nil {
			b.Errorf("its neighbour: %v", err)
		}
	})
}

// TestAnInstanceThatIsSetAsideIsShownAsParkedAlsoWhenStorageIsBusy: operators learn
// from its status what they can do.
func TestAnInstanceThatIsSetAsideIsShownAsParkedAlsoWhenStorageIsBusy(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		if _, err := budgetSleeping.Start(b.Context(), client, 1_000, orchestration.StartOptions{ID: "damaged"}); err != nil {
			b.Fatal(err)
		}
		<-time.After(90 * time.Second)
		b.end()
		for pk, r := range b.account.State().Rows("hub") {
			if row.KindOf(r.Key) == row.KindTimers {
				b.spoil(pk, r.Key, row.TimersCell, []byte("jnonsense"))
			}
		}
		b.account.Decide(simulated.Nth(1, func(c simulated.Call) bool {
			return c.Kind == simulated.Get && c.Key == row.Instance("damaged")
		}, simulated.Fault{Kind: simulated.Busy}))
		_, client = b.restart()
		<-time.After(time.Minute)
		b.account.Decide(nil)
		i, err := client.Status(b.Context(), "damaged")
		if err != nil || i.Parked == nil {
			b.Errorf("the damaged instance is %+v, %v; want it parked", i, err)
		}
	})
}

func TestAMissingBlobIsDamageAndNotAnEndlessSearch(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		run(b, budgetSequence, client, 1, "a")
		pk := host.PartitionKey(0)
		b.spoil(pk, row.Instance("a"), row.OutputCell, row.InBlob("payload/a/gone"))
		b.reset()
		if _, err := client.Status(b.Context(), "a"); !errors.Is(err, provider.ErrCorrupt) {
			b.Errorf("reading it: %v, want ErrCorrupt", err)
		}
		if n, calls := b.count(); n > 8 {
			b.Errorf("it took %d requests:%s", n, calls)
		}
		if err := host.Purge(b.Context(), "a", true); err != nil {
			b.Errorf("purging it: %v", err)
		}
	})
}

func TestAnOwnerRowThatCannotBeReadStopsNoOtherPartition(t *testing.T) {
	measured(t, 4, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		run(b, budgetSequence, client, 1, "a")
		bad := (host.Partition("a") + 1) % 4
		b.end()
		b.spoil(host.PartitionKey(bad), row.Head, row.HeadCell, []byte(`{"format":99}`))
		again, client := b.open("again")
		b.work(again, core.WorkerConfig{})
		run(b, budgetSequence, client, 1, "b"+history.InstanceID(idIn(again, host.Partition("a"))))
	})
}

func TestAPurgeAfterTheLastHostWasKilledIsCarriedOut(t *testing.T) {
	apart(t, 1, func(s *sites) {
		last := s.host("last", core.WorkerConfig{})
		begin(s, last, longOne, time.Hour, "a")
		s.kill(last)
		client, _ := s.open("client")
		began := time.Now()
		if err := client.Purge(s.Context(), "a", true); err != nil {
			s.Errorf("purging: %v", err)
		}
		if took := time.Since(began); took > 20*time.Second {
			s.Errorf("it took %v, with a TTL of 3 s", took)
		}
		if _, err := client.Instance(s.Context(), "a"); !errors.Is(err, provider.ErrNotFound) {
			s.Errorf("afterwards: %v, want not found", err)
		}
	})
}

// TestAMessageWhoseBlobIsGoneIsToldOf: nobody would learn otherwise why it has no
// effect.
func TestAMessageWhoseBlobIsGoneIsToldOf(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		h, err := budgetWaiting.Start(b.Context(), client, 1, orchestration.StartOptions{ID: "order"})
		if err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Second)
		b.end()
		sender, _ := b.open("sender")
		if err := sender.Send(b.Context(), provider.Message{ID: "large", To: h.ID(), Data: &history.EventRaised{Name: "other", Payload: bulky()}}); err != nil {
			b.Fatal(err)
		}
		for name := range b.account.State().Blobs("hub") {
			if err := b.account.Client("vandal").DeleteBlob(b.Context(), "hub", name); err != nil {
				b.Fatal(err)
			}
		}
		var log bytes.Buffer
		b.cfg.Log, b.cfg.SweepEvery = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})), time.Minute
		_, client = b.restart()
		<-time.After(10 * time.Second)
		if err := budgetGo.Raise(b.Context(), client, h.ID(), 1); err != nil {
			b.Fatal(err)
		}
		if _, err := budgetWaiting.Handle(client, h.ID()).Wait(b.Context()); err != nil {
			b.Errorf("what was sent after it: %v", err)
		}
		<-time.After(10 * time.Minute)
		b.end()
		key := ""
		for _, r := range b.account.State().Rows("hub") {
			if row.KindOf(r.Key) == row.KindInbox {
				key = r.Key
			}
		}
		if n := strings.Count(log.String(), key); key == "" || n < 10 {
			b.Errorf("row %q of the inbox, of which the log has %d records:\n%s", key, n, log.String())
		}
	})
}

// TestAnInstanceThatIsPurgedWhileItIsWokenIsNotDamaged: the blob of its timers goes
// between two reads. The next instance of its id is not set aside.
func TestAnInstanceThatIsPurgedWhileItIsWokenIsNotDamaged(t *testing.T) {
	measured(t, 1, func(b *bench) {
		var log bytes.Buffer
		b.cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		b.cfg.Sleep, b.cfg.Cold = time.Minute, 1
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		if _, err := budgetHours.Start(b.Context(), client, 1, orchestration.StartOptions{ID: "a"}); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Second)
		b.crowd(client)
		for pk, r := range b.account.State().Rows("hub") {
			if row.KindOf(r.Key) != row.KindTimers {
				continue
			}
			if err := b.account.Client("vandal").PutBlob(b.Context(), "hub", "payload/a/timers", r.Cells[row.TimersCell]); err != nil {
				b.Fatal(err)
			}
			b.spoil(pk, r.Key, row.TimersCell, row.InBlob("payload/a/timers"))
			b.spoil(pk, r.Key, row.BlobsCell, []byte("payload/a/timers"))
		}
		waking := make(chan struct{}, 1)
		b.account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Kind != simulated.GetBlob {
				return simulated.Fault{}
			}
			waking <- struct{}{}
			return simulated.Fault{Kind: simulated.Slow, Delay: 2 * time.Second}
		})
		<-waking
		if err := host.Purge(b.Context(), "a", true); err != nil {
			b.Fatal(err)
		}
		<-time.After(10 * time.Second)
		ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
		defer cancel()
		h, err := budgetSequence.Start(ctx, client, 1, orchestration.StartOptions{ID: "a"})
		if err == nil {
			_, err = h.Wait(ctx)
		}
		if err != nil {
			b.Errorf("the next instance of its id: %v", err)
		}
		b.end()
		if log.Len() > 0 {
			b.Errorf("the log has:\n%s", log.String())
		}
	})
}

// TestAnInstanceThatIsPurgedWhileItIsParkedStaysGone: its row was read before it was
// purged, to show that it is set aside.
func TestAnInstanceThatIsPurgedWhileItIsParkedStaysGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, meter: &meter{}}
		reading := make(chan struct{})
		var slow atomic.Bool
		b.account = simulated.New(simulated.Config{WholePages: true, Latency: func(c simulated.Call, _ *rand.Rand) time.Duration {
			if c.Kind == simulated.Get && c.Key == row.Instance("a") && slow.CompareAndSwap(true, false) {
				close(reading)
				return 2 * time.Second
			}
			return time.Millisecond
		}})
		defer b.account.Close()
		b.cfg = hub.Config{Name: "hub", Partitions: 1}
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		if _, err := budgetSleeping.Start(b.Context(), client, 1_000, orchestration.StartOptions{ID: "a"}); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Second)
		b.end()
		for pk, r := range b.account.State().Rows("hub") {
			if row.KindOf(r.Key) == row.KindTimers {
				b.spoil(pk, r.Key, row.TimersCell, []byte("jnothing"))
			}
		}
		again, _ := b.open("again")
		slow.Store(true)
		purged := make(chan error)
		go func() {
			<-reading
			<-time.After(1500 * time.Millisecond) // it was read, and not answered yet
			purged <- again.Purge(t.Context(), "a", true)
		}()
		go b.work(again, core.WorkerConfig{})
		if err := <-purged; err != nil {
			b.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		if i, err := again.Instance(t.Context(), "a"); !errors.Is(err, provider.ErrNotFound) {
			b.Errorf("it is %+v, %v; want ErrNotFound", i, err)
		}
		b.end()
	})
}

// TestAnswersThatAreNotTheServicesAreNoDamage: a proxy on the way answers itself for a
// while. What is stored is not set aside for that, and no message is passed over.
func TestAnswersThatAreNotTheServicesAreNoDamage(t *testing.T) {
	for _, kind := range []simulated.Kind{simulated.Get, simulated.GetBlob} { // of its row, and of a message
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
				client, first, s := open("client"), open("first"), open("server")
				h, err := first.Join(t.Context(), provider.HostInfo{})
				if err != nil {
					t.Fatal(err)
				}
				opens(t, first, h, "x", provider.Activity{})
				if err := errors.Join(h.Leave(t.Context()), first.Close()); err != nil {
					t.Fatal(err)
				}
				large := event("x", "large")
				large.Data = &history.EventRaised{Name: "go", Payload: bulky()}
				for _, m := range []provider.Message{large, event("x", "second")} {
					if err := client.Send(t.Context(), m); err != nil {
						t.Fatal(err)
					}
				}
				account.Decide(simulated.When(func(c simulated.Call) bool {
					return c.Client == "server" && c.Kind == kind && (kind == simulated.GetBlob || c.Key == row.Instance("x"))
				}, simulated.Fault{Kind: simulated.Garbled}))
				if h, err = s.Join(t.Context(), provider.HostInfo{}); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				for ctx.Err() == nil {
					if turn, err := h.NextTurn(ctx); err == nil {
						t.Fatalf("there is a turn with %s", turn.Messages[0].ID)
					} else if errors.Is(err, provider.ErrCorrupt) {
						t.Error(err)
					}
				}
				account.Decide(nil)
				began := time.Now()
				if turn := turnOf(t, h, "x"); len(turn.Messages) != 2 {
					t.Errorf("the turn has %d messages, want 2", len(turn.Messages))
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("the instance stood still for %v more", took)
				}
				if err := errors.Join(h.Leave(t.Context()), s.Close(), client.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
