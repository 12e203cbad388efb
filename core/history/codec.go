package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrFormat is wrapped by every error of decoding: the bytes are not an event
// that this program can read.
var ErrFormat = errors.New("history: unreadable event")

// Marshal encodes an event as one line of JSON in [FormatNewest]. Payloads
// keep their bytes, except for white space between tokens.
func Marshal(e Event) ([]byte, error) {
	return Append(nil, e)
}

// Append appends the encoding of an event to buf. After an error it returns
// buf as it was.
func Append(buf []byte, e Event) ([]byte, error) {
	if e.Data == nil {
		return buf, fmt.Errorf("%w: event %d has no data", ErrFormat, e.ID)
	}
	out := buf
	out = append(out, `{"format":`...)
	out = strconv.AppendInt(out, FormatNewest, 10)
	out = append(out, `,"id":`...)
	out = strconv.AppendInt(out, e.ID, 10)
	out = append(out, `,"execution":`...)
	out = strconv.AppendInt(out, e.Execution, 10)
	out = append(out, `,"time":"`...)
	out, err := e.Time.UTC().AppendText(out)
	if err != nil {
		return buf, fmt.Errorf("%w: encoding the time of event %d: %w", ErrFormat, e.ID, err)
	}
	out = append(out, '"')
	if e.Remote != nil {
		out = append(out, `,"remote":`...)
		out = strconv.AppendInt(out, int64(*e.Remote), 10)
	}
	out = append(out, `,"kind":"`...)
	out = append(out, e.Data.Kind()...)
	out = append(out, `","data":`...)
	out, err = appendData(out, e.Data)
	if err != nil {
		return buf, fmt.Errorf("%w: encoding %s of event %d: %w", ErrFormat, e.Data.Kind(), e.ID, err)
	}
	return append(out, '}'), nil
}

// MarshalData encodes the data of an event by itself, as messages carry it:
// {"kind":…,"data":…}.
func MarshalData(d Data) ([]byte, error) {
	if d == nil {
		return nil, fmt.Errorf("%w: no data", ErrFormat)
	}
	buf := append([]byte(`{"kind":"`), d.Kind()...)
	buf, err := appendData(append(buf, `","data":`...), d)
	if err != nil {
		return nil, fmt.Errorf("%w: encoding %s: %w", ErrFormat, d.Kind(), err)
	}
	return append(buf, '}'), nil
}

// Unmarshal decodes one event. Errors wrap [ErrFormat]. The event owns its
// memory.
func Unmarshal(b []byte) (Event, error) {
	if e, ok := readEvent(b); ok {
		return e, nil
	}
	return unmarshalEvent(b)
}

type envelope struct {
	Format    int             `json:"format"`
	ID        int64           `json:"id"`
	Execution int64           `json:"execution"`
	Time      time.Time       `json:"time"`
	Remote    *int32          `json:"remote"`
	Kind      Kind            `json:"kind"`
	Data      json.RawMessage `json:"data"`
}

func unmarshalEvent(b []byte) (Event, error) {
	var env envelope
	if err := json.Unmarshal(b, &env); err != nil {
		return Event{}, fmt.Errorf("%w: %w in %s", ErrFormat, err, excerpt(b))
	}
	if env.Format < Format1 {
		return Event{}, fmt.Errorf("%w: it names no format (rule H10): %s", ErrFormat, excerpt(b))
	}
	if env.Format > FormatNewest {
		return Event{}, fmt.Errorf("%w: event %d has format %d and this program reads up to %d (rule H10): upgrade the program", ErrFormat, env.ID, env.Format, FormatNewest)
	}
	data, err := unmarshalKind(env.Kind, env.Data)
	if err != nil {
		return Event{}, fmt.Errorf("%w: event %d: %w", ErrFormat, env.ID, err)
	}
	return Event{ID: env.ID, Execution: env.Execution, Time: env.Time.UTC(), Remote: env.Remote, Data: data}, nil
}

// UnmarshalData decodes what [MarshalData] encoded.
func UnmarshalData(b []byte) (Data, error) {
	if d, ok := readMessageData(b); ok {
		return d, nil
	}
	var env struct {
		Kind Kind            `json:"kind"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &env); err != nil {
		return nil, fmt.Errorf("%w: %w in %s", ErrFormat, err, excerpt(b))
	}
	data, err := unmarshalKind(env.Kind, env.Data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return data, nil
}

func unmarshalKind(kind Kind, raw json.RawMessage) (Data, error) {
	create, ok := newData[kind]
	if !ok {
		return nil, fmt.Errorf("unknown kind %s: it was written by a newer program", quote(string(kind)))
	}
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, fmt.Errorf("%s has no data", kind)
	}
	data := create()
	if err := json.Unmarshal(raw, data); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return data, nil
}

// MarshalJSON implements [json.Marshaler] with [Marshal].
func (e Event) MarshalJSON() ([]byte, error) { return Marshal(e) }

// UnmarshalJSON implements [json.Unmarshaler] with [Unmarshal].
func (e *Event) UnmarshalJSON(b []byte) error {
	decoded, err := Unmarshal(b)
	if err == nil {
		*e = decoded
	}
	return err
}

func excerpt(b []byte) string {
	const most = 80
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
