package sqlite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// wireMessage is a message as it is stored where a column each would be too
// much, and as it travels from a client's process to the worker's. Names are
// stored: they never change.
type wireMessage struct {
	ID        string             `json:"id"`
	To        history.InstanceID `json:"to"`
	Execution int64              `json:"execution,omitempty"`
	Due       int64              `json:"due,omitempty"` // nanoseconds
	Sent      int64              `json:"sent,omitempty"`
	Start     *wireStart         `json:"start,omitempty"`
	Data      json.RawMessage    `json:"data,omitempty"`
}

type wireStart struct {
	Name      string             `json:"name"`
	Version   string             `json:"version,omitempty"`
	RequestID string             `json:"requestId,omitempty"`
	Parent    *history.ParentRef `json:"parent,omitempty"`
	Tags      map[string]string  `json:"tags,omitempty"`
	Reuse     provider.Reuse     `json:"reuse,omitempty"`
}

func toWire(m *provider.Message) (w wireMessage, err error) {
	w = wireMessage{ID: m.ID, To: m.To, Execution: m.Execution, Due: nanos(m.Due), Sent: nanos(m.Sent)}
	if s := m.Start; s != nil {
		w.Start = &wireStart{s.Name, s.Version, s.RequestID, s.Parent, s.Tags, s.Reuse}
	}
	if m.Data != nil {
		w.Data, err = history.MarshalData(m.Data)
	}
	return w, err
}

func (w *wireMessage) message() (m provider.Message, err error) {
	m = provider.Message{ID: w.ID, To: w.To, Execution: w.Execution, Due: fromNanos(w.Due), Sent: fromNanos(w.Sent)}
	if s := w.Start; s != nil {
		m.Start = s.start()
	}
	if w.Data != nil {
		m.Data, err = history.UnmarshalData(w.Data)
	}
	return m, err
}

func (s *wireStart) start() *provider.Start {
	return &provider.Start{Name: s.Name, Version: s.Version, RequestID: s.RequestID, Parent: s.Parent, Tags: s.Tags, Reuse: s.Reuse}
}

// letter is a message, encoded by its sender's goroutine, on its way into the
// database.
type letter struct {
	message *provider.Message
	wire    wireMessage
	start   []byte // of a start: all of the message, for instances.start
	parent  []byte // of a start, for the columns of instances
	tags    []byte
	size    int
}

func seal(m *provider.Message) (*letter, error) {
	w, err := toWire(m)
	if err != nil {
		return nil, fmt.Errorf("sqlite: encoding message %q to %s: %w: %w", m.ID, quoteID(m.To), provider.ErrInvalid, err)
	}
	l := &letter{message: m, wire: w, size: len(w.Data) + 512}
	if m.Start == nil {
		return l, nil
	}
	l.start = mustJSON(w)
	if m.Start.Parent != nil {
		l.parent = mustJSON(m.Start.Parent)
	}
	if len(m.Start.Tags) > 0 {
		l.tags = mustJSON(m.Start.Tags)
	}
	l.size += len(l.start)
	return l, nil
}

// encodeJSON leaves payloads as they are, byte by byte: they are compact
// already, and nothing is escaped for HTML.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// mustJSON encodes what always encodes: strings, numbers, maps of them, and
// what was encoded before.
func mustJSON(v any) []byte {
	b, err := encodeJSON(v)
	if err != nil {
		panic(fmt.Sprintf("sqlite: %T does not encode: %v", v, err)) // panic: only a bug puts something else in
	}
	return b
}

func quoteID(id history.InstanceID) string {
	const most = 80
	if len(id) > most {
		return fmt.Sprintf("instance %+q…", string(id[:most]))
	}
	return fmt.Sprintf("instance %+q", string(id))
}

// inboxColumns are what readPost reads.
const inboxColumns = "seq, id, receiver, execution, due, sent, start, data"

// startPlace is the place of a message that started an instance: it is kept
// with the instance. Places in the inbox are positive; what the broker makes
// itself has 0.
const startPlace = -1

// post is a row of the inbox, or the start of an instance, as a message.
type post struct {
	place   int64 // in the inbox, or startPlace
	message provider.Message
}

func readPost(s *sqlite.Stmt) (post, error) {
	p := post{place: s.ColumnInt64(0)}
	w := wireMessage{
		ID: s.ColumnText(1), To: history.InstanceID(s.ColumnText(2)), Execution: s.ColumnInt64(3),
		Due: s.ColumnInt64(4), Sent: s.ColumnInt64(5), Data: columnBytes(s, 7),
	}
	var err error
	if start := columnBytes(s, 6); start != nil {
		err = json.Unmarshal(start, &w.Start)
	}
	if err == nil {
		p.message, err = w.message()
	}
	if err != nil {
		return p, corruptMessage(w.To, fmt.Sprintf("inbox.seq=%d", p.place), err)
	}
	return p, nil
}

func readStart(id history.InstanceID, text []byte) (post, error) {
	var w wireMessage
	err := json.Unmarshal(text, &w)
	var m provider.Message
	if err == nil {
		m, err = w.message()
	}
	if err != nil {
		return post{}, corruptMessage(id, "instances.start", err)
	}
	return post{startPlace, m}, nil
}

func corruptMessage(id history.InstanceID, where string, err error) error {
	return fmt.Errorf("sqlite: %w: a message to %s cannot be read (%s): %w: upgrade the program if a newer one wrote it, or else purge the instance or remove that row", provider.ErrCorrupt, quoteID(id), where, err)
}

// insertLetter puts a message into the inbox. It gives 0, and does nothing, if
// the message waits there already, or was consumed by the instance that still
// has its receiver's id.
func insertLetter(c *conn, l *letter) (place int64, err error) {
	p, err := tryInsertLetter(c, l)
	if err != nil || p != 0 {
		return p, err
	}
	err = c.run(`DELETE FROM inbox WHERE id = ?1 AND consumed IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM instances i WHERE i.id = inbox.receiver AND i.key = inbox.consumer)`,
		func(s *sqlite.Stmt) { s.BindText(1, l.wire.ID) })
	if err != nil || c.Changes() == 0 {
		return 0, err
	}
	return tryInsertLetter(c, l)
}

func tryInsertLetter(c *conn, l *letter) (place int64, err error) {
	w := &l.wire
	err = c.run("INSERT INTO inbox (id, receiver, execution, due, sent, start, data) VALUES (?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING", func(s *sqlite.Stmt) {
		s.BindText(1, w.ID)
		s.BindText(2, string(w.To))
		s.BindInt64(3, w.Execution)
		s.BindInt64(4, w.Due)
		s.BindInt64(5, w.Sent)
		if w.Start != nil {
			s.BindText(6, string(mustJSON(w.Start)))
		}
		bindBytes(s, 7, w.Data)
	})
	if err != nil || c.Changes() == 0 {
		return 0, err
	}
	return c.LastInsertRowID(), nil
}

// consumeLetter marks a message as consumed by the instance with that key. Its
// id stays for dedupeFor.
func consumeLetter(c *conn, place, key int64, now time.Time) error {
	return c.run("UPDATE inbox SET consumed = ?, consumer = ?, start = NULL, data = NULL WHERE seq = ?", func(s *sqlite.Stmt) {
		bindTime(s, 1, now)
		s.BindInt64(2, key)
		s.BindInt64(3, place)
	})
}
