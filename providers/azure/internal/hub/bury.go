package hub

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// buryOrphans moves messages that waited too long for an instance that does not
// exist to the dead letters.
func (m *member) buryOrphans() {
	s := m.store
	now := s.cfg.Now()
	orphans := m.broker.Orphans(now.Add(-s.cfg.OrphanAfter))
	ids := map[*letter][]string{}
	of := map[*partition][]*letter{}
	for i := range orphans {
		l := m.letter(orphans[i].Key)
		if l == nil {
			continue
		}
		if ids[l] == nil {
			of[l.partition] = append(of[l.partition], l)
		}
		ids[l] = append(ids[l], orphans[i].Message.ID)
	}
	for p, letters := range of {
		p.burySoon(letters, func(l *letter) bool { return m.broker.TakeOrphans(ids[l]...) })
	}
}

// buriedAtOnce is how many letters a partition buries at a time: they share
// transactions.
const buriedAtOnce = 32

// burySoon has letters whose receiver does not exist buried, unless others are being
// buried: a partition that is held up holds up no other. What fails is due again. Take
// takes the messages of a letter out of the broker, if they are orphans still.
func (p *partition) burySoon(letters []*letter, take func(*letter) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.burying || p.gone {
		return
	}
	p.burying = true
	p.work.Go(func() {
		for some := range slices.Chunk(letters, buriedAtOnce) {
			var all sync.WaitGroup
			for _, l := range some {
				all.Go(func() { _ = p.buryOrphan(p.ctx, l, take) })
			}
			all.Wait()
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.burying = false
	})
}

// errStarted says that the receiver of a letter exists by now.
var errStarted = errors.New("the instance was started")

// buryOrphan buries a letter whose receiver does not exist, unless it was started
// since the letter was found. Its messages leave the broker before the transaction is
// sent: a turn that had them could not be committed.
func (p *partition) buryOrphan(ctx context.Context, l *letter, take func(*letter) bool) error {
	after := p.store.cfg.OrphanAfter
	p.mu.Lock()
	at, which, started := wire.FromNanos(l.envelope.Sent).Add(after), slices.Clone(l.handed[l.done:]), p.instances[l.to] != nil
	p.mu.Unlock()
	if started { // since it was found
		return nil
	}
	var taken atomic.Bool
	err := p.buryWith(ctx, nil, l, which, orphaned(l.to, after), at, func() {}, func() error {
		if !taken.Load() && !bug.Planted("buried-although-started") {
			if !take(l) {
				return errStarted
			}
			taken.Store(true) // it may be asked again
		}
		return nil
	})
	switch {
	case storage.Is(err, storage.Missing): // somebody deleted its row
		p.dropped(l)
	case err != nil && taken.Load():
		p.handOnAgain(l)
	}
	return err
}

// handOnAgain has a letter handed on once more, with its copies, before those that wait.
func (p *partition) handOnAgain(l *letter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inbox[l.key] == l {
		p.unresolved[l.to] = slices.Concat([]*letter{l}, l.copies, p.unresolved[l.to])
		l.copies = nil
		p.resolveSoonLocked(l.to)
	}
}

// late reports whether the row arrived so long after it was sent that it may be a
// copy of one that was consumed, and forgotten. One that made its instance is
// none, since it was there first. What a host says of an activity is judged by itself.
func (l *letter) late() bool {
	if _, partition := l.from.Partition(); partition || l.envelope.Born != "" || l.ofActivity() != nil || bug.Planted("late-copies-count") {
		return false
	}
	return l.envelope.Arrived-l.envelope.Sent > int64(journal.Late)
}

// buryLate moves a letter that is late to the dead letters. An order without a
// message is dropped: whoever gave it was told that its outcome is unknown.
func (p *partition) buryLate(ctx context.Context, l *letter) {
	took := time.Duration(l.envelope.Arrived - l.envelope.Sent).Round(time.Second)
	reason := fmt.Sprintf("it arrived %v after it was sent: it may be a copy of a message that was applied before; send it again if it is not", took)
	p.log().Warn("a message goes to the dead letters", "instance", string(l.to), "reason", reason)
	for n := 0; ctx.Err() == nil && p.waits(l); n++ {
		var all []int
		for n := l.envelope.Done; n < len(l.messages); n++ {
			all = append(all, n)
		}
		if p.bury(ctx, l, all, reason, p.store.cfg.Now(), func() {}) == nil {
			return
		}
		pause(ctx, backoff(n))
	}
}

// bury moves messages of a letter to the dead letters, and ends the letter. Copies of
// it go before it does: one that stayed would be applied when its receiver is started.
func (p *partition) bury(ctx context.Context, l *letter, which []int, reason string, at time.Time, buried func()) error {
	return p.buryWith(ctx, nil, l, which, reason, at, buried, nil)
}

// maxBuried and maxBuriedBytes bound what one transaction takes of a letter. A turn
// may send more to one instance.
const (
	maxBuried      = 50
	maxBuriedBytes = storage.MaxTransactBytes / 2
)

// buryWith is bury, with other operations in the transaction that ends the letter, and
// what all transactions are asked for before they are sent. Where one is not enough each
// says how far the letter is buried: if there is trouble between two of them the rest,
// and nothing else, is handed over when its receiver is started.
func (p *partition) buryWith(ctx context.Context, ops []storage.Op, l *letter, which []int, reason string, at time.Time, buried func(), valid func() error) error {
	p.dropCopiesOf(l)
	var dead []storage.Op
	size := 0
	for _, n := range which {
		r, err := p.deadLetter(ctx, l, n, reason, at)
		if err != nil {
			return err
		}
		if size += r.Size(); len(dead) == maxBuried || len(dead) > 0 && size > maxBuriedBytes {
			if err := p.buryPart(ctx, l, n, dead, valid); err != nil {
				return err
			}
			dead, size = nil, r.Size()
		}
		dead = append(dead, storage.Op{Verb: storage.Put, Row: r})
	}
	return p.commit(ctx, &journal.Entry{
		Ops:      append(dead, ops...),
		Valid:    valid,
		Consumed: []journal.Consumed{l.withoutMessages()},
		Applied: func(journal.Applied) {
			buried()
			p.dropped(l)
		},
	})
}

// buryPart is a transaction that buries what a letter has before message n.
func (p *partition) buryPart(ctx context.Context, l *letter, n int, dead []storage.Op, valid func() error) error {
	if !bug.Planted("buried-in-parts") {
		p.mu.Lock()
		envelope := l.envelope
		p.mu.Unlock()
		envelope.Done = n
		dead = append(dead, storage.Op{Verb: storage.Merge, Row: storage.Row{
			Key: l.key, Cells: map[string][]byte{row.EnvelopeCell: wire.MustJSON(envelope)},
		}})
	}
	return p.commit(ctx, &journal.Entry{Ops: dead, Valid: valid, Applied: func(journal.Applied) {
		p.mu.Lock()
		defer p.mu.Unlock()
		l.envelope.Done = n
	}})
}

// deadLetter is a message of a letter as a dead letter. It has the same key whenever
// it is buried at that time.
func (p *partition) deadLetter(ctx context.Context, l *letter, n int, reason string, at time.Time) (storage.Row, error) {
	line, err := wire.Encode(&l.messages[n])
	if err != nil {
		return storage.Row{}, err
	}
	c := row.Cells{Name: func() string { return p.store.blobName(l.to) }}
	c.Set(row.MessagesCell, line)
	c.Map[row.LetterCell] = wire.MustJSON(row.Letter{Format: row.Format, Reason: reason, Time: wire.Nanos(at)})
	if err := p.store.putBlobs(ctx, c.Blobs); err != nil {
		return storage.Row{}, err
	}
	sum := sha256.Sum256([]byte(l.key))
	of := int64(binary.BigEndian.Uint64(sum[:8])>>1) &^ (1<<20 - 1)
	return storage.Row{Key: row.Dead(wire.Nanos(at), of|int64(n)), Cells: c.Map}, nil
}

func orphaned(id history.InstanceID, after time.Duration) string {
	return fmt.Sprintf("%s does not exist and was not started within %v: start it and send again", quote(id), after)
}

func (s *Store) readDeadLetter(ctx context.Context, r *storage.Row) (provider.DeadLetter, error) {
	var l row.Letter
	if err := row.Parse(r.Cells[row.LetterCell], &l); err != nil {
		return provider.DeadLetter{}, err
	}
	if l.Queue != "" {
		return letterOfQueue(&l), nil
	}
	line, err := row.Value(ctx, r.Cells, row.MessagesCell, s.getBlob)
	if err != nil {
		return provider.DeadLetter{}, err
	}
	m, err := wire.Decode(line)
	if err != nil {
		return provider.DeadLetter{}, fmt.Errorf("%w: %w", row.ErrFormat, err)
	}
	return provider.DeadLetter{Message: m, Reason: l.Reason, Time: wire.FromNanos(l.Time)}, nil
}
