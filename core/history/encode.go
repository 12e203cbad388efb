package history

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// Histories are written event by event on the hottest path there is, and a
// few kinds make up nearly all of them. Those are encoded by hand, several
// times faster than by reflection; whatever is unusual about a value hands it
// to encoding/json. The two never differ by a byte, which a property test
// keeps so.

// appendData appends the encoding of d.
func appendData(buf []byte, d Data) ([]byte, error) {
	w := writer{buf: buf}
	if w.data(d); w.plain {
		return w.buf, nil
	}
	return marshalData(buf, d)
}

// marshalData is appendData with encoding/json alone: the definition.
func marshalData(buf []byte, d Data) ([]byte, error) {
	out := bytes.NewBuffer(buf)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false) // payloads keep their size and their bytes
	if err := enc.Encode(d); err != nil {
		return buf, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// writer appends the fields of one object, as long as they are plain.
type writer struct {
	buf   []byte
	plain bool
	any   bool // a field was written
}

func (w *writer) data(d Data) {
	w.buf, w.plain = append(w.buf, '{'), true
	switch d := d.(type) {
	case *ExecutionStarted:
		w.plain = d.Parent == nil && len(d.Tags) == 0 && d.Trace == nil &&
			len(d.Carried) == 0 && len(d.State) == 0 && len(d.Headers) == 0
		w.text("name", d.Name)
		w.someText("version", d.Version)
		w.payload("input", d.Input)
		w.someText("requestId", d.RequestID)
		w.text("seed", d.Seed)
		w.someTime("scheduled", d.Scheduled)
		w.someTime("deadline", d.Deadline)
		w.payload("status", d.Status)
	case *ExecutionCompleted:
		w.payload("output", d.Output)
	case *ActivityScheduled:
		w.plain = d.Retry == nil && len(d.Tags) == 0 && d.Trace == nil && len(d.Headers) == 0
		w.text("name", d.Name)
		w.someText("version", d.Version)
		w.payload("input", d.Input)
		w.someInt("timeoutMs", int64(d.Timeout))
		w.someTime("deadline", d.Deadline)
		w.someText("tag", d.Tag)
		w.someText("session", d.Session)
		w.someText("description", d.Description)
		w.someText("inputHash", d.InputHash)
	case *ActivityCompleted:
		w.int("source", d.Source)
		w.someInt("attempt", int64(d.Attempt))
		w.payload("output", d.Output)
		w.someTime("started", d.Started)
		w.someText("worker", d.Worker)
	case *TimerCreated:
		w.time("due", d.Due)
		w.someText("description", d.Description)
	case *TimerFired:
		w.int("source", d.Source)
	case *EventAwaited:
		w.text("name", d.Name)
		w.someBool("queue", d.Queue)
		w.someText("description", d.Description)
		w.someInt("received", d.Received)
	case *EventRaised:
		w.someInt("source", d.Source)
		w.text("name", d.Name)
		w.someBool("queue", d.Queue)
		w.payload("payload", d.Payload)
		w.someText("messageId", d.MessageID)
	case *ChildCompleted:
		w.int("source", d.Source)
		w.payload("output", d.Output)
		w.someText("seed", d.Seed)
	default:
		w.plain = false
	}
	w.buf = append(w.buf, '}')
}

func (w *writer) key(key string) {
	if w.any {
		w.buf = append(w.buf, ',')
	}
	w.any = true
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, key...)
	w.buf = append(w.buf, '"', ':')
}

func (w *writer) text(key, s string) {
	w.key(key)
	w.plain = w.plain && plainText(s)
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, s...)
	w.buf = append(w.buf, '"')
}

func (w *writer) someText(key, s string) {
	if s != "" {
		w.text(key, s)
	}
}

func (w *writer) int(key string, n int64) {
	w.key(key)
	w.buf = strconv.AppendInt(w.buf, n, 10)
}

func (w *writer) someInt(key string, n int64) {
	if n != 0 {
		w.int(key, n)
	}
}

func (w *writer) someBool(key string, b bool) {
	if b {
		w.key(key)
		w.buf = append(w.buf, "true"...)
	}
}

func (w *writer) time(key string, t time.Time) {
	w.key(key)
	w.buf = append(w.buf, '"')
	var err error
	w.buf, err = t.AppendText(w.buf)
	w.plain = w.plain && err == nil
	w.buf = append(w.buf, '"')
}

func (w *writer) someTime(key string, t *time.Time) {
	if t != nil {
		w.time(key, *t)
	}
}

func (w *writer) payload(key string, p Payload) {
	if len(p) == 0 {
		return
	}
	w.key(key)
	end, compact := scanValue(p, 0)
	w.plain = w.plain && compact && end == len(p)
	w.buf = append(w.buf, p...)
}

// plainText reports whether a string is encoded as it stands.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
