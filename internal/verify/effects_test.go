package verify_test

import (
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/ledger"
	"github.com/duroxide/duroxide-go/internal/verify"
)

// applied is a time before every audit: bubbles begin with the year 2000.
var applied = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

func effect(key, activity string, instance history.InstanceID, execution, event int64) ledger.Row {
	return ledger.Row{Key: key, Activity: activity, Instance: string(instance), Execution: execution, Event: event, Attempt: 1, PID: 11, Time: applied}
}

func repeat(row ledger.Row) ledger.Row {
	row.Repeat = true
	return row
}

func rows(all ...ledger.Row) iter.Seq2[ledger.Row, error] {
	return func(yield func(ledger.Row, error) bool) {
		for _, row := range all {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// charged and packed are the effects of the activities that completed in the
// healthy store.
var (
	charged = effect("k1", "charge", "order-7", 1, 2)
	packed  = effect("k2", "pack", "order-7::1.10", 1, 2)
)

func auditEffects(t *testing.T, o verify.Options, all ...ledger.Row) *verify.Report {
	t.Helper()
	o.Effects = []string{"charge", "pack", "long", "left"}
	report := audit(t, healthy(), o)
	if err := verify.Effects(report, rows(all...)); err != nil {
		t.Fatal(err)
	}
	return report
}

func TestOneEffectForEachCompletedActivityPasses(t *testing.T) {
	report := auditEffects(t, verify.Options{Complete: true},
		charged, repeat(charged), packed, repeat(charged),
		effect("k3", "long", "slow-1", 1, 2),     // runs
		effect("k4", "left", "parent-1", 1, 4),   // was given up at the end
		effect("k5", "unasked", "order-7", 1, 2), // not to be audited
	)
	if !report.OK() {
		t.Errorf("findings: %v", report.Findings)
	}
	want := verify.EffectCounts{Completed: 2, Effects: 4, Other: 2, Repeats: 2}
	if *report.Effects != want {
		t.Errorf("counts %+v, want %+v", *report.Effects, want)
	}
}

func TestAnEffectThatIsMissingDoubledOrOfNothingIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		rows  []ledger.Row
		place string
		what  string
	}{
		"a completed activity without an effect":   {[]ledger.Row{charged}, "order-7::1.10/1/2", `"pack" completed, and the ledger has no effect of it`},
		"an effect twice":                          {[]ledger.Row{charged, packed, charged}, "order-7/1/2", `the effect of key "k1" was applied twice, the second time by process 11`},
		"two effects under two keys":               {[]ledger.Row{charged, packed, effect("k9", "charge", "order-7", 1, 2)}, "order-7/1/2", `under key "k1", and another one under key "k9"`},
		"an effect of no activity":                 {[]ledger.Row{charged, packed, effect("k9", "charge", "order-7", 1, 3)}, "order-7/1/3", `the effect of key "k9" belongs to no activity`},
		"an effect of another activity":            {[]ledger.Row{effect("k1", "pack", "order-7", 1, 2), packed}, "order-7/1/2", `is of "pack", and the activity is "charge"`},
		"a repeat of what never was":               {[]ledger.Row{charged, packed, repeat(effect("k9", "pack", "order-7::1.10", 1, 2))}, "order-7::1.10/1/2", `key "k9" was repeated by process 11 before it had an effect`},
		"a key that is used by another activity":   {[]ledger.Row{charged, packed, repeat(effect("k1", "pack", "order-7::1.10", 1, 2))}, "order-7::1.10/1/2", `it belongs to activity order-7/1/2`},
		"an effect that took the key of another's": {[]ledger.Row{charged, effect("k1", "pack", "order-7::1.10", 1, 2), packed}, "order-7::1.10/1/2", `the effect of key "k1" was applied twice`},
	} {
		t.Run(name, func(t *testing.T) {
			report := auditEffects(t, verify.Options{Complete: true}, c.rows...)
			if len(report.Findings) != 1 {
				t.Fatalf("findings: %v", report.Findings)
			}
			f := report.Findings[0]
			if f.Rule != verify.OneEffect || f.Place() != c.place || !strings.Contains(f.What, c.what) || f.Next == "" {
				t.Errorf("found %s, want %s: …%s…", f, c.place, c.what)
			}
		})
	}
}

func TestAnEffectOfAnInstanceThatMayHaveBeenPurgedIsANote(t *testing.T) {
	report := auditEffects(t, verify.Options{}, charged, packed, effect("k9", "charge", "purged", 1, 2))
	if !report.OK() {
		t.Errorf("findings: %v", report.Findings)
	}
	if !slices.ContainsFunc(report.Notes, func(n verify.Finding) bool { return n.Rule == verify.OneEffect && n.Instance == "purged" }) {
		t.Errorf("no note about it: %v", report.Notes)
	}
}

func TestAnEffectLaterThanTheAuditIsNotJudged(t *testing.T) {
	later := effect("k9", "charge", "new", 1, 2)
	o := verify.Options{Complete: true, Effects: []string{"charge", "pack"}}
	report := audit(t, healthy(), o)
	later.Time = report.Started
	if err := verify.Effects(report, rows(charged, packed, later)); err != nil {
		t.Fatal(err)
	}
	if !report.OK() || report.Effects.Other != 1 {
		t.Errorf("findings %v, counts %+v", report.Findings, report.Effects)
	}
}

func TestEffectsOfOtherInstancesThanThePrefixArePassedOver(t *testing.T) {
	report := auditEffects(t, verify.Options{Prefix: "order-", Complete: true}, charged, packed, effect("k3", "long", "slow-1", 1, 2))
	if !report.OK() || report.Effects.Effects != 2 {
		t.Errorf("findings %v, counts %+v", report.Findings, report.Effects)
	}
}

func TestALedgerIsReadFromItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	l, err := ledger.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []ledger.Row{charged, packed, packed} {
		if _, err := l.Apply(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	report := audit(t, healthy(), verify.Options{Complete: true, Effects: []string{"charge", "pack"}})
	if err := verify.Effects(report, verify.Ledger(path)); err != nil {
		t.Fatal(err)
	}
	if want := (verify.EffectCounts{Completed: 2, Effects: 2, Repeats: 1}); !report.OK() || *report.Effects != want {
		t.Errorf("findings %v, counts %+v, want %+v", report.Findings, *report.Effects, want)
	}
}

func TestALedgerThatCannotBeReadIsAnError(t *testing.T) {
	broken := errors.New("line 3")
	report := audit(t, healthy(), verify.Options{})
	err := verify.Effects(report, func(yield func(ledger.Row, error) bool) { yield(ledger.Row{}, broken) })
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}
