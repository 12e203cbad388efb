package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
	"github.com/duroxide/duroxide-go/sharding"
)

// inWorld runs a test in a world with hosts and clients, where nothing fails
// unless the test makes it.
func inWorld(t *testing.T, ttl time.Duration, hosts int, f func(ctx context.Context, w *world, c *clients)) {
	t.Helper()
	inWorldOf(t, 7, ttl, hosts, f)
}

// inWorldOf is inWorld with another seed, which draws what the test leaves open.
func inWorldOf(t *testing.T, seed uint64, ttl time.Duration, hosts int, f func(ctx context.Context, w *world, c *clients)) {
	t.Helper()
	inBubble(t, seed, func(t *testing.T) {
		w := newWorld(seed, azuretest.Config{Partitions: 8, TTL: ttl, TraceLines: *lines})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Hour)
		defer cancel()
		for range hosts {
			w.start(ctx)
		}
		c := w.enter(ctx)
		w.wait(ctx, 2*ttl)
		f(ctx, w, c)
		if ctx.Err() == nil {
			w.audit(ctx, c)
		} else {
			w.failed("it did not end in time")
		}
		for _, h := range w.running() {
			h.leave()
		}
		_ = c.process.Close() // it was only used
		for _, wrong := range append(w.wrong, w.account.Violations()...) {
			t.Error(wrong)
		}
		if *traced {
			for _, l := range w.account.Trace() {
				t.Log(l)
			}
		}
		w.close()
	})
}

// spread starts sequences, enough to be in every partition.
func (c *clients) spread(ctx context.Context, name string, n, steps int) []*orchestration.Handle[int] {
	return spreadOf(ctx, c, sequence, name, n, steps)
}

func spreadOf[I any](ctx context.Context, c *clients, f orchestration.Func[I, int], name string, n int, in I) (all []*orchestration.Handle[int]) {
	for i := range n {
		h, err := begun(ctx, c, f, in, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprintf("k-%s-%d", name, i))})
		if err != nil {
			return nil
		}
		all = append(all, h)
	}
	return all
}

// afterDeath is how long it may take until what a killed host served progresses:
// TTL + two observation intervals + 2 s.
func afterDeath(ttl time.Duration) time.Duration { return ttl + 2*ttl/3 + 2*time.Second }

// TestBoundsOfDeath: what is started after a host was killed is served in time.
func TestBoundsOfDeath(t *testing.T) {
	for _, ttl := range []time.Duration{3 * time.Second, 15 * time.Second} {
		t.Run(ttl.String(), func(t *testing.T) {
			inWorld(t, ttl, 3, func(ctx context.Context, w *world, c *clients) {
				w.effects.fast = true
				w.running()[0].kill()
				died := time.Now()
				for _, h := range c.spread(ctx, "after", 24, 2) {
					gives(ctx, c, h, is(3))
				}
				if took, most := time.Since(died), afterDeath(ttl); took > most {
					w.failed("instances of a killed host progressed after %v, at most %v", took, most)
				}
			})
		})
	}
}

// TestBoundsOfDeathForWhatRuns: what runs on a host when it is killed has its next
// turn in time, whether it waits for activities, for timers, or for a timer that is
// due while nobody serves it.
func TestBoundsOfDeathForWhatRuns(t *testing.T) {
	for _, ttl := range []time.Duration{3 * time.Second, 15 * time.Second} {
		for seed := uint64(1); seed <= 3; seed++ {
			t.Run(fmt.Sprintf("%v/%d", ttl, seed), func(t *testing.T) {
				inWorldOf(t, seed, ttl, 3, func(ctx context.Context, w *world, c *clients) { w.killsWhatRuns(ctx, c, ttl) })
			})
		}
	}
}

func (w *world) killsWhatRuns(ctx context.Context, c *clients, ttl time.Duration) {
	const each, nap = 16, time.Minute
	r := draw(w.seed, "death")
	w.effects.slow = 200 * time.Millisecond
	due := time.Now().Add(nap)
	once := spreadOf(ctx, c, ticks, "once", each, pulse{1, nap})
	warm := ttl/2 + 5*time.Second
	w.wait(ctx, time.Until(due)-warm)
	steps := int((warm + afterDeath(ttl) + 3*time.Second) / w.effects.slow)
	work := c.spread(ctx, "work", each, steps)
	tick := spreadOf(ctx, c, ticks, "tick", each, pulse{steps, w.effects.slow})
	w.wait(ctx, time.Until(due)-time.Duration(r.Int64N(int64(ttl/2)))-time.Second)

	hosts := w.running()
	hosts[r.IntN(len(hosts))].kill()
	died := time.Now()
	var watched sync.WaitGroup
	var stood atomic.Int64
	for _, h := range slices.Concat(work, tick, once) {
		watched.Go(func() {
			took := w.untilTurn(ctx, c, h.ID(), died)
			if took > ttl/2 {
				stood.Add(1)
			}
			if most := afterDeath(ttl); took > most {
				w.failed("%s had its next turn %v after a host was killed, at most %v", h.ID(), took, most)
			}
		})
	}
	watched.Wait()
	if stood.Load() == 0 {
		w.failed("nothing had to wait: the host that was killed served nothing")
	}
	for i := range work {
		gives(ctx, c, work[i], is(steps*(steps+1)/2))
	}
	for i := range tick {
		gives(ctx, c, tick[i], is(steps))
	}
	for i := range once {
		gives(ctx, c, once[i], is(1))
	}
}

// untilTurn is how long after a death an instance has a turn that is not of the dead
// host: whatever that sent has come within a second.
func (w *world) untilTurn(ctx context.Context, c *clients, id history.InstanceID, died time.Time) time.Duration {
	w.wait(ctx, time.Second)
	for before := int64(-1); ctx.Err() == nil; w.wait(ctx, 50*time.Millisecond) {
		i, err := c.client.Status(ctx, id)
		switch {
		case err != nil:
		case before < 0:
			before = i.LastEvent
		case i.LastEvent > before:
			return time.Since(died)
		}
	}
	return time.Since(died)
}

// TestBoundsOfHandOver: what a leaving host served progresses within 500 ms. It
// rings by queue, into which the others look every TTL/60 while they expect it.
func TestBoundsOfHandOver(t *testing.T) {
	inWorld(t, 15*time.Second, 3, func(ctx context.Context, w *world, _ *clients) {
		done, watched := make(chan none), make(chan time.Duration)
		go func() { watched <- w.watch(done) }()
		w.running()[0].leave()
		w.wait(ctx, 5*time.Second)
		close(done)
		most := <-watched
		if most == 0 || most > 500*time.Millisecond {
			w.failed("from a release to the claim passed %v, at most 500 ms", most)
		}
	})
}

// TestBoundsOfHandOverForWhatRuns: from the release of its partition to its next activity
// an instance stands still for 500 ms at most.
func TestBoundsOfHandOverForWhatRuns(t *testing.T) {
	inWorld(t, 15*time.Second, 3, func(ctx context.Context, w *world, c *clients) {
		const steps, most = 600, 500 * time.Millisecond
		w.effects.slow = 20 * time.Millisecond
		all := c.spread(ctx, "work", 24, steps)
		w.wait(ctx, 3*time.Second)
		done, watched := make(chan none), make(chan map[int]time.Time)
		go func() { watched <- w.releases(done) }()
		leaver := w.running()[0]
		leaver.leave()
		w.wait(ctx, 5*time.Second)
		close(done)
		released := <-watched
		for _, h := range all {
			gives(ctx, c, h, is(steps*(steps+1)/2))
		}
		last := map[history.InstanceID]string{}
		moved, longest := 0, time.Duration(0)
		for _, r := range w.effects.runs() {
			id := r.id.Instance
			if at, ok := released[sharding.Partition(string(id), w.account.Partitions())]; ok && last[id] == leaver.name && r.host != leaver.name {
				moved++
				longest = max(longest, r.at.Sub(at))
			}
			last[id] = r.host
		}
		if moved == 0 || longest > most {
			w.failed("%d instances moved, and one stood still for %v, at most %v", moved, longest, most)
		}
		if n := w.effects.doubled + w.effects.again; n > 0 {
			w.failed("%d activities ran again: %q", n, w.effects.odd)
		}
	})
}

// TestBoundsOfPause: a paused host that wakes commits nothing, and starts nothing
// whose check came after it had fenced itself.
func TestBoundsOfPause(t *testing.T) {
	const ttl = 15 * time.Second
	inWorld(t, ttl, 3, func(ctx context.Context, w *world, c *clients) {
		w.effects.slow = time.Second
		var all []*orchestration.Handle[int]
		for i := range 12 { // more than there are slots for
			h, err := begun(ctx, c, wide, 200, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint("k-wide-", i))})
			if err != nil {
				return
			}
			all = append(all, h)
		}
		w.wait(ctx, time.Second)
		h := w.running()[0]
		h.process.Pause() // its code runs on, and must stop by itself
		paused := time.Now()
		w.wait(ctx, 3*ttl)
		for _, r := range w.effects.runs() {
			if r.host == h.name && r.at.Sub(paused) > ttl-ttl/3 {
				w.failed("%v started %v after the pause began", r.id, r.at.Sub(paused))
			}
		}
		h.process.Resume()
		for _, h := range all {
			gives(ctx, c, h, is(200))
		}
	})
}

// TestBoundsOfSleep: when a machine wakes, a client on it that waits for a host there
// does not take it for dead.
func TestBoundsOfSleep(t *testing.T) {
	const ttl = 15 * time.Second
	inWorld(t, ttl, 1, func(ctx context.Context, w *world, c *clients) {
		w.effects.slow = 10 * time.Minute
		all := c.spread(ctx, "sleeps", 1, 1)
		before := w.account.Owners()
		h := w.running()[0]
		h.process.Pause()
		purged := make(chan error, 1)
		go func() { purged <- c.process.Purge(ctx, all[0].ID(), false) }()
		w.wait(ctx, ttl-ttl/6)
		c.process.Pause()
		w.wait(ctx, 5*ttl)
		c.process.Resume()
		w.wait(ctx, ttl/30) // the host is the last to wake
		h.process.Resume()
		if err := <-purged; !errors.Is(err, provider.ErrConflict) {
			w.failed("purging what runs: %v", err)
		}
		for n, o := range w.account.Owners() {
			if o.Incarnation != before[n].Incarnation {
				w.failed("partition %d was taken from a host that lives", n)
			}
		}
		gives(ctx, c, all[0], is(1))
	})
}

// TestBoundsOfOutage: when storage was away for a minute nobody takes over
// anything.
func TestBoundsOfOutage(t *testing.T) {
	inWorld(t, 15*time.Second, 3, func(ctx context.Context, w *world, c *clients) {
		w.wait(ctx, 2*time.Minute) // until balancing has ended
		before := claims(w.account.Owners())
		w.account.Outage()
		w.wait(ctx, time.Minute)
		w.account.Calm()
		w.wait(ctx, time.Minute)
		if after := claims(w.account.Owners()); after > before {
			w.failed("an outage made hosts claim %d partitions", after-before)
		}
		for _, h := range c.spread(ctx, "later", 24, 2) {
			gives(ctx, c, h, is(3))
		}
	})
}

// TestBoundsOfLeaving: an activity that outlives the grace of the host that
// leaves, its partition having moved before, is given back and ends elsewhere.
func TestBoundsOfLeaving(t *testing.T) {
	inWorld(t, 3*time.Second, 1, func(ctx context.Context, w *world, c *clients) {
		w.effects.slow = time.Minute
		all := c.spread(ctx, "slow", 16, 1)
		w.wait(ctx, time.Second)
		w.start(ctx)
		w.wait(ctx, 30*time.Second) // it has its share of the partitions by now
		w.running()[0].leave()
		for _, h := range all {
			gives(ctx, c, h, is(1))
		}
		if n := w.effects.doubled; n > 0 {
			t.Errorf("%d activities ran twice at once", n)
		}
	})
}

// TestBoundsOfLeavingEarly: a host that leaves while it hands partitions over, to
// one that has just joined, has time to release the others: nobody takes it for
// dead.
func TestBoundsOfLeavingEarly(t *testing.T) {
	for after := time.Duration(0); after < 16*time.Second; after += 2 * time.Second {
		t.Run(after.String(), func(t *testing.T) {
			inWorld(t, 15*time.Second, 1, func(ctx context.Context, w *world, c *clients) {
				w.effects.slow = time.Second
				all := c.spread(ctx, "early", 16, 30)
				first := w.account.Owners()[0].Incarnation
				w.start(ctx)
				w.wait(ctx, after)
				w.running()[0].leave()
				for n, o := range w.account.Owners() {
					if o.Incarnation == first {
						w.failed("partition %d was not released by the host that left", n)
					}
				}
				for _, h := range all {
					gives(ctx, c, h, is(465))
				}
				if n := w.effects.doubled + w.effects.again; n > 0 {
					w.failed("%d activities ran again: %q", n, w.effects.odd)
				}
			})
		})
	}
}

// claims is the sum of the epochs: each claim and each release adds one.
func claims(owners []azuretest.Owner) (sum int64) {
	for _, o := range owners {
		sum += o.Epoch
	}
	return sum
}

// watch looks who owns what until done is closed, and returns the longest time
// for which no host owned a partition.
func (w *world) watch(done <-chan none) (longest time.Duration) {
	free := map[int]time.Time{}
	for {
		for n, o := range w.account.Owners() {
			since, was := free[n]
			owned := ownedByHost(o)
			switch {
			case !owned && !was:
				free[n] = time.Now()
			case owned && was:
				longest = max(longest, time.Since(since))
				delete(free, n)
			}
		}
		select {
		case <-done:
			return longest
		case <-time.After(time.Millisecond):
		}
	}
}

// releases looks until done is closed, and returns when partitions were given up.
func (w *world) releases(done <-chan none) map[int]time.Time {
	free, at := map[int]bool{}, map[int]time.Time{}
	for {
		for n, o := range w.account.Owners() {
			if o.Incarnation == "" && !free[n] {
				at[n] = time.Now()
			}
			free[n] = o.Incarnation == ""
		}
		select {
		case <-done:
			return at
		case <-time.After(time.Millisecond):
		}
	}
}
