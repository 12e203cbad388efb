package providertest

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// collect reads a history to its end or first error.
func collect(stream iter.Seq2[history.Event, error]) ([]history.Event, error) {
	var events []history.Event
	for event, err := range stream {
		if err != nil {
			return events, err
		}
		events = append(events, event)
	}
	return events, nil
}

// sameEvents says how the histories differ, nothing if they do not. Events are
// compared as they are stored.
func sameEvents(got, want []history.Event) string {
	for i := range min(len(got), len(want)) {
		if diff := sameEvent(got[i], want[i]); diff != "" {
			return diff
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d events, want %d", len(got), len(want))
	}
	return ""
}

func sameEvent(got, want history.Event) string {
	if got.Data == nil {
		return fmt.Sprintf("event %d has no data, want %s", got.ID, want.Data.Kind())
	}
	g, err := history.Marshal(got)
	if err != nil {
		return fmt.Sprintf("event %d cannot be encoded: %v", got.ID, err)
	}
	w, err := history.Marshal(want)
	if err != nil {
		return fmt.Sprintf("the expected event %d cannot be encoded: %v", want.ID, err)
	}
	if !bytes.Equal(g, w) {
		return fmt.Sprintf("event %s, want %s", clip(g), clip(w))
	}
	return ""
}

// sameMessage says how the messages differ, nothing if they do not.
func sameMessage(got, want provider.Message) string {
	switch {
	case got.ID != want.ID:
		return fmt.Sprintf("message %q, want %q", got.ID, want.ID)
	case got.To != want.To:
		return fmt.Sprintf("message %q is for %q, want %q", got.ID, got.To, want.To)
	case got.Execution != want.Execution:
		return fmt.Sprintf("message %q is for execution %d, want %d", got.ID, got.Execution, want.Execution)
	case !got.Sent.Equal(want.Sent):
		return fmt.Sprintf("message %q was sent at %v, want %v", got.ID, got.Sent, want.Sent)
	case !got.Due.Equal(want.Due):
		return fmt.Sprintf("message %q is due at %v, want %v", got.ID, got.Due, want.Due)
	case (got.Start == nil) != (want.Start == nil):
		return fmt.Sprintf("message %q has the start %+v, want %+v", got.ID, got.Start, want.Start)
	case got.Start != nil:
		if diff := sameStart(*got.Start, *want.Start); diff != "" {
			return fmt.Sprintf("message %q: %s", got.ID, diff)
		}
	}
	return sameData(got.Data, want.Data)
}

// sameStart compares everything but the reuse policy, which only Send needs.
func sameStart(got, want provider.Start) string {
	switch {
	case got.Name != want.Name || got.Version != want.Version:
		return fmt.Sprintf("it starts %q %q, want %q %q", got.Name, got.Version, want.Name, want.Version)
	case got.RequestID != want.RequestID:
		return fmt.Sprintf("its request is %q, want %q", got.RequestID, want.RequestID)
	case !reflect.DeepEqual(got.Parent, want.Parent):
		return fmt.Sprintf("its parent is %+v, want %+v", got.Parent, want.Parent)
	case !maps.Equal(got.Tags, want.Tags):
		return fmt.Sprintf("its tags are %v, want %v", got.Tags, want.Tags)
	}
	return ""
}

func sameData(got, want history.Data) string {
	if got == nil || want == nil {
		return fmt.Sprintf("data %v, want %v", got, want)
	}
	g, err := history.MarshalData(got)
	if err != nil {
		return fmt.Sprintf("%s cannot be encoded: %v", got.Kind(), err)
	}
	w, err := history.MarshalData(want)
	if err != nil {
		return fmt.Sprintf("the expected %s cannot be encoded: %v", want.Kind(), err)
	}
	if !bytes.Equal(g, w) {
		return fmt.Sprintf("data %s, want %s", clip(g), clip(w))
	}
	return ""
}

// clip shortens what is printed of large values.
func clip(b []byte) string {
	const most = 300
	if len(b) <= most {
		return string(b)
	}
	return fmt.Sprintf("%s … (%d bytes)", b[:most], len(b))
}

// eventsOf lists ids of events, sorted.
func eventsOf(refs []provider.ActivityRef) []int64 {
	ids := make([]int64, len(refs))
	for i, r := range refs {
		ids[i] = r.Event
	}
	slices.Sort(ids)
	return ids
}

func timersOf(timers []provider.Timer) []int64 {
	ids := make([]int64, len(timers))
	for i, t := range timers {
		ids[i] = t.Event
	}
	slices.Sort(ids)
	return ids
}

func idsOf(page []provider.Instance) []history.InstanceID {
	ids := make([]history.InstanceID, len(page))
	for i := range page {
		ids[i] = page[i].ID
	}
	return ids
}

// wantOpen demands exactly these open activities and timers.
func (e *env) wantOpen(id history.InstanceID, activities, timers []int64) {
	e.Helper()
	o := e.outstanding(id)
	if got := eventsOf(o.Activities); !slices.Equal(got, activities) {
		e.breaks("open activities of %q are those of events %v, want %v", id, got, activities)
	}
	if got := timersOf(o.Timers); !slices.Equal(got, timers) {
		e.breaks("open timers of %q are those of events %v, want %v", id, got, timers)
	}
}

// wantHistory demands exactly these events in the current execution.
func (e *env) wantHistory(id history.InstanceID, want []history.Event) {
	e.Helper()
	if diff := sameEvents(e.history(id), want); diff != "" {
		e.breaks("history of %q: %s", id, diff)
	}
}

// wantPayload demands a payload, nil for none.
func (e *env) wantPayload(what string, got, want history.Payload) {
	e.Helper()
	if (got == nil) != (want == nil) || !bytes.Equal(got, want) {
		e.breaks("%s is %s, want %s", what, clip(orNone(got)), clip(orNone(want)))
	}
}

func orNone(p history.Payload) []byte {
	if p == nil {
		return []byte("none")
	}
	return p
}

// sameInstance says how two reads of an instance differ, nothing if they do
// not.
func sameInstance(got, want provider.Instance) string {
	for _, field := range []struct {
		name      string
		got, want any
	}{
		{"id", got.ID, want.ID},
		{"name", got.Name, want.Name},
		{"version", got.Version, want.Version},
		{"status", got.Status, want.Status},
		{"execution", got.Execution, want.Execution},
		{"last event", got.LastEvent, want.LastEvent},
		{"pruned", got.Pruned, want.Pruned},
		{"request", got.RequestID, want.RequestID},
		{"parent", got.Parent, want.Parent},
		{"tags", len(got.Tags), len(want.Tags)},
		{"created", got.Created.UnixNano(), want.Created.UnixNano()},
		{"finished", got.Finished.IsZero(), want.Finished.IsZero()},
		{"custom status", string(got.CustomStatus), string(want.CustomStatus)},
		{"status revision", got.StatusRevision, want.StatusRevision},
		{"output", string(got.Output), string(want.Output)},
		{"failure", got.Failure, want.Failure},
		{"parked", got.Parked != nil, want.Parked != nil},
	} {
		if !reflect.DeepEqual(field.got, field.want) {
			return fmt.Sprintf("%s is %v, want %v", field.name, field.got, field.want)
		}
	}
	if !maps.Equal(got.Tags, want.Tags) {
		return fmt.Sprintf("tags are %v, want %v", got.Tags, want.Tags)
	}
	return ""
}
