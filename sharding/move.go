package sharding

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
)

// act begins what a plan says, and does not wait for it.
func (m *Member) act(p plan, s *sight, loads map[int]Load) {
	claims := slices.DeleteFunc(p.claims, func(partition int) bool {
		_, read := s.heads[partition]
		return !read
	})
	was := make(map[int]Load, len(claims))
	for _, partition := range claims {
		was[partition] = loads[partition]
	}
	m.begin(claims, func(partition int) { m.claim(partition, s.heads[partition], was[partition]) })
	for _, g := range p.gives {
		if target := s.host(g.to); target != nil {
			m.begin([]int{g.partition}, func(partition int) { m.give(partition, *target) })
		}
	}
}

// begin runs a task for each of the partitions, except for those of which one is
// under way, and unless the member is on its way out. It marks them at once, so
// that the next look sees it.
func (m *Member) begin(partitions []int, task func(partition int)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaving || m.over {
		return
	}
	partitions = slices.DeleteFunc(partitions, func(p int) bool { return m.busy[p] }) // L10
	if len(partitions) == 0 {
		return
	}
	for _, p := range partitions {
		m.busy[p] = true
	}
	m.tasks.Go(func() { m.each(partitions, task) })
}

// claim makes this host the owner of a partition. Was is its load as last listed:
// the rows repeat it until this host can tell itself, or others would give it more
// than it can carry.
func (m *Member) claim(partition int, h Head, was Load) {
	var epoch int64
	err := m.call(m.loops, func(ctx context.Context) (err error) {
		if !m.Safe() && !bug.Planted("unsafe-claims") || m.stays.Err() != nil {
			return ErrLost
		}
		epoch, err = m.drv.Claim(ctx, partition, h)
		return err
	})
	m.mu.Lock()
	over := m.over
	delete(m.busy, partition)
	if err == nil && !over && (epoch > m.lost[partition] || bug.Planted("loss-while-claiming")) {
		m.serving[partition] = &served{epoch: epoch, format: h.Format, since: time.Now(), was: was}
	}
	m.mu.Unlock()
	switch {
	case err == nil && over:
		m.drv.Drop(partition)
	case err == nil:
		m.cfg.Log.Info("partition claimed", slog.Int("partition", partition), slog.Int64("epoch", epoch), slog.String("from", h.Owner))
		signal(m.beatNow)
	case errors.Is(err, ErrLost):
	case !over:
		signal(m.lookLater)
		m.cfg.Log.Info("claim failed", slog.Int("partition", partition), slog.Any("error", err))
	}
}

// give hands a partition over in the course of balancing. The row announces it
// first, so that the target knows what to look for when it is rung.
func (m *Member) give(partition int, target Host) {
	if !m.promise(partition, target.Incarnation) || !m.announce(m.stays, target.Address == "") || m.stays.Err() != nil {
		m.keep(partition)
		return
	}
	m.release(m.loops, partition, &target)
}

// promise notes the target of a hand-over. It reports false if the partition is
// not this host's any more.
func (m *Member) promise(partition int, target string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.serving[partition]
	if s == nil {
		return false
	}
	s.to = target
	return true
}

// keep calls a hand-over off.
func (m *Member) keep(partition int) {
	m.mu.Lock()
	delete(m.busy, partition)
	over := m.over
	if s := m.serving[partition]; s != nil {
		s.to = ""
	}
	m.mu.Unlock()
	if over {
		m.drv.Drop(partition)
	}
}

// release gives a partition up, to the target or to anyone.
func (m *Member) release(ctx context.Context, partition int, target *Host) {
	to := ""
	if target != nil {
		to = target.Incarnation
	}
	limited, cancel := context.WithTimeout(ctx, m.times.drain)
	err := m.drv.Release(limited, partition, to)
	cancel()
	m.mu.Lock()
	delete(m.busy, partition)
	delete(m.serving, partition)
	m.mu.Unlock()
	if err != nil {
		m.cfg.Log.Warn("release failed", slog.Int("partition", partition), slog.Any("error", err))
		signal(m.lookLater) // if the head still says so, it is claimed anew
	} else if target != nil {
		m.cfg.Log.Info("partition released", slog.Int("partition", partition), slog.String("to", to))
		_ = m.call(ctx, func(ctx context.Context) error {
			m.drv.Ring(ctx, *target)
			return nil
		})
	}
	signal(m.beatNow)
}

// ring wakes all others, because there is something to share out.
func (m *Member) ring(hosts []Host) {
	for _, h := range hosts {
		if h.Incarnation == m.cfg.Me.Incarnation {
			continue
		}
		m.mu.Lock()
		if !m.leaving && !m.over {
			m.tasks.Go(func() {
				_ = m.call(m.loops, func(ctx context.Context) error {
					m.drv.Ring(ctx, h)
					return nil
				})
			})
		}
		m.mu.Unlock()
	}
}

// giveAll hands over everything that is not under way already, at the end.
func (m *Member) giveAll(ctx context.Context) {
	most, cancel := mostOf(ctx)
	targets := m.promiseAll(most)
	cancel()
	var partitions []int
	m.mu.Lock()
	for p := range targets {
		if m.serving[p] != nil && m.givable(p) {
			m.busy[p] = true
			partitions = append(partitions, p)
		}
	}
	m.mu.Unlock()
	slices.Sort(partitions)
	m.each(partitions, func(p int) {
		if ctx.Err() != nil {
			m.mu.Lock()
			delete(m.busy, p)
			delete(m.serving, p)
			m.mu.Unlock()
			m.drv.Drop(p)
			return
		}
		m.release(ctx, p, targets[p])
	})
}

// givable reports whether no task for the partition is under way.
func (m *Member) givable(partition int) bool {
	return !m.busy[partition] || bug.Planted("released-twice")
}

// promiseAll finds a host for each partition that is not being handed over yet, and
// announces those for which it had none before, or one that is gone. It returns the
// hosts of all; nil stands for anyone.
func (m *Member) promiseAll(ctx context.Context) map[int]*Host {
	targets, news := m.targets()
	if len(news) == 0 {
		return targets
	}
	m.mu.Lock()
	deaf := false
	for _, p := range news {
		if s := m.serving[p]; s != nil {
			s.to = targets[p].Incarnation
		}
	}
	for i := range m.hosts {
		h := &m.hosts[i]
		deaf = deaf || !h.Leaving && h.Address == "" && h.Incarnation != m.cfg.Me.Incarnation
	}
	m.mu.Unlock()
	m.announce(ctx, deaf)
	return targets
}

// targets are the hosts to which the partitions go that are served, and of which no
// task is under way, and those among them that their hosts do not know of yet.
func (m *Member) targets() (targets map[int]*Host, news []int) {
	m.mu.Lock()
	hosts := slices.Clone(m.hosts)
	if me := hostIn(hosts, m.cfg.Me.Incarnation); me != nil {
		me.Leaving = true
	}
	v := &view{me: m.cfg.Me.Incarnation, hosts: hosts, parts: make([]part, m.cfg.Partitions)}
	targets = map[int]*Host{}
	for p := range v.parts {
		owner, listed := ownerOf(hosts, p)
		if owner != nil && owner.Incarnation != v.me {
			v.parts[p] = part{owner: owner.Incarnation, to: listed.To, load: listed.Load, format: listed.Format}
		}
		s := m.serving[p]
		if s == nil || !m.givable(p) {
			continue
		}
		v.parts[p] = part{owner: v.me, format: s.format}
		if listed != nil {
			v.parts[p].load = listed.Load
		}
		if to := hostIn(hosts, s.to); to != nil && !to.Leaving && to.reads(s.format) && !bug.Planted("announced-anew") {
			v.parts[p].to, targets[p] = s.to, to
		}
	}
	m.mu.Unlock()
	for _, g := range decide(v).gives {
		if targets[g.partition] = hostIn(hosts, g.to); g.to != "" {
			news = append(news, g.partition)
		}
	}
	return targets, news
}

// mostOf ends when a quarter of the time that ctx has is left: to release a
// partition of which others do not know yet is better than to drop it.
func mostOf(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ends := ctx.Deadline()
	if !ends {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-time.Until(end)/4))
}
