package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/invariant"
)

func TestATurnIsExecutedCommittedAndSettled(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		w.host.turns <- turn("a")
		w.settle()
		w.want("calls", w.calls(), []string{"Execute a", "CommitTurn a", "Settle a true"})
	})
}

// What the class of an error makes of a turn (D2, D3, D4).
func TestTheClassOfAnErrorDecides(t *testing.T) {
	for _, c := range []struct {
		name     string
		method   string
		err      error
		settled  string
		released []string
	}{
		{"unknown outcome", "CommitTurn", fmt.Errorf("x: %w", provider.ErrUnknown), "Settle a false", []string{"ReleaseTurn a after 50ms uncounted"}},
		{"conflict", "CommitTurn", provider.ErrConflict, "Settle a false", []string{"ReleaseTurn a after 0s uncounted"}},
		{"lost lock", "CommitTurn", provider.ErrLockLost, "Settle a false", nil},
		{"invalid", "CommitTurn", provider.ErrInvalid, "Settle a false", []string{"ReleaseTurn a after 1s parked"}},
		{"host closed", "CommitTurn", provider.ErrClosed, "Settle a false", nil},
		{"anything else", "CommitTurn", errWild, "Settle a false", []string{"ReleaseTurn a after 50ms"}},
		{"missing handler", "Execute", &ParkError{Reason: "deploy it"}, "Settle a false", []string{"ReleaseTurn a after 1s parked"}},
		{"corrupt history", "Execute", provider.ErrCorrupt, "Settle a false", []string{"ReleaseTurn a after 1s parked"}},
		{"history unavailable", "Execute", &provider.UnavailableError{After: 7 * time.Second, Cause: errWild}, "Settle a false", []string{"ReleaseTurn a after 7s uncounted parked"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.start()
				w.host.fail(c.method, c.err)
				w.host.turns <- turn("a")
				w.settle()
				w.want("settled and released, in this order", w.calls("Settle", "ReleaseTurn"), append([]string{c.settled}, c.released...))
				w.host.turns <- turn("b")
				w.settle()
				if !slices.Contains(w.calls(), "Settle b true") {
					t.Error("another instance does not get its turn")
				}
			})
		})
	}
}

func TestAReasonToParkIsShownAndLoggedOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		var reasons []string
		w.host.released = func(t *provider.Turn, r provider.Release) {
			reasons = append(reasons, r.Park)
			time.AfterFunc(r.Delay, func() { w.host.turns <- t })
		}
		var healthy atomic.Bool
		w.executor.execute = func(context.Context, Work) (*provider.Commit, error) {
			if healthy.Load() {
				return &provider.Commit{Consumed: 1}, nil
			}
			return nil, &ParkError{Reason: "orchestration order is not registered: deploy it"}
		}
		w.start()
		w.host.turns <- turn("a")
		w.pass(5 * time.Minute)
		want := []string{"1s", "2s", "4s", "8s", "16s", "32s", "1m0s", "1m0s", "1m0s", "1m0s"}
		var delays []string
		for _, c := range w.calls("ReleaseTurn") {
			delays = append(delays, strings.Fields(c)[3])
		}
		w.want("delays", delays, want)
		if reasons[0] != "orchestration order is not registered: deploy it" {
			t.Errorf("the reason shown is %q", reasons[0])
		}
		if n := w.log.count("deploy it"); n != 1 {
			t.Errorf("the reason was logged %d times, want once", n)
		}
		healthy.Store(true)
		w.pass(time.Minute)
		if n := w.log.count("proceeds again"); n != 1 {
			t.Errorf("the recovery was logged %d times, want once", n)
		}
		healthy.Store(false)
		w.host.turns <- turn("a")
		w.settle()
		if calls := w.calls("ReleaseTurn"); calls[len(calls)-1] != "ReleaseTurn a after 1s parked" {
			t.Errorf("after a recovery the back-off goes on where it was: %s", calls[len(calls)-1])
		}
	})
}

func TestPassingTroubleIsShownWhenItLasts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.released = func(t *provider.Turn, r provider.Release) {
			time.AfterFunc(r.Delay, func() { w.host.turns <- t })
		}
		w.executor.execute = func(context.Context, Work) (*provider.Commit, error) { return nil, provider.ErrUnknown }
		w.start()
		w.host.turns <- turn("a")
		w.pass(time.Minute)
		calls := w.calls("ReleaseTurn")
		for i, c := range calls {
			if parked := strings.HasSuffix(c, "parked"); parked != (i+1 >= patience) {
				t.Errorf("failure %d: %s", i+1, c)
			}
		}
		if len(calls) <= patience {
			t.Errorf("only %d turns in a minute", len(calls))
		}
	})
}

func TestACommitIsTriedAgainWhileTheStoreIsUnavailable(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		for range 5 {
			w.host.fail("CommitTurn", provider.ErrUnavailable)
		}
		w.host.turns <- turn("a")
		w.pass(commitPatience)
		w.want("calls", w.calls("Execute", "Settle", "ReleaseTurn"), []string{"Execute a", "Settle a true"})
		if n := len(w.calls("CommitTurn")); n != 6 {
			t.Errorf("%d commits, want 6", n)
		}
		if w.log.count("takes commits again") != 1 {
			t.Error("the end of the trouble is not logged")
		}
	})
}

func TestAnOutageThatLastsParksTheInstanceVisibly(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		for range 100 {
			w.host.fail("CommitTurn", provider.ErrUnavailable)
		}
		w.host.turns <- turn("a")
		w.pass(2 * commitPatience)
		w.want("calls", w.calls("Settle", "ReleaseTurn"), []string{"Settle a false", "ReleaseTurn a after 50ms uncounted parked"})
	})
}

func TestATurnIsGivenBackEvenIfThatTakesSeveralTries(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		w.host.fail("CommitTurn", provider.ErrUnknown)
		w.host.fail("ReleaseTurn", provider.ErrUnavailable, provider.ErrUnknown)
		w.host.turns <- turn("a")
		w.pass(time.Second)
		if n := len(w.calls("ReleaseTurn")); n != 3 {
			t.Errorf("%d releases, want 3", n)
		}
	})
}

func TestTroubleInsideTheEngineStopsOneInstance(t *testing.T) {
	for name, fault := range map[string]func() (*provider.Commit, error){
		"a panic":               func() (*provider.Commit, error) { panic("index out of range") },
		"a broken invariant":    func() (*provider.Commit, error) { invariant.Assert(false, "H1: 9 follows 7"); return nil, nil },
		"no commit":             func() (*provider.Commit, error) { return nil, nil },
		"too many consumed":     func() (*provider.Commit, error) { return &provider.Commit{Consumed: 2}, nil },
		"fewer than none taken": func() (*provider.Commit, error) { return &provider.Commit{Consumed: -1}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.config.MaxTurns = 1
				w.executor.execute = func(_ context.Context, work Work) (*provider.Commit, error) {
					if work.Turn.Instance.ID == "bad" {
						return fault()
					}
					return &provider.Commit{Consumed: 1}, nil
				}
				w.start()
				w.host.turns <- turn("bad")
				w.host.turns <- turn("good")
				w.settle()
				w.want("calls", w.calls("Settle", "ReleaseTurn"), []string{"Settle bad false", "ReleaseTurn bad after 1s parked", "Settle good true"})
				if w.log.count("internal error in a turn") != 1 {
					t.Error("the trouble is not logged with its stack")
				}
			})
		})
	}
}

// D9: a store hands the next turn over as soon as the commit is applied, which
// may be before CommitTurn has returned.
func TestTheNextTurnOfAnInstanceWaitsUntilTheOneBeforeIsSettled(t *testing.T) {
	inWorld(t, func(w *world) {
		applied := make(chan struct{})
		first := true
		w.host.committed = func(t *provider.Turn, _ *provider.Commit) {
			if first {
				first = false
				w.host.turns <- turn(t.Instance.ID)
				<-applied // the call returns late
			}
		}
		w.start()
		w.host.turns <- turn("a")
		w.settle()
		w.host.turns <- turn("b")
		w.settle()
		w.want("before the first is settled", w.calls(), []string{"Execute a", "CommitTurn a", "Execute b", "CommitTurn b", "Settle b true"})
		close(applied)
		w.settle()
		w.want("afterwards", w.calls()[5:], []string{"Settle a true", "Execute a", "CommitTurn a", "Settle a true"})
	})
}

func TestTheExecutorReadsTheHistoryOfTheCurrentExecution(t *testing.T) {
	inWorld(t, func(w *world) {
		w.executor.execute = func(ctx context.Context, work Work) (*provider.Commit, error) {
			for _, err := range work.History(ctx, 0) {
				return nil, err
			}
			return &provider.Commit{Consumed: 1}, nil
		}
		w.host.fail("History", provider.ErrUnavailable)
		w.start()
		w.host.turns <- turn("a")
		w.host.turns <- turn("a")
		w.pass(time.Second)
		w.want("settled", w.calls("Settle"), []string{"Settle a false", "Settle a true"})
	})
}

func TestLoopsSurviveAStoreThatHandsOutNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.config.MaxTurns = 1
		for range 20 {
			w.host.fail("NextTurn", errors.Join(provider.ErrUnavailable, errWild))
		}
		w.host.turns <- turn("a")
		w.start()
		w.pass(time.Hour)
		w.want("settled", w.calls("Settle"), []string{"Settle a true"})
		if n := w.log.count("does not hand out work"); n != 1 {
			t.Errorf("the trouble was logged %d times, want once", n)
		}
	})
}

func TestASlowTurnIsReportedOnceAndGoesOn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.executor.execute = func(context.Context, Work) (*provider.Commit, error) {
			blocksForLong()
			return &provider.Commit{Consumed: 1}, nil
		}
		w.start()
		w.host.turns <- turn("slow-1")
		w.pass(2 * time.Minute)
		if n := w.log.count("has been running for long"); n != 1 {
			t.Fatalf("the slow turn was reported %d times, want once", n)
		}
		if w.log.count("blocksForLong") != 1 {
			t.Error("the report does not show the stack of the code")
		}
		if w.log.count("slow-1") == 0 {
			t.Error("the report does not name the instance")
		}
		w.want("settled", w.calls("Settle"), []string{"Settle slow-1 true"})
	})
}

func blocksForLong() { <-time.After(time.Minute) }
