package hub_test

import (
	"context"
	"errors"
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
)

// A role is missing, or a firewall keeps a machine out of one of the services. Work
// goes on as far as it can, and the log says what is the matter, once a minute.

// deny denies a process the calls from one kind to another.
func (b *bench) deny(client string, first, last simulated.Kind) {
	b.account.Decide(simulated.When(func(c simulated.Call) bool {
		return c.Client == client && first <= c.Kind && c.Kind <= last
	}, simulated.Fault{Kind: simulated.Denied}))
}

func (b *bench) denyTables(client string) { b.deny(client, simulated.CreateTable, simulated.Transact) }
func (b *bench) denyQueues(client string) {
	b.deny(client, simulated.CreateQueue, simulated.ListQueues)
}
func (b *bench) denyBlobs(client string) {
	b.deny(client, simulated.CreateContainer, simulated.ListBlobs)
}

// onceAMinute fails the test unless warnings that begin so, and no others, came once
// a minute, or every other minute if what fails is tried once a minute.
func (l *logged) onceAMinute(t *testing.T, minutes int, messages ...string) {
	t.Helper()
	got := l.warnings(t)
	for m, n := range got {
		ours := ""
		for _, begin := range messages {
			if strings.HasPrefix(m, begin) {
				ours = begin
			}
		}
		if ours == "" {
			t.Errorf("the log says %q, want only %q", m, messages)
		} else if n < minutes/2 || n > minutes+1 {
			t.Errorf("the log says %q %d times in %d minutes, want once a minute", m, n, minutes)
		}
	}
	if len(got) != len(messages) {
		t.Errorf("the log says %v, want %q", got, messages)
	}
	for _, r := range l.records(t) {
		if text, _ := r["error"].(string); r["level"] != "INFO" && !strings.Contains(text, "role is missing") {
			t.Errorf("it does not say why: %v", r)
		}
	}
}

// follow starts an instance every 30 s from a client in another process, each of which
// ends within some time.
func (b *bench) follow(client *core.Client, name string, minutes int, within time.Duration) {
	b.Helper()
	end := time.Now().Add(time.Duration(minutes) * time.Minute)
	for n := 0; time.Now().Before(end); n++ {
		began := time.Now()
		run(b, budgetSequence, client, 1, history.InstanceID(fmt.Sprint(name, "-", n)))
		if took := time.Since(began); took > within {
			b.Errorf("it took %v, want %v at most", took, within)
		}
		<-time.After(time.Until(began.Add(30 * time.Second)))
	}
}

// swept is how long what nobody rings for takes: a sweep, and a client's pause.
const swept = time.Minute + 3*time.Second

func TestAClientWithoutQueuesIsTold(t *testing.T) {
	measured(t, 1, func(b *bench) {
		b.cfg.SweepEvery = time.Minute
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{})
		log := b.logged()
		_, client := b.open("client")
		b.denyQueues("client")
		b.follow(client, "order", 10, swept)
		log.onceAMinute(b.T, 10, "wake-ups do not reach hosts")
	})
}

func TestAHostWithoutQueuesIsTold(t *testing.T) {
	measured(t, 1, func(b *bench) {
		b.cfg.SweepEvery = time.Minute
		log := b.logged()
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{})
		_, client := b.open("client")
		b.denyQueues("host")
		b.follow(client, "order", 10, swept)
		log.onceAMinute(b.T, 10, "this host cannot look into its wake-up queue", "this host cannot look into a work queue")
		b.account.Decide(nil)
		<-time.After(time.Minute)
		before := len(log.warnings(b.T))
		b.follow(client, "later", 1, 3*time.Second)
		if after := len(log.warnings(b.T)); after != before {
			b.Errorf("the log goes on: %v", log.warnings(b.T))
		}
	})
}

// TestAHostWithoutQueuesCannotJoin: nobody could wake it.
func TestAHostWithoutQueuesCannotJoin(t *testing.T) {
	measured(t, 1, func(b *bench) {
		store, _ := b.open("host")
		b.denyQueues("host")
		_, err := store.Join(b.Context(), provider.HostInfo{})
		if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "role is missing") {
			b.Errorf("joining: %v, want %v and why", err, provider.ErrUnavailable)
		}
	})
}

// TestAHostWithoutTablesIsReplaced: others see it silent, and take its partitions.
func TestAHostWithoutTablesIsReplaced(t *testing.T) {
	measured(t, 1, func(b *bench) {
		b.cfg.SweepEvery = time.Minute
		log := b.logged()
		first, _ := b.open("first")
		b.work(first, core.WorkerConfig{})
		b.cfg.Log = nil
		second, client := b.open("second")
		b.work(second, core.WorkerConfig{})
		b.denyTables("first")
		b.follow(client, "order", 10, 21*time.Second) // 4/3 of the TTL, and a few requests
		log.onceAMinute(b.T, 10, "heartbeat failed", "observation failed")
		b.account.Decide(nil)
		<-time.After(time.Minute)
	})
}

// TestAClientWithoutTablesIsToldByItsCalls: nothing goes without them.
func TestAClientWithoutTablesIsToldByItsCalls(t *testing.T) {
	measured(t, 1, func(b *bench) {
		_, client := b.open("client")
		b.denyTables("client")
		_, err := budgetSequence.Start(b.Context(), client, 1, orchestration.StartOptions{ID: "a"})
		if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "role is missing") {
			b.Errorf("starting: %v, want %v and why", err, provider.ErrUnavailable)
		}
		_, err = client.Status(b.Context(), "a")
		if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "role is missing") {
			b.Errorf("reading: %v, want %v and why", err, provider.ErrUnavailable)
		}
	})
}

func TestAClientWithoutBlobsIsToldByItsCalls(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{})
		store, client := b.open("client")
		b.denyBlobs("client")
		run(b, budgetSequence, client, 1, "small")
		if err := store.Send(b.Context(), bulkyStart("large")); !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "role is missing") {
			b.Errorf("sending what is large: %v, want %v and why", err, provider.ErrUnavailable)
		}
	})
}

// TestAHostWithoutBlobsKeepsTheOrderOfMessages: a message that it cannot read is not
// overtaken by what was sent after it, and others have their turns.
func TestAHostWithoutBlobsKeepsTheOrderOfMessages(t *testing.T) {
	measured(t, 1, func(b *bench) {
		b.cfg.SweepEvery = time.Minute
		log := b.logged()
		store, _ := b.open("host")
		host, err := store.Join(b.Context(), provider.HostInfo{})
		if err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Minute)
		sender, _ := b.open("client")
		send := func(m provider.Message) {
			if err := sender.Send(b.Context(), m); err != nil {
				b.Fatal(err)
			}
		}
		send(story("a", "start", ""))
		turn := turnOf(b.T, host, "a")
		if err := host.CommitTurn(b.Context(), turn, &provider.Commit{
			Consumed: 1, NewExecution: true, Name: "story", Status: history.StatusRunning,
			Events: []history.Event{{Execution: 1, ID: 1, Data: turn.Messages[0].Data}},
		}); err != nil {
			b.Fatal(err)
		}
		b.denyBlobs("host")
		send(provider.Message{ID: "first", To: "a", Data: &history.EventRaised{Name: "go", Payload: bulky()}})
		send(provider.Message{ID: "second", To: "a", Data: &history.EventRaised{Name: "go"}})
		<-time.After(10 * time.Minute)
		send(story("b", "other", ""))
		for _, want := range []struct {
			id  history.InstanceID
			ids string
		}{{"b", "[other]"}, {"a", "[first second]"}} {
			ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
			turn, err := host.NextTurn(ctx)
			cancel()
			if err != nil {
				b.Fatal(err)
			}
			var got []string
			for _, m := range turn.Messages {
				got = append(got, m.ID)
			}
			if turn.Instance.ID != want.id || fmt.Sprint(got) != want.ids {
				b.Errorf("a turn of %s with %v, want %v", turn.Instance.ID, got, want)
			}
			if want.id == "b" {
				log.onceAMinute(b.T, 10, "a message cannot be read now")
				b.account.Decide(nil)
			}
		}
		if err := host.Leave(b.Context()); err != nil {
			b.Error(err)
		}
	})
}

// TestAHostWithoutBlobsTriesALargeTurnAgain: until it can be committed.
func TestAHostWithoutBlobsTriesALargeTurnAgain(t *testing.T) {
	large := orchestration.Declare[int, string]("large")
	measured(t, 1, func(b *bench) {
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{}, large.Func(func(*orchestration.Context, int) (string, error) {
			return string(bulky()), nil
		}))
		_, client := b.open("client")
		b.denyBlobs("host")
		h, err := large.Start(b.Context(), client, 1, orchestration.StartOptions{ID: "large"})
		if err != nil {
			b.Fatal(err)
		}
		run(b, budgetSequence, client, 1, "small")
		<-time.After(5 * time.Minute)
		if got, err := client.Status(b.Context(), "large"); err != nil || got.Status.Final() {
			b.Errorf("it is %v, %v; want that its turn waits", got, err)
		}
		b.account.Decide(nil)
		if _, err := h.Wait(b.Context()); err != nil {
			b.Error(err)
		}
	})
}

// TestAHostWithoutBlobsTakesNoOpenWorkForDamaged: what is open at an instance may be
// too much for a row. Who cannot read it now, and takes the partition over, sets nobody
// aside, and goes on when it can.
func TestAHostWithoutBlobsTakesNoOpenWorkForDamaged(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		if _, err := budgetRemote.Start(b.Context(), client, 1, orchestration.StartOptions{ID: "a"}); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Second)
		b.end()
		const blob = "payload/a/work"
		for pk, r := range b.account.State().Rows("hub") {
			if row.KindOf(r.Key) != row.KindWork {
				continue
			}
			if err := b.account.Client("vandal").PutBlob(b.Context(), "hub", blob, r.Cells[row.WorkCell]); err != nil {
				b.Fatal(err)
			}
			b.spoil(pk, r.Key, row.WorkCell, row.InBlob(blob))
			b.spoil(pk, r.Key, row.BlobsCell, []byte(blob))
		}
		again, client := b.open("again")
		b.denyBlobs("again")
		b.work(again, core.WorkerConfig{Tags: []string{"far"}})
		<-time.After(5 * time.Minute)
		if i, err := client.Status(b.Context(), "a"); err != nil || i.Parked != nil {
			b.Errorf("it is %+v, %v; want it to wait", i, err)
		}
		b.account.Decide(nil)
		ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
		defer cancel()
		if got, err := budgetRemote.Handle(client, "a").Wait(ctx); err != nil || got != 1 {
			b.Errorf("it gave %d, %v", got, err)
		}
	})
}
