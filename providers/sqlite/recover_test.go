package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// crash copies the files of a hub as kill -9 would leave them.
func crash(t testing.TB, s *Store) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "hub.db")
	must(t, s.writer.on(func() { // between transactions: what is copied is one moment
		for _, suffix := range []string{"", "-wal"} {
			content, err := os.ReadFile(s.Path() + suffix)
			if err == nil {
				err = os.WriteFile(path+suffix, content, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}))
	return path
}

// next commits the next turn, which must be of the instance.
func next(t testing.TB, h *host, id history.InstanceID, decide func(c *turn)) {
	t.Helper()
	turn, err := h.NextTurn(soon(t))
	must(t, err)
	if turn.Instance.ID != id {
		t.Fatalf("a turn of %s, want one of %s", turn.Instance.ID, id)
	}
	c := takeIn(turn)
	if decide != nil {
		decide(c)
	}
	must(t, h.CommitTurn(soon(t), turn, &c.Commit))
}

func TestActivitiesAreOfferedAgainAfterACrash(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	next(t, h, "a", func(c *turn) {
		for i := range 5 {
			c.add(&history.ActivityScheduled{Name: fmt.Sprint("step", i), Input: history.Payload(fmt.Sprint(i))})
			c.Activities = append(c.Activities, provider.Activity{Scheduled: c.Events[len(c.Events)-1], Attempt: 1})
		}
	})
	a, err := h.NextActivity(soon(t))
	must(t, err)
	if _, err := h.ExtendActivity(soon(t), a, history.Payload(`"half"`)); err != nil {
		t.Fatal(err)
	}
	// One is completed, and its completion consumed; one is completed, and the
	// completion lost with the process.
	for range 2 {
		b, err := h.NextActivity(soon(t))
		must(t, err)
		must(t, h.CompleteActivity(soon(t), b, provider.Message{ID: b.ID.String(), To: "a", Data: &history.ActivityCompleted{Source: b.ID.Event}}))
		if b.ID.Event == 3 {
			next(t, h, "a", func(c *turn) { c.CompletedActivities = []int64{3} })
		}
	}
	again := join(t, openAt(t, crash(t, s), Config{}))
	for _, event := range []int64{2, 4, 5, 6} {
		got, err := again.NextActivity(soon(t))
		must(t, err)
		if got.ID.Event != event {
			t.Fatalf("offered %v, want event %d", got.ID, event)
		}
		d, ok := got.Activity.Scheduled.Data.(*history.ActivityScheduled)
		if !ok || d.Name != fmt.Sprint("step", event-2) || string(d.Input) != fmt.Sprint(event-2) {
			t.Errorf("activity %v was scheduled by %+v", got.ID, got.Activity.Scheduled)
		}
		if want := map[bool]string{true: `"half"`}[event == 2]; string(got.Progress) != want {
			t.Errorf("activity %v has progress %s, want %s", got.ID, got.Progress, want)
		}
	}
	if stats := again.broker.Stats(); stats.Activities != 4 {
		t.Errorf("%d activities are open, want 4", stats.Activities)
	}
}

func TestTimersMessagesAndPromisedTurnsSurviveACrash(t *testing.T) {
	s := open(t)
	h := join(t, s)
	ctx := soon(t)
	past := time.Now().Add(-time.Hour)
	must(t, s.Send(ctx, startMessage("timer")))
	next(t, h, "timer", func(c *turn) {
		id := c.add(&history.TimerCreated{Due: past})
		c.Timers = []provider.Timer{{Event: id, Due: past, Fire: &history.TimerFired{Source: id}}}
	})
	must(t, s.Send(ctx, startMessage("again")))
	turn, err := h.NextTurn(ctx) // the timer has fired: it was not consumed
	must(t, err)
	if turn.Instance.ID != "timer" {
		must(t, h.ReleaseTurn(ctx, turn, provider.Release{Delay: time.Hour}))
	}
	must(t, s.Send(ctx, eventMessage("pending", "early")))
	must(t, s.Send(ctx, startMessage("pending")))
	must(t, s.Send(ctx, eventMessage("nobody", "orphan")))
	// All of them again, after the crash, and nothing else.
	again := join(t, openAt(t, crash(t, s), Config{}))
	got := map[history.InstanceID][]string{}
	for range 3 {
		turn, err := again.NextTurn(ctx)
		must(t, err)
		names := []string{}
		for _, m := range turn.Messages {
			names = append(names, string(m.Data.Kind()))
		}
		got[turn.Instance.ID] = names
	}
	for id, want := range map[history.InstanceID][]string{
		"timer":   {"TimerFired"},
		"again":   {"ExecutionStarted"},
		"pending": {"ExecutionStarted", "EventRaised"},
	} {
		if !slices.Equal(got[id], want) {
			t.Errorf("%s was handed %v, want %v", id, got[id], want)
		}
	}
	if stats := again.broker.Stats(); stats.Orphans != 1 || stats.Instances != 3 {
		t.Errorf("the broker knows %+v, want 1 orphan and 3 instances", stats)
	}
}

// TestJoiningReadsOnlyWhatIsOutstanding has many instances that wait for
// nothing but a client.
func TestJoiningReadsOnlyWhatIsOutstanding(t *testing.T) {
	s := open(t)
	h := join(t, s)
	for i := range 200 {
		id := history.InstanceID(fmt.Sprint("i", i))
		must(t, s.Send(soon(t), startMessage(id)))
		next(t, h, id, nil)
	}
	must(t, h.Leave(context.Background()))
	again := join(t, s)
	if stats := again.broker.Stats(); stats.Instances != 0 {
		t.Errorf("after joining the broker knows %d instances, want none", stats.Instances)
	}
	must(t, s.Send(soon(t), eventMessage("i7", "news")))
	next(t, again, "i7", nil)
}

func TestWorkThatWasHandedOutCountsAsDeliveredForTheNextHost(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	next(t, h, "a", func(c *turn) { c.schedule() })
	for delivery := 1; delivery <= 3; delivery++ {
		a, err := h.NextActivity(soon(t))
		must(t, err)
		if a.Delivery != delivery {
			t.Errorf("delivery %d, want %d", a.Delivery, delivery)
		}
		must(t, h.Leave(context.Background()))
		h = join(t, s)
	}
}

// TestRowsThatAreOutOfDateAreSwept moves the clock.
func TestRowsThatAreOutOfDateAreSwept(t *testing.T) {
	now := time.Now()
	path := filepath.Join(t.TempDir(), "hub.db")
	s := openAt(t, path, Config{Now: func() time.Time { return now }, OrphanAfter: time.Hour})
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	must(t, s.Send(soon(t), eventMessage("a", "news")))
	next(t, h, "a", nil)
	must(t, s.Send(soon(t), eventMessage("a", "news"))) // it was consumed: nothing to do
	must(t, s.Send(soon(t), eventMessage("nobody", "orphan")))
	if got := inboxIDs(t, path); !slices.Equal(got, []string{"news", "orphan"}) {
		t.Fatalf("the inbox holds %v", got)
	}
	if n := h.broker.Stats().Messages; n != 1 {
		t.Errorf("%d messages wait, want the orphan alone", n)
	}
	now = now.Add(dedupeFor - time.Second)
	must(t, h.sweepConsumed(soon(t)))
	if got := inboxIDs(t, path); !slices.Equal(got, []string{"news", "orphan"}) {
		t.Errorf("before its time the inbox holds %v", got)
	}
	now = now.Add(2 * time.Hour)
	must(t, h.sweepConsumed(soon(t)))
	letters, err := s.DeadLetters(soon(t), 10)
	must(t, err)
	if len(letters) != 1 || letters[0].Message.ID != "orphan" || letters[0].Message.Data == nil {
		t.Errorf("the dead letters are %+v", letters)
	}
	if got := inboxIDs(t, path); len(got) != 0 {
		t.Errorf("the inbox holds %v, want nothing", got)
	}
	if stats := h.broker.Stats(); stats.Orphans != 0 {
		t.Errorf("%d orphans are left", stats.Orphans)
	}
}

// TestAHostThatLeavesSweepsNoMore: there may be millions of rows to remove.
func TestAHostThatLeavesSweepsNoMore(t *testing.T) {
	now := time.Now()
	s := openAt(t, filepath.Join(t.TempDir(), "hub.db"), Config{Now: func() time.Time { return now }, OrphanAfter: time.Hour})
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	must(t, s.Send(soon(t), eventMessage("a", "consumed")))
	next(t, h, "a", nil)
	must(t, s.Send(soon(t), eventMessage("nobody", "orphan")))
	now = now.Add(24 * time.Hour)
	must(t, h.Leave(context.Background()))
	must(t, h.sweepConsumed(soon(t)))
	must(t, h.buryOrphans(soon(t)))
	if got := inboxIDs(t, s.Path()); !slices.Equal(got, []string{"consumed", "orphan"}) {
		t.Errorf("the inbox holds %v, want what was there when the host left", got)
	}
}

func inboxIDs(t testing.TB, path string) (ids []string) {
	t.Helper()
	c := raw(t, path)
	must(t, c.rows("SELECT id FROM inbox ORDER BY seq", nil, func(s *sqliteStmt) error {
		ids = append(ids, s.ColumnText(0))
		return nil
	}))
	return ids
}

// TestAHostThatHasLeftBuriesNothing: what it found to be orphaned is the next host's, which
// may have the receiver started meanwhile.
func TestAHostThatHasLeftBuriesNothing(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), eventMessage("a", "early")))
	orphans := h.broker.Orphans(time.Now().Add(time.Hour))
	if len(orphans) != 1 {
		t.Fatalf("there are %d orphans, want 1", len(orphans))
	}
	must(t, h.Leave(context.Background()))
	heir := join(t, s)
	h.left.Store(false) // it was looked at before
	must(t, h.buryAll(soon(t), orphans))
	dead, err := s.DeadLetters(soon(t), 10)
	must(t, err)
	if len(dead) > 0 {
		t.Errorf("there are %d dead letters, want none", len(dead))
	}
	must(t, s.Send(soon(t), startMessage("a")))
	turn, err := heir.NextTurn(soon(t))
	must(t, err)
	if len(turn.Messages) != 2 {
		t.Errorf("the turn has %d messages, want the start and what was sent before", len(turn.Messages))
	}
}

// TestAHostThatJoinsReadsNoCustomStatuses: they are large, and of no use to it.
func TestAHostThatJoinsReadsNoCustomStatuses(t *testing.T) {
	const n, size = 50, 200 << 10
	s := open(t)
	h := join(t, s)
	for i := range n {
		id := history.InstanceID(fmt.Sprint("a", i))
		must(t, s.Send(soon(t), startMessage(id)))
		next(t, h, id, func(c *turn) {
			c.schedule()
			custom := history.Payload(`"` + strings.Repeat("x", size) + `"`)
			c.CustomStatus = &custom
		})
	}
	must(t, h.Leave(context.Background()))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	join(t, s)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > n*size/4 {
		t.Errorf("to join took %d bytes of memory, with custom statuses of %d", got, n*size)
	}
}
