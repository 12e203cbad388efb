package hub

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestNothingIsKeptOfWhatRanForOthers: the commits that close activities from work
// queues are those of other processes, so nobody would forget what is kept of them.
func TestNothingIsKeptOfWhatRanForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
		defer account.Close()
		join := func(name string, tags ...string) (*Store, provider.Host) {
			s, err := Open(t.Context(), account.Client(name), Config{Name: "hub", Partitions: 1})
			if err != nil {
				t.Fatal(err)
			}
			h, err := s.Join(t.Context(), provider.HostInfo{Name: name, Tags: tags})
			if err != nil {
				t.Fatal(err)
			}
			return s, h
		}
		owns, owner := join("owner")
		runs, away := join("away", "far")
		start := provider.Message{ID: "start", To: "x", Start: &provider.Start{Name: "story"}, Data: &history.ExecutionStarted{Name: "story"}}
		if err := owns.Send(t.Context(), start); err != nil {
			t.Fatal(err)
		}
		turn, err := owner.NextTurn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e := history.Event{Execution: 1, ID: 2, Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
		if err := owner.CommitTurn(t.Context(), turn, &provider.Commit{
			Consumed: 1, NewExecution: true, Name: "story", Status: history.StatusRunning,
			Events:     []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: start.Data}, e},
			Activities: []provider.Activity{{Scheduled: e, Attempt: 1, Tag: "far"}},
		}); err != nil {
			t.Fatal(err)
		}
		task, err := away.NextActivity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := away.CompleteActivity(t.Context(), task, provider.Message{
			ID: "done", To: "x", Execution: 1, Data: &history.ActivityCompleted{Source: 2, Attempt: 1},
		}); err != nil {
			t.Fatal(err)
		}
		m := runs.member
		if n := runs.handed.Deliveries(task.ID, 1); n != 0 || len(m.present) > 0 || len(m.sessions.work) > 0 {
			t.Errorf("it is over, and what ran it keeps %d deliveries, guests %v and work of sessions %v", n, m.present, m.sessions.work)
		}
		if err := errors.Join(away.Leave(t.Context()), owner.Leave(t.Context()), runs.Close(), owns.Close()); err != nil {
			t.Error(err)
		}
	})
}
