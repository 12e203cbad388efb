package hub

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
)

// TestTheLastSuspectIsNotKeptFromItsTrial: it asks for one late, when other work begins
// all the time, each piece of it for less than a trial; and nothing begins beside it.
func TestTheLastSuspectIsNotKeptFromItsTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl = 15 * time.Second
		var trials trials
		store := &Store{cfg: Config{TTL: ttl}}
		busy, dying := &partition{store: store}, &partition{store: store}
		suspect := row.Piece("suspect", "", 1, 1, 1)
		trials.want(&dying.probation, ttl)
		began := 0
		begins := func() bool {
			piece := row.Piece("other", "", 1, int64(began+1), 1)
			if !trials.mayBegin(busy, piece, false) {
				return false
			}
			began++
			go func() {
				<-time.After(10 * time.Second)
				trials.ended(&busy.probation, piece)
			}()
			return true
		}
		for range 5 * 60 { // the suspect is not there
			<-time.After(time.Second)
			begins()
		}
		if began < 200 {
			t.Errorf("%d pieces of work began in five minutes: they wait for what is not there", began)
		}
		asked := time.Now()
		for !trials.mayBegin(dying, suspect, true) {
			if <-time.After(turnPause); time.Since(asked) > time.Hour {
				t.Fatal("the last suspect gets no trial")
			}
			begins()
		}
		if begins() {
			t.Error("something begins beside the last suspect")
		}
		trials.ended(&dying.probation, suspect)
		trials.over(&dying.probation)
		if !begins() {
			t.Error("nothing begins when the trial is over")
		}
		<-time.After(time.Minute)
		trials.mu.Lock()
		defer trials.mu.Unlock()
		if n := len(trials.running); n > 0 {
			t.Errorf("%d pieces of work run that have ended", n)
		}
	})
}

// TestATurnThatIsPurgedIsOnTrialNoLonger: whoever has it can neither commit it nor give
// it back.
func TestATurnThatIsPurgedIsOnTrialNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := opened(t, 1)
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		start := provider.Message{ID: "start", To: "x", Start: &provider.Start{Name: "story"}, Data: &history.ExecutionStarted{Name: "story"}}
		if err := s.Send(t.Context(), start); err != nil {
			t.Fatal(err)
		}
		turn, err := h.NextTurn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(t.Context(), "x", true); err != nil {
			t.Fatal(err)
		}
		if err := h.CommitTurn(t.Context(), turn, &provider.Commit{Consumed: 1}); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("the commit says %v, want %v", err, provider.ErrLockLost)
		}
		s.member.trials.mu.Lock()
		if n := len(s.member.trials.running); n > 0 {
			t.Errorf("%d pieces of work run that have ended", n)
		}
		s.member.trials.mu.Unlock()
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestALateWorkerEndsNoTrialOfTheNextInstance: the activity of a purged instance has the
// same event as that of the next one of its id, and ends while that is on trial.
func TestALateWorkerEndsNoTrialOfTheNextInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := opened(t, 1)
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		begins := func(request string) *provider.ActivityTask {
			start := provider.Message{ID: request, To: "x", Start: &provider.Start{Name: "story", RequestID: request}, Data: &history.ExecutionStarted{Name: "story"}}
			if err := s.Send(t.Context(), start); err != nil {
				t.Fatal(err)
			}
			turn, err := h.NextTurn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			scheduled := history.Event{Execution: 1, ID: 2, Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
			if err := h.CommitTurn(t.Context(), turn, &provider.Commit{
				Consumed: 1, NewExecution: true, Status: history.StatusRunning, Name: "story",
				Events:     []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}, scheduled},
				Activities: []provider.Activity{{Scheduled: scheduled, Attempt: 1}},
			}); err != nil {
				t.Fatal(err)
			}
			task, err := h.NextActivity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return task
		}
		running := func() int {
			s.member.trials.mu.Lock()
			defer s.member.trials.mu.Unlock()
			return len(s.member.trials.running)
		}
		late := begins("first")
		if err := s.Purge(t.Context(), "x", true); err != nil {
			t.Fatal(err)
		}
		task := begins("second")
		for _, ends := range []*provider.ActivityTask{late, task} {
			before := running()
			if err := h.ReleaseActivity(t.Context(), ends, provider.Release{}); err != nil {
				t.Fatal(err)
			}
			if n := before - running(); n != 1 {
				t.Errorf("when one of two activities has ended %d are on trial no longer", n)
			}
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
