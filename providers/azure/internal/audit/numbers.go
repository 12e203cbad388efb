package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// pair is a sender and a receiver of numbered messages.
type pair struct{ from, to int }

// span are numbers from first to last.
type span struct{ first, last int64 }

// flow is where the numbers from one partition to another are. It is the same
// state for all of them if it was read in the order of the fields.
type flow struct {
	next     int64  // that the sender gave, before anything else was read
	away     []span // in its outbox
	waiting  []span // in the inbox, one by one
	consumed row.Numbers
	last     int64 // that the sender gives, after everything else was read
	blind    bool  // a row of the outbox cannot be read
}

func (a *auditor) flow(at pair) *flow {
	f := a.numbers[at]
	if f == nil {
		f = &flow{}
		a.numbers[at] = f
	}
	return f
}

// readOutbox calls each for the rows of an outbox.
func (a *auditor) readOutbox(ctx context.Context, p *partition, each func(*storage.Row, *row.Outgoing, error) error) error {
	outbox := row.Range{From: row.Outbox(0)[:prefixLength], To: "o;"}
	return a.scan(ctx, p.key, outbox, nil, func(r *storage.Row) error {
		out, err := row.ParseOutgoing(ctx, r.Cells, a.blob)
		if unavailable(ctx, err) {
			return err
		}
		return each(r, &out, err)
	})
}

// takeOutgoing takes in a row of an outbox.
func (a *auditor) takeOutgoing(ctx context.Context, p *partition, r *storage.Row, out *row.Outgoing, err error) error {
	a.r.OnTheirWay++
	if err := a.unlisted(p, r); err != nil {
		return err
	}
	if err := a.checkSequence(ctx, p, r.Key); err != nil {
		return err
	}
	names := row.Blobs(r.Cells)
	switch {
	case storage.Is(err, storage.Missing): // Z13 sees to it
	case err != nil:
		a.r.found(Finding{Invariant: Recovery, Partition: p.number, Row: r.Key, What: fmt.Sprintf("it cannot be read: %v", err)})
	}
	for _, part := range out.Parts {
		if part.Queue != "" {
			continue // what goes to a work queue has no numbers
		}
		f := a.flow(pair{p.number, part.To})
		f.takePart(&part, err)
		for i := range part.Parcels {
			parcel := &part.Parcels[i]
			if parcel.Blob != "" {
				names = append(names, parcel.Blob)
			}
			if to := a.home(string(parcel.To)); to != part.To {
				a.r.found(Finding{
					Invariant: ExactlyOnce, Partition: p.number, Instance: parcel.To, Row: r.Key,
					What: fmt.Sprintf("a message is on its way to partition %d, and its receiver lives in partition %d", part.To, to),
				})
			}
		}
	}
	if len(out.Parts) == 0 && err != nil {
		for to := range a.partitions {
			a.flow(pair{p.number, to}).blind = true
		}
	}
	return a.named(ctx, p, r, names)
}

func (f *flow) takePart(part *row.Part, err error) {
	if err != nil {
		f.blind = true
		return
	}
	f.away = append(f.away, span{part.First, part.First + int64(len(part.Parcels)) - 1})
}

// checkNumbers judges the numbers between all pairs (Z3, Z4).
func (a *auditor) checkNumbers(ctx context.Context) error {
	pairs := slices.SortedFunc(maps.Keys(a.numbers), func(x, y pair) int {
		return cmp.Or(cmp.Compare(x.from, y.from), cmp.Compare(x.to, y.to))
	})
	for _, at := range pairs {
		if at.from < 0 || at.from >= len(a.partitions) || at.to < 0 || at.to >= len(a.partitions) {
			a.r.found(Finding{Invariant: ExactlyOnce, Partition: at.to, What: fmt.Sprintf("numbers go from partition %d to partition %d, and the hub has %d", at.from, at.to, len(a.partitions))})
			continue
		}
		if a.partitions[at.from].unknown {
			continue
		}
		if len(a.numbers[at].problems(at)) == 0 {
			a.noteConsumed(at)
			continue
		}
		a.r.Suspects++
		f, err := a.readFlow(ctx, at)
		if err != nil {
			return err
		}
		a.r.found(f.problems(at)...)
	}
	return nil
}

// readFlow reads where the numbers of a pair are.
func (a *auditor) readFlow(ctx context.Context, at pair) (*flow, error) {
	from, to := a.partitions[at.from], &partition{number: at.to, key: a.partitions[at.to].key, consumed: map[int]row.Numbers{}}
	f := &flow{}
	next := func() (int64, error) {
		r, err := a.get(ctx, from.key, row.Head)
		if err != nil || r == nil {
			return 0, err
		}
		head, err := row.ParseOwner(r.Cells)
		f.blind = f.blind || err != nil // Z1 says so
		return head.Next[at.to], nil
	}
	given, err := next()
	if err != nil {
		return nil, err
	}
	if err := a.readOutbox(ctx, from, func(_ *storage.Row, out *row.Outgoing, err error) error {
		for _, part := range out.Parts {
			if part.To == at.to && part.Queue == "" {
				f.takePart(&part, err)
			}
		}
		f.blind = f.blind || len(out.Parts) == 0 && err != nil
		return nil
	}); err != nil {
		return nil, err
	}
	for _, r := range []row.Range{row.Inbox(), row.Only(row.FromPartitions)} {
		if err := a.scan(ctx, to.key, r, []string{row.NumbersCell}, func(r *storage.Row) error {
			if r.Key == row.FromPartitions {
				f.blind = to.takeNotice(r) != nil || f.blind // Z8 says so
			} else if sender, seq, err := row.ParseMessage(r.Key); err == nil && sender == row.PartitionSender(at.from) {
				f.waiting = append(f.waiting, span{seq, seq})
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	f.consumed = to.consumed[at.from]
	// Lost is what was given before all was read, too early what is not given
	// yet when all was.
	f.next = given
	f.last, err = next()
	return f, err
}

// problems are what is wrong with a flow.
func (f *flow) problems(at pair) (found []Finding) {
	tell := func(i Invariant, partition int, key, what string, args ...any) {
		found = append(found, Finding{Invariant: i, Partition: partition, Row: key, What: fmt.Sprintf(what, args...)})
	}
	var all []span
	consumed := make([]span, len(f.consumed))
	for i, r := range f.consumed {
		consumed[i] = span{r[0], r[1]}
		if r[0] < 1 || r[1] < r[0] || i > 0 && r[0] <= f.consumed[i-1][1] {
			tell(ExactlyOnce, at.to, row.FromPartitions, "the numbers from partition %d that were consumed are in disorder", at.from)
			return found
		}
	}
	for _, set := range []struct {
		spans []span
		what  string
		alone bool
	}{{f.away, "in the outbox", true}, {f.waiting, "in the inbox", true}, {consumed, "among the consumed ones", false}} {
		spans := slices.SortedFunc(slices.Values(set.spans), func(x, y span) int { return cmp.Compare(x.first, y.first) })
		for i, s := range spans {
			if set.alone && i > 0 && s.first <= spans[i-1].last {
				tell(ExactlyOnce, at.to, "", "number %d from partition %d stands twice %s", s.first, at.from, set.what)
			}
			if next := max(f.last, 1); s.last >= next {
				tell(CommitFirst, at.to, "", "number %d from partition %d is %s, and the sender's head gives %d next: it left before its commit, or without one", s.last, at.from, set.what, next)
			}
		}
		all = append(all, spans...)
	}
	if lost := gaps(all, f.next-1); len(lost) > 0 && !f.blind {
		tell(ExactlyOnce, at.to, "", "numbers %s from partition %d are neither consumed, nor waiting, nor on their way", text(lost), at.from)
	}
	return found
}

// gaps are the numbers from 1 to last that no span covers.
func gaps(all []span, last int64) (lost []span) {
	slices.SortFunc(all, func(x, y span) int { return cmp.Compare(x.first, y.first) })
	seen := int64(0)
	for _, s := range all {
		if s.first > seen+1 && seen < last {
			lost = append(lost, span{seen + 1, min(s.first-1, last)})
		}
		seen = max(seen, s.last)
	}
	if seen < last {
		lost = append(lost, span{seen + 1, last})
	}
	return lost
}

// text shows spans, the first few of them.
func text(spans []span) string {
	const most = 5
	var parts []string
	for i, s := range spans {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more ranges", len(spans)-most))
			break
		}
		if s.first == s.last {
			parts = append(parts, fmt.Sprint(s.first))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", s.first, s.last))
		}
	}
	return strings.Join(parts, ", ")
}

// noteConsumed notes rows that wait although they were consumed: copies that
// came late, which their owner is to drop.
func (a *auditor) noteConsumed(at pair) {
	f, n := a.numbers[at], 0
	for _, s := range f.waiting {
		if f.consumed.Has(s.first) {
			n++
		}
	}
	if n > 0 {
		a.r.noted(Finding{Invariant: ExactlyOnce, Partition: at.to, What: fmt.Sprintf("%d messages from partition %d came again after they were consumed, and are to be dropped", n, at.from)})
	}
}
