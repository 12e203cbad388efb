package dispatch

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
	"github.com/duroxide/duroxide-go/core/provider"
)

// CacheConfig bounds the live instances that stay in memory. Evicting one costs
// a replay when it gets its next message, and nothing else.
type CacheConfig struct {
	Bytes int           // estimated; 0 means 256 MiB
	Count int           // 0 means 20,000
	Idle  time.Duration // since its last turn; 0 means 1 minute
}

func (c CacheConfig) withDefaults() CacheConfig {
	if c.Bytes == 0 {
		c.Bytes = 256 << 20
	}
	if c.Count == 0 {
		c.Count = 20_000
	}
	if c.Idle == 0 {
		c.Idle = time.Minute
	}
	return c
}

// liveCache keeps the machines of live instances. A turn takes its instance
// until it is settled: the store may hand out the next turn of the instance
// while the one before it still learns that its commit was applied, so the next
// one waits for that. Machines of taken instances are never evicted.
type liveCache struct {
	config CacheConfig

	mu    sync.Mutex
	live  map[history.InstanceID]*liveInstance
	idle  *list.List // of *liveInstance, least recently used first
	bytes int        // of the idle ones
}

type liveInstance struct {
	id      history.InstanceID
	created time.Time // tells it from others of its id, as does the request that started it
	request string
	machine *replay.Machine // nil if a turn has taken the instance and made none yet
	bytes   int
	used    time.Time
	place   *list.Element // among the idle; nil while taken
	settled chan struct{} // closed when the turn that has taken it is settled
}

func newLiveCache(config CacheConfig) *liveCache {
	return &liveCache{config: config.withDefaults(), live: map[history.InstanceID]*liveInstance{}, idle: list.New()}
}

// take gives the instance to a turn, which must settle it, and returns its
// machine, nil if it is not live. It waits for the turn before. What was live may be
// another of its id, which was purged or replaced while another host had it.
func (c *liveCache) take(ctx context.Context, i *provider.Instance) (*replay.Machine, error) {
	for {
		c.mu.Lock()
		l := c.live[i.ID]
		if l == nil {
			l = &liveInstance{id: i.ID}
			c.live[i.ID] = l
		}
		if l.settled == nil {
			c.removeIdle(l)
			l.settled = make(chan struct{})
			live := l.machine
			if !l.created.Equal(i.Created) || l.request != i.RequestID {
				live = nil // it is stopped when the instance has a machine
			}
			l.created, l.request = i.Created, i.RequestID
			c.mu.Unlock()
			return live, nil
		}
		settled := l.settled
		c.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// put gives the instance that a turn has taken another machine, or none, and
// stops the one before it.
func (c *liveCache) put(id history.InstanceID, m *replay.Machine) {
	c.mu.Lock()
	before := c.live[id].machine
	c.live[id].machine = m
	c.mu.Unlock()
	if before != nil {
		before.Stop()
	}
}

// settle ends a turn that has taken the instance. The machine stays if its
// commit was applied and the execution goes on; else it is stopped.
func (c *liveCache) settle(id history.InstanceID, applied bool, now time.Time) {
	c.mu.Lock()
	l := c.live[id]
	if l == nil || l.settled == nil {
		c.mu.Unlock()
		return
	}
	var stop []*liveInstance
	if applied && l.machine != nil && !l.machine.Ended() {
		l.machine.Committed()
		l.bytes, l.used = l.machine.Size(), now
		l.place = c.idle.PushBack(l)
		c.bytes += l.bytes
		stop = c.evict(now)
	} else {
		delete(c.live, id)
		stop = []*liveInstance{l}
	}
	close(l.settled)
	l.settled = nil
	c.mu.Unlock()
	stopAll(stop) // runs deferred calls of user code: outside the lock
}

// trim evicts what has been idle for too long.
func (c *liveCache) trim(now time.Time) {
	c.mu.Lock()
	stop := c.evict(now)
	c.mu.Unlock()
	stopAll(stop)
}

// close stops all machines.
func (c *liveCache) close() {
	c.mu.Lock()
	var stop []*liveInstance
	for id, l := range c.live {
		delete(c.live, id)
		stop = append(stop, l)
	}
	c.idle.Init()
	c.bytes = 0
	c.mu.Unlock()
	stopAll(stop)
}

func (c *liveCache) size() (count, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.live), c.bytes
}

// evict removes machines from the front of the idle list until the budgets
// hold. The caller holds the lock and stops what is returned without it.
func (c *liveCache) evict(now time.Time) []*liveInstance {
	var evicted []*liveInstance
	for front := c.idle.Front(); front != nil; front = c.idle.Front() {
		l := front.Value.(*liveInstance)
		if c.bytes <= c.config.Bytes && c.idle.Len() <= c.config.Count && now.Sub(l.used) < c.config.Idle {
			break
		}
		c.removeIdle(l)
		delete(c.live, l.id)
		evicted = append(evicted, l)
	}
	return evicted
}

func (c *liveCache) removeIdle(l *liveInstance) {
	if l.place != nil {
		c.idle.Remove(l.place)
		c.bytes -= l.bytes
		l.place = nil
	}
}

func stopAll(instances []*liveInstance) {
	for _, l := range instances {
		if l.machine != nil {
			l.machine.Stop()
		}
	}
}
