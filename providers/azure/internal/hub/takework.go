package hub

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

const (
	// workEvery is how often the work queues are looked into although nobody
	// rang, and workAgain how soon again after somebody did: what was given
	// back is hidden for a second.
	workEvery = time.Minute
	workAgain = 1500 * time.Millisecond
)

// lookForWork makes the member look into the work queues now.
func (m *member) lookForWork() {
	m.looking.Store(true)
	select {
	case m.look <- struct{}{}:
	default:
	}
}

// takeWork looks into the work queues when somebody rings and slots are free,
// until the member leaves.
func (m *member) takeWork() {
	backstop := time.NewTicker(workEvery)
	defer backstop.Stop()
	again := time.NewTimer(workEvery)
	defer again.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.look:
			again.Reset(workAgain)
		case <-again.C:
		case <-backstop.C:
		}
		m.moreWork.Store(false)
		for _, q := range m.workQueues() {
			n := min(m.broker.Idle(q.tag), storage.MaxTake)
			if n == 0 || !m.safe() || m.take(q.name, n) == n {
				m.moreWork.Store(true) // there may be more than there are slots
			}
		}
		m.looking.Store(len(m.look) > 0)
	}
}

// idle is called when a slot becomes free.
func (m *member) idle() {
	if m.moreWork.Load() {
		m.lookForWork()
	}
}

// workQueue is a queue that this host looks into, and the tag of the slots that
// what is in it is for.
type workQueue struct{ name, tag string }

// workQueues are the queues that this host looks into: its own comes first, where
// it has one, since nobody else looks into that.
func (m *member) workQueues() (all []workQueue) {
	if me := m.called(); m.sessions.made() == me {
		all = append(all, workQueue{m.store.hostQueue(me), anyWork})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tag := range append([]string{anyWork}, slices.Sorted(maps.Keys(m.tags))...) {
		all = append(all, workQueue{m.store.workQueue(tag), tag})
	}
	return all
}

// take takes activities from a queue and offers them here. It returns how many
// there were.
func (m *member) take(queue string, n int) int {
	s := m.store
	sent := time.Now()
	taken, err := s.account.Take(m.ctx, queue, n, workLease)
	if errors.Is(err, storage.ErrGone) && queue == s.hostQueue(m.called()) {
		err = s.account.CreateQueue(m.ctx, queue) // somebody deleted it; or else at the next look
	}
	if unusable(m.ctx, err) {
		if unlogged, due := m.untaken.Due(); due {
			s.cfg.Log.Warn("this host cannot look into a work queue: what others offer there waits, or other hosts run it", "queue", queue, "error", err, "unlogged", unlogged)
		}
	}
	if err != nil {
		return 0 // mostly there is no such queue yet
	}
	for _, message := range taken {
		g := &guest{member: m, queue: queue, message: message, hidden: sent}
		if err := json.Unmarshal(message.Body, &g.offer); err != nil || g.offer.Format < 1 || g.offer.Format > row.Format {
			m.unread(m.ctx, queue, &message, &g.offer, err)
			continue
		}
		if g.offer.Blob != "" {
			g.blobs = []string{g.offer.Blob}
		}
		switch {
		case !m.welcome(g):
		case !m.serves(g.offer.Tag) && !bug.Planted("guests-left-behind"):
			m.sendAway(g) // its worker has left
		default:
			m.invite(g)
		}
	}
	return len(taken)
}

// serves reports whether a host of this process runs activities with the tag.
func (m *member) serves(tag string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return tag == anyWork || m.tags[tag] > 0
}
