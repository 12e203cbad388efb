package audit

import (
	"context"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// steadyTries is how often an instance is read in the hope that it holds still.
const steadyTries = 6

// examine reads an instance by itself, in a way that shows one state, and
// reports what is wrong with it. Strays are keys of rows that its own row may
// not lead to.
func (a *auditor) examine(ctx context.Context, p *partition, escaped string, strays []string) error {
	a.r.Suspects++
	for n := range steadyTries {
		v, steady, err := a.look(ctx, p, escaped, strays)
		if err != nil {
			return err
		}
		if steady {
			a.r.found(v.findings...)
			for _, note := range v.notes {
				a.r.noted(note)
			}
			return nil
		}
		pause(ctx, time.Millisecond<<(2*n))
	}
	a.r.Moving++
	return ctx.Err()
}

// look reads an instance once and judges it. Steady says that what it read is
// the state after one commit.
func (a *auditor) look(ctx context.Context, p *partition, escaped string, strays []string) (v *verdict, steady bool, err error) {
	alone := &partition{number: p.number, key: p.key, consumed: p.consumed, subjects: map[string]*subject{}}
	s := alone.subject(escaped)
	before, err := a.get(ctx, p.key, s.key())
	if err != nil {
		return nil, false, err
	}
	if before != nil {
		if err := s.readRow(ctx, &a.reader, before); err != nil {
			return nil, false, err
		}
	}
	if err := a.gather(ctx, s, strays); err != nil {
		return nil, false, err
	}
	if v, err = a.judge(ctx, s); err != nil {
		return nil, false, err
	}
	after, err := a.get(ctx, p.key, s.key())
	if err != nil {
		return nil, false, err
	}
	if before == nil || after == nil {
		return v, before == nil && after == nil, nil
	}
	return v, before.ETag == after.ETag, nil
}

// gather reads every row of an instance beside its own.
func (a *auditor) gather(ctx context.Context, s *subject, strays []string) error {
	ranges := []row.Range{
		{From: "m:" + s.escaped + ":", To: "m:" + s.escaped + ";"},
		{From: "q:" + s.escaped + ":", To: "q:" + s.escaped + ";"},
		row.Only("r:" + s.escaped),
		{From: "h:" + s.escaped + ":", To: "h:" + s.escaped + ";"},
		row.Only("k:" + s.escaped),
	}
	keys := slices.Clone(strays)
	if m := s.meta; m != nil {
		keys = append(keys, row.Open(m.ID), row.PlaceOf(m.Status).Key(m.ID), row.Purged(m.Purged, m.ID))
		if m.Timer != 0 {
			keys = append(keys, row.Timers(m.Timer, m.ID))
		}
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		ranges = append(ranges, row.Only(key))
	}
	for _, r := range ranges {
		if err := a.scan(ctx, s.p.key, r, nil, func(r *storage.Row) error { return a.gatherRow(ctx, s, r) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *auditor) gatherRow(ctx context.Context, s *subject, r *storage.Row) error {
	switch row.KindOf(r.Key) {
	case row.KindHistory:
		s.sealed = true
	case row.KindState:
		s.state = true
	case row.KindIndex:
		s.index = append(s.index, r.Key)
	default:
		err := s.p.takeOutstanding(ctx, &a.reader, r)
		if unavailable(ctx, err) {
			return err
		}
		// What cannot be read was reported, or its blob is gone with it.
		s.unknown = s.unknown || err != nil
	}
	return nil
}
