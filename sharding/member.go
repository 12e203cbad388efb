package sharding

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/internal/lograte"
)

// Member is one incarnation of a host in a hub. All methods may be called
// concurrently, also from within calls of the [Driver].
type Member struct {
	cfg   Config
	times times
	dir   Directory
	drv   Driver

	lookNow   chan struct{} // capacity 1
	lookLater chan struct{} // capacity 1: look after a short delay
	beatNow   chan struct{} // capacity 1
	loops     context.Context
	stop      context.CancelFunc
	stays     context.Context // ends when it begins to leave
	leaves    context.CancelFunc
	running   sync.WaitGroup // the loops
	tasks     sync.WaitGroup // claims and hand-overs
	done      chan struct{}
	beats     *rand.Rand // of beatLoop alone
	looks     *rand.Rand // of lookLoop alone
	badBeats  lograte.Limiter
	left      chan struct{} // closed when Leave is done
	leaveErr  error         // of Leave, then

	mu        sync.Mutex
	over      bool // this incarnation owns nothing any more
	leaving   bool
	safeUntil time.Time
	cutOff    bool // a beat came too late: the observation starts anew
	waiting   []chan struct{}
	serving   map[int]*served
	lost      map[int]int64 // the last epoch in which a partition was lost
	busy      map[int]bool  // partitions of which a task is under way
	hosts     []Host        // that live, as last read, by incarnation
	asked     bool          // to leave
}

// served is a partition that this member owns.
type served struct {
	epoch  int64
	format int
	since  time.Time
	to     string // being handed over to
	was    Load   // as its owner before listed it
}

// Join inserts the row of cfg.Me and begins to claim, to observe and to balance.
// It returns once the row is there. [Member.Leave] must be called in the end,
// whatever became of the incarnation.
func Join(ctx context.Context, dir Directory, drv Driver, cfg Config) (*Member, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	source := rand.NewPCG(hash(cfg.Me.Incarnation), uint64(cfg.Partitions)) // keeps hosts from doing things at the same instant
	m := &Member{
		cfg:       cfg,
		times:     timesOf(cfg.TTL),
		dir:       dir,
		drv:       drv,
		lookNow:   make(chan struct{}, 1),
		lookLater: make(chan struct{}, 1),
		beatNow:   make(chan struct{}, 1),
		done:      make(chan struct{}),
		left:      make(chan struct{}),
		beats:     rand.New(rand.NewPCG(source.Uint64(), 0)),
		looks:     rand.New(rand.NewPCG(source.Uint64(), 1)),
		serving:   map[int]*served{},
		lost:      map[int]int64{},
		busy:      map[int]bool{},
	}
	sent := time.Now()
	err := m.call(ctx, func(ctx context.Context) error { return dir.Join(ctx, m.row(sent)) })
	if err != nil {
		// The row may be there all the same, and others would wait for it.
		_ = m.call(context.WithoutCancel(ctx), func(ctx context.Context) error { return dir.Remove(ctx, cfg.Me.Incarnation, "") })
		return nil, fmt.Errorf("sharding: joining as %s: %w", cfg.Me.Incarnation, err)
	}
	m.safeUntil = m.fence(sent)
	m.loops, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.stays, m.leaves = context.WithCancel(m.loops)
	m.running.Go(m.beatLoop)
	m.running.Go(m.lookLoop)
	return m, nil
}

// call runs one call of the directory, or a short one of the driver.
func (m *Member) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.times.timeout)
	defer cancel()
	return f(ctx)
}

// fence is until when this host may start something, given that a beat which
// was sent then is applied. Others wait for the whole TTL, and count from later.
func (m *Member) fence(sent time.Time) time.Time { return sent.Add(m.cfg.TTL - m.cfg.TTL/3) }

// row is what the next beat says. Load is asked outside the mutex (L10).
func (m *Member) row(now time.Time) Host {
	h := m.cfg.Me
	m.mu.Lock()
	h.Leaving = m.leaving
	h.Serves = make([]Served, 0, len(m.serving))
	for p, s := range m.serving {
		h.Serves = append(h.Serves, Served{Partition: p, Epoch: s.epoch, Format: s.format, Load: s.was, Fresh: now.Sub(s.since) < m.cfg.TTL, To: s.to})
		if bug.Planted("load-under-mutex") {
			_ = m.drv.Load(p)
		}
	}
	m.mu.Unlock()
	slices.SortFunc(h.Serves, func(a, b Served) int { return cmp.Compare(a.Partition, b.Partition) })
	for i := range h.Serves {
		s := &h.Serves[i]
		was := s.Load
		if s.Load = m.drv.Load(s.Partition); s.Fresh {
			s.Load.Rate = max(s.Load.Rate, was.Rate)
		}
	}
	if m.cfg.Slots != nil {
		h.Slots, h.Free = m.cfg.Slots()
	}
	return h
}

// Safe reports whether this host may start a turn or an activity now. It is
// false when the last applied heartbeat was sent too long ago for others still
// to count on it, and for ever after [Member.Done].
func (m *Member) Safe() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.over && time.Now().Before(m.safeUntil)
}

// Done is closed when this incarnation has come to its end: it left, or its row
// is gone. The driver has been told to drop every partition. To go on, the
// provider calls Leave and joins as a new incarnation.
func (m *Member) Done() <-chan struct{} { return m.done }

// Owner is the living host that serves the partition, as last observed. It may
// be out of date.
func (m *Member) Owner(partition int) (Host, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.serving[partition] != nil {
		return m.cfg.Me, true
	}
	if h, _ := ownerOf(m.hosts, partition); h != nil && h.Incarnation != m.cfg.Me.Incarnation {
		return *h, true
	}
	return Host{}, false
}

// Hosts are the hosts that live, as last observed, by incarnation. The caller
// must not change what they hold.
func (m *Member) Hosts() []Host {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.hosts)
}

// Nudge makes the member look now rather than later: somebody rang.
func (m *Member) Nudge() { signal(m.lookNow) }

// Lost says that the driver found out by itself that it lost the partition which
// it served in that epoch, and dropped it.
func (m *Member) Lost(partition int, epoch int64) {
	m.mu.Lock()
	m.lost[partition] = max(m.lost[partition], epoch)
	if s := m.serving[partition]; s != nil && s.epoch <= epoch {
		delete(m.serving, partition)
	}
	m.mu.Unlock()
	m.cfg.Log.Info("partition lost", slog.Int("partition", partition), slog.Int64("epoch", epoch))
	signal(m.beatNow)
	signal(m.lookLater)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// end fences this incarnation for good. Partitions of which a task is under way
// are dropped when that returns.
func (m *Member) end(why string) {
	m.mu.Lock()
	if m.over {
		m.mu.Unlock()
		return
	}
	m.over = true
	var drop []int
	for p := range m.serving {
		if !m.busy[p] {
			drop = append(drop, p)
		}
	}
	clear(m.serving)
	m.mu.Unlock()
	m.stop()
	slices.Sort(drop)
	for _, p := range drop {
		m.drv.Drop(p)
	}
	m.cfg.Log.Info("incarnation ended", slog.String("host", m.cfg.Me.Incarnation), slog.String("why", why))
	close(m.done)
}

// Announce says in the row that this host leaves, and to which host each of its
// partitions goes, and returns when those know, or with ctx. The member goes on serving
// until Leave is called, and takes nothing over any more. Leave is three calls then.
func (m *Member) Announce(ctx context.Context) {
	if m.beginLeaving() {
		m.callOff(ctx)
		m.promiseAll(ctx)
	}
}

// Leave hands every partition over, removes the row, and waits for all that the
// member began. When ctx ends first, partitions that were not released are
// dropped, and others find them free because the row is gone; it may then take a
// few timeouts longer. It is harmless after Done, and needed then too.
func (m *Member) Leave(ctx context.Context) error {
	m.mu.Lock()
	first := !m.asked
	m.asked = true
	m.mu.Unlock()
	if first {
		m.leaveErr = m.depart(ctx)
		close(m.left)
	}
	<-m.left
	return m.leaveErr
}

func (m *Member) depart(ctx context.Context) error {
	defer m.running.Wait()
	if !bug.Planted("leave-does-not-wait") {
		defer m.tasks.Wait() // L11
	}
	if !m.beginLeaving() {
		return nil
	}
	m.callOff(ctx)
	m.giveAll(ctx)
	m.settle(ctx)
	m.giveAll(ctx) // what was being claimed
	m.end("it left")
	var err error
	for range removals { // to remove a row twice does no harm
		err = m.call(context.WithoutCancel(ctx), func(ctx context.Context) error { return m.dir.Remove(ctx, m.cfg.Me.Incarnation, "") })
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("sharding: removing the row of %s, which others will find dead: %w", m.cfg.Me.Incarnation, err)
}

// callOff waits for the moment in which hand-overs that are only announced are called
// off: they go along with everything else.
func (m *Member) callOff(ctx context.Context) {
	brief, cancel := context.WithTimeout(ctx, m.cfg.TTL/300)
	defer cancel()
	m.settle(brief)
}

// settle waits for what is under way, if ctx lets it.
func (m *Member) settle(ctx context.Context) {
	settled := make(chan struct{})
	go func() { // ends with the tasks, for which depart waits
		m.tasks.Wait()
		close(settled)
	}()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}

// removals is how often a leaver tries to remove its row: one lost answer is no
// reason to make others wait for its death.
const removals = 3

// beginLeaving makes sure that no task begins any more, and calls off hand-overs
// that are only announced: everything is handed over at once. It reports false if
// the incarnation is over.
func (m *Member) beginLeaving() bool {
	defer m.leaves()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leaving = true
	return !m.over
}
