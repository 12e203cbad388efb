package demo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

// HostsReport is what was seen of hosts that share a hub.
type HostsReport struct {
	Hosts int `json:"hosts"` // in all
	// TakeOverSeconds is from the kill of a host to the last claim of what it
	// served.
	TakeOverSeconds float64 `json:"take_over_seconds"`
	// PauseSeconds is how long another was paused; the other two count what it
	// tried to commit afterwards, under the name it had.
	PauseSeconds  float64 `json:"pause_seconds"`
	PausedRefused int     `json:"paused_commits_refused"`
	PausedApplied int     `json:"paused_commits_applied"`
	// The longest that a partition was without an owner, when a host joined and
	// when one left; and how long the leaver took.
	JoinHandOverMillis  float64 `json:"join_hand_over_ms"`
	LeaveHandOverMillis float64 `json:"leave_hand_over_ms"`
	LeaveSeconds        float64 `json:"leave_seconds"`
	// Transactions are the requests of all hosts that an account is billed for,
	// by kind, and Watching those of this process: it places orders, and looks at
	// all of them twice a second. Zero where they could not be counted.
	Transactions map[string]int `json:"transactions"`
	Watching     int            `json:"watching_transactions"`
}

func plus(a, b tally.Total) tally.Total {
	sum := maps.Clone(a)
	for key, count := range b {
		sum[key] = sum[key].Plus(count)
	}
	return sum
}

// counted are the billed requests by kind.
func counted(t tally.Total) map[string]int {
	by := map[string]int{}
	for key, count := range t {
		if count.Billed > 0 {
			by[string(key.Service)+": "+string(key.Kind)] += count.Billed
		}
	}
	return by
}

// show writes it for people.
func (r *HostsReport) show(s *screen.Screen, orders int) {
	s.Line("Hosts: %d. After kill -9 the others had taken over in %.1f s; joining moved each partition within %.0f ms, leaving within %.0f ms.",
		r.Hosts, r.TakeOverSeconds, r.JoinHandOverMillis, r.LeaveHandOverMillis)
	if len(r.Transactions) == 0 {
		return
	}
	s.Line("The host that was paused for %.1f s committed %d times under its old name after it woke; %s refused.", r.PauseSeconds, r.PausedApplied, plural(r.PausedRefused, "attempt"))
	total := 0
	var parts []string
	kinds := slices.SortedFunc(maps.Keys(r.Transactions), func(a, b string) int { return r.Transactions[b] - r.Transactions[a] })
	for _, kind := range kinds {
		total += r.Transactions[kind]
		parts = append(parts, fmt.Sprintf("%d %s", r.Transactions[kind], kind))
	}
	s.Line("Storage transactions of the hosts: %d, which is %.1f an order, heartbeats and failures included; of this process, which looks at everything: %d.",
		total, float64(total)/float64(max(orders, 1)), r.Watching)
	s.Line("  %s", s.Paint(screen.Dim, strings.Join(parts, ", ")))
}
