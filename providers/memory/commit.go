package memory

import (
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// commit applies a commit of a turn that is held: first the record, then what
// is sent, then the broker. Nothing in it can fail any more once it changes
// something (P1).
func (s *Store) commit(bt *broker.Turn, c *provider.Commit) error {
	rec, now := s.records[bt.Instance], s.now()
	if err := admit.Commit(&rec.Instance, len(bt.Messages), c, now); err != nil {
		return err
	}
	if err := admit.State(rec.state, c.State); err != nil {
		return err
	}
	seen := rec.apply(c, now)
	for i, m := range bt.Messages[:c.Consumed] {
		if bt.Keys[i] == accepted {
			s.consumed.add(m.ID, rec.incarnation, now)
		}
	}
	if len(c.Send) > 0 {
		s.expire()
	}
	sent := make([]broker.Delivery, 0, len(c.Send))
	for _, m := range c.Send {
		if to := s.records[m.To]; to != nil && s.consumed.has(m.ID, to.incarnation, now) {
			continue
		}
		m = admit.Keep(m)
		sent = append(sent, s.delivery(&m))
	}
	at := broker.Place{Execution: rec.Execution, Name: rec.Name, Version: rec.Version, Final: rec.Status.Final()}
	if err := s.broker.Commit(bt, c, at, sent...); err != nil {
		return err // unreachable: the turn was held, and only who has the mutex ends turns
	}
	if seen {
		s.watchers.Notify(rec.ID)
	}
	for _, d := range sent {
		if d.Receiver == broker.Created {
			s.watchers.Notify(d.Message.To)
		}
	}
	return nil
}

// apply writes a commit into the record. It reports whether something changed
// on which a client may wait.
func (r *record) apply(c *provider.Commit, now time.Time) (seen bool) {
	for _, e := range c.Events {
		for r.Pruned+int64(len(r.executions)) < e.Execution {
			r.executions = append(r.executions, nil)
		}
		at := &r.executions[e.Execution-r.Pruned-1]
		*at = append(*at, e)
		r.Execution, r.LastEvent = e.Execution, e.ID
	}
	if gone := c.PruneThrough - r.Pruned; gone > 0 {
		r.executions = slices.Delete(r.executions, 0, int(gone))
		r.Pruned = c.PruneThrough
	}
	if c.Name != "" {
		r.Name = c.Name
	}
	if c.Version != "" {
		r.Version = c.Version
	}
	if c.Status != "" && c.Status != r.Status {
		seen = true
		r.Status = c.Status
		if r.Status.Final() {
			r.Finished, r.Output, r.Failure = now, c.Output, c.Failure
			r.StatusRevision++
		}
	}
	if c.CustomStatus != nil {
		seen = true
		r.CustomStatus = *c.CustomStatus
		r.StatusRevision++
	}
	for _, change := range c.State {
		if change.Value == nil {
			delete(r.state, change.Key)
			continue
		}
		if r.state == nil {
			r.state = map[string]history.Payload{}
		}
		r.state[change.Key] = change.Value
	}
	r.Parked = nil
	r.Updated = now
	return seen
}
