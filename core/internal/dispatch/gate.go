package dispatch

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// gate lets one turn of an instance through at a time (D9). It knows the turns
// that are in progress, and the instances whose last turn failed.
type gate struct {
	mu     sync.Mutex
	turns  map[history.InstanceID]*gateEntry
	ailing map[history.InstanceID]*ailment
}

// ailment is what keeps an instance from proceeding.
type ailment struct {
	failures int    // in a row
	said     string // what was logged last
}

// gateEntry is a turn in progress.
type gateEntry struct {
	turn    *provider.Turn
	next    chan struct{} // closed when the turn is over; made by who waits for it
	started time.Time     // when its code began to run
	running bool          // its code runs
	slow    bool          // it was reported
}

// enter waits until no other turn of the instance is in progress. It returns
// nil if giveUp is closed first.
func (g *gate) enter(t *provider.Turn, giveUp <-chan struct{}) *gateEntry {
	id := t.Instance.ID
	for {
		g.mu.Lock()
		before := g.turns[id]
		if before == nil {
			entry := &gateEntry{turn: t}
			if g.turns == nil {
				g.turns = map[history.InstanceID]*gateEntry{}
			}
			g.turns[id] = entry
			g.mu.Unlock()
			return entry
		}
		if before.next == nil {
			before.next = make(chan struct{})
		}
		next := before.next
		g.mu.Unlock()
		select {
		case <-next:
		case <-giveUp:
			return nil
		}
	}
}

func (g *gate) leave(e *gateEntry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.turns, e.turn.Instance.ID)
	if e.next != nil {
		close(e.next)
	}
}

// executing says that the code of the turn begins to run.
func (g *gate) executing(e *gateEntry, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.started, e.running = now, true
}

// executed says that it has ended; slow, that it was reported as slow.
func (g *gate) executed(e *gateEntry) (took time.Duration, slow bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.running = false
	return time.Since(e.started), e.slow
}

// slow lists the turns whose code has been running since before a time and that
// were not listed yet, by instance.
func (g *gate) slow(before time.Time) []*provider.Turn {
	g.mu.Lock()
	defer g.mu.Unlock()
	var slow []*provider.Turn
	for _, e := range g.turns {
		if e.running && !e.slow && !e.started.After(before) {
			e.slow = true
			slow = append(slow, e.turn)
		}
	}
	slices.SortFunc(slow, func(a, b *provider.Turn) int { return cmp.Compare(a.Instance.ID, b.Instance.ID) })
	return slow
}

func (g *gate) empty() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.turns) == 0
}

// names describes the turns in progress.
func (g *gate) names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for id, e := range g.turns {
		names = append(names, fmt.Sprintf("a turn of orchestration %s, instance %s", e.turn.Instance.Name, id))
	}
	slices.Sort(names)
	return names
}

// failed counts a turn that failed, and returns how many did in a row.
func (g *gate) failed(id history.InstanceID) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ailing == nil {
		g.ailing = map[history.InstanceID]*ailment{}
	}
	if g.ailing[id] == nil {
		g.ailing[id] = &ailment{}
	}
	g.ailing[id].failures++
	return g.ailing[id].failures
}

// news reports whether what is to be logged of an ailing instance differs from
// what was logged last: the log tells each reason once, not each attempt.
func (g *gate) news(id history.InstanceID, say, reason string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.ailing[id]
	if said := say + reason; a.said != said {
		a.said = said
		return true
	}
	return false
}

// recovered forgets what ailed an instance, and reports whether it did.
func (g *gate) recovered(id history.InstanceID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, was := g.ailing[id]
	delete(g.ailing, id)
	return was
}
