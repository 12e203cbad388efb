package memory

import "time"

const (
	// rememberConsumed is how long the id of a consumed message is remembered:
	// a client that did not learn of its success sends again within that time.
	rememberConsumed = 15 * time.Minute

	// maxConsumed bounds how many are remembered; beyond it the time is
	// shorter.
	maxConsumed = 1 << 18
)

// consumed remembers the ids of messages that turns consumed, so that the same
// message sent once more is not applied once more (P4).
type consumed struct {
	at    map[string]consumption
	order []consumedID // oldest first, from head
	head  int
}

type consumption struct {
	incarnation uint64 // of the instance: it dies with its record
	time        time.Time
}

type consumedID struct {
	id   string
	time time.Time
}

func (c *consumed) add(id string, incarnation uint64, now time.Time) {
	c.at[id] = consumption{incarnation, now}
	c.order = append(c.order, consumedID{id, now})
	c.expire(now)
}

func (c *consumed) has(id string, incarnation uint64, now time.Time) bool {
	c.expire(now)
	found, ok := c.at[id]
	return ok && found.incarnation == incarnation
}

func (c *consumed) expire(now time.Time) {
	for c.head < len(c.order) {
		oldest := c.order[c.head]
		if len(c.order)-c.head <= maxConsumed && now.Sub(oldest.time) <= rememberConsumed {
			break
		}
		if c.at[oldest.id].time.Equal(oldest.time) {
			delete(c.at, oldest.id)
		}
		c.order[c.head] = consumedID{}
		c.head++
	}
	if c.head > len(c.order)/2 {
		c.order = append(c.order[:0], c.order[c.head:]...)
		c.head = 0
	}
}
