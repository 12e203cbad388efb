package sqlite

import (
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// letter is a message, encoded by its sender's goroutine, on its way into the
// database.
type letter struct {
	message *provider.Message
	wire    wire.Message
	start   []byte // of a start: all of the message, for instances.start
	parent  []byte // of a start, for the columns of instances
	tags    []byte
	size    int
}

func seal(m *provider.Message) (*letter, error) {
	w, err := wire.ToWire(m)
	if err != nil {
		return nil, fmt.Errorf("sqlite: encoding message %q to %s: %w: %w", m.ID, wire.Quote(m.To), provider.ErrInvalid, err)
	}
	l := &letter{message: m, wire: w, size: len(w.Data) + 512}
	if m.Start == nil {
		return l, nil
	}
	l.start = wire.MustJSON(w)
	if m.Start.Parent != nil {
		l.parent = wire.MustJSON(m.Start.Parent)
	}
	if len(m.Start.Tags) > 0 {
		l.tags = wire.MustJSON(m.Start.Tags)
	}
	l.size += len(l.start)
	return l, nil
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
	w := wire.Message{
		ID: s.ColumnText(1), To: history.InstanceID(s.ColumnText(2)), Execution: s.ColumnInt64(3),
		Due: s.ColumnInt64(4), Sent: s.ColumnInt64(5), Data: columnBytes(s, 7),
	}
	var err error
	if start := columnBytes(s, 6); start != nil {
		err = json.Unmarshal(start, &w.Start)
	}
	if err == nil {
		p.message, err = w.Message()
	}
	if err != nil {
		return p, corruptMessage(w.To, fmt.Sprintf("inbox.seq=%d", p.place), err)
	}
	return p, nil
}

func readStart(id history.InstanceID, text []byte) (post, error) {
	m, err := wire.Decode(text)
	if err != nil {
		return post{}, corruptMessage(id, "instances.start", err)
	}
	return post{startPlace, m}, nil
}

func corruptMessage(id history.InstanceID, where string, err error) error {
	return fmt.Errorf("sqlite: %w: a message to %s cannot be read (%s): %w: upgrade the program if a newer one wrote it, or else purge the instance or remove that row", provider.ErrCorrupt, wire.Quote(id), where, err)
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
			s.BindText(6, string(wire.MustJSON(w.Start)))
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
