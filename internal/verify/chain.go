package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
)

// checkSuccession holds what an execution left against how the next one
// started (V7).
func (x *examination) checkSuccession(prior, next *execution) {
	ended, again := prior.ended.(*history.ContinuedAsNew)
	if !again {
		how := "has not ended"
		if prior.ended != nil {
			how = "ended by " + string(prior.ended.Kind())
		}
		x.finding(Chain, next.number, 1, "it follows execution %d, which %s", prior.number, how)
		return
	}
	start, first := next.started, prior.started
	differs := func(what string) {
		x.finding(Chain, next.number, 1, "its %s is not what execution %d left", what, prior.number)
	}
	if !sameJSON(start.Input, ended.Input) {
		differs("input")
	}
	if ended.Version != "" && start.Version != ended.Version {
		differs("version")
	}
	if !sameJSON(start.Status, prior.status) {
		differs("custom status")
	}
	if !maps.EqualFunc(start.State, prior.state, sameJSON) {
		differs("state")
	}
	if left := prior.left(); !slices.EqualFunc(start.Carried, left, sameCarried) {
		x.finding(Chain, next.number, 1, "it carries over %d external events, and execution %d left %d that nobody had received: %s",
			len(start.Carried), prior.number, len(left), firstDifference(start.Carried, left))
	}
	if first == nil {
		return
	}
	if start.Name != first.Name {
		differs("orchestration")
	}
	if !sameParent(start.Parent, first.Parent) {
		differs("parent")
	}
	if start.Seed == first.Seed {
		x.finding(Chain, next.number, 1, "it has the seed of execution %d: what it derives would not be unique", prior.number)
	}
}

func firstDifference(carried, left []history.CarriedEvent) string {
	for i := range min(len(carried), len(left)) {
		if !sameCarried(carried[i], left[i]) {
			return fmt.Sprintf("number %d is %s, not %s", i+1, channel{carried[i].Name, carried[i].Queue}, channel{left[i].Name, left[i].Queue})
		}
	}
	return fmt.Sprintf("the first %d agree", min(len(carried), len(left)))
}

// checkReceipts looks for messages that became two events (V5).
func (x *examination) checkReceipts(ctx context.Context, e *execution) error {
	for _, event := range e.raised {
		id := messageID(event.Data)
		before, twice := x.receipts[id]
		if !twice {
			x.receipts[id] = receipt{e.number, event}
			continue
		}
		// An instance that was replaced by one of the same id derives the same
		// ids again.
		sender, derived := senderOf(id)
		if derived && !x.a.options.Complete {
			row, err := x.a.find(ctx, sender)
			if err != nil {
				return err
			}
			if row == nil || row.Created.After(before.event.Time) {
				x.note(Events, e.number, event.ID, "message %q was received before, by event %d of execution %d: its sender was replaced meanwhile", id, before.event.ID, before.execution)
				continue
			}
		}
		x.finding(Events, e.number, event.ID, "message %q was received before, by event %d of execution %d", id, before.event.ID, before.execution)
	}
	return nil
}

func messageID(d history.Data) string {
	switch d := d.(type) {
	case *history.EventRaised:
		return d.MessageID
	case *history.CancelRequested:
		return d.MessageID
	}
	return ""
}

// Ids of messages that instances send name the event that caused them, and the
// sender's seed, which tells it from an instance of the same id before it:
// instance/execution/event/what~seed.

// place is such an id without the seed; other ids stay as they are.
func place(message string) string {
	if i := strings.LastIndexByte(message, '~'); i >= 0 && !strings.Contains(message[i:], "/") {
		return message[:i]
	}
	return message
}

func eventMessage(from history.InstanceID, execution, event int64) string {
	return fmt.Sprintf("%s/%d/%d/event", from, execution, event)
}

func senderOf(message string) (from history.InstanceID, derived bool) {
	rest := message
	for range 3 {
		i := strings.LastIndexByte(rest, '/')
		if i < 0 {
			return "", false
		}
		rest = rest[:i]
	}
	return history.InstanceID(rest), true
}

func sameCarried(a, b history.CarriedEvent) bool {
	return a.Name == b.Name && a.Queue == b.Queue && a.MessageID == b.MessageID && sameJSON(a.Payload, b.Payload)
}

func sameParent(a, b *history.ParentRef) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Instance == b.Instance && a.Execution == b.Execution && a.Event == b.Event
}

// sameJSON compares payloads by their tokens.
func sameJSON(a, b history.Payload) bool {
	if bytes.Equal(a, b) {
		return (a == nil) == (b == nil)
	}
	var compactA, compactB bytes.Buffer
	return len(a) > 0 && len(b) > 0 && json.Compact(&compactA, a) == nil && json.Compact(&compactB, b) == nil &&
		bytes.Equal(compactA.Bytes(), compactB.Bytes())
}
