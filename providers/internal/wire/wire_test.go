package wire_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

var noon = time.Date(2024, 5, 17, 12, 0, 0, 123456789, time.UTC)

// TestMessagesAreReadAsTheyWereWritten also fixes the text: it is stored (W1).
func TestMessagesAreReadAsTheyWereWritten(t *testing.T) {
	for _, c := range []struct {
		text    string
		message provider.Message
	}{
		{
			`{"id":"1","to":"a","data":{"kind":"EventRaised","data":{"name":"n","payload":"<&>"}}}`,
			provider.Message{ID: "1", To: "a", Data: &history.EventRaised{Name: "n", Payload: history.Payload(`"<&>"`)}},
		},
		{
			`{"id":"2","to":"ä/b","execution":3,"due":1715947200123456789,"sent":1715947200000000000,"data":{"kind":"EventRaised","data":{"name":"n"}}}`,
			provider.Message{ID: "2", To: "ä/b", Execution: 3, Due: noon, Sent: noon.Truncate(time.Second), Data: &history.EventRaised{Name: "n"}},
		},
		{
			`{"id":"3","to":"c","start":{"name":"story","version":"2","requestId":"r","parent":{"instance":"p","execution":1,"event":7},"tags":{"k":"v"},"reuse":2}}`,
			provider.Message{ID: "3", To: "c", Start: &provider.Start{
				Name: "story", Version: "2", RequestID: "r", Reuse: provider.ReuseFinal,
				Parent: &history.ParentRef{Instance: "p", Execution: 1, Event: 7}, Tags: map[string]string{"k": "v"},
			}},
		},
	} {
		text, err := wire.Encode(&c.message)
		if err != nil || string(text) != c.text {
			t.Errorf("message %s is written as\n%s, error %v; want\n%s", c.message.ID, text, err, c.text)
		}
		if m, err := wire.Decode([]byte(c.text)); err != nil || !reflect.DeepEqual(m, c.message) {
			t.Errorf("message %s is read as %+v, error %v; want %+v", c.message.ID, m, err, c.message)
		}
	}
}

func TestOfAMessageThatCannotBeReadTheReceiverIsKnown(t *testing.T) {
	m, err := wire.Decode([]byte(`{"id":"1","to":"a","data":{"kind":"OfTheFuture","data":{}}}`))
	if err == nil || m.ID != "1" || m.To != "a" {
		t.Errorf("read as message %q to %q, error %v; want message 1 to a and an error", m.ID, m.To, err)
	}
	if m, err := wire.Decode([]byte("no JSON")); err == nil {
		t.Errorf("text that is no message was read as %+v", m)
	}
}

func TestTimesGoThroughTheirNumbers(t *testing.T) {
	for _, c := range []struct {
		time, want time.Time
	}{
		{time.Time{}, time.Time{}},
		{noon, noon},
		{noon.In(time.FixedZone("east", 7200)), noon},
		{time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, math.MaxInt64).UTC()},
		{time.Date(1066, 10, 14, 0, 0, 0, 0, time.UTC), time.Unix(0, math.MinInt64).UTC()}, // past, as it was
	} {
		if got := wire.FromNanos(wire.Nanos(c.time)); got != c.want {
			t.Errorf("%v became %v, want %v", c.time, got, c.want)
		}
	}
}

func TestEventsAreALineEach(t *testing.T) {
	events := []history.Event{
		{ID: 1, Execution: 1, Time: noon, Data: &history.EventRaised{Name: "n", Payload: history.Payload(`"two\nlines"`)}},
		{ID: 2, Execution: 1, Time: noon, Data: &history.TimerFired{Source: 1}},
	}
	blob, err := wire.EncodeEvents(events)
	if err != nil || strings.Count(string(blob), "\n") != len(events) || !strings.HasSuffix(string(blob), "\n") {
		t.Fatalf("the events are written as %q, error %v; want a line each", blob, err)
	}
	var got []history.Event
	for e, err := range wire.DecodeEvents(blob) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if !reflect.DeepEqual(got, events) {
		t.Errorf("the events are read as %+v, want %+v", got, events)
	}
	for e, err := range wire.DecodeEvents(blob) {
		if err != nil || e.ID != 1 {
			t.Errorf("whoever stops after the first event got %+v, error %v", e, err)
		}
		break
	}
}

func TestReadingEventsEndsAtTheFirstDamage(t *testing.T) {
	blob, err := wire.EncodeEvents([]history.Event{{ID: 1, Execution: 1, Time: noon, Data: &history.TimerFired{Source: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	var read, failed int
	for _, err := range wire.DecodeEvents(append(append([]byte("damage\n"), blob...), blob...)) {
		read++
		if err != nil {
			failed++
		}
	}
	if read != 1 || failed != 1 {
		t.Errorf("%d lines were read, %d of them damaged; want the first, damaged", read, failed)
	}
	if _, err := wire.EncodeEvents([]history.Event{{ID: 1}}); err == nil {
		t.Error("an event without data was written")
	}
}

func TestQuotedInstancesArePrintableAndShort(t *testing.T) {
	if got, want := wire.Quote("a\n\x80é"), `instance "a\n\x80\u00e9"`; got != want {
		t.Errorf("quoted as %s, want %s", got, want)
	}
	if got := wire.Quote(history.InstanceID(strings.Repeat("x", 1000))); len(got) > 120 {
		t.Errorf("a long id is quoted with %d bytes", len(got))
	}
}
