package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// steadyTries is how often an instance is read in the hope that it holds still
// meanwhile.
const steadyTries = 5

// examination is one look at one instance.
type examination struct {
	a   *auditor
	id  history.InstanceID
	row *provider.Instance
	out *provider.Outstanding

	executions []*execution // without what only their own history needs
	unreadable bool         // some history could not be read to its end
	keys       map[string]bool
	receipts   map[string]receipt

	findings []Finding
	lasting  int // so many of them are about events, which do not change
	notes    []Finding
	busy     bool // the instance did not hold still
}

// receipt is where a message became an event.
type receipt struct {
	execution int64
	event     history.Event
}

// examine reads an instance and checks all that concerns it. It is nil if the
// instance is gone.
func (a *auditor) examine(ctx context.Context, id history.InstanceID) (*examination, error) {
	row, err := a.find(ctx, id)
	if err != nil || row == nil {
		return nil, err
	}
	for try := 1; ; try++ {
		x := &examination{a: a, id: id, row: row, keys: map[string]bool{}, receipts: map[string]receipt{}}
		if err := x.all(ctx); err != nil {
			return nil, err
		}
		after, err := a.find(ctx, id)
		if err != nil || after == nil {
			return nil, err
		}
		if steady(row, after) {
			return x, nil
		}
		if try == steadyTries {
			x.findings, x.notes, x.busy = x.findings[:x.lasting], nil, true
			return x, nil
		}
		row = after
	}
}

// steady reports whether no commit fell between two reads of a row.
func steady(a, b *provider.Instance) bool {
	return a.Execution == b.Execution && a.LastEvent == b.LastEvent && a.Status == b.Status &&
		a.StatusRevision == b.StatusRevision && a.Pruned == b.Pruned && a.RequestID == b.RequestID &&
		a.Created.Equal(b.Created) && a.Updated.Equal(b.Updated)
}

// all makes every check of an instance, first those of its histories.
func (x *examination) all(ctx context.Context) error {
	if err := x.histories(ctx); err != nil {
		return err
	}
	var err error
	if x.out, err = x.a.outstanding(ctx, x.id); err != nil {
		return err
	}
	x.checkRow()
	for _, check := range []func(context.Context) error{x.checkState, x.checkWork, x.checkChildren, x.checkParent, x.checkDetached} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (x *examination) finding(rule Rule, execution, event int64, what string, args ...any) {
	x.findings = append(x.findings, Finding{Rule: rule, Instance: x.id, Execution: execution, Event: event, What: fmt.Sprintf(what, args...), Next: rule.next()})
}

func (x *examination) note(rule Rule, execution, event int64, what string, args ...any) {
	x.notes = append(x.notes, Finding{Rule: rule, Instance: x.id, Execution: execution, Event: event, What: fmt.Sprintf(what, args...)})
}

// missing reports an instance that should exist: a finding if nothing was ever
// purged.
func (x *examination) missing(rule Rule, execution, event int64, what string, args ...any) {
	if x.a.options.Complete {
		x.finding(rule, execution, event, what, args...)
	} else {
		x.note(rule, execution, event, what+": was it purged?", args...)
	}
}

// histories reads the histories of all executions that were not pruned.
func (x *examination) histories(ctx context.Context) error {
	var absent []int64
	var prior *execution
	for n := x.row.Pruned + 1; n <= x.row.Execution; n++ {
		e := newExecution(n, func(rule Rule, event int64, what string, args ...any) { x.finding(rule, n, event, what, args...) })
		found, err := x.read(ctx, e)
		if err != nil {
			return err
		}
		if !found {
			absent = append(absent, n)
			x.unreadable = true
			prior = nil
			continue
		}
		if prior != nil && prior.whole && e.started != nil {
			x.checkSuccession(prior, e)
		}
		if prior != nil {
			prior.shrink()
		}
		for key := range e.touched {
			x.keys[key] = true
		}
		if err := x.checkReceipts(ctx, e); err != nil {
			return err
		}
		x.executions = append(x.executions, e)
		prior = e
	}
	x.lasting = len(x.findings)
	for _, n := range absent {
		x.finding(Chain, n, 0, "execution %d has no history, while execution %d is the current one", n, x.row.Execution)
	}
	if err := x.beyond(ctx, x.row.Execution+1, "execution %d has a history, while execution %d is the current one", x.row.Execution); err != nil || x.row.Pruned == 0 {
		return err
	}
	if x.row.Pruned >= x.row.Execution {
		x.finding(Row, 0, 0, "executions up to %d are pruned, and execution %d is the current one", x.row.Pruned, x.row.Execution)
		return nil
	}
	return x.beyond(ctx, x.row.Pruned, "execution %d has a history, while all up to %d were pruned", x.row.Pruned)
}

// read takes in the history of an execution. It reports whether there is any.
func (x *examination) read(ctx context.Context, e *execution) (found bool, err error) {
	for event, err := range x.a.store.History(ctx, x.id, e.number, 0) {
		switch {
		case errors.Is(err, provider.ErrNotFound):
			return false, nil
		case errors.Is(err, provider.ErrCorrupt), errors.Is(err, history.ErrFormat):
			x.finding(Readable, e.number, int64(len(e.kinds))+1, "the history cannot be read: %v", err)
			x.unreadable = true
			return true, nil
		case err != nil:
			return false, fmt.Errorf("reading the history of instance %q, execution %d: %w", x.id, e.number, err)
		}
		e.next(event)
	}
	e.whole = !e.broken
	x.unreadable = x.unreadable || e.broken
	return len(e.kinds) > 0 || e.broken, nil
}

// beyond checks that an execution cannot be read: one after the current one, or
// one that was pruned.
func (x *examination) beyond(ctx context.Context, n int64, what string, args ...any) error {
	for event, err := range x.a.store.History(ctx, x.id, n, 0) {
		switch {
		case errors.Is(err, provider.ErrNotFound):
			return nil
		case err != nil && !errors.Is(err, provider.ErrCorrupt) && !errors.Is(err, history.ErrFormat):
			return fmt.Errorf("reading the history of instance %q, execution %d: %w", x.id, n, err)
		}
		x.finding(Chain, n, event.ID, what, append([]any{n}, args...)...)
		return nil
	}
	return nil
}

// current is the current execution, nil if there is none or it cannot be read.
func (x *examination) current() *execution {
	if n := len(x.executions); n > 0 && x.executions[n-1].number == x.row.Execution && x.executions[n-1].whole {
		return x.executions[n-1]
	}
	return nil
}
