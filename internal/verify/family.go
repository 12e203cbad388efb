package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// checkChildren follows every child that was scheduled (V13).
func (x *examination) checkChildren(ctx context.Context) error {
	for _, e := range x.executions {
		for i := range e.children {
			if err := x.checkChild(ctx, e, &e.children[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *examination) checkChild(ctx context.Context, e *execution, c *child) error {
	id := c.data.Instance
	row, err := x.a.find(ctx, id)
	if err != nil {
		return err
	}
	ref := &history.ParentRef{Instance: x.id, Execution: e.number, Event: c.event}
	ours := row != nil && sameParent(row.Parent, ref)
	switch {
	case c.outcome != nil:
		x.checkOutcome(e, c, row, ours)
	case c.cancelled, e.ended != nil && c.data.ParentClose != history.ParentCloseAbandon:
		if ours && !row.Status.Final() {
			return x.checkCancelled(ctx, e, c)
		}
	case e.ended != nil:
		if row == nil {
			x.missing(Children, e.number, c.event, "child %q, which was to outlive its parent, does not exist", id)
		}
	case !e.whole || x.answered(e, c.event): // unreadable, or on its way
	case row == nil:
		x.finding(Children, e.number, c.event, "child %q does not exist, and its outcome is neither in the history nor on the way", id)
	case !ours:
		return x.checkRefused(ctx, e, c, ref)
	case row.Status.Final():
		x.finding(Children, e.number, c.event, "child %q is %s, and its outcome is neither in the history nor on the way", id, row.Status)
	}
	return nil
}

// checkOutcome compares the outcome that the parent received with the child.
func (x *examination) checkOutcome(e *execution, c *child, row *provider.Instance, ours bool) {
	failed, _ := c.outcome.(*history.ChildFailed)
	refused := failed != nil && failed.Failure != nil && failed.Failure.Kind == history.FailureExists
	id := c.data.Instance
	switch {
	case refused && ours:
		x.finding(Children, e.number, c.at, "child %q is said not to have started, and it did", id)
	case refused:
	case row == nil:
		x.missing(Children, e.number, c.at, "child %q, whose outcome is known, does not exist", id)
	case !ours && x.a.options.Complete:
		x.finding(Children, e.number, c.at, "the outcome is of child %q, which was started by somebody else", id)
	case !ours:
		x.note(Children, e.number, c.at, "child %q, whose outcome is known, was replaced", id)
	case !row.Status.Final():
		x.finding(Children, e.number, c.at, "the outcome of child %q is known, and it is %s", id, row.Status)
	case (failed == nil) != (row.Status == history.StatusCompleted):
		x.finding(Children, e.number, c.at, "%s is the outcome of child %q, which is %s", c.outcome.Kind(), id, row.Status)
	case failed == nil && !sameJSON(c.outcome.(*history.ChildCompleted).Output, row.Output):
		x.finding(Children, e.number, c.at, "the output of child %q is %s, and its parent received %s", id, text(row.Output), text(c.outcome.(*history.ChildCompleted).Output))
	}
}

// checkRefused: the id of the child was taken; whoever has it is to tell the
// parent.
func (x *examination) checkRefused(ctx context.Context, e *execution, c *child, ref *history.ParentRef) error {
	out, err := x.a.outstanding(ctx, c.data.Instance)
	if err != nil {
		return err
	}
	waits := slices.ContainsFunc(out.Messages, func(m provider.Message) bool {
		start, ok := m.Data.(*history.ExecutionStarted)
		return ok && sameParent(start.Parent, ref)
	})
	if !waits {
		x.finding(Children, e.number, c.event, "child %q could not start, since its id is taken, and nobody tells its parent", c.data.Instance)
	}
	return nil
}

// checkCancelled: a child that its parent does not await any longer was asked
// to cancel.
func (x *examination) checkCancelled(ctx context.Context, e *execution, c *child) error {
	id := c.data.Instance
	out, err := x.a.outstanding(ctx, id)
	if err != nil {
		return err
	}
	asked := func(d history.Data) bool { _, ok := d.(*history.CancelRequested); return ok }
	if slices.ContainsFunc(out.Messages, func(m provider.Message) bool { return asked(m.Data) }) {
		return nil
	}
	for event, err := range x.a.store.History(ctx, id, 0, 0) {
		if err != nil {
			return x.ofOther(id, err)
		}
		if asked(event.Data) {
			return nil
		}
	}
	x.finding(Children, e.number, c.event, "child %q goes on, and was not asked to cancel", id)
	return nil
}

// ofOther is the error of reading another instance: what is wrong with its
// history is said where it is examined.
func (x *examination) ofOther(id history.InstanceID, err error) error {
	if errors.Is(err, provider.ErrNotFound) || errors.Is(err, provider.ErrCorrupt) || errors.Is(err, history.ErrFormat) {
		return nil
	}
	return fmt.Errorf("reading the history of instance %q: %w", id, err)
}

// checkParent: what names a parent was scheduled by it (V14).
func (x *examination) checkParent(ctx context.Context) error {
	ref := x.row.Parent
	if ref == nil {
		return nil
	}
	parent, err := x.a.find(ctx, ref.Instance)
	if err != nil {
		return err
	}
	if parent == nil {
		x.missing(Parents, 0, 0, "its parent %s does not exist", parentText(ref))
		return nil
	}
	if parent.Created.After(x.row.Created) {
		x.missing(Parents, 0, 0, "its parent %s is younger than itself", parentText(ref))
		return nil
	}
	if ref.Execution > 0 && ref.Execution <= parent.Pruned {
		return nil // nobody can tell any more
	}
	for event, err := range x.a.store.History(ctx, ref.Instance, ref.Execution, ref.Event-1) {
		if errors.Is(err, provider.ErrNotFound) {
			break
		}
		if err != nil {
			return x.ofOther(ref.Instance, err)
		}
		if d, ok := event.Data.(*history.ChildScheduled); ok && event.ID == ref.Event && d.Instance == x.id && d.Name == x.row.Name {
			return nil
		}
		break
	}
	x.finding(Parents, 0, 0, "its parent %s did not schedule it", parentText(ref))
	return nil
}

// checkDetached: what was started and left exists (V15).
func (x *examination) checkDetached(ctx context.Context) error {
	for _, e := range x.executions {
		for _, d := range e.detached {
			row, err := x.a.find(ctx, d.instance)
			if err != nil {
				return err
			}
			if row == nil {
				x.missing(Sent, e.number, d.event, "instance %q, which was started here, does not exist", d.instance)
			}
		}
	}
	return nil
}
