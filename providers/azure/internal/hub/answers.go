package hub

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// answers are what an owner has answered to orders that came by the inbox. They
// are kept in the rows of the instances, where whoever waits for them looks.
type answers struct {
	of    map[history.InstanceID]map[string]row.Answer // by order
	swept time.Time
}

// The answers that are kept with an instance: so many, for so long. Who asks later
// is told that the answer is not kept any more.
const (
	maxAnswers  = 16
	answersLast = 10 * time.Minute
)

// merge takes in what stands in the row of an instance: former owners left it.
func (a *answers) merge(id history.InstanceID, stored map[string]row.Answer, now time.Time) {
	drop(stored, now)
	if len(stored) == 0 {
		return
	}
	maps.Copy(stored, a.of[id])
	a.of[id] = stored
	limit(stored)
}

// add notes an answer, and returns all that are kept with the instance. Without an
// order it notes nothing.
func (a *answers) add(id history.InstanceID, order string, err error, now time.Time) map[string]row.Answer {
	a.sweep(now)
	all := a.of[id]
	if all == nil {
		if order == "" {
			return nil
		}
		all = map[string]row.Answer{}
		a.of[id] = all
	}
	drop(all, now)
	if order != "" {
		all[order] = answerOf(err, now)
		limit(all)
	}
	return all
}

// limit removes the oldest answers, if there are too many.
func limit(all map[string]row.Answer) {
	for len(all) > maxAnswers {
		oldest := ""
		for name, a := range all {
			if oldest == "" || a.Time < all[oldest].Time {
				oldest = name
			}
		}
		delete(all, oldest)
	}
}

// sweep forgets, now and then, what nobody asks for any more.
func (a *answers) sweep(now time.Time) {
	if now.Sub(a.swept) < answersLast {
		return
	}
	a.swept = now
	for id, all := range a.of {
		if drop(all, now); len(all) == 0 {
			delete(a.of, id)
		}
	}
}

// drop removes the answers that are too old.
func drop(all map[string]row.Answer, now time.Time) {
	for order, a := range all {
		if a.Time < wire.Nanos(now.Add(-answersLast)) {
			delete(all, order)
		}
	}
}

// answersWith is the cell of answers with one more, if there is an order; nil if
// there are none.
func (p *partition) answersWith(id history.InstanceID, order string, err error) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.answers.add(id, order, err, p.store.cfg.Now())
	if len(all) == 0 {
		return nil
	}
	return wire.MustJSON(all)
}

// answerWith consumes an order and leaves its answer, if there is a row to leave it in:
// without one, who asks sees that there is no instance.
func (p *partition) answerWith(ctx context.Context, l *letter, why error) error {
	e := &journal.Entry{
		Ops: []storage.Op{{Verb: storage.Merge, Row: storage.Row{
			Key:   row.Instance(l.to),
			Cells: map[string][]byte{row.AnswersCell: p.answersWith(l.to, l.envelope.Order.ID, why)},
		}}},
		Consumed: []journal.Consumed{l.consumption("")},
		Applied:  func(journal.Applied) { p.dropped(l) },
	}
	e.Rejected = func(op int, r *storage.Rejection) *journal.Entry {
		if op >= len(e.Ops) || r.Reason != storage.Missing {
			return nil
		}
		again := *e
		again.Ops, again.Rejected = nil, nil
		return &again
	}
	return p.commit(ctx, e)
}

// mergeAnswers takes in the cell of answers of an instance, as it was read. What
// cannot be read is not kept.
func (p *partition) mergeAnswers(id history.InstanceID, cell []byte) {
	stored := map[string]row.Answer{}
	if len(cell) == 0 || row.Parse(cell, &stored) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers.merge(id, stored, p.store.cfg.Now())
}

func readAnswers(cells map[string][]byte) (map[string]row.Answer, error) {
	answers := map[string]row.Answer{}
	if cell := cells[row.AnswersCell]; len(cell) > 0 {
		if err := row.Parse(cell, &answers); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// Classes of errors in answers, as stored.
var answerClasses = map[string]error{
	"exists":    provider.ErrExists,
	"conflict":  provider.ErrConflict,
	"not found": provider.ErrNotFound,
	"invalid":   provider.ErrInvalid,
}

func answerOf(err error, now time.Time) row.Answer {
	a := row.Answer{Time: wire.Nanos(now)}
	if err == nil {
		return a
	}
	a.Error, a.Text = "invalid", err.Error()
	for name, class := range answerClasses {
		if name != "invalid" && errors.Is(err, class) {
			a.Error = name
		}
	}
	return a
}

func answerError(a row.Answer) error {
	if a.Error == "" {
		return nil
	}
	class := answerClasses[a.Error]
	if class == nil {
		class = provider.ErrInvalid
	}
	return &answered{class, a.Text}
}

// answered is an error that the owner of a partition gave.
type answered struct {
	class error
	text  string
}

func (e *answered) Error() string { return e.text }
func (e *answered) Unwrap() error { return e.class }
