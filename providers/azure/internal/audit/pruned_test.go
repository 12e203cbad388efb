package audit_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

var plantsOfPrunes = []plant{
	{"an execution is gone that was kept", "Z6", "execution 50 has no predecessor", func(s *spoiler) { s.remove(s.partition("loop"), row.Segment("loop", 49, 1)) }},
	{"an execution is gone between two", "Z6", "execution 49 is followed by execution 51", func(s *spoiler) { s.remove(s.partition("loop"), row.Segment("loop", 50, 1)) }},
	{"less was pruned than is gone", "Z6", "execution 49 has no predecessor", func(s *spoiler) {
		s.meta("loop", func(m *row.Meta) { m.Pruned = 0 })
		for n := range int64(48) { // the rows that were pruned last are there still
			for _, r := range s.rows(s.partition("loop"), row.ExecutionOf("loop", 1+n)) {
				s.remove(s.partition("loop"), r.Key)
			}
		}
	}},
	{"the current execution is pruned", "Z6", "and execution 51 is the current one", func(s *spoiler) { s.meta("loop", func(m *row.Meta) { m.Pruned = 51 }) }},
}

// What was pruned lately may be there, and is not looked at; what was long ago is
// noted.
func TestRowsOfPrunedExecutionsAreNotedWhenTheyStay(t *testing.T) {
	state := mixed(t)
	for execution, notes := range map[int64]int{48: 0, 17: 0, 16: 1, 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			account := simulated.New(simulated.Config{Seed: 3, From: state})
			defer account.Close()
			client := account.Client("auditor")
			for partition, r := range state.Rows("hub") {
				if r.Key == row.Instance("loop") {
					s := &spoiler{T: t, client: client}
					s.put(partition, row.Segment("loop", execution, 1), map[string][]byte{row.EventsCell: []byte("nonsense")})
				}
			}
			r, err := audit.Run(t.Context(), client, "hub", audit.Options{})
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, n := range r.Notes {
				if strings.Contains(n.What, "are there still") {
					found++
				}
			}
			if len(r.Findings) > 0 || found != notes {
				t.Errorf("rows of execution %d of 51: findings %v, notes %v", execution, r.Findings, r.Notes)
			}
		})
	}
}
