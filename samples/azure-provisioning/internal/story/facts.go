package story

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
)

// fact is something that was claimed, and whether it is so.
type fact struct {
	holds bool
	text  string
}

// fact prints a claim with what is true of it (S1).
func (t *tale) fact(holds bool, format string, args ...any) {
	f := fact{holds, fmt.Sprintf(format, args...)}
	t.facts = append(t.facts, f)
	mark := "✓"
	if !holds {
		mark = "NOT TRUE:"
	}
	t.say("%s %s", mark, f.text)
}

// check compares an environment with what the emulator knows. Every resource was
// created once, unless another number is given.
func (t *tale) check(ctx context.Context, name string, created map[string]int) error {
	ledger, err := t.cloud.Ledger(ctx)
	if err != nil {
		return err
	}
	existing, err := t.cloud.Resources(ctx)
	if err != nil {
		return err
	}
	there := map[string]string{}
	for _, r := range existing {
		there[strings.ToLower(r.ID)] = r.State
	}
	plan := t.plan(name)
	complete, again := 0, []string{}
	for _, r := range plan.Resources() {
		if there[strings.ToLower(r.ID)] == "Succeeded" {
			complete++
		}
		delete(there, strings.ToLower(r.ID))
		want, ok := created[r.ID]
		if !ok {
			want = 1
		}
		if n := ledger.Count(emulator.Created, r.ID); n != want {
			again = append(again, fmt.Sprintf("%s %d times", r, n))
		}
	}
	all := len(plan.Resources())
	t.fact(complete == all, "all %d resources of %s exist and are complete", all, name)
	if len(created) == 0 {
		t.fact(len(again) == 0, "each was created exactly once%s", listed(again))
	} else {
		t.fact(len(again) == 0, "what was removed by hand was created again, nothing else%s", listed(again))
	}
	t.fact(len(there) == 0, "nothing else exists: %d orphans", len(there))
	return nil
}

// checkSought demands that the role assignment was refused while its principal was
// not visible, and made all the same.
func (t *tale) checkSought(ctx context.Context, name string) error {
	ledger, err := t.cloud.Ledger(ctx)
	if err != nil {
		return err
	}
	refused := ledger.Refused["PrincipalNotFound"]
	made := ledger.Count(emulator.Created, t.plan(name).Role("").ID)
	t.fact(refused > 0 && made == 1, "the role assignment was asked for until the identity's principal was visible: %d refused, %d made", refused, made)
	return nil
}

// checkGone demands that nothing of an environment exists, though something was
// made.
func (t *tale) checkGone(ctx context.Context, name string) error {
	ledger, err := t.cloud.Ledger(ctx)
	if err != nil {
		return err
	}
	existing, err := t.cloud.Resources(ctx)
	if err != nil {
		return err
	}
	left, made := 0, 0
	group := strings.ToLower(t.plan(name).Group().ID)
	for _, r := range existing {
		if strings.HasPrefix(strings.ToLower(r.ID), group) {
			left++
		}
	}
	for _, r := range t.plan(name).Resources() {
		made += ledger.Count(emulator.Created, r.ID)
	}
	t.fact(made > 0 && left == 0, "%d resources of %s had been made; %d are left", made, name, left)
	return nil
}

// checkOnce demands that each resource of some environments was created once and
// is gone.
func (t *tale) checkOnce(ctx context.Context, names []string) error {
	ledger, err := t.cloud.Ledger(ctx)
	if err != nil {
		return err
	}
	created, deleted := map[string]int{}, map[string]int{}
	for _, r := range ledger.Records {
		switch r.What {
		case emulator.Created:
			created[strings.ToLower(r.ID)]++
		case emulator.Deleted:
			deleted[strings.ToLower(r.ID)]++
		}
	}
	all, odd := 0, []string{}
	for _, name := range names {
		for _, r := range t.plan(name).Resources() {
			all++
			if id := strings.ToLower(r.ID); created[id] != 1 || deleted[id] != 1 {
				odd = append(odd, fmt.Sprintf("%s of %s created %d and deleted %d times", r, name, created[id], deleted[id]))
			}
		}
	}
	t.fact(len(odd) == 0, "each of their %d resources was created once and deleted once%s", all, listed(odd[:min(len(odd), 5)]))
	t.say("the emulator throttled %d writes, and answered %d polls so far", ledger.Throttled, ledger.Polls)
	return nil
}

// checkEmpty demands that nothing exists.
func (t *tale) checkEmpty(ctx context.Context) error {
	existing, err := t.cloud.Resources(ctx)
	if err != nil {
		return err
	}
	ledger, err := t.cloud.Ledger(ctx)
	if err != nil {
		return err
	}
	t.fact(len(existing) == 0, "%d resources exist, after %d were created and %d deleted",
		len(existing), ledger.Count(emulator.Created, ""), ledger.Count(emulator.Deleted, ""))
	return nil
}

// listed puts exceptions behind a claim.
func listed(exceptions []string) string {
	if len(exceptions) == 0 {
		return ""
	}
	return ": but " + strings.Join(exceptions, "; ")
}

// ErrNotTrue is how a story ends of which something was not true.
var ErrNotTrue = errors.New("something that this sample claims was not true; see above")

func (t *tale) verdict() error {
	for _, f := range t.facts {
		if !f.holds {
			return ErrNotTrue
		}
	}
	t.say("all %d facts hold", len(t.facts))
	return nil
}
