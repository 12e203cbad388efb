package simulated

import (
	"fmt"
	"strings"
)

// Counts are the transactions that the service would bill, and what they moved.
// A request that a fault kept from being applied is not counted.
type Counts struct {
	Calls      [kinds]int // by [Kind]
	EmptyTakes int        // takes that found nothing; in Calls as well
	Rows       int        // rows that transactions wrote or deleted
	Sent       int64      // bytes of cells, messages and blobs
	Received   int64
}

// Of is how many there were of these kinds together.
func (c Counts) Of(kinds ...Kind) int {
	sum := 0
	for _, k := range kinds {
		sum += c.Calls[k]
	}
	return sum
}

// Total is how many there were of all kinds.
func (c Counts) Total() int {
	sum := 0
	for _, n := range c.Calls {
		sum += n
	}
	return sum
}

// Sub is what was added since earlier.
func (c Counts) Sub(earlier Counts) Counts {
	for k := range c.Calls {
		c.Calls[k] -= earlier.Calls[k]
	}
	c.EmptyTakes -= earlier.EmptyTakes
	c.Rows -= earlier.Rows
	c.Sent -= earlier.Sent
	c.Received -= earlier.Received
	return c
}

// String lists the kinds that are not zero.
func (c Counts) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d transactions", c.Total())
	for k, n := range c.Calls {
		if n != 0 {
			fmt.Fprintf(&b, ", %v %d", Kind(k), n)
		}
	}
	fmt.Fprintf(&b, "; empty takes %d, rows %d, %d bytes sent, %d received", c.EmptyTakes, c.Rows, c.Sent, c.Received)
	return b.String()
}

// plus is with one request more.
func (c Counts) plus(kind Kind, m moved) Counts {
	c.Calls[kind]++
	c.Rows += m.rows
	c.Sent += int64(m.sent)
	c.Received += int64(m.received)
	if m.emptyTake {
		c.EmptyTakes++
	}
	return c
}

// moved is what one request moved.
type moved struct {
	rows, sent, received int
	emptyTake            bool
}

// Counts of all clients since the account was made.
func (a *Account) Counts() Counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.counts
}

// Counts of this handle.
func (c *Client) Counts() Counts {
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	return c.guarded.counts
}
