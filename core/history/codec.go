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

// Marshal encodes an event as one line of JSON in [FormatNewest].
func Marshal(e Event) ([]byte, error) {
	return Append(nil, e)
}

// Append appends the encoding of an event to buf.
func Append(buf []byte, e Event) ([]byte, error) {
	if e.Data == nil {
		return buf, fmt.Errorf("%w: event %d has no data", ErrFormat, e.ID)
	}
	data, err := json.Marshal(e.Data)
	if err != nil {
		return buf, fmt.Errorf("%w: encoding %s of event %d: %w", ErrFormat, e.Data.Kind(), e.ID, err)
	}
	buf = append(buf, `{"format":`...)
	buf = strconv.AppendInt(buf, FormatNewest, 10)
	buf = append(buf, `,"id":`...)
	buf = strconv.AppendInt(buf, e.ID, 10)
	buf = append(buf, `,"execution":`...)
	buf = strconv.AppendInt(buf, e.Execution, 10)
	buf = append(buf, `,"time":"`...)
	buf = e.Time.UTC().AppendFormat(buf, time.RFC3339Nano)
	buf = append(buf, '"')
	if e.Remote != nil {
		buf = append(buf, `,"remote":`...)
		buf = strconv.AppendInt(buf, int64(*e.Remote), 10)
	}
	buf = append(buf, `,"kind":"`...)
	buf = append(buf, e.Data.Kind()...)
	buf = append(buf, `","data":`...)
	buf = append(buf, data...)
	return append(buf, '}'), nil
}

// MarshalData encodes the data of an event by itself, as messages carry it:
// {"kind":…,"data":…}.
func MarshalData(d Data) ([]byte, error) {
	if d == nil {
		return nil, fmt.Errorf("%w: no data", ErrFormat)
	}
	data, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("%w: encoding %s: %w", ErrFormat, d.Kind(), err)
	}
	buf := append([]byte(`{"kind":"`), d.Kind()...)
	buf = append(buf, `","data":`...)
	buf = append(buf, data...)
	return append(buf, '}'), nil
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

// Unmarshal decodes one event. Errors wrap [ErrFormat]. The event owns its
// memory.
func Unmarshal(b []byte) (Event, error) {
	var env envelope
	if err := json.Unmarshal(b, &env); err != nil {
		return Event{}, fmt.Errorf("%w: %w in %s", ErrFormat, err, excerpt(b))
	}
	if env.Format < Format1 || env.Format > FormatNewest {
		return Event{}, fmt.Errorf("%w: event %d has format %d and this program reads up to %d (rule H10): upgrade the program", ErrFormat, env.ID, env.Format, FormatNewest)
	}
	data, err := decodeData(env.Kind, env.Data)
	if err != nil {
		return Event{}, fmt.Errorf("%w: event %d: %w", ErrFormat, env.ID, err)
	}
	return Event{ID: env.ID, Execution: env.Execution, Time: env.Time.UTC(), Remote: env.Remote, Data: data}, nil
}

// UnmarshalData decodes what [MarshalData] encoded.
func UnmarshalData(b []byte) (Data, error) {
	var env struct {
		Kind Kind            `json:"kind"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(b, &env); err != nil {
		return nil, fmt.Errorf("%w: %w in %s", ErrFormat, err, excerpt(b))
	}
	data, err := decodeData(env.Kind, env.Data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return data, nil
}

func decodeData(kind Kind, raw json.RawMessage) (Data, error) {
	make, ok := newData[kind]
	if !ok {
		return nil, fmt.Errorf("unknown kind %s: it was written by a newer program", quote(string(kind)))
	}
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, fmt.Errorf("%s has no data", kind)
	}
	data := make()
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
