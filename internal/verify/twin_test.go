package verify_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/verify"
)

// The engine's own checks and the auditor's were written apart. Each is the
// test of the other: what the one refuses the other finds.
func TestTheAuditorAndTheValidatorAgree(t *testing.T) {
	valid, invalid := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		f := newFake()
		f.put("alone", drawHistory(rt))
		events := f.events["alone"][0]
		var v history.Validator
		var refused error
		for _, e := range events {
			if refused = v.Next(e); refused != nil {
				break
			}
		}
		report, err := verify.Store(t.Context(), f, verify.Options{Rereads: 1, Settle: 1})
		if err != nil {
			rt.Fatal(err)
		}
		var found []verify.Finding // of its history
		ordered := true
		for _, finding := range report.Findings {
			switch finding.Rule {
			case verify.Order, verify.Answers, verify.Attempts, verify.Time, verify.Contents:
				found = append(found, finding)
			case verify.Events: // the Validator compares names, and leaves the order to the engine
				ordered = false
			}
		}
		switch {
		case refused != nil && len(found) == 0 && ordered:
			rt.Fatalf("the Validator refuses what the auditor lets pass: %v", refused)
		case refused == nil && len(found) > 0:
			rt.Fatalf("the auditor finds what the Validator lets pass: %v", found)
		case refused == nil:
			valid++
		default:
			invalid++
		}
	})
	if valid == 0 || invalid == 0 {
		t.Errorf("%d histories were valid and %d were not: the test shows nothing", valid, invalid)
	}
}

// drawHistory draws a history that is likely to be valid for a while.
func drawHistory(t *rapid.T) []history.Data {
	start := started("o")
	for range rapid.IntRange(0, 2).Draw(t, "carried") {
		start.Carried = append(start.Carried, history.CarriedEvent{Name: rapid.SampledFrom([]string{"e", "f"}).Draw(t, "carried name")})
	}
	all := []history.Data{start}
	for range rapid.IntRange(0, 10).Draw(t, "events") {
		source := int64(rapid.IntRange(-1, len(all)+1).Draw(t, "source"))
		attempt := rapid.IntRange(0, 2).Draw(t, "attempt")
		name := rapid.SampledFrom([]string{"e", "e", "e", "f"}).Draw(t, "name")
		all = append(all, rapid.SampledFrom([]history.Data{
			&history.ActivityScheduled{Name: "a", Retry: &history.RetryPolicy{MaxAttempts: 9}},
			&history.ActivityScheduled{Name: "a", Retry: &history.RetryPolicy{MaxAttempts: 9}},
			&history.ActivityCompleted{Source: source, Attempt: attempt},
			&history.ActivityFailed{Source: source, Attempt: attempt, Failure: boom},
			&history.ActivityAttemptFailed{Source: source, Attempt: attempt, Failure: boom},
			&history.ActivityRetried{Source: source, Attempt: attempt},
			&history.ActivityCancelled{Source: source},
			&history.TimerCreated{},
			&history.TimerFired{Source: source},
			&history.TimerCancelled{Source: source},
			&history.ChildScheduled{Name: "c", Instance: "c"},
			&history.ChildCompleted{Source: source},
			&history.ChildFailed{Source: source, Failure: boom},
			&history.ChildCancelled{Source: source},
			&history.EventAwaited{Name: name},
			&history.EventAwaited{Name: name, Received: source},
			&history.EventRaised{Name: name},
			&history.EventRaised{Name: name, Source: source},
			&history.WaitCancelled{Source: source},
			&history.StateSet{Key: name},
			&history.ExecutionCompleted{},
		}).Draw(t, "data"))
	}
	return all
}
