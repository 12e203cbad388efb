package wire

import (
	"encoding/json"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Message is a message as it is stored where a column each would be too much,
// and as it travels between processes. Names are stored: they never change.
type Message struct {
	ID        string             `json:"id"`
	To        history.InstanceID `json:"to"`
	Execution int64              `json:"execution,omitempty"`
	Due       int64              `json:"due,omitempty"` // nanoseconds
	Sent      int64              `json:"sent,omitempty"`
	Start     *Start             `json:"start,omitempty"`
	Data      json.RawMessage    `json:"data,omitempty"`
}

// Start is what a message brings along that starts an instance.
type Start struct {
	Name      string             `json:"name"`
	Version   string             `json:"version,omitempty"`
	RequestID string             `json:"requestId,omitempty"`
	Parent    *history.ParentRef `json:"parent,omitempty"`
	Tags      map[string]string  `json:"tags,omitempty"`
	Reuse     provider.Reuse     `json:"reuse,omitempty"`
}

// ToWire gives the stored form of a message. It fails for data that cannot be
// encoded.
func ToWire(m *provider.Message) (w Message, err error) {
	w = Message{ID: m.ID, To: m.To, Execution: m.Execution, Due: Nanos(m.Due), Sent: Nanos(m.Sent)}
	if s := m.Start; s != nil {
		w.Start = &Start{s.Name, s.Version, s.RequestID, s.Parent, s.Tags, s.Reuse}
	}
	if m.Data != nil {
		w.Data, err = history.MarshalData(m.Data)
	}
	return w, err
}

// Message is the message that was stored. It fails for data that cannot be
// decoded, such as a kind of message that only a newer program knows.
func (w *Message) Message() (m provider.Message, err error) {
	m = provider.Message{ID: w.ID, To: w.To, Execution: w.Execution, Due: FromNanos(w.Due), Sent: FromNanos(w.Sent)}
	if s := w.Start; s != nil {
		m.Start = &provider.Start{Name: s.Name, Version: s.Version, RequestID: s.RequestID, Parent: s.Parent, Tags: s.Tags, Reuse: s.Reuse}
	}
	if w.Data != nil {
		m.Data, err = history.UnmarshalData(w.Data)
	}
	return m, err
}

// Encode writes a message as one line of JSON, without the end of the line.
func Encode(m *provider.Message) ([]byte, error) {
	w, err := ToWire(m)
	if err != nil {
		return nil, err
	}
	return MustJSON(w), nil
}

// Decode reads what [Encode] wrote. Of a message whose data cannot be decoded
// it returns the rest along with the error.
func Decode(b []byte) (provider.Message, error) {
	var w Message
	if err := json.Unmarshal(b, &w); err != nil {
		return provider.Message{ID: w.ID, To: w.To}, err
	}
	return w.Message()
}

// Quote names an instance in an error or a reason: printable whatever its id
// is, and not much longer than a line.
func Quote(id history.InstanceID) string {
	const most = 80
	if len(id) > most {
		return fmt.Sprintf("instance %+q…", string(id[:most]))
	}
	return fmt.Sprintf("instance %+q", string(id))
}
