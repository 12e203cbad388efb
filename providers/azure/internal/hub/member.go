package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/internal/lograte"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/scheduled"
	"github.com/duroxide/duroxide-go/sharding"
)

// member is what makes this process one of the hub's hosts: it owns partitions
// while anybody in the process has joined. Hosts of one process share it, and
// with it everything that is ready.
type member struct {
	store     *Store
	broker    *broker.Broker
	scheduled scheduled.Events
	sessions  *sessions
	trials    trials
	look      chan struct{}   // capacity 1: into the work queues
	looking   atomic.Bool     // somebody asked for that, and it is not done
	moreWork  atomic.Bool     // there may be some when a slot becomes free
	ctx       context.Context // ends when the last host has left
	cancel    context.CancelFunc
	work      sync.WaitGroup
	joined    int          // hosts; guarded by Store.joining
	announced int          // those of them that will leave; likewise
	slots     atomic.Int64 // of all of them

	untaken lograte.Limiter // a work queue cannot be looked into

	mu          sync.Mutex
	life        *life
	letters     map[int64]*letter
	lastNumber  int64
	name        string
	tags        map[string]int        // served by hosts of this process, how many
	present     map[attemptKey]*guest // activities of others that are here
	gone        map[string]bool       // incarnations that are dead
	incarnation string                // of life

	door *door // nil if it does not listen
}

// life is one incarnation. When it is fenced for good another begins.
type life struct {
	member      *member
	incarnation string
	shard       *sharding.Member
	partitions  []*partition // by number; guarded by member.mu
	wakes       chan struct{}
	deaf        lograte.Limiter // the wake-up queue cannot be looked into
}

// Join implements [provider.Store].
func (s *Store) Join(ctx context.Context, info provider.HostInfo) (provider.Host, error) {
	m, err := s.toJoin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { <-s.joining }()
	if m == nil {
		if m, err = s.newMember(ctx, info); err != nil {
			return nil, failed("joining", err)
		}
		s.mu.Lock()
		closed := s.closed
		if !closed {
			s.member = m
		}
		s.mu.Unlock()
		if closed {
			return nil, errors.Join(fmt.Errorf("azure: joining: %w", provider.ErrClosed), m.leave(ctx))
		}
		m.settleIn(ctx)
	}
	if m.joined++; m.joined > 1 {
		m.slots.Add(int64(info.Slots))
	}
	h := &host{store: s, member: m, info: info, taker: m.broker.Join(info)}
	m.serveTags(info.Tags, 1)
	m.lookForWork()
	s.waiters.LookAll()
	return h, nil
}

// toJoin is the member that there is, nil if there is none, with Store.joining filled.
// One that leaves is no member to join: it is waited for.
func (s *Store) toJoin(ctx context.Context) (*member, error) {
	for {
		if err := s.check(ctx, "joining"); err != nil {
			return nil, err
		}
		s.joining <- struct{}{}
		s.mu.Lock()
		m := s.member
		s.mu.Unlock()
		if m == nil || m.announced < m.joined {
			return m, nil
		}
		<-s.joining
		select {
		case <-m.ctx.Done():
		case <-ctx.Done():
		}
	}
}

func (s *Store) newMember(ctx context.Context, info provider.HostInfo) (*member, error) {
	m := &member{
		store: s, look: make(chan struct{}, 1),
		letters: map[int64]*letter{}, name: hostName(info), tags: map[string]int{}, present: map[attemptKey]*guest{}, gone: map[string]bool{},
	}
	m.slots.Store(int64(info.Slots))
	m.sessions = newSessions(m)
	m.broker = broker.New(broker.Config{Now: s.cfg.Now, TurnKeys: maxTurnRows, Idle: m.idle})
	m.serveTags(info.Tags, 1) // before anything is claimed, so that it is not offered to others
	defer m.serveTags(info.Tags, -1)
	m.ctx, m.cancel = context.WithCancel(s.ctx)
	err := m.openDoor()
	if err == nil {
		err = m.beginFirstLife(ctx)
	}
	if err != nil {
		m.door.close()
		m.cancel()
		m.broker.Close()
		return nil, err
	}
	m.work.Go(m.keepLiving)
	m.work.Go(m.sweepNowAndThen)
	m.work.Go(m.divertNowAndThen)
	m.work.Go(m.takeWork)
	m.work.Go(m.findLostNowAndThen)
	m.work.Go(m.maintainNowAndThen)
	m.work.Go(m.sessions.giveUpIdle)
	return m, nil
}

// maxTurnRows bounds the rows of the inbox that a turn consumes, since its
// commit deletes them in one transaction.
const maxTurnRows = 64

// maxJoins is how often a host tries to join before it gives up: for ten seconds
// or so, plus what the requests take.
const maxJoins = 10

// beginFirstLife joins, again with a new incarnation if storage did not answer:
// a program that starts in a busy moment must not end for that.
func (m *member) beginFirstLife(ctx context.Context) error {
	for n := 0; ; n++ {
		err := m.beginLife(ctx)
		if err == nil || ctx.Err() != nil || n+1 >= maxJoins || !transient(err) {
			return err
		}
		m.store.cfg.Log.Warn("joining failed; it is tried again", "error", err)
		pause(ctx, backoff(n))
	}
}

// beginLife joins the hub as a new incarnation.
func (m *member) beginLife(ctx context.Context) error {
	s := m.store
	l := &life{
		member:      m,
		incarnation: fmt.Sprintf("%012x%s", s.cfg.Now().UnixMilli(), s.cfg.Unique()[:8]),
		partitions:  make([]*partition, s.hub.Partitions),
		wakes:       make(chan struct{}, 1),
	}
	if err := s.account.CreateQueue(ctx, s.wakeQueue(l.incarnation)); err != nil {
		return err
	}
	m.mu.Lock()
	m.life, m.incarnation = l, l.incarnation
	m.mu.Unlock()
	shard, err := sharding.Join(ctx, &directory{store: s}, l, sharding.Config{
		Partitions: s.hub.Partitions,
		Me: sharding.Host{
			Incarnation: l.incarnation, Name: m.name, Address: m.door.at(),
			Formats: sharding.Formats{Oldest: 1, Newest: row.Format},
		},
		Slots: func() (slots, free int) { return int(m.slots.Load()), m.broker.Idle(anyWork) },
		TTL:   s.cfg.TTL,
		Log:   s.cfg.Log,
	})
	if err != nil {
		return errors.Join(err, s.account.DeleteQueue(context.WithoutCancel(ctx), s.wakeQueue(l.incarnation)))
	}
	m.mu.Lock()
	l.shard = shard
	m.mu.Unlock()
	m.work.Go(func() { l.listen(m.ctx) })
	return nil
}

// keepLiving begins a new life whenever one has ended: the host was cut off for
// so long that others took over.
func (m *member) keepLiving() {
	for {
		l := m.current()
		select {
		case <-l.shard.Done():
		case <-m.ctx.Done():
			return
		}
		if m.ctx.Err() != nil {
			return
		}
		m.store.cfg.Log.Warn("the row of this host is gone, since it was out of touch for so long that others count it as dead, or since the hub was deleted; it joins again", "incarnation", l.incarnation)
		m.endLife(l)
		for n := 0; m.ctx.Err() == nil; n++ {
			err := m.beginLife(m.ctx)
			if err == nil {
				break
			}
			if errors.Is(err, errRemade) || errors.Is(err, storage.ErrGone) {
				m.store.cfg.Log.Error("the hub is gone: this host ends", "error", err)
				m.broker.Close()          // whoever waits for work learns of it,
				m.store.waiters.LookAll() // and for an instance
				return
			}
			m.store.cfg.Log.Warn("joining again failed; it is tried again", "error", err)
			pause(m.ctx, backoff(n))
		}
		if m.ctx.Err() != nil {
			return // the last life may not have joined
		}
	}
}

// endLife cleans up after a life that ended by itself.
func (m *member) endLife(l *life) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), m.store.cfg.TTL)
	defer cancel()
	_ = l.shard.Leave(ctx) // it is over already: this waits for what it began
	l.dropAll()
	_ = m.sessions.leave(ctx, l.incarnation) // others see to what is left
	_ = m.store.account.DeleteQueue(ctx, m.store.wakeQueue(l.incarnation))
}

// settleIn waits until the partitions that nobody else serves are served, for a
// while: a host alone has its work when Join returns.
func (m *member) settleIn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, min(m.store.cfg.TTL/3, time.Second))
	defer cancel()
	for ctx.Err() == nil {
		l := m.current()
		waits := false
		for n := range m.store.hub.Partitions {
			if p := m.partition(n); p != nil {
				select {
				case <-p.ready:
				case <-ctx.Done():
				}
			} else if _, ok := l.owner(n); !ok {
				waits = true
			}
		}
		if !waits {
			return
		}
		pause(ctx, 2*time.Millisecond)
	}
}

// sharded is the life's part in sharding; nil until it has joined.
func (l *life) sharded() *sharding.Member {
	l.member.mu.Lock()
	defer l.member.mu.Unlock()
	return l.shard
}

// owner is who serves a partition, as far as this life knows.
func (l *life) owner(n int) (h sharding.Host, ok bool) {
	if shard := l.sharded(); shard != nil {
		return shard.Owner(n)
	}
	return h, false
}

// hosts are those that live, as far as this life knows.
func (l *life) hosts() []sharding.Host {
	if shard := l.sharded(); shard != nil {
		return shard.Hosts()
	}
	return nil
}

// leave ends the life's part in sharding, if it came to that.
func (l *life) leave(ctx context.Context) error {
	if shard := l.sharded(); shard != nil {
		return shard.Leave(ctx)
	}
	return nil
}

func (m *member) current() *life {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.life
}

// safe reports whether something may start now: others still count on this host
// being alive.
func (m *member) safe() bool {
	if bug.Planted("self-fencing-off") {
		return true
	}
	m.mu.Lock()
	l := m.life
	m.mu.Unlock()
	if l == nil {
		return false
	}
	shard := l.sharded()
	return shard != nil && shard.Safe()
}

// partition is the partition's state if this process serves it, nil otherwise.
func (m *member) partition(n int) *partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.life == nil {
		return nil
	}
	return m.life.partitions[n]
}

func (m *member) partitions() []*partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*partition
	if m.life != nil {
		for _, p := range m.life.partitions {
			if p != nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// number gives a letter the number by which the broker names its messages.
func (m *member) number(l *letter) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastNumber++
	m.letters[m.lastNumber] = l
	return m.lastNumber
}

func (m *member) forgetNumber(l *letter) {
	if m == nil {
		return // a client has no broker
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.letters, l.number)
}

func (m *member) letter(number int64) *letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.letters[number]
}

func (m *member) serveTags(tags []string, by int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range tags {
		if m.tags[t] += by; m.tags[t] <= 0 {
			delete(m.tags, t)
		}
	}
}

// leave ends the member in an orderly way: the last host has left.
func (m *member) leave(ctx context.Context) error {
	m.cancel() // no other life begins
	m.work.Wait()
	l := m.current()
	err := l.leave(ctx)
	l.dropAll()
	m.door.close()
	m.broker.Close()
	err = errors.Join(err, m.sessions.leave(ctx, l.incarnation))
	qerr := m.store.account.DeleteQueue(context.WithoutCancel(ctx), m.store.wakeQueue(l.incarnation))
	if errors.Is(qerr, storage.ErrGone) { // by those who took this host for dead
		qerr = nil
	}
	return errors.Join(err, qerr)
}

// abandon ends the member without writing anything: the store was closed under
// it.
func (m *member) abandon() {
	l := m.current()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m.cancel()
	l.dropAll()
	_ = l.leave(ctx)
	m.work.Wait()
	m.door.close()
	m.broker.Close()
}

// dropAll forgets every partition of a life.
func (l *life) dropAll() {
	for n := range l.partitions {
		l.Drop(n)
	}
}

// Quiesce waits until every partition is served, and nothing that was committed
// is on its way to another partition of this process. It is for tests, which
// look at once for what arrives a moment later.
func (s *Store) Quiesce(ctx context.Context) error {
	for {
		s.mu.Lock()
		m := s.member
		s.mu.Unlock()
		if m == nil || m.quiet() {
			return nil
		}
		if pause(ctx, time.Millisecond); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// quiet reports whether nothing is under way.
func (m *member) quiet() bool {
	if m.looking.Load() {
		return false
	}
	for n := range m.store.hub.Partitions {
		if p := m.partition(n); p != nil {
			if !p.live() || p.relays.any() || p.unresolvedAny() {
				return false
			}
		} else if _, ok := m.current().owner(n); !ok {
			return false
		}
	}
	return true
}

func (p *partition) unresolvedAny() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.resolving)+len(p.behind.of) > 0
}
