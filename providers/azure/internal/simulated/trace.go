package simulated

import (
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"
)

const defaultTraceLines = 200

// trace tells what happened: a hash over everything, and the latest lines.
type trace struct {
	sum   uint64 // of the hashes of all requests: their order at one instant does not matter
	hash  hash.Hash64
	lines []string // a ring once it is full
	next  int
}

func (t *trace) add(line string) {
	if len(t.lines) < cap(t.lines) {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % len(t.lines)
}

// bytes adds what is too long for the lines.
func (t *trace) bytes(b []byte) {
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(b)))
	_, _ = t.hash.Write(length[:]) // A hash takes everything.
	_, _ = t.hash.Write(b)         // As above.
}

// traceLocked records what became of a request.
func (a *Account) traceLocked(q *request, outcome string) {
	t := &a.mu.trace
	at := fmt.Sprintf("%12.6fms", float64(a.sinceLocked())/float64(time.Millisecond))
	what := fmt.Sprintf("%s.%d %v: %s", q.client.name, q.client.handle, q.call, outcome)
	t.add(fmt.Sprintf("%s #%d/%d %s", at, q.call.N, q.call.NClient, what))
	t.hash.Reset()
	t.bytes([]byte(at + what))
	defer func() { t.sum += t.hash.Sum64() }()
	t.bytes(q.call.Body)
	for i := range q.call.Ops {
		cells := q.call.Ops[i].Row.Cells
		for _, name := range slices.Sorted(maps.Keys(cells)) {
			t.bytes([]byte(name))
			t.bytes(cells[name])
		}
	}
}

// sinceLocked is the time since the account was made.
func (a *Account) sinceLocked() time.Duration { return a.Now().Sub(a.begun) }

// Hash is over all requests so far, with the times and what became of them. Two
// runs with equal hashes are the same run. It means something in a
// bubble, where time repeats.
func (a *Account) Hash() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.trace.sum
}

// Trace is the latest requests, oldest first, one a line.
func (a *Account) Trace() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &a.mu.trace
	return slices.Concat(t.lines[t.next:], t.lines[:t.next])
}
