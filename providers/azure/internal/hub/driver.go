package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
	"github.com/duroxide/duroxide-go/sharding"
)

var _ sharding.Driver = (*life)(nil)

// Head implements [sharding.Driver].
func (l *life) Head(ctx context.Context, n int) (sharding.Head, error) {
	head, etag, err := l.member.store.readHead(ctx, n)
	if errors.Is(err, row.ErrFormat) {
		// Nobody here can serve it, and others go on.
		l.member.store.cfg.Log.Error("the owner row of a partition cannot be read: upgrade the program if a newer one wrote it", "partition", n, "error", err)
		return sharding.Head{Owner: "unreadable", Format: math.MaxInt, ETag: etag}, nil
	}
	if err != nil || etag == "" {
		return sharding.Head{Format: row.Format}, err
	}
	return sharding.Head{Owner: head.Owner, For: head.For, Epoch: head.Epoch, Format: head.Format, ETag: etag}, nil
}

// readHead reads an owner row; the ETag is empty if there is none.
func (s *Store) readHead(ctx context.Context, n int) (row.Owner, string, error) {
	r, err := s.account.Get(ctx, s.cfg.Name, s.partitionKey(n), row.Head)
	if storage.Is(err, storage.Missing) {
		return row.Owner{}, "", nil
	}
	if err != nil {
		return row.Owner{}, "", err
	}
	head, err := row.ParseOwner(r.Cells)
	return head, r.ETag, err
}

// writeHead writes an owner row on condition that it still has that ETag; ""
// says that there is none. An unknown outcome is settled by reading.
func (s *Store) writeHead(ctx context.Context, n int, head row.Owner, etag string) (string, error) {
	op := storage.Op{Verb: storage.Replace, IfMatch: etag, Row: storage.Row{Key: row.Head, Cells: head.Cells()}}
	if etag == "" {
		op.Verb = storage.Insert
	}
	etags, err := s.account.Transact(ctx, s.cfg.Name, s.partitionKey(n), []storage.Op{op})
	switch {
	case err == nil:
		return etags[0], nil
	case storage.Rejected(err) != nil:
		return "", fmt.Errorf("%w: %w", sharding.ErrLost, err)
	case !errors.Is(err, storage.ErrUnknown):
		return "", err
	}
	now, etag, readErr := s.readHead(ctx, n)
	if readErr != nil {
		return "", errors.Join(err, readErr)
	}
	if now.Owner == head.Owner && now.Epoch == head.Epoch && now.Commit == head.Commit && now.For == head.For {
		return etag, nil
	}
	return "", err
}

// Claim implements [sharding.Driver].
func (l *life) Claim(ctx context.Context, n int, h sharding.Head) (int64, error) {
	s := l.member.store
	head := row.Owner{Format: row.Format}
	if h.ETag != "" {
		// What stands in the row besides its owner is to be kept.
		was, etag, err := s.readHead(ctx, n)
		if err != nil {
			return 0, err
		}
		if etag != h.ETag {
			return 0, sharding.ErrLost
		}
		head = was
	}
	if bug.Planted("dead-not-succeeded") && head.Owner != "" {
		return 0, sharding.ErrLost
	}
	head.Crash = s.takenFrom(head, l.incarnation)
	head.Owner, head.For, head.Epoch, head.Commit = l.incarnation, "", h.Epoch+1, 0
	if bug.Planted("claim-without-epoch") {
		head.Epoch = h.Epoch
	}
	if bug.Planted("numbers-begin-anew") {
		head.Next = nil
	}
	etag, err := s.writeHead(ctx, n, head, h.ETag)
	if err != nil {
		return 0, err
	}
	l.Drop(n) // before anything of the new state is in the broker
	l.member.mu.Lock()
	p := newPartition(l, n, head, etag)
	l.partitions[n] = p
	if bug.Planted("log-under-mutex") {
		p.warn(head.Crash)
		head.Crash = nil
	}
	l.member.mu.Unlock()
	p.warn(head.Crash)
	return head.Epoch, nil
}

// take takes the partition's state out, so that nobody finds it any more.
func (l *life) take(n int) *partition {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	p := l.partitions[n]
	l.partitions[n] = nil
	return p
}

// Release implements [sharding.Driver].
func (l *life) Release(ctx context.Context, n int, target string) error {
	p := l.take(n)
	if p == nil {
		return sharding.ErrLost
	}
	return p.release(ctx, target)
}

// Drop implements [sharding.Driver].
func (l *life) Drop(n int) {
	if p := l.take(n); p != nil {
		p.close()
		p.stop()
	}
}

// dropLost is Drop for a partition that may have been claimed again meanwhile.
func (l *life) dropLost(p *partition) {
	l.member.mu.Lock()
	if l.partitions[p.number] == p {
		l.partitions[p.number] = nil
	}
	l.member.mu.Unlock()
	p.stop()
}

// Load implements [sharding.Driver].
func (l *life) Load(n int) sharding.Load {
	p := l.member.partition(n)
	if p == nil {
		return sharding.Load{}
	}
	return p.measure()
}

// Ring implements [sharding.Driver].
func (l *life) Ring(_ context.Context, h sharding.Host) {
	l.member.store.waker.nudge(h)
}

// directory keeps host rows in the hub's table.
type directory struct{ store *Store }

var _ sharding.Directory = (*directory)(nil)

const hostCell = "Host"

var errRemade = fmt.Errorf("%w: the hub was deleted and made anew since it was opened: open it again", provider.ErrSchema)

func (d *directory) row(h sharding.Host) storage.Row {
	c := row.Cells{}
	c.Set(hostCell, wire.MustJSON(h))
	return storage.Row{Key: row.HostPrefix + h.Incarnation, Cells: c.Map}
}

// Join implements [sharding.Directory]. The hub record goes along unchanged, so
// that joining serialises with changes of it.
func (d *directory) Join(ctx context.Context, h sharding.Host) error {
	s := d.store
	r, err := s.account.Get(ctx, s.cfg.Name, row.Management, row.HubRecord)
	if err != nil {
		return err
	}
	if !s.made(r) {
		return errRemade
	}
	_, err = s.account.Transact(ctx, s.cfg.Name, row.Management, []storage.Op{
		{Verb: storage.Insert, Row: d.row(h)},
		{Verb: storage.Replace, IfMatch: r.ETag, Row: storage.Row{Key: row.HubRecord, Cells: r.Cells}},
	})
	if r := storage.Rejected(err); r != nil && r.Reason == storage.Exists {
		return nil // sent twice
	}
	if storage.Is(err, storage.Precondition) && ctx.Err() == nil {
		return d.Join(ctx, h) // another joined at the same time
	}
	return err
}

// Beat implements [sharding.Directory].
func (d *directory) Beat(ctx context.Context, h sharding.Host) error {
	verb := storage.Replace // a row that is gone does not come back (L5)
	if bug.Planted("dead-come-back") {
		verb = storage.Put
	}
	_, err := d.store.account.Transact(ctx, d.store.cfg.Name, row.Management, []storage.Op{{Verb: verb, Row: d.row(h)}})
	if storage.Is(err, storage.Missing) || errors.Is(err, storage.ErrGone) { // the row, or the hub
		return sharding.ErrGone
	}
	return err
}

// Remove implements [sharding.Directory].
func (d *directory) Remove(ctx context.Context, incarnation, etag string) error {
	_, err := d.store.account.Transact(ctx, d.store.cfg.Name, row.Management, []storage.Op{{
		Verb: storage.Delete, IfMatch: etag, Row: storage.Row{Key: row.HostPrefix + incarnation},
	}})
	switch {
	case storage.Is(err, storage.Missing):
		return nil
	case storage.Is(err, storage.Precondition):
		return sharding.ErrChanged
	case err == nil && etag != "": // it died, and its queues with it
		d.store.background(func(ctx context.Context) {
			_ = d.store.account.DeleteQueue(ctx, d.store.wakeQueue(incarnation))
			_ = d.store.account.DeleteQueue(ctx, d.store.hostQueue(incarnation)) // mostly it had none
			d.store.lookForWorkOfDead(ctx)
		})
	}
	return err
}

// Hosts implements [sharding.Directory]. The hub record is read along: a hub that
// was made anew has no hosts for who opened the old one.
func (d *directory) Hosts(ctx context.Context) ([]sharding.Seen, error) {
	var all []sharding.Seen
	start, same := time.Now(), false
	at := row.Range{From: row.HostPrefix, To: row.HubRecord + "~"}
	err := d.store.scan(ctx, row.Management, at, nil, func(rows []storage.Row) error {
		for _, r := range rows {
			if r.Key == row.HubRecord {
				same = d.store.made(r)
				continue
			}
			value, err := row.Value(ctx, r.Cells, hostCell, nil)
			var h sharding.Host
			if err == nil {
				err = json.Unmarshal(value, &h)
			}
			if err != nil {
				return fmt.Errorf("%w: row %s: %w", row.ErrFormat, r.Key, err)
			}
			all = append(all, sharding.Seen{Host: h, ETag: r.ETag})
		}
		return nil
	})
	if err == nil && !same {
		err = errRemade
	}
	if err == nil || errors.Is(err, errRemade) {
		d.store.seen(start, same)
	}
	return all, err
}
