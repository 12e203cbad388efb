package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

const (
	sweepEvery = time.Minute

	// sweepRows bounds what one sweep's transaction removes, so that turns wait
	// for milliseconds only.
	sweepRows = 1_000

	// maxDeadLetters bounds what is kept of them: the oldest go first.
	maxDeadLetters = 10_000
)

// sweepNowAndThen removes what is out of date, until the host leaves.
func (h *host) sweepNowAndThen() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-tick.C:
			// What fails now is due again at the next sweep.
			_ = h.buryOrphans(context.Background())
			_ = h.sweepConsumed(context.Background())
		}
	}
}

// sweepConsumed forgets the ids of messages that were consumed long ago.
func (h *host) sweepConsumed(ctx context.Context) error {
	before := h.store.cfg.Now().Add(-dedupeFor)
	for !h.left.Load() { // Leave does not wait for all of it
		removed := 0
		err := h.store.write(ctx, &request{
			op: "sweeping consumed messages",
			write: func(c *conn) error {
				err := c.run("DELETE FROM inbox WHERE seq IN (SELECT seq FROM inbox WHERE consumed < ? ORDER BY consumed LIMIT ?)", func(s *sqlite.Stmt) {
					bindTime(s, 1, before)
					s.BindInt64(2, sweepRows)
				})
				removed = c.Changes()
				return err
			},
		})
		if err != nil || removed < sweepRows {
			return err
		}
	}
	return nil
}

// buryOrphans moves messages that waited too long for an instance that does
// not exist to the dead letters.
func (h *host) buryOrphans(ctx context.Context) error {
	return h.buryAll(ctx, h.broker.Orphans(h.store.cfg.Now().Add(-h.store.cfg.OrphanAfter)))
}

// buryAll moves messages to the dead letters, unless the host has left: they are the
// next one's then.
func (h *host) buryAll(ctx context.Context, orphans []broker.Delivery) error {
	s := h.store
	for len(orphans) > 0 && !h.left.Load() {
		n := min(len(orphans), sweepRows)
		var buried []string
		err := s.write(ctx, &request{
			op: "moving messages to the dead letters",
			write: func(c *conn) error {
				buried = buried[:0]
				if s.joined != h {
					return nil
				}
				for i := range orphans[:n] {
					o := &orphans[i]
					if exists, _, _, _, err := findReceiver(c, o.Message.To); err != nil {
						return err
					} else if exists {
						continue // it was started after all
					}
					message, err := wire.Encode(&o.Message)
					if err != nil { // it was encoded once already
						return err
					}
					at := o.Since.Add(s.cfg.OrphanAfter)
					if err := bury(c, o.Key, message, orphaned(o.Message.To, s.cfg.OrphanAfter), at); err != nil {
						return err
					}
					buried = append(buried, o.Message.ID)
				}
				return c.run("DELETE FROM dead WHERE seq <= (SELECT max(seq) FROM dead) - ?", func(s *sqlite.Stmt) { s.BindInt64(1, maxDeadLetters) })
			},
			settled: func() { h.broker.DropOrphans(buried...) },
		})
		if err != nil {
			return err
		}
		orphans = orphans[n:]
	}
	return nil
}

func orphaned(id history.InstanceID, after time.Duration) string {
	return fmt.Sprintf("%s does not exist and was not started within %v: start it and send again", wire.Quote(id), after)
}

func bury(c *conn, place int64, message []byte, reason string, at time.Time) error {
	if err := c.run("DELETE FROM inbox WHERE seq = ?", func(s *sqlite.Stmt) { s.BindInt64(1, place) }); err != nil {
		return err
	}
	return c.run("INSERT INTO dead (message, reason, time) VALUES (?,?,?)", func(s *sqlite.Stmt) {
		s.BindText(1, string(message))
		s.BindText(2, reason)
		bindTime(s, 3, at)
	})
}
