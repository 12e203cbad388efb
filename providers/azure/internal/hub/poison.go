package hub

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// maxUnread is how often a message in a work queue that is no offer is taken before
// it becomes a dead letter: with the lease in between, for some minutes.
const maxUnread = 5

// unread sees to a message that is no offer. One of a newer program is left to hosts
// that can read it; any other becomes a dead letter of the hub.
func (m *member) unread(ctx context.Context, queue string, message *storage.Message, offer *row.Offer, cause error) {
	s := m.store
	log := s.cfg.Log.With("queue", queue, "message", message.ID)
	switch {
	case cause == nil && offer.Format > row.Format:
		log.Warn("a message in a work queue is of a newer program: it becomes visible again, for hosts that know it; upgrade this one", "format", offer.Format)
		return
	case message.Taken < maxUnread:
		log.Warn("a message in a work queue cannot be read: it becomes visible again, and then a dead letter", "taken", message.Taken, "error", cause)
		return
	}
	body := message.Body[:min(len(message.Body), maxShownBody)]
	reason := fmt.Sprintf("a message in the work queue %s is no offer of an activity, and was taken %d times: whoever may write to the account put it there; it begins %q", queue, message.Taken, body)
	// The same row however often this is tried.
	sum := sha256.Sum256([]byte(queue + "/" + message.ID))
	at := wire.Nanos(message.Inserted)
	_, err := s.account.Transact(ctx, s.cfg.Name, row.Management, []storage.Op{{Verb: storage.Put, Row: storage.Row{
		Key: row.Dead(at, int64(binary.BigEndian.Uint64(sum[:8])>>1)),
		Cells: map[string][]byte{row.LetterCell: wire.MustJSON(row.Letter{
			Format: row.Format, Reason: reason, Time: wire.Nanos(s.cfg.Now()), Queue: queue, ID: message.ID, Sent: at, Body: message.Body[:min(len(message.Body), maxKeptBody)],
		})},
	}}})
	if err == nil {
		err = s.account.Remove(ctx, queue, *message) // or it is put again, over the same row
	}
	if err != nil {
		log.Warn("a message in a work queue that cannot be read could not be moved to the dead letters; it is tried again", "error", err)
		return
	}
	log.Error("a message in a work queue that cannot be read is a dead letter now", "reason", reason)
}

// maxShownBody is how much of a message's body a reason shows, and maxKeptBody how
// much of it is kept, in bytes.
const (
	maxShownBody = 100
	maxKeptBody  = 24 << 10
)

// letterOfQueue is a dead letter that was a message of a work queue.
func letterOfQueue(l *row.Letter) provider.DeadLetter {
	return provider.DeadLetter{
		Message: provider.Message{ID: l.Queue + "/" + l.ID, Sent: wire.FromNanos(l.Sent)},
		Reason:  l.Reason, Time: wire.FromNanos(l.Time),
	}
}
