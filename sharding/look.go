package sharding

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/internal/lograte"
)

// looker is the state of the goroutine that observes and decides.
type looker struct {
	m     *Member
	watch *watch
	free  map[int]*freed
	waits map[int]time.Time // since when what comes to this host is announced
	loads map[int]Load      // of partitions, as last listed: who died lists nothing
	bad   lograte.Limiter
}

// freed is a partition that was found without an owner.
type freed struct {
	epoch int64
	since time.Time
}

func (m *Member) lookLoop() {
	l := &looker{m: m, watch: newWatch(m.cfg.TTL), free: map[int]*freed{}, waits: map[int]time.Time{}, loads: map[int]Load{}}
	var next time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-m.loops.Done():
			return
		case <-m.lookLater:
			if time.Until(next) > m.cfg.TTL/15 { // no matter how many ask at once
				next = time.Now().Add(m.retry(m.looks))
			}
		case <-timer.C:
			next = l.look(time.Now())
		case <-m.lookNow:
			next = l.look(time.Now())
		}
		timer.Reset(max(time.Until(next), m.cfg.TTL/300))
	}
}

// sight is what one look finds.
type sight struct {
	start, end time.Time
	hosts      []Host       // that live, me included, by incarnation
	heads      map[int]Head // of the partitions that nobody lists, or that come to me
	unread     map[int]bool // those of which the head could not be read
}

// look reads the rows and does what follows from them. It returns when to look
// again at the latest.
func (l *looker) look(start time.Time) (next time.Time) {
	m := l.m
	s, err := l.read(start)
	if err == nil {
		s, err = l.readHeads(s)
	}
	if err != nil && m.loops.Err() == nil {
		if n, due := l.bad.Due(); due {
			m.cfg.Log.Warn("observation failed", slog.Any("error", err), slog.Int("unlogged", n))
		}
	}
	if s == nil {
		return time.Now().Add(m.retry(m.looks))
	}
	next = start.Add(m.times.beat)
	if len(s.unread) > 0 { // what could be read does not wait for the rest
		next = time.Now().Add(m.retry(m.looks))
	}
	if at := l.watch.next(m.cfg.Me.Incarnation); !at.IsZero() && at.Before(next) {
		next = at
		if at.Before(s.end) { // it could not be buried
			next = time.Now().Add(m.retry(m.looks))
		}
	}
	if !m.Safe() && !bug.Planted("unsafe-claims") {
		return next // L6
	}
	v, soonest := l.view(s)
	if soonest.Before(next) {
		next = soonest
	}
	m.act(decide(v), s, l.loads)
	return next
}

// read reads the rows, removes those of the dead, and drops what others own.
func (l *looker) read(start time.Time) (*sight, error) {
	m := l.m
	var rows []Seen
	err := m.call(m.loops, func(ctx context.Context) (err error) {
		rows, err = m.dir.Hosts(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	end := time.Now()
	safe := m.Safe() // asked first: whoever becomes safe was cut off before
	if m.wasCutOff() {
		l.watch.restart()
	}
	me := m.cfg.Me.Incarnation
	expired := l.watch.read(start, end, rows)
	if !slices.ContainsFunc(rows, func(r Seen) bool { return r.Host.Incarnation == me }) && !bug.Planted("gone-joins-again") {
		m.end("its row was removed")
		return nil, ErrGone
	}
	dead := map[string]bool{}
	for _, row := range expired {
		if (safe || bug.Planted("unsafe-judges")) && row.Host.Incarnation != me && l.bury(row) {
			dead[row.Host.Incarnation] = true
		}
	}
	s := &sight{start: start, end: end}
	for _, row := range rows {
		if !dead[row.Host.Incarnation] {
			s.hosts = append(s.hosts, row.Host)
		}
	}
	slices.SortFunc(s.hosts, func(a, b Host) int { return cmp.Compare(a.Incarnation, b.Incarnation) })
	l.publish(s.hosts)
	if len(dead) > 0 {
		m.ring(s.hosts)
	}
	return s, nil
}

// wasCutOff reports, once, that this host was not safe for a while.
func (m *Member) wasCutOff() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.cutOff
	m.cutOff = false
	return was
}

// bury removes the row of a host that has been silent for the whole TTL. The
// condition on its version decides between this and a late beat: if it is
// removed then the host is dead for everybody, itself included (L4).
func (l *looker) bury(row Seen) (dead bool) {
	m := l.m
	if bug.Planted("buried-by-name") {
		row.ETag = ""
	}
	err := m.call(m.loops, func(ctx context.Context) error { return m.dir.Remove(ctx, row.Host.Incarnation, row.ETag) })
	if errors.Is(err, ErrChanged) {
		l.watch.alive(row.Host.Incarnation)
	}
	if err != nil && (errors.Is(err, ErrChanged) || !bug.Planted("buried-perhaps")) {
		return false
	}
	m.cfg.Log.Warn("host is dead", slog.String("host", row.Host.Incarnation), slog.String("name", row.Host.Name))
	return true
}

// publish keeps what was read for Owner and Hosts, and drops partitions that
// another host owns in a higher epoch.
func (l *looker) publish(hosts []Host) {
	m := l.m
	var drop []int
	m.mu.Lock()
	m.hosts = hosts
	for p, mine := range m.serving {
		h, listed := ownerOf(hosts, p)
		if h != nil && h.Incarnation != m.cfg.Me.Incarnation && listed.Epoch > mine.epoch && !m.busy[p] {
			delete(m.serving, p)
			drop = append(drop, p)
		}
	}
	m.mu.Unlock()
	slices.Sort(drop)
	for _, p := range drop {
		m.drv.Drop(p)
	}
	if len(drop) > 0 {
		signal(m.beatNow)
	}
}

// readHeads reads the heads of the partitions that no living host lists, and of
// those that are about to come to this one. Those that it could not read are noted,
// with an error. A head that names a stranger is believed only after the rows were
// read once more (L7); without that there is no sight.
func (l *looker) readHeads(s *sight) (*sight, error) {
	m := l.m
	wanted := l.wanted(s)
	s.heads, s.unread = make(map[int]Head, len(wanted)), map[int]bool{}
	var mu sync.Mutex
	var failure error
	m.each(wanted, func(p int) {
		var h Head
		err := m.call(m.loops, func(ctx context.Context) (err error) {
			h, err = m.drv.Head(ctx, p)
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failure, s.unread[p] = cmp.Or(failure, fmt.Errorf("the head of partition %d: %w", p, err)), true
			return
		}
		s.heads[p] = h
	})
	for _, h := range s.heads {
		if h.Owner == "" || s.host(h.Owner) != nil || bug.Planted("strangers-are-dead") {
			continue
		}
		again, err := l.read(time.Now())
		if err != nil {
			return nil, err
		}
		s.start, s.end, s.hosts = again.start, again.end, again.hosts
		break
	}
	return s, failure
}

// host finds a living host, nil if there is none.
func (s *sight) host(incarnation string) *Host { return hostIn(s.hosts, incarnation) }

// wanted are the partitions of which the rows do not tell enough.
func (l *looker) wanted(s *sight) (wanted []int) {
	m := l.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaving || m.over {
		return nil
	}
	me := m.cfg.Me.Incarnation
	for p := range m.cfg.Partitions {
		if m.serving[p] != nil || m.busy[p] {
			continue
		}
		h, listed := ownerOf(s.hosts, p)
		if h == nil || h.Incarnation == me || listed.To == me || bug.Planted("heads-read-at-rest") {
			wanted = append(wanted, p)
		}
	}
	return wanted
}

// each runs f for every partition, some at once, and waits.
func (m *Member) each(partitions []int, f func(partition int)) {
	var running sync.WaitGroup
	slots := make(chan struct{}, claimsAtOnce)
	for _, p := range partitions {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			f(p)
		})
	}
	running.Wait()
}

// view puts together what is known. It also returns when to look again because
// somebody else's time to claim will be over.
func (l *looker) view(s *sight) (v *view, soonest time.Time) {
	m := l.m
	v = &view{me: m.cfg.Me.Incarnation, hosts: s.hosts, parts: make([]part, m.cfg.Partitions)}
	soonest = s.start.Add(m.cfg.TTL)
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range v.parts {
		h, listed := ownerOf(s.hosts, p)
		if listed != nil {
			l.loads[p] = listed.Load
		}
		v.parts[p].load = l.loads[p]
		mine := m.serving[p]
		if mine != nil || m.busy[p] {
			v.parts[p] = part{owner: v.me, pinned: true, load: l.loads[p]}
			if mine != nil {
				l.watch.unlisted(p, true, s.start) // this host lists it, or will at once
				v.parts[p].to, v.parts[p].format = mine.to, mine.format
				v.parts[p].pinned = m.busy[p] || s.end.Sub(mine.since) < m.cfg.TTL
			}
			l.known(p)
			continue
		}
		head, read := s.heads[p]
		if h != nil && h.Incarnation == v.me {
			h, listed = nil, nil // this host's own row is older than what it knows
		}
		long := l.watch.unlisted(p, h != nil, s.start)
		if listed != nil {
			v.parts[p] = part{owner: h.Incarnation, to: listed.To, pinned: listed.Fresh, load: listed.Load, format: listed.Format}
		}
		if s.unread[p] && listed == nil {
			v.parts[p].free = unknown
			continue
		}
		if !read {
			if listed == nil {
				v.parts[p].free = reserved // it became free after the heads were read
			}
			l.known(p)
			continue
		}
		if at := l.judge(&v.parts[p], p, head, s, long); at.Before(soonest) {
			soonest = at
		}
	}
	return v, soonest
}

// known forgets that the partition was free, or announced to this host.
func (l *looker) known(p int) {
	delete(l.free, p)
	delete(l.waits, p)
}

// judge says who may claim a partition of which the head was read. It returns
// when that will have changed.
func (l *looker) judge(part *part, p int, head Head, s *sight, long bool) (again time.Time) {
	m := l.m
	me := m.cfg.Me.Incarnation
	part.format = head.Format
	far := s.start.Add(m.cfg.TTL)
	switch {
	case part.owner != "" && head.Owner != "": // L8
		// It comes to this host as soon as it is released. A ring will say so,
		// or else another look.
		if bug.Planted("announced-is-free") {
			*part = reservedFor(me, part, head.Format)
		}
		since, waits := l.waits[p]
		l.known(p)
		if !waits {
			since = s.end
		}
		if l.waits[p] = since; m.cfg.Me.Address != "" && s.start.Sub(since) >= m.cfg.TTL && !bug.Planted("leavers-watched") {
			return far // its owner leaves, serves on for as long as it likes, and rings
		}
		return s.start.Add(m.cfg.TTL / 60)
	case part.owner != "" && head.For != me:
		l.known(p)
		return far
	case head.Owner == me:
		// The answer to a claim was lost. Nobody else will serve it.
		*part = reservedFor(me, part, head.Format)
		return far
	case head.Owner != "" && s.host(head.Owner) != nil && !long:
		// Claimed lately, and the owner's row does not say so yet.
		part.owner, part.pinned = head.Owner, true
		l.known(p)
		return s.start.Add(m.times.beat)
	}
	f := l.free[p]
	if f == nil || f.epoch != head.Epoch {
		f = &freed{epoch: head.Epoch, since: s.end}
		l.free[p] = f
	}
	*part = reservedFor(head.For, part, head.Format)
	if long || s.start.Sub(f.since) >= m.times.grace {
		part.free = open
		return s.start.Add(m.times.beat)
	}
	return f.since.Add(m.times.grace)
}

func reservedFor(host string, old *part, format int) part {
	return part{to: host, free: reserved, load: old.load, format: format}
}
