package hub_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// What the documents say of damage to other rows than those of damage_test.go.

// rowsOf are the rows of a kind, with the keys of their partitions.
func (b *bench) rowsOf(kind row.Kind) (partitions []string, rows []storage.Row) {
	for pk, r := range b.account.State().Rows("hub") {
		if row.KindOf(r.Key) == kind && !strings.HasPrefix(pk, "~") {
			partitions, rows = append(partitions, pk), append(rows, r)
		}
	}
	return partitions, rows
}

// said counts the records of a log that begin so.
func (l *logged) said(t *testing.T, begins string) (n int) {
	t.Helper()
	for _, r := range l.records(t) {
		if strings.HasPrefix(r["msg"].(string), begins) {
			n++
		}
	}
	return n
}

// TestAnInstanceOfWhichASealedSegmentCannotBeReadParks: where the segment is needed, and
// not before.
func TestAnInstanceOfWhichASealedSegmentCannotBeReadParks(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{}, lateHandler)
		if _, err := budgetLate.Start(b.Context(), client, 40, orchestration.StartOptions{ID: "damaged"}); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Minute)
		b.end()
		partitions, rows := b.rowsOf(row.KindHistory)
		if len(rows) == 0 {
			b.Fatal("no segment of its history was sealed")
		}
		b.spoil(partitions[0], rows[0].Key, row.EventsCell, []byte("jnonsense"))
		again, client := b.open("again")
		b.work(again, core.WorkerConfig{}, lateHandler)
		<-time.After(lateBy + 10*time.Minute) // its timer fires
		run(b, budgetSequence, client, 3, "sound")
		i, err := client.Status(b.Context(), "damaged")
		if err != nil || i.Parked == nil || !strings.Contains(i.Parked.Reason, "event 1") {
			b.Errorf("it is %+v, %v; want it parked, with the event from which on it cannot be read", i, err)
		}
		if err := again.Purge(b.Context(), "damaged", true); err != nil {
			b.Errorf("purging it: %v", err)
		}
	})
}

// TestARowOfTheOutboxThatCannotBeReadHoldsUpNoOther: it stays where it is, and the log
// names it.
func TestARowOfTheOutboxThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	measured(t, 2, func(b *bench) {
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{})
		_, client := b.open("client")
		from, to := host.Partition("a"), 1-host.Partition("a")
		b.account.Decide(simulated.When(func(c simulated.Call) bool {
			return c.Client == "host" && c.Kind == simulated.Transact && c.Partition == host.PartitionKey(to) && c.Ops[0].Row.Key != row.Head
		}, simulated.Fault{Kind: simulated.Denied}))
		if _, err := budgetParent.Start(b.Context(), client, "b"+idIn(host, to), orchestration.StartOptions{ID: "a"}); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Minute)
		b.end()
		b.account.Decide(nil)
		partitions, rows := b.rowsOf(row.KindOutbox)
		if len(rows) != 1 || partitions[0] != host.PartitionKey(from) {
			b.Fatalf("rows of the outbox: %v", rows)
		}
		b.spoil(partitions[0], rows[0].Key, row.OutboxCell, []byte("jnonsense"))
		log := b.logged()
		again, client := b.restart()
		// Another parent in that partition has a child in the other one.
		child := 0
		for again.Partition(history.InstanceID(fmt.Sprint("child-", child))) != to {
			child++
		}
		run(b, budgetParent, client, fmt.Sprint("child-", child), history.InstanceID("b"+idIn(again, from)))
		<-time.After(2 * time.Minute) // what was delivered is removed
		if log.said(b.T, "a row of the outbox cannot be read") == 0 || !strings.Contains(log.String(), rows[0].Key) {
			b.Errorf("the log does not name row %s:\n%s", rows[0].Key, log)
		}
		if _, left := b.rowsOf(row.KindOutbox); len(left) != 1 || left[0].Key != rows[0].Key {
			b.Errorf("the outbox has %v, want the damaged row alone", left)
		}
		if i, err := client.Status(b.Context(), "a"); err != nil || i.Status != history.StatusRunning {
			b.Errorf("whose child never came is %+v, %v", i, err)
		}
	})
}

// TestAPartitionOfWhichANoticeCannotBeReadIsServedWhenItCan: nobody can tell what was
// consumed. When the row is restored it goes on.
func TestAPartitionOfWhichANoticeCannotBeReadIsServedWhenItCan(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{})
		_, client := b.open("client")
		run(b, budgetSequence, client, 1, "first")
		b.end()
		partitions, rows := b.rowsOf(row.KindNotice)
		if len(rows) == 0 {
			b.Fatal("nothing was noticed")
		}
		b.spoil(partitions[0], rows[0].Key, row.IDsCell, []byte("nonsense"))
		log := b.logged()
		again, client := b.open("again")
		b.work(again, core.WorkerConfig{})
		if _, err := budgetSequence.Start(b.Context(), client, 1, orchestration.StartOptions{ID: "second"}); err != nil {
			b.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		if i, err := client.Status(b.Context(), "second"); err != nil || i.Status != history.StatusPending {
			b.Errorf("it is %+v, %v; want it to wait", i, err)
		}
		if log.said(b.T, "a partition cannot be served") == 0 {
			b.Errorf("the log is silent:\n%s", log)
		}
		b.spoil(partitions[0], rows[0].Key, row.IDsCell, rows[0].Cells[row.IDsCell]) // restored
		if _, err := client.Wait(b.Context(), "second", provider.Until{Final: true}); err != nil {
			b.Error(err)
		}
	})
}

// TestAWakeUpQueueThatWasDeletedIsMadeAnew: what was in it is found by a sweep.
func TestAWakeUpQueueThatWasDeletedIsMadeAnew(t *testing.T) {
	measured(t, 1, func(b *bench) {
		b.cfg.SweepEvery = time.Minute
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{})
		_, client := b.open("client")
		operator := b.account.Client("operator")
		queues, err := operator.Queues(b.Context(), "hub-wake-")
		if err != nil || len(queues) != 1 {
			b.Fatalf("the queues for wake-ups are %v, %v, want one", queues, err)
		}
		if err := operator.DeleteQueue(b.Context(), queues[0]); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		run(b, budgetSequence, client, 1, "first")
		if took := time.Since(began); took > swept {
			b.Errorf("it was found after %v", took)
		}
		<-time.After(5 * time.Minute)
		began = time.Now()
		run(b, budgetSequence, client, 1, "second")
		if took := time.Since(began); took > 5*time.Second {
			b.Errorf("when the queue is there again it took %v", took)
		}
	})
}

// TestASessionOfWhichTheRowCannotBeReadIsTakenAnewWhenItIsDeleted: turns that schedule
// its activities are tried again until then.
func TestASessionOfWhichTheRowCannotBeReadIsTakenAnewWhenItIsDeleted(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		key := row.Session("one", "")
		operator := s.account.Client("operator")
		if _, err := operator.Transact(s.Context(), "hub", row.Management, []storage.Op{{
			Verb: storage.Insert, Row: storage.Row{Key: key, Cells: map[string][]byte{row.SessionCell: []byte("nonsense")}},
		}}); err != nil {
			s.Fatal(err)
		}
		result := begin(s, owner, travel, journey{Session: "one", Each: time.Second, Legs: 2}, "a")
		other := begin(s, owner, travel, journey{Session: "other", Each: time.Second, Legs: 2}, "b")
		other()
		<-time.After(5 * time.Minute)
		if got := s.starts(); len(got) != 2 {
			s.Errorf("activities began: %v", got)
		}
		if _, err := operator.Transact(s.Context(), "hub", row.Management, []storage.Op{{Verb: storage.Delete, Row: storage.Row{Key: key}}}); err != nil {
			s.Fatal(err)
		}
		result()
	})
}
