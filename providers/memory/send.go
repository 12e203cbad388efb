package memory

import (
	"context"
	"fmt"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// accepted is the key that the store gives the broker with each message that
// it accepted: when that is consumed, its id is remembered. The messages that
// the broker makes itself have none; what they answer is open only once.
const accepted = 1

// Send implements [provider.Store].
func (s *Store) Send(ctx context.Context, m provider.Message) error {
	now := s.now()
	if err := admit.Message(&m, now); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	if err := s.lock(ctx, "sending to", m.To); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.expire()
	rec := s.records[m.To]
	if rec != nil && s.consumed.has(m.ID, rec.incarnation, now) {
		return nil
	}
	m = admit.Keep(m)
	if m.Start == nil {
		s.broker.Deliver(s.delivery(&m))
		return nil
	}
	var heirs []provider.Message
	if rec != nil {
		if replace, err := reuse(rec, &m); err != nil {
			return failed("starting", m.To, err)
		} else if !replace {
			return nil
		}
		heirs = s.remove(rec)
	}
	s.broker.Deliver(s.delivery(&m))
	s.bequeath(heirs)
	s.watchers.Notify(m.To)
	return nil
}

// reuse decides what a start does whose id is taken: replace, fail, or nothing
// since it is the start that made the instance.
func reuse(rec *record, m *provider.Message) (replace bool, err error) {
	start := m.Start
	if m.ID == rec.startedBy || start.RequestID != "" && start.RequestID == rec.RequestID {
		return false, nil
	}
	switch {
	case start.Reuse == provider.ReuseIgnore:
		return false, nil
	case start.Reuse == provider.ReuseReplace,
		start.Reuse == provider.ReuseFinal && rec.Status.Final():
		return true, nil
	}
	hint := "choose another id or a reuse policy"
	if start.Reuse == provider.ReuseFinal {
		hint = "it can be replaced once it has ended"
	}
	return false, fmt.Errorf("%w: it is %s since %s, started by another request: %s",
		provider.ErrExists, rec.Status, rec.Updated.Format("2006-01-02 15:04:05Z07:00"), hint)
}

// delivery addresses a message that is accepted. A start whose id is free
// creates the instance.
func (s *Store) delivery(m *provider.Message) broker.Delivery {
	d := broker.Delivery{Message: *m, Key: accepted, Receiver: broker.Exists}
	rec := s.records[m.To]
	if rec == nil {
		if m.Start == nil {
			d.Receiver = broker.Missing
			return d
		}
		rec = s.create(m, s.now())
		d.Receiver = broker.Created
	}
	d.Name, d.Version = rec.Name, rec.Version
	return d
}
