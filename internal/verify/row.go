package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// checkRow holds what the store shows of an instance against its histories
// (V8).
func (x *examination) checkRow() {
	row := x.row
	if row.Status.Final() == row.Finished.IsZero() {
		x.finding(Row, 0, 0, "its status is %s, and it finished at %s", row.Status, stamp(row.Finished))
	}
	if row.Execution == 0 {
		if row.Status != history.StatusPending || row.LastEvent != 0 {
			x.finding(Row, 0, 0, "it has no execution, but the status %s and the last event %d", row.Status, row.LastEvent)
		}
		return
	}
	if first := x.executions; len(first) > 0 && first[0].number == 1 && first[0].started != nil && first[0].started.RequestID != row.RequestID {
		x.finding(Row, 1, 1, "it was started by request %q, and the row says %q", first[0].started.RequestID, row.RequestID)
	}
	e := x.current()
	if e == nil {
		return // V7 or V17 says so
	}
	if last := int64(len(e.kinds)); row.LastEvent != last {
		x.finding(Row, e.number, 0, "the history ends with event %d, and the row says %d", last, row.LastEvent)
	}
	if again, ok := e.ended.(*history.ContinuedAsNew); ok {
		x.finding(Chain, e.number, int64(len(e.kinds)), "it ends by %s, and there is no execution after it", again.Kind())
		return
	}
	x.checkStart(e)
	x.checkEnd(e)
	if !sameJSON(row.CustomStatus, e.status) {
		x.finding(Row, e.number, 0, "the custom status is %s in the history, and %s in the row", text(e.status), text(row.CustomStatus))
	}
}

func (x *examination) checkStart(e *execution) {
	row, start := x.row, e.started
	if row.Name != start.Name {
		x.finding(Row, e.number, 1, "it runs %q, and the row says %q", start.Name, row.Name)
	}
	if start.Version != "" && row.Version != start.Version {
		x.finding(Row, e.number, 1, "it runs version %q, and the row says %q", start.Version, row.Version)
	}
	if !sameParent(row.Parent, start.Parent) {
		x.finding(Row, e.number, 1, "its parent is %s, and the row says %s", parentText(start.Parent), parentText(row.Parent))
	}
	if !maps.Equal(row.Tags, start.Tags) {
		x.finding(Row, e.number, 1, "its tags are %v, and the row says %v", start.Tags, row.Tags)
	}
}

// checkEnd compares status and result with the last event.
func (x *examination) checkEnd(e *execution) {
	row := x.row
	want, output, failure := history.StatusRunning, history.Payload(nil), (*history.Failure)(nil)
	switch d := e.ended.(type) {
	case *history.ExecutionCompleted:
		want, output = history.StatusCompleted, d.Output
	case *history.ExecutionFailed:
		want, failure = history.StatusFailed, d.Failure
	case *history.ExecutionCancelled:
		want = history.StatusCancelled
		failure = row.Failure // its text is the engine's to choose
		if failure != nil && failure.Kind != history.FailureCancelled {
			x.finding(Row, e.number, 0, "it was cancelled, and the row says %s", failure)
		}
	case *history.ExecutionTerminated:
		want, output, failure = history.StatusTerminated, d.Output, row.Failure
	}
	last := int64(len(e.kinds))
	if row.Status != want {
		x.finding(Row, e.number, last, "by its last event, %s, it is %s, and the row says %s", e.kinds[last-1], want, row.Status)
		return
	}
	if !sameJSON(row.Output, output) {
		x.finding(Row, e.number, last, "the output is %s in the history, and %s in the row", text(output), text(row.Output))
	}
	if !sameFailure(row.Failure, failure) {
		x.finding(Row, e.number, last, "the failure is %q in the history, and %q in the row", failure, row.Failure)
	}
}

func sameFailure(a, b *history.Failure) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Type == b.Type && a.Message == b.Message && sameJSON(a.Details, b.Details) && sameFailure(a.Cause, b.Cause)
}

// checkState holds the durable state that clients read against what the
// histories set (V9).
func (x *examination) checkState(ctx context.Context) error {
	e := x.current()
	if e == nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(x.keys)) {
		got, err := x.a.store.State(ctx, x.id, key)
		if errors.Is(err, provider.ErrNotFound) {
			return nil // purged meanwhile
		}
		if err != nil {
			return fmt.Errorf("reading state %q of instance %q: %w", key, x.id, err)
		}
		if want := e.state[key]; !sameJSON(got, want) {
			x.finding(State, e.number, 0, "state %q is %s by the history, and %s in the store", key, text(want), text(got))
		}
	}
	return nil
}

// text shows a payload, shortened.
func text(p history.Payload) string {
	const most = 60
	switch {
	case p == nil:
		return "none"
	case len(p) > most:
		return fmt.Sprintf("%.*s… (%d bytes)", most, p, len(p))
	default:
		return string(p)
	}
}

func parentText(p *history.ParentRef) string {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("%s/%d/%d", p.Instance, p.Execution, p.Event)
}
