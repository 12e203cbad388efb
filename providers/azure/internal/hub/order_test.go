package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// processes are an account, and what opens its hub in a process.
func processes(t *testing.T, cfg hub.Config) (account *simulated.Account, open func(name string) *hub.Store) {
	t.Helper()
	account = simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
	t.Cleanup(account.Close)
	return account, func(name string) *hub.Store {
		t.Helper()
		s, err := hub.Open(t.Context(), account.Client(name), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// ended joins, starts x, and commits its first turn with that status.
func ended(t *testing.T, s *hub.Store, status history.Status) provider.Host {
	t.Helper()
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), story("x", "start", "")); err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, "x")
	c := &provider.Commit{
		Consumed: 1, NewExecution: true, Name: "story", Status: status,
		Events: []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}},
	}
	if err := h.CommitTurn(t.Context(), turn, c); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestAPurgeEndsSoonAfterItsContextAlthoughTheNetworkIsAway: a client that took a
// partition for the moment cannot give it back.
func TestAPurgeEndsSoonAfterItsContextAlthoughTheNetworkIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Fatal(err)
		}

		client := open("client")
		writes := 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Client == "client" && c.Kind == simulated.Transact {
				writes++
			}
			if writes > 1 && c.Client == "client" { // the first was its claim
				return simulated.Fault{Kind: simulated.LostRequest}
			}
			return simulated.Fault{}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- client.Purge(ctx, "x", true) }()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("it succeeded without a network")
			}
		case <-time.After(time.Minute):
			t.Error("it goes on 40 s after its context has ended")
			account.Decide(nil)
			t.Logf("in the end it gave %v", <-ended)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestAClientThatDoesNotGiveBackWhatItBorrowedIsNoDeath: it ran nothing that could
// have killed a host.
func TestAClientThatDoesNotGiveBackWhatItBorrowedIsNoDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		if err := h.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		head := func() (o row.Owner) {
			for _, r := range account.State().Rows("hub") {
				if r.Key != row.Head {
					continue
				}
				var err error
				if o, err = row.ParseOwner(r.Cells); err != nil {
					t.Fatal(err)
				}
			}
			return o
		}
		client := open("client")
		claimed := false // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Client != "client" || c.Kind != simulated.Transact {
				return simulated.Fault{}
			}
			if !claimed {
				claimed = true
				return simulated.Fault{}
			}
			return simulated.Fault{Kind: simulated.LostRequest}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := client.Purge(ctx, "x", true); err == nil {
			t.Error("it succeeded without a network")
		}
		account.Decide(nil)
		if o := head(); !strings.HasPrefix(o.Owner, "client-") {
			t.Fatalf("the owner row is %+v, want one that names the client", o)
		}
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if o := head(); strings.HasPrefix(o.Owner, "client-") || o.Crash != nil {
			t.Errorf("the owner row is %+v with %+v, want one of a host that counts no deaths", o, o.Crash)
		}
		if err := errors.Join(h.Leave(t.Context()), client.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAnOrderThatItsClientCarriesOutIsNotLeftInTheInbox: its owner died. What the
// client was told, that the instance runs, must not be followed by a purge when it
// has ended.
func TestAnOrderThatItsClientCarriesOutIsNotLeftInTheInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
		defer account.Close()
		a := account.Client("server")
		cfg := hub.Config{Name: "hub", Partitions: 1, TTL: 3 * time.Second}
		s, err := hub.Open(t.Context(), a, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ended(t, s, history.StatusRunning)
		a.Kill()
		client, err := hub.Open(t.Context(), account.Client("client"), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Purge(t.Context(), "x", false); !errors.Is(err, provider.ErrConflict) {
			t.Errorf("purging what runs: %v, want that it has not ended", err)
		}
		for _, r := range account.State().Rows("hub") {
			if row.KindOf(r.Key) == row.KindInbox {
				t.Errorf("row %s is left in the inbox", r.Key)
			}
		}
		if err := errors.Join(client.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAPurgeOfWhichTheOutcomeWasLostIsNotToldThatThereIsNothing: it was applied, and
// another host owned the partition before its sender could know.
func TestAPurgeOfWhichTheOutcomeWasLostIsNotToldThatThereIsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1, TTL: 3 * time.Second})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		away := false // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			purges := slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return o.Row.Key == row.Instance("x") })
			switch {
			case c.Client != "server":
			case away:
				return simulated.Fault{Kind: simulated.LostRequest}
			case purges:
				away = true
				return simulated.Fault{Kind: simulated.LostAnswer}
			}
			return simulated.Fault{}
		})
		purged := make(chan error, 1)
		go func() { purged <- s.Purge(t.Context(), "x", false) }()
		other := open("other")
		h2, err := other.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		account.Decide(nil)
		if err := <-purged; !errors.Is(err, provider.ErrUnknown) {
			t.Errorf("the purge says %v, want that its outcome is not known", err)
		}
		if err := errors.Join(h.Leave(t.Context()), h2.Leave(t.Context()), s.Close(), other.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAReplacingStartReplacesWhatWasStartedWhileItWasCarriedOut: its id was free when
// the owner looked, and taken when it wrote.
func TestAReplacingStartReplacesWhatWasStartedWhileItWasCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		server, client, rival := open("server"), open("client"), open("rival")
		h := ended(t, server, history.StatusCompleted)
		posted, written := make(chan string, 1), make(chan string, 1)
		slow := simulated.Fault{Kind: simulated.Slow, Delay: time.Second}
		account.Decide(func(c simulated.Call) simulated.Fault {
			for _, o := range c.Ops {
				var to chan string
				switch {
				case c.Client == "client" && len(c.Ops) == 1 && row.KindOf(o.Row.Key) == row.KindInbox:
					to = posted
				case c.Client == "server" && o.Verb == storage.Insert && o.Row.Key == row.Instance("x"):
					to = written
				default:
					continue
				}
				select {
				case to <- c.Partition:
					return slow
				default:
				}
			}
			return simulated.Fault{}
		})
		answer := make(chan error, 1)
		go func() {
			late := story("x", "late", "late")
			late.Start.Reuse = provider.ReuseReplace
			answer <- client.Send(t.Context(), late)
		}()
		partition := <-posted
		if err := server.Purge(t.Context(), "x", false); err != nil {
			t.Fatal(err)
		}
		// As after a day.
		_, err := account.Client("day").Transact(t.Context(), "hub", partition, []storage.Op{{Verb: storage.Delete, Row: storage.Row{Key: row.Instance("x")}}})
		if err != nil {
			t.Fatal(err)
		}
		<-written
		if err := rival.Send(t.Context(), story("x", "rival", "rival")); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err != nil {
			t.Errorf("the start that replaces says %v", err)
		}
		if i, err := client.Instance(t.Context(), "x"); err != nil || i.RequestID != "late" {
			t.Errorf("the instance is %+v, %v; want that of the start that replaces", i, err)
		}
		if err := errors.Join(h.Leave(t.Context()), client.Close(), rival.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAnOrderIsCarriedOutAlthoughWhoBuriedTheOwnerIsAway: nobody has the partition, and
// the row of a host that does not take it is there.
func TestAnOrderIsCarriedOutAlthoughWhoBuriedTheOwnerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
		defer account.Close()
		open := func(c *simulated.Client) *hub.Store {
			s, err := hub.Open(t.Context(), c, hub.Config{Name: "hub", Partitions: 1, TTL: 3 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		owner := account.Client("owner")
		server, client, other := open(owner), open(account.Client("client")), open(account.Client("other"))
		ended(t, server, history.StatusCompleted)
		away := false // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Client != "other" {
				return simulated.Fault{}
			}
			if away {
				return simulated.Fault{Kind: simulated.LostRequest}
			}
			away = c.Partition == row.Management && slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return o.Verb == storage.Delete })
			return simulated.Fault{}
		})
		h, err := other.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		owner.Kill()
		<-time.After(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := client.Purge(ctx, "x", false); err != nil || !away {
			t.Errorf("the purge says %v, and that the owner was buried is %v", err, away)
		}
		account.Decide(nil)
		if err := errors.Join(h.Leave(t.Context()), other.Close(), client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAClientThatStoodStillBuriesNobody: the owner stood still with it, as the
// processes of one machine do, and beats a little later.
func TestAClientThatStoodStillBuriesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
		defer account.Close()
		a, b := account.Client("server"), account.Client("client")
		open := func(c *simulated.Client) *hub.Store {
			s, err := hub.Open(t.Context(), c, hub.Config{Name: "hub", Partitions: 1, TTL: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		server, client := open(a), open(b)
		h := ended(t, server, history.StatusCompleted)
		buried := 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case c.Kind != simulated.Transact:
			case c.Client == "client" && c.Partition == row.Management:
				buried++
			case c.Client == "server" && c.Partition == row.Management: // a heartbeat
				return simulated.Fault{Kind: simulated.Slow, Delay: 500 * time.Millisecond}
			case c.Client == "server": // it answers nothing
				return simulated.Fault{Kind: simulated.LostRequest}
			}
			return simulated.Fault{}
		})
		purged := make(chan error, 1)
		go func() { purged <- client.Purge(t.Context(), "x", false) }()
		for n := range 16 { // one of them between two looks, or in the middle of one
			<-time.After(time.Minute + time.Duration(n)*500*time.Millisecond)
			a.Pause()
			b.Pause()
			<-time.After(2 * time.Minute)
			b.Resume()
			a.Resume()
		}
		<-time.After(time.Minute)
		account.Decide(nil)
		if err := <-purged; err != nil {
			t.Errorf("the purge says %v", err)
		}
		if buried > 0 {
			t.Error("the client removed the row of a host that lives")
		}
		if err := errors.Join(h.Leave(t.Context()), client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAnOrderEndsWithItsHub: whoever would answer it is gone, and so is what it would
// be answered in.
func TestAnOrderEndsWithItsHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		server, client := open("server"), open("client")
		h := ended(t, server, history.StatusCompleted)
		account.Decide(simulated.When(func(c simulated.Call) bool {
			return c.Client == "server" && c.Kind == simulated.Transact && c.Partition != row.Management
		}, simulated.Fault{Kind: simulated.LostRequest}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		purged := make(chan error, 1)
		go func() { purged <- client.Purge(ctx, "x", false) }()
		<-time.After(5 * time.Second)
		if err := hub.Delete(t.Context(), account.Client("operator"), "hub"); err != nil {
			t.Fatal(err)
		}
		err := <-purged
		if ctx.Err() != nil || !errors.Is(err, provider.ErrUnknown) || !strings.Contains(err.Error(), "the hub was deleted") {
			t.Errorf("the purge says %v, want at once that its outcome is not known since the hub was deleted", err)
		}
		t.Logf("leaving: %v", h.Leave(t.Context()))
		if err := errors.Join(client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestOrdersWithoutHostsDoNotTakeThePartitionFromEachOther: each of them borrows it,
// whether one client gave all or several did.
func TestOrdersWithoutHostsDoNotTakeThePartitionFromEachOther(t *testing.T) {
	for _, clients := range []int{1, 4} {
		t.Run(fmt.Sprint(clients, " clients"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { replacedAtOnce(t, clients, 40) })
		})
	}
}

func replacedAtOnce(t *testing.T, clients, all int) {
	account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
	server := open("server")
	h := ended(t, server, history.StatusCompleted)
	if err := errors.Join(h.Leave(t.Context()), server.Close()); err != nil {
		t.Fatal(err)
	}
	var stores []*hub.Store
	for n := range clients {
		stores = append(stores, open(fmt.Sprint("client-", n)))
	}
	writes := 0 // of the owner row; guarded by the account
	account.Decide(func(c simulated.Call) simulated.Fault {
		if slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return o.Row.Key == row.Head }) {
			writes++
		}
		return simulated.Fault{}
	})
	began := time.Now()
	var orders sync.WaitGroup
	for n := range all {
		orders.Go(func() {
			again := story("x", "again", "")
			again.Start.Reuse = provider.ReuseReplace
			if err := stores[n%clients].Send(t.Context(), again); err != nil {
				t.Error(err)
			}
		})
	}
	orders.Wait()
	account.Decide(nil)
	t.Logf("%d orders of %d clients at once: %d writes of the owner row, %v", all, clients, writes, time.Since(began))
	if writes > 6*all {
		t.Errorf("%d orders at once wrote the owner row %d times, want six times each at most", all, writes)
	}
	for _, s := range stores {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatIsNotThereIsPurgedByNobody: no partition is borrowed for it.
func TestWhatIsNotThereIsPurgedByNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		client := open("client")
		before := account.Counts()
		if err := client.Purge(t.Context(), "x", true); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("it says %v, want that there is none", err)
		}
		if used := account.Counts().Sub(before); used.Of(simulated.Transact) > 0 {
			t.Errorf("it took %v, want reads alone", used)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}
