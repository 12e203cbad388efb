package hub_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/sharding"
)

// hosts are the rows of the hosts, by name.
func (b *bench) hosts(s *hub.Store) map[string]sharding.Host {
	b.Helper()
	rows, err := s.HostRows(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	hosts := map[string]sharding.Host{}
	for _, h := range rows {
		hosts[h.Name] = h
	}
	return hosts
}

// epochs is the sum of the epochs of all partitions: a hand-over adds two to it, a
// takeover one.
func (b *bench) epochs() (sum int64) {
	b.Helper()
	for _, r := range b.account.State().Rows(b.cfg.Name) {
		if r.Key != row.Head {
			continue
		}
		head, err := row.ParseOwner(r.Cells)
		if err != nil {
			b.Fatal(err)
		}
		sum += head.Epoch
	}
	return sum
}

// TestTheHostOfABusyPartitionGivesTheOthersAway, each of them once, and takes as
// many again when it is busy no more.
func TestTheHostOfABusyPartitionGivesTheOthersAway(t *testing.T) {
	const partitions, instances = 8, 4
	measured(t, partitions, func(b *bench) {
		for _, name := range []string{"a", "b"} {
			s, _ := b.open(name)
			b.work(s, core.WorkerConfig{Name: name})
		}
		s, client := b.open("client")
		serves := func() (a, other int) {
			hosts := b.hosts(s)
			return len(hosts["a"].Serves), len(hosts["b"].Serves)
		}
		if a, other := serves(); a != partitions/2 || other != partitions/2 {
			b.Fatalf("without any load they serve %d and %d", a, other)
		}
		busy := b.hosts(s)["a"].Serves[0].Partition
		var ids []history.InstanceID
		for n := 0; len(ids) < instances; n++ {
			if id := history.InstanceID(fmt.Sprint("busy-", n)); s.Partition(id) == busy {
				ids = append(ids, id)
			}
		}
		for _, id := range ids {
			if _, err := budgetWaiting.Start(b.Context(), client, 1_000_000, orchestration.StartOptions{ID: id}); err != nil {
				b.Fatal(err)
			}
		}
		// 16 events a second, and 24, by turns.
		load := func(d time.Duration) {
			for end, n := time.Now().Add(d), 0; time.Now().Before(end); n++ {
				for _, id := range ids {
					if err := budgetGo.Raise(b.Context(), client, id, 1); err != nil {
						b.Fatal(err)
					}
				}
				pause := 210 * time.Millisecond // 40 ms go by while they are raised
				if n/100%2 == 1 {
					pause = 126 * time.Millisecond
				}
				<-time.After(pause)
			}
		}

		before := b.epochs()
		load(90 * time.Second)
		if a, other := serves(); a != 1 || other != partitions-1 {
			b.Errorf("under load they serve %d and %d: %+v", a, other, b.hosts(s))
		}
		if rate := b.hosts(s)["a"].Serves[0].Load.Rate; rate < 10 || rate > 30 {
			b.Errorf("the row says that the partition applies %v messages a second, and 16 to 24 are sent", rate)
		}
		moved := b.epochs()
		if moves := (moved - before) / 2; moves != partitions/2-1 {
			b.Errorf("%d partitions moved, want %d", moves, partitions/2-1)
		}
		load(4 * time.Minute)
		if now := b.epochs(); now != moved {
			b.Errorf("%d partitions moved while the load went up and down", (now-moved)/2)
		}
		<-time.After(5 * time.Minute)
		if a, other := serves(); a != partitions/2 || other != partitions/2 {
			b.Errorf("after the load they serve %d and %d: %+v", a, other, b.hosts(s))
		}
		if moves := (b.epochs() - moved) / 2; moves != partitions/2-1 {
			b.Errorf("%d partitions moved back, want %d", moves, partitions/2-1)
		}
		for name, h := range b.hosts(s) {
			for _, served := range h.Serves {
				if served.Load != (sharding.Load{}) {
					b.Errorf("at rest %s says that partition %d costs %+v", name, served.Partition, served.Load)
				}
			}
		}
	})
}

// TestHostsServeInProportionToTheirSlots: those of all workers of a process.
func TestHostsServeInProportionToTheirSlots(t *testing.T) {
	measured(t, 8, func(b *bench) {
		large, _ := b.open("large")
		b.work(large, core.WorkerConfig{Name: "large", MaxActivities: 20})
		second, err := large.Join(b.Context(), provider.HostInfo{Name: "another in its process", Slots: 20})
		if err != nil {
			b.Fatal(err)
		}
		small, _ := b.open("small")
		b.work(small, core.WorkerConfig{Name: "small", MaxActivities: 10})
		check := func(slots, most, least int) {
			b.Helper()
			hosts := b.hosts(small)
			if h := hosts["large"]; h.Slots != slots || len(h.Serves) != most || len(hosts["small"].Serves) != least {
				b.Errorf("%d slots, and partitions in proportion %d to %d, are wanted: %+v", slots, most, least, hosts)
			}
		}
		check(40, 7, 1)
		if err := second.Leave(b.Context()); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Minute)
		check(20, 6, 2)
	})
}

// TestWhatCannotBeWorkedOnIsNoLoad: a partition is not moved for the sake of what
// is parked, or for nobody.
func TestWhatCannotBeWorkedOnIsNoLoad(t *testing.T) {
	measured(t, 1, func(b *bench) {
		s, client := b.open("host")
		b.work(s, core.WorkerConfig{Name: "host"})
		if _, err := client.StartInstance(b.Context(), "nobody has this", 1, orchestration.StartOptions{ID: "parked"}); err != nil {
			b.Fatal(err)
		}
		if _, err := budgetWaiting.Start(b.Context(), client, 10, orchestration.StartOptions{ID: "waiting"}); err != nil {
			b.Fatal(err)
		}
		<-time.After(10 * time.Second)
		for range 5 {
			for _, id := range []history.InstanceID{"parked", "waiting", "nobody"} {
				if err := client.Raise(b.Context(), id, "go", false, 1); err != nil {
					b.Fatal(err)
				}
			}
		}
		if i, err := s.Instance(b.Context(), "parked"); err != nil || i.Parked == nil {
			b.Fatalf("it is %+v, %v", i, err)
		}
		<-time.After(10 * time.Second)
		hosts := b.hosts(s)
		if len(hosts) != 1 || hosts["host"].Serves[0].Load.Backlog != 0 {
			b.Errorf("the rows are %+v", slices.Collect(maps.Values(hosts)))
		}
	})
}
