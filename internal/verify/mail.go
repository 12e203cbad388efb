package verify

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// mail matches events sent between instances with their receipts, while the
// store is walked. Receipts are remembered by a hash, so that a large store
// costs a few bytes each.
type mail struct {
	seed     maphash.Seed
	received map[uint64]bool
	sent     map[uint64]letter // and not received yet
}

type letter struct {
	from      history.InstanceID
	execution int64
	sent
}

func (l letter) id() string { return eventMessage(l.from, l.execution, l.event) }

func newMail() *mail {
	return &mail{seed: maphash.MakeSeed(), received: map[uint64]bool{}, sent: map[uint64]letter{}}
}

func (m *mail) hash(to history.InstanceID, id string) uint64 {
	return maphash.String(m.seed, string(to)+"\x00"+id)
}

func (m *mail) add(x *examination) {
	for id := range x.receipts {
		if _, derived := senderOf(id); derived {
			h := m.hash(x.id, place(id))
			if _, sent := m.sent[h]; sent {
				delete(m.sent, h)
			} else {
				m.received[h] = true
			}
		}
	}
	for _, e := range x.executions {
		for _, s := range e.sent {
			l := letter{x.id, e.number, s}
			h := m.hash(s.to, l.id())
			if m.received[h] {
				delete(m.received, h)
			} else {
				m.sent[h] = l
			}
		}
	}
}

// undelivered looks for the events that were sent and not seen to arrive (V15).
func (a *auditor) undelivered(ctx context.Context) error {
	var letters []letter
	for _, l := range a.mail.sent {
		letters = append(letters, l)
	}
	slices.SortFunc(letters, func(a, b letter) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.execution, b.execution), cmp.Compare(a.event, b.event))
	})
	for _, l := range letters {
		findings, note, err := a.look(ctx, l)
		if err != nil {
			return err
		}
		if note != nil {
			a.report.noted(*note)
		}
		a.suspect(findings, func(ctx context.Context) ([]Finding, error) {
			again, _, err := a.look(ctx, l)
			return again, err
		})
	}
	return nil
}

// look searches for a letter at its receiver.
func (a *auditor) look(ctx context.Context, l letter) (findings []Finding, note *Finding, err error) {
	row, err := a.find(ctx, l.to)
	if err != nil || row == nil || row.Status.Final() {
		return nil, nil, err
	}
	arrived, err := a.arrived(ctx, row, l)
	if err != nil || arrived {
		return nil, nil, err
	}
	// What was on its way when the histories were read may be in them now, and
	// what is on its way now may not yet have been sent then.
	out, err := a.outstanding(ctx, l.to)
	if err != nil || slices.ContainsFunc(out.Messages, func(m provider.Message) bool { return place(m.ID) == l.id() }) {
		return nil, nil, err
	}
	f := Finding{Rule: Sent, Instance: l.from, Execution: l.execution, Event: l.event}
	sentAt, err := a.sentAt(ctx, l)
	if err != nil {
		return nil, nil, err
	}
	if row.Pruned > 0 {
		kept, err := a.begun(ctx, row.ID, row.Pruned+1)
		if err != nil || sentAt.Before(kept.Add(apart)) {
			return nil, nil, err // it may have been received in an execution that was pruned
		}
	}
	if row.Created.After(sentAt) && !a.options.Complete {
		f.What = fmt.Sprintf("the event sent to instance %q did not arrive: it was started later", l.to)
		return nil, &f, nil
	}
	f.What = fmt.Sprintf("the event sent to instance %q, which is %s, was neither received there nor is on the way", l.to, row.Status)
	f.Next = Sent.next()
	return []Finding{f}, nil, nil
}

func (a *auditor) arrived(ctx context.Context, row *provider.Instance, l letter) (bool, error) {
	x := &examination{a: a, id: row.ID}
	for n := row.Execution; n > row.Pruned; n-- {
		for event, err := range a.store.History(ctx, row.ID, n, 0) {
			if err != nil {
				if err := x.ofOther(row.ID, err); err != nil {
					return false, err
				}
				break
			}
			if place(messageID(event.Data)) == l.id() {
				return true, nil
			}
		}
	}
	return false, nil
}

// apart is how far apart the clocks of hosts may be.
const apart = time.Minute

// sentAt reads when a letter was sent.
func (a *auditor) sentAt(ctx context.Context, l letter) (time.Time, error) {
	return a.timeOf(ctx, l.from, l.execution, l.event)
}

// begun reads when an execution began.
func (a *auditor) begun(ctx context.Context, id history.InstanceID, execution int64) (time.Time, error) {
	return a.timeOf(ctx, id, execution, 1)
}

func (a *auditor) timeOf(ctx context.Context, id history.InstanceID, execution, event int64) (at time.Time, err error) {
	for event, err := range a.store.History(ctx, id, execution, event-1) {
		if err != nil {
			return at, (&examination{a: a}).ofOther(id, err)
		}
		return event.Time, nil
	}
	return at, nil
}

// deadLetters looks for dead letters to instances that live (V16).
func (a *auditor) deadLetters(ctx context.Context) error {
	letters, err := a.store.DeadLetters(ctx, a.options.MaxFindings)
	if err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	a.report.DeadLetters = len(letters)
	for _, l := range letters {
		check := func(ctx context.Context) ([]Finding, error) { return a.deadLetter(ctx, l) }
		findings, err := check(ctx)
		if err != nil {
			return err
		}
		a.suspect(findings, check)
		if len(findings) == 0 {
			a.report.noted(Finding{Rule: DeadLetters, Instance: l.Message.To, What: fmt.Sprintf("message %q is a dead letter: %s", l.Message.ID, l.Reason)})
		}
	}
	return nil
}

func (a *auditor) deadLetter(ctx context.Context, l provider.DeadLetter) ([]Finding, error) {
	row, err := a.find(ctx, l.Message.To)
	if err != nil || row == nil || row.Status.Final() || row.Created.After(l.Time) ||
		(l.Message.Execution != 0 && l.Message.Execution != row.Execution) {
		return nil, err
	}
	return []Finding{{
		Rule: DeadLetters, Instance: row.ID, Execution: l.Message.Execution, Next: DeadLetters.next(),
		What: fmt.Sprintf("message %q for it is a dead letter, and it is %s: %s", l.Message.ID, row.Status, l.Reason),
	}}, nil
}
