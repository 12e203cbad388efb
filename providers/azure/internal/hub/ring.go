package hub

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Doorbell says where a host listens for rings. It is off without Listen.
type Doorbell struct {
	// Listen is host:port. Without a host that is loopback, and port 0 is any.
	Listen string
	// Advertise is the host, or host:port, at which others reach it; needed
	// where that is not where it listens.
	Advertise string
	// Network is how hosts reach each other, nil for TCP. Clients use it too.
	Network doorbell.Network
	// Limits are the listener's.
	Limits doorbell.Limits
}

// newSecret makes the hub's secret: 256 bits out of 320.
func (s *Store) newSecret() []byte {
	drawn := []string{s.cfg.Unique(), s.cfg.Unique(), s.cfg.Unique(), s.cfg.Unique()}
	sum := sha256.Sum256([]byte(strings.Join(drawn, ".")))
	return sum[:]
}

// newBells makes what rings other hosts; nil in a hub without a secret.
func (s *Store) newBells() *doorbell.Client {
	c, err := doorbell.NewClient(doorbell.ClientConfig{
		Secret: s.hub.Secret, Hub: s.cfg.Name, Network: s.cfg.Doorbell.Network, Now: s.cfg.Now,
	})
	if err != nil {
		return nil
	}
	return c
}

// door is the doorbell of a member.
type door struct {
	server  *doorbell.Server
	address string
}

// openDoor listens, if that is wanted.
func (m *member) openDoor() error {
	s := m.store
	cfg := s.cfg.Doorbell
	if cfg.Listen == "" {
		return nil
	}
	if cfg.Network == nil {
		cfg.Network = doorbell.TCP{}
	}
	server, err := doorbell.NewServer(doorbell.ServerConfig{
		Secret: s.hub.Secret, Hub: s.cfg.Name,
		Incarnation: m.called,
		Ring:        func(n int, id history.InstanceID) { m.current().rung(n, id) },
		Look:        func() { m.current().wakeAll(&wakeUp{Look: true}) },
		Work:        func() { m.current().wakeAll(&wakeUp{Work: true}) },
		Wait:        m.awaitChange,
		Now:         s.cfg.Now, Log: s.cfg.Log, Limits: cfg.Limits,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", provider.ErrInvalid, err)
	}
	l, err := doorbell.Listen(cfg.Network, cfg.Listen)
	if err != nil {
		return fmt.Errorf("%w: %w", provider.ErrInvalid, err)
	}
	address, err := doorbell.Advertised(l, cfg.Advertise)
	if err != nil {
		return fmt.Errorf("%w: %w", provider.ErrInvalid, errors.Join(err, l.Close()))
	}
	server.Serve(l)
	m.door = &door{server, address}
	return nil
}

// called is the incarnation of this host, empty before it has the first.
func (m *member) called() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.incarnation
}

// at is the address that others are to ring; empty without a doorbell.
func (d *door) at() string {
	if d == nil {
		return ""
	}
	return d.address
}

func (d *door) close() {
	if d != nil {
		d.server.Close()
	}
}

// ringDoorbell tells a host at its doorbell. It reports false if the rest, which
// u is afterwards, must take the way through the queue.
func (w *waker) ringDoorbell(ctx context.Context, incarnation string, u *wakeUp) bool {
	bells := w.store.bells
	if bells == nil || !doorbell.Dialable(u.address) {
		return false
	}
	heard := func(err error) bool {
		if errors.Is(err, doorbell.ErrGone) {
			w.store.observer.Forget()
		}
		return err == nil
	}
	if u.Look {
		u.Look = !heard(bells.Look(ctx, u.address, incarnation))
	}
	if u.Work {
		u.Work = !heard(bells.Work(ctx, u.address, incarnation))
	}
	for len(u.Partitions) > 0 && heard(bells.Ring(ctx, u.address, incarnation, u.Partitions[0], u.Instances[0])) {
		u.Partitions, u.Instances = u.Partitions[1:], u.Instances[1:]
	}
	return !u.Look && !u.Work && len(u.Partitions) == 0
}

// sent waits until the owner of a partition was told what it was to be told.
func (w *waker) sent(ctx context.Context, n int, owner string) {
	w.mu.Lock()
	a := w.asking[n]
	w.mu.Unlock()
	if a != nil {
		await(ctx, a.done)
	}
	w.mu.Lock()
	last := w.pending[owner]
	if last == nil {
		last = w.sending[owner]
	}
	w.mu.Unlock()
	if last != nil {
		await(ctx, last.sent)
	}
}

func await(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// receiver is the instance that rows of an inbox are for; empty for several.
func receiver(rows []storage.Row) history.InstanceID {
	var to history.InstanceID
	for i := range rows {
		e, err := row.ParseEnvelope(rows[i].Cells)
		if err != nil || i > 0 && e.To != to {
			return ""
		}
		to = e.To
	}
	return to
}

// rung says that a partition's inbox has something new, for an instance or, if
// that is empty, for several.
func (l *life) rung(n int, id history.InstanceID) {
	if n < 0 || n >= len(l.partitions) {
		return
	}
	if p := l.member.partition(n); p != nil {
		p.ring(id)
		return
	}
	if h, ok := l.owner(n); ok && h.Incarnation != l.incarnation {
		h.Address = "" // it went to the former owner; two that take each other for the owner do not chase it
		l.member.store.waker.ring(h, func(u *wakeUp) { u.add(n, id) })
	}
}

// rings are what the owner of a partition was rung for and has not yet looked
// at. However many come, one look is under way and one is to come.
type rings struct {
	now, next *looked
}

// looked is one look into the inbox.
type looked struct {
	all  bool
	ids  map[history.InstanceID]bool
	done chan struct{}
}

// maxNamed is for how many instances the inbox is read one by one.
const maxNamed = 4

// ring makes the partition look into an instance's inbox, or its whole one if
// id is empty, soon.
func (p *partition) ring(id history.InstanceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ringLocked(id)
}

func (p *partition) ringLocked(id history.InstanceID) {
	if p.gone {
		return
	}
	next := p.rings.next
	if next == nil {
		next = &looked{ids: map[history.InstanceID]bool{}, done: make(chan struct{})}
		p.rings.next = next
	}
	if next.ids[id] = true; id == "" || len(next.ids) > maxNamed {
		next.all = true
	}
	if p.rings.now == nil {
		p.rings.now, p.rings.next = next, nil
		p.work.Go(func() { p.answerRings(p.ctx) })
	}
}

// answerRings looks for as long as there are rings.
func (p *partition) answerRings(ctx context.Context) {
	await(ctx, p.ready) // what was there before was read by then
	p.mu.Lock()
	now := p.rings.now
	p.mu.Unlock()
	for now != nil {
		ranges := []row.Range{row.Inbox()}
		if !now.all {
			ranges = nil
			for _, id := range slices.Sorted(maps.Keys(now.ids)) {
				ranges = append(ranges, row.InboxOf(id))
			}
		}
		for _, r := range ranges {
			if ctx.Err() == nil {
				p.sweep(ctx, r)
			}
		}
		p.mu.Lock()
		close(now.done)
		now, p.rings.next = p.rings.next, nil
		p.rings.now = now
		p.mu.Unlock()
	}
}

// awaitRings waits until the partition has looked for what it was rung for about
// an instance.
func (p *partition) awaitRings(ctx context.Context, id history.InstanceID) {
	p.mu.Lock()
	var waits []*looked
	for _, l := range []*looked{p.rings.now, p.rings.next} {
		if l != nil && (l.all || l.ids[id]) {
			waits = append(waits, l)
		}
	}
	p.mu.Unlock()
	for _, l := range waits {
		await(ctx, l.done)
	}
}
