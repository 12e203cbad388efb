package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Options say what to audit. The zero value is good.
type Options struct {
	// Prefix restricts the audit to the instances whose ids begin with it.
	Prefix string
	// Complete says that nothing was ever purged or replaced: an instance that
	// should exist and does not is then a finding, not a note.
	Complete bool
	// Effects are the names of activities whose effects are held against a
	// ledger afterwards: see [Effects].
	Effects []string
	// MaxFindings bounds the findings and the notes that are kept; more are
	// counted. Default 1,000.
	MaxFindings int
	// Rereads is how often what looks wrong is read again before it is
	// reported, and Settle the pause before each. Defaults 3, and 100 ms: longer
	// than a message is on its way between instances.
	Rereads int
	Settle  time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxFindings <= 0 {
		o.MaxFindings = 1_000
	}
	if o.Rereads <= 0 {
		o.Rereads = 3
	}
	if o.Settle <= 0 {
		o.Settle = 100 * time.Millisecond
	}
	return o
}

// page is how many instances are listed at a time.
const page = 500

// Store audits a store. The error says that the audit could not be done; what
// it found wrong is in the report.
func Store(ctx context.Context, store provider.Store, o Options) (*Report, error) {
	o = o.withDefaults()
	a := &auditor{
		store:   store,
		options: o,
		report: &Report{
			Started: time.Now().UTC(), Statuses: map[history.Status]int{}, Findings: []Finding{}, Notes: []Finding{},
			options: o, activities: map[history.ActivityID]activityRecord{}, pruned: map[history.InstanceID]int64{},
		},
		mail: newMail(),
	}
	for _, step := range []func(context.Context) error{a.walk, a.undelivered, a.deadLetters, a.confirm, a.storage} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
	}
	return a.report, nil
}

// auditor is one audit of a store.
type auditor struct {
	store    provider.Store
	options  Options
	report   *Report
	mail     *mail
	suspects []suspect
	kept     int // findings of suspects
}

// suspect is something that looks wrong, and how to look again.
type suspect struct {
	findings []Finding
	check    func(context.Context) ([]Finding, error)
}

// walk examines every instance.
func (a *auditor) walk(ctx context.Context) error {
	var after history.InstanceID
	for {
		rows, err := a.store.List(ctx, provider.Query{Prefix: a.options.Prefix, After: after, Limit: page})
		if err != nil {
			return fmt.Errorf("listing instances after %q: %w", after, err)
		}
		if len(rows) == 0 {
			return nil
		}
		for i := range rows {
			if rows[i].ID <= after || !strings.HasPrefix(string(rows[i].ID), a.options.Prefix) {
				return fmt.Errorf("listing instances after %q: the store lists %q, which is not in order", after, rows[i].ID)
			}
			after = rows[i].ID
			if err := a.instance(ctx, after); err != nil {
				return err
			}
		}
	}
}

// instance examines an instance for the first time.
func (a *auditor) instance(ctx context.Context, id history.InstanceID) error {
	e, err := a.examine(ctx, id)
	if err != nil || e == nil {
		return err
	}
	a.report.add(e)
	a.mail.add(e)
	for _, n := range e.notes {
		a.report.noted(n)
	}
	a.suspect(e.findings, func(ctx context.Context) ([]Finding, error) {
		again, err := a.examine(ctx, id)
		if err != nil || again == nil {
			return nil, err
		}
		return again.findings, nil
	})
	return nil
}

func (a *auditor) suspect(findings []Finding, check func(context.Context) ([]Finding, error)) {
	if len(findings) == 0 {
		return
	}
	if room := a.options.MaxFindings - a.kept; len(findings) > room {
		a.report.Omitted += len(findings) - room
		findings = findings[:room]
	}
	a.kept += len(findings)
	if len(findings) > 0 {
		a.suspects = append(a.suspects, suspect{findings, check})
	}
}

// confirm looks again at what looked wrong, and reports what stays.
func (a *auditor) confirm(ctx context.Context) error {
	for range a.options.Rereads {
		if len(a.suspects) == 0 {
			return nil
		}
		select {
		case <-time.After(a.options.Settle):
		case <-ctx.Done():
			return ctx.Err()
		}
		for i := range a.suspects {
			s := &a.suspects[i]
			again, err := s.check(ctx)
			if err != nil {
				return err
			}
			s.findings = slices.DeleteFunc(s.findings, func(f Finding) bool { return !slices.Contains(again, f) })
		}
		a.suspects = slices.DeleteFunc(a.suspects, func(s suspect) bool { return len(s.findings) == 0 })
	}
	for _, s := range a.suspects {
		for _, f := range s.findings {
			a.report.found(f)
		}
	}
	return nil
}

// find reads a row, nil if there is none.
func (a *auditor) find(ctx context.Context, id history.InstanceID) (*provider.Instance, error) {
	row, err := a.store.Instance(ctx, id)
	if errors.Is(err, provider.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading instance %q: %w", id, err)
	}
	return row, nil
}

// outstanding reads what an instance waits for, nothing if there is none.
func (a *auditor) outstanding(ctx context.Context, id history.InstanceID) (*provider.Outstanding, error) {
	out, err := a.store.Outstanding(ctx, id)
	if errors.Is(err, provider.ErrNotFound) {
		return &provider.Outstanding{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is outstanding for %q: %w", id, err)
	}
	return out, nil
}
