package demo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/verify"
)

// Effects are the activities whose effects stand in the ledger: all of them.
var Effects = []string{charge.Name(), refund.Name(), reserve.Name(), release.Name(), ship.Name(), write.Name(), count.Name()}

// Report is how the story ended.
type Report struct {
	Seconds float64       `json:"seconds"`
	Workers int           `json:"workers"` // processes, one after another
	Kills   int           `json:"kills"`
	Rounds  int64         `json:"rounds"` // executions of the eternal loop
	Orders  []OrderReport `json:"orders"`
	// Reruns are activities that were begun more than once in one attempt,
	// because a worker was killed.
	Reruns []Rerun        `json:"reruns"`
	Audit  *verify.Report `json:"audit"`
	// Partitions is what became of the hosts, where several share a hub.
	Partitions *HostsReport `json:"partitions,omitempty"`

	wanted int // kills asked for
}

// OrderReport is how an order ended.
type OrderReport struct {
	ID       string  `json:"id"`
	About    string  `json:"about"`
	Ending   Ending  `json:"ending"`
	Expect   Ending  `json:"expect,omitempty"`
	Survived int     `json:"kills_survived"`
	Reruns   int     `json:"reruns"`
	Seconds  float64 `json:"seconds"`
}

// AsExpected reports whether the order ended as the data file says.
func (o *OrderReport) AsExpected() bool {
	if o.Expect == "" {
		return slices.Contains(endings, o.Ending)
	}
	return o.Ending == o.Expect
}

// Rerun is an activity attempt that was begun more than once.
type Rerun struct {
	Activity string `json:"activity"`
	ID       string `json:"id"` // instance/execution/event
	Attempt  int    `json:"attempt"`
	Runs     int    `json:"runs"`
	order    string
}

// Unexpected counts the orders that did not end as the data file says.
func (r *Report) Unexpected() (n int) {
	for i := range r.Orders {
		if !r.Orders[i].AsExpected() {
			n++
		}
	}
	return n
}

// report reads everything once more, and audits it.
func (d *director) report(ctx context.Context) (*Report, error) {
	r := &Report{Seconds: time.Since(d.began).Seconds(), wanted: d.Kills, Reruns: d.reruns()}
	d.say(screen.Dim, "the story is over: auditing the store and the ledger")
	loop, err := d.client.Status(ctx, reconcilerID)
	if err != nil {
		return nil, err
	}
	r.Rounds = loop.Execution
	if r.Audit, err = verify.Store(ctx, d.store, verify.Options{Complete: true, Effects: Effects}); err != nil {
		return nil, err
	}
	if err := verify.Effects(r.Audit, verify.Ledger(d.Ledger)); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r.Workers, r.Kills = d.lives, len(d.kills)
	if r.Partitions = d.acted; r.Partitions != nil {
		r.Partitions.Watching = d.watching.Total().Of("").Billed
	}
	perOrder := map[string]int{}
	for _, again := range r.Reruns {
		perOrder[again.order] += again.Runs - 1
	}
	for i := range d.Orders {
		o := &d.Orders[i]
		seen := d.orders[history.InstanceID(o.ID)]
		line := OrderReport{ID: o.ID, About: o.about(), Ending: ending(&seen), Expect: o.Expect, Reruns: perOrder[o.ID], Seconds: seen.Finished.Sub(seen.Created).Seconds()}
		for _, at := range d.kills {
			if at.After(seen.Created) && at.Before(seen.Finished) {
				line.Survived++
			}
		}
		r.Orders = append(r.Orders, line)
	}
	return r, nil
}

// reruns lists what was begun more than once.
func (d *director) reruns() (list []Rerun) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at, begun := range d.begun {
		if begun.runs > 1 {
			list = append(list, Rerun{Activity: begun.activity, ID: fmt.Sprintf("%s/%d/%d", at.instance, at.execution, at.event), Attempt: at.attempt, Runs: begun.runs, order: begun.order})
		}
	}
	slices.SortFunc(list, func(a, b Rerun) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Attempt, b.Attempt)) })
	return list
}

// Show writes the report for people.
func (r *Report) Show(s *screen.Screen) {
	s.Line("")
	if len(r.Orders) <= detailed {
		r.table(s, r.Orders)
	} else {
		r.summed(s)
	}
	s.Line("")
	asExpected := len(r.Orders) - r.Unexpected()
	s.Line("%s", s.Paint(good(asExpected == len(r.Orders)), fmt.Sprintf("%d of %s ended as expected, in %.1f s.", asExpected, plural(len(r.Orders), "order"), r.Seconds)))
	if r.Partitions != nil {
		r.Partitions.show(s, len(r.Orders))
		s.Line("Executions of the inventory's eternal loop: %d.", r.Rounds)
	} else {
		s.Line("Worker processes: %d, one after another; killed with kill -9: %d. Executions of the inventory's eternal loop: %d.", r.Workers, r.Kills, r.Rounds)
	}
	if r.Kills < r.wanted && r.Partitions == nil {
		s.Line("Fewer kills than the %d asked for: the orders had ended before. More orders give more chances.", r.wanted)
	}
	r.audit(s)
}

func good(ok bool) screen.Style {
	if ok {
		return screen.Green
	}
	return screen.Red
}

func (r *Report) table(s *screen.Screen, orders []OrderReport) {
	var rows [][]screen.Cell
	for i := range orders {
		o := &orders[i]
		expected := screen.Cell{Text: "yes", Style: screen.Green}
		switch {
		case !o.AsExpected():
			expected = screen.Cell{Text: "NO, expected " + string(o.Expect), Style: screen.Red}
		case o.Expect == "":
			expected = screen.Cell{Text: "any"}
		}
		rows = append(rows, []screen.Cell{
			{Text: screen.Clean(o.ID, 30), Style: screen.Bold}, {Text: o.About}, {Text: screen.Clean(string(o.Ending), 60)}, expected,
			{Text: fmt.Sprint(o.Survived)}, {Text: fmt.Sprint(o.Reruns)}, {Text: fmt.Sprintf("%.2f s", o.Seconds)},
		})
	}
	s.Table([]screen.Column{{Head: "order"}, {Head: "about"}, {Head: "outcome"}, {Head: "as expected"},
		{Head: "kills survived", Right: true}, {Head: "runs repeated", Right: true}, {Head: "took", Right: true}}, rows)
}

// summed shows many orders by their endings, and the unexpected ones.
func (r *Report) summed(s *screen.Screen) {
	type sum struct{ orders, survivors, reruns int }
	sums := map[Ending]*sum{}
	var wrong []OrderReport
	for i := range r.Orders {
		o := &r.Orders[i]
		if sums[o.Ending] == nil {
			sums[o.Ending] = &sum{}
		}
		one := sums[o.Ending]
		one.orders++
		one.reruns += o.Reruns
		if o.Survived > 0 {
			one.survivors++
		}
		if !o.AsExpected() {
			wrong = append(wrong, *o)
		}
	}
	order := make([]Ending, 0, len(sums))
	for e := range sums {
		order = append(order, e)
	}
	slices.Sort(order)
	var rows [][]screen.Cell
	for _, e := range order {
		rows = append(rows, []screen.Cell{{Text: screen.Clean(string(e), 60)}, {Text: fmt.Sprint(sums[e].orders)}, {Text: fmt.Sprint(sums[e].survivors)}, {Text: fmt.Sprint(sums[e].reruns)}})
	}
	s.Table([]screen.Column{{Head: "outcome"}, {Head: "orders", Right: true}, {Head: "survived a kill", Right: true}, {Head: "runs repeated", Right: true}}, rows)
	if len(wrong) > 0 {
		s.Line("")
		s.Line("%s", s.Paint(screen.Red, "not as expected:"))
		r.table(s, wrong[:min(len(wrong), detailed)])
		if more := len(wrong) - detailed; more > 0 {
			s.Line("and %d more", more)
		}
	}
}

// audit shows what the auditor says.
func (r *Report) audit(s *screen.Screen) {
	a := r.Audit
	extra := 0
	for _, again := range r.Reruns {
		extra += again.Runs - 1
	}
	s.Line("")
	c := a.Counts.Activities
	s.Line("Audit of the store: %s, %s, %s scheduled: %d completed, %d failed, %d cancelled, %d open.",
		plural(a.Instances, "instance"), plural(int(a.Counts.Events), "event"), plural(int(c.Scheduled), "activity call"), c.Completed, c.Failed, c.Cancelled+c.Closed, c.Open)
	s.Line("Audit of the effects: %d in the ledger for %s. Runs above one: %d, of which %d found their effect applied.",
		a.Effects.Effects, plural(int(a.Effects.Completed), "completed call"), extra, a.Effects.Repeats)
	for _, again := range r.Reruns[:min(len(r.Reruns), 10)] {
		s.Line("  %s", s.Paint(screen.Yellow, fmt.Sprintf("%s of %s ran %d times", again.Activity, screen.Clean(again.ID, 80), again.Runs)))
	}
	if more := len(r.Reruns) - 10; more > 0 {
		s.Line("  and %d more", more)
	}
	for _, f := range a.Findings[:min(len(a.Findings), 50)] {
		s.Line("%s", s.Paint(screen.Red, screen.Clean(f.String(), 500)))
	}
	if more := len(a.Findings) + a.Omitted - 50; more > 0 {
		s.Line("and %d more findings", more)
	}
	switch {
	case a.OK() && r.Partitions != nil:
		s.Line("%s", s.Paint(screen.Green, "The audit passed: every completed call has exactly one effect, and every row and blob keeps the invariants Z1 to Z13."))
	case a.OK():
		s.Line("%s", s.Paint(screen.Green, "The audit passed: every completed call has exactly one effect."))
	default:
		s.Line("%s", s.Paint(screen.Red, "THE AUDIT FAILED."))
	}
}
