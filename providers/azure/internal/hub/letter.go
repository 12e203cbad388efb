package hub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// letter is a row of the inbox that is known and not consumed.
type letter struct {
	partition *partition
	key       string
	to        history.InstanceID
	number    int64 // by which the broker names its messages
	from      row.Sender
	seq       int64
	envelope  row.Envelope
	messages  []provider.Message
	progress  history.Payload // of an activity that was given back, or that it completes
	blobs     []string
	copies    []*letter // rows with the same messages, sent again
	handed    []int     // messages that the broker has or had, by index
	done      int       // how many of those were consumed
	orphan    bool      // its receiver did not exist when it was looked for
	made      bool      // by an order, which put its instance there: all is known of that
}

// special reports whether the letter is for the owner of the partition, rather
// than for the instance.
func (l *letter) special() bool { return l.envelope.Order != nil || l.ofActivity() != nil }

// ofActivity is the activity of which the letter says something that is no completion.
func (l *letter) ofActivity() *row.Returned { return cmp.Or(l.envelope.Returned, l.envelope.Reached) }

// foreign reports whether the letter is about an activity of another instance of the
// id, which was purged: its activities had the same event ids.
func (l *letter) foreign(i *instance) bool {
	if l.envelope.Of == "" || bug.Planted("next-instance-ended") {
		return false
	}
	return i == nil || i.born != l.envelope.Of
}

// consumption is the letter as the journal deletes and notices it. Born is that
// of the instance that consumes it: a message that is sent again is for the next one of
// its id, and a copy of the row is not.
func (l *letter) consumption(born string) journal.Consumed {
	c := journal.Consumed{Key: l.key, From: l.from, Seq: l.seq, Hash: l.hashes(l.done, len(l.handed), born)}
	order := l.envelope.Order != nil
	if order && bug.Planted("orders-repeated") || !order && bug.Planted("copies-for-the-next") {
		return c
	}
	c.Hash = append(c.Hash, rowHashes(l.from, l.key, l.to)...)
	return c
}

// hashes stand for the messages from one to another of those that were handed on: the
// others were consumed before, or another letter has them.
func (l *letter) hashes(from, to int, born string) (all []string) {
	for _, n := range l.handed[from:to] {
		all = append(all, row.Hash(l.messages[n].ID, l.to, born))
	}
	return all
}

// withoutMessages is the letter as the journal deletes it, and notices that it came,
// but not its messages.
func (l *letter) withoutMessages() journal.Consumed {
	return journal.Consumed{Key: l.key, From: l.from, Seq: l.seq, Hash: rowHashes(l.from, l.key, l.to)}
}

// rowHashes stand for a row of a client, which nobody else writes; whose number says
// nothing of others.
func rowHashes(from row.Sender, key string, to history.InstanceID) []string {
	if _, partition := from.Partition(); partition {
		return nil
	}
	return []string{row.Hash("row/"+key, to, "")}
}

// consumed reports whether the row of a letter was consumed: those of partitions are
// remembered for ever, and those of clients for as long as copies of them may come.
func (p *partition) consumed(l *letter) bool {
	return p.journal.Numbered(l.from, l.seq) || slices.ContainsFunc(rowHashes(l.from, l.key, l.to), p.journal.Noticed)
}

// readLetter reads a row of the inbox. Where only its blob could not be read, the
// letter without its messages comes with the error.
func (p *partition) readLetter(ctx context.Context, r *storage.Row) (*letter, error) {
	l := &letter{partition: p, key: r.Key, blobs: row.Blobs(r.Cells)}
	var err error
	if l.from, l.seq, err = row.ParseMessage(r.Key); err != nil {
		return nil, fmt.Errorf("%w: %w", row.ErrFormat, err)
	}
	if l.envelope, err = row.ParseEnvelope(r.Cells); err != nil {
		return nil, err
	}
	l.to = l.envelope.To
	if l.envelope.Arrived == 0 {
		l.envelope.Arrived = wire.Nanos(r.Changed)
		if r.Changed.IsZero() { // it was inserted just now
			l.envelope.Arrived = wire.Nanos(p.store.cfg.Now())
		}
	}
	lines, err := row.Value(ctx, r.Cells, row.MessagesCell, p.store.getBlob)
	if err != nil {
		return l, err
	}
	if l.progress, err = row.Value(ctx, r.Cells, row.ProgressCell, p.store.getBlob); err != nil {
		return l, err
	}
	for line := range bytes.Lines(lines) {
		m, err := wire.Decode(bytes.TrimSuffix(line, []byte{'\n'}))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", row.ErrFormat, err)
		}
		l.messages = append(l.messages, m)
	}
	if len(l.messages) != l.envelope.Count {
		return nil, fmt.Errorf("%w: it has %d messages and should have %d", row.ErrFormat, len(l.messages), l.envelope.Count)
	}
	return l, nil
}

// outlives reports whether a row stays when the instance goes: a letter that
// starts another of its id, or asks the owner for something, is not the
// instance's. But where a removal is gone on with, a purge of the instance may be the
// one that began it, and nothing more is to come of it. One that cannot be read goes:
// to purge is the remedy for that.
func outlives(old *row.Meta, r *storage.Row, by *letter) bool {
	if row.KindOf(r.Key) != row.KindInbox || by != nil && r.Key == by.key {
		return false
	}
	e, err := row.ParseEnvelope(r.Cells)
	if err != nil || bug.Planted("purge-takes-starts") && e.Start && e.Born == "" {
		return false
	}
	if o := e.Order; o != nil {
		return !old.Purging || !o.Purge || o.Born != old.Born
	}
	return e.Start && (e.Born == "" || e.Born != old.Born)
}

// withoutBlob sees to a letter whose blob is gone. It is a copy of one that was
// consumed; or it was consumed while it was read; or it is damaged.
func (p *partition) withoutBlob(l *letter, err error) {
	if p.posthumous(l) {
		p.begin(func(ctx context.Context) { p.undo(ctx, l) })
		return
	}
	if l.late() || p.consumed(l) {
		p.dropAll([]*letter{l})
		return
	}
	// Rows go before their blobs: one that is there still was not consumed.
	if _, gone := p.store.account.Get(p.ctx, p.store.cfg.Name, p.key, l.key); gone == nil {
		p.log().Error("the blob of a message is gone: the message stays where it is; restore the blob, or delete the row", "row", l.key, "instance", string(l.to), "error", err)
	}
}

// streamOf is what the keys of one sender's letters to one instance begin with.
func streamOf(key string) string { return key[:strings.LastIndexByte(key, ':')+1] }

// readLetters reads rows of the inbox that are not known. Those of one instance
// come in the order in which they were sent, as far as that is known: each
// sender numbers its own, and between senders the time of sending decides. Where
// a blob cannot be read now, the instance is behind.
func (p *partition) readLetters(rows []storage.Row) []*letter {
	var fresh []*letter
	held := map[string]bool{} // senders of which a letter must be read first
	for i := range rows {
		r := &rows[i]
		if p.known(r.Key) || held[streamOf(r.Key)] {
			continue
		}
		l, err := p.readLetter(p.ctx, r)
		switch {
		case err == nil:
			fresh = append(fresh, l)
		case p.ctx.Err() != nil:
		case storage.Is(err, storage.Missing):
			p.withoutBlob(l, err)
		case transient(err), errors.Is(err, storage.ErrDenied): // a role can be given back
			held[streamOf(r.Key)] = true
			p.unread(l.to)
			if unlogged, due := p.complaints.message.Due(); due {
				p.log().Warn("a message cannot be read now; it is read again, before what was sent after it", "row", r.Key, "error", err, "unlogged", unlogged)
			}
		default:
			p.log().Error("a message cannot be read: it stays where it is; upgrade the program if a newer one wrote it", "row", r.Key, "error", err)
		}
	}
	for _, of := range byReceiver(fresh) {
		mergeSenders(of)
	}
	return fresh
}

// byReceiver cuts letters, which are in the order of their keys, into those of
// each instance.
func byReceiver(letters []*letter) (all [][]*letter) {
	for len(letters) > 0 {
		n := 1
		for n < len(letters) && letters[n].to == letters[0].to {
			n++
		}
		all = append(all, letters[:n])
		letters = letters[n:]
	}
	return all
}

// mergeSenders puts the letters of one instance, which are in the order of their
// keys, into the order in which they were sent.
func mergeSenders(letters []*letter) {
	var senders [][]*letter
	for rest := slices.Clone(letters); len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].from == rest[0].from {
			n++
		}
		senders = append(senders, rest[:n])
		rest = rest[n:]
	}
	if len(senders) == 1 {
		return
	}
	for i := range letters {
		first := -1
		for s, of := range senders {
			if len(of) > 0 && (first < 0 || of[0].envelope.Sent < senders[first][0].envelope.Sent) {
				first = s
			}
		}
		letters[i], senders[first] = senders[first][0], senders[first][1:]
	}
}

func (p *partition) known(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inbox[key] != nil || p.swept[key]
}
