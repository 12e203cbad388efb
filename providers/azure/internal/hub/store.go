package hub

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell"
	"github.com/duroxide/duroxide-go/providers/azure/internal/pace"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/handed"
	"github.com/duroxide/duroxide-go/providers/internal/waiters"
	"github.com/duroxide/duroxide-go/sharding"
)

// Config of a [Store]. Name is required, and every other zero is a default.
type Config struct {
	// Name is the hub's: a lower-case letter, then 2 to 20 letters and digits.
	Name string
	// Partitions is the number of partitions that the hub gets when it is
	// created: 1 to 256, default 16. An existing hub keeps its number.
	Partitions int
	// Existing says that a hub which does not exist is not to be created.
	Existing bool
	// TTL is how long a host may be silent before its partitions are taken
	// over. Default 15 s.
	TTL time.Duration
	// OrphanAfter is how long a message for an instance that does not exist
	// waits for it to be started. Default 24 hours.
	OrphanAfter time.Duration
	// WakeEvery is the longest pause between two looks into a host's wake-up
	// queue, SweepEvery that between two looks into an inbox that nobody rang
	// for. Defaults 2.5 s and 1 min.
	WakeEvery, SweepEvery time.Duration
	// Sleep is how far ahead of its time a timer is taken into memory. Default 1
	// hour.
	Sleep time.Duration
	// Cold is how many instances of a partition stay in memory although all that
	// is to be known of them stands in their rows. Default 4,000.
	Cold int
	// Doorbell is how other processes ring this one, while it has joined, and
	// wait at it. Its zero is not to listen.
	Doorbell Doorbell
	// Now is the hub's clock; nil means this machine's, corrected by the
	// service's.
	Now func() time.Time
	// Unique makes names that nobody used before; nil draws them.
	Unique func() string
	// Log hears what an operator can act on; nil for nothing.
	Log *slog.Logger
}

func (c Config) withDefaults(a storage.Account) Config {
	if c.Partitions == 0 {
		c.Partitions = 16
	}
	for _, d := range []struct {
		field    *time.Duration
		default_ time.Duration
	}{
		{&c.TTL, 15 * time.Second},
		{&c.OrphanAfter, 24 * time.Hour},
		{&c.WakeEvery, 2500 * time.Millisecond},
		{&c.SweepEvery, time.Minute},
		{&c.Sleep, time.Hour},
	} {
		if *d.field <= 0 {
			*d.field = d.default_
		}
	}
	if c.Cold <= 0 {
		c.Cold = 4_000
	}
	if c.Now == nil {
		c.Now = a.Now
	}
	if c.Unique == nil {
		c.Unique = unique
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

var lowerBase32 = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// unique draws 80 bits: names of incarnations and of attempts.
func unique() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // it never fails
	return lowerBase32.EncodeToString(b[:])
}

// ValidateName reports whether a hub may be called that: its name becomes part
// of the names of tables, queues and containers.
func ValidateName(name string) error {
	ok := len(name) >= 3 && len(name) <= 21 && name[0] >= 'a' && name[0] <= 'z'
	for i := range len(name) {
		c := name[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9')
	}
	if name == "tables" {
		return fmt.Errorf("%w: a hub cannot be called %q: the Table service reserves that name", provider.ErrInvalid, name)
	}
	if !ok {
		return fmt.Errorf("%w: the hub's name is %q: it needs 3 to 21 lower-case letters and digits, a letter first, since it becomes the name of a table", provider.ErrInvalid, name)
	}
	return nil
}

// record is the hub record: what all of its users agree on.
type hubRecord struct {
	Format     int    `json:"format"`
	Partitions int    `json:"partitions"`
	Generation string `json:"generation"` // tells the hub from deleted ones of its name
	Created    int64  `json:"created"`
	Secret     []byte `json:"secret,omitempty"` // of doorbells
}

const hubCell = "Hub"

// Store is a hub in a storage account. It implements [provider.Store].
type Store struct {
	account  storage.Account
	cfg      Config
	hub      hubRecord
	observer *sharding.Observer
	waker    *waker
	inserts  *gatherer
	bells    *doorbell.Client // nil if the hub has no secret
	sender   row.Sender
	sent     atomic.Int64 // rows inserted into inboxes by this client
	uniques  atomic.Int64
	waiters  waiters.Set
	handed   handed.Counts
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	work     sync.WaitGroup
	joining  chan struct{}   // full while a member joins or leaves: both wait for storage
	borrows  []chan struct{} // by partition: full while this client has borrowed it

	mu     sync.Mutex
	closed bool
	member *member
	opened time.Time // when the hub was last seen to be the one that was opened
	remade bool      // it is not any more
}

var (
	_ provider.Store = (*Store)(nil)
	_ provider.Named = (*Store)(nil)
)

// Open opens a hub, and creates it if there is none.
func Open(ctx context.Context, a storage.Account, cfg Config) (*Store, error) {
	if err := ValidateName(cfg.Name); err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	cfg = cfg.withDefaults(a)
	if cfg.Partitions < 1 || cfg.Partitions > sharding.MaxPartitions {
		return nil, fmt.Errorf("azure: the hub is to have %d partitions: choose from 1 to %d", cfg.Partitions, sharding.MaxPartitions)
	}
	cfg.Log = cfg.Log.With("hub", cfg.Name)
	s := &Store{account: repeating{paced(a, cfg)}, cfg: cfg, joining: make(chan struct{}, 1)}
	if err := s.openHub(ctx); err != nil {
		return nil, failed("opening hub "+cfg.Name, err)
	}
	// Incarnations sort by the time at which they began.
	s.sender = row.ClientSender(fmt.Sprintf("%012x%s", cfg.Now().UnixMilli(), cfg.Unique()[:6]))
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.observer = sharding.NewObserver(&directory{store: s}, min(cfg.TTL/3, sameHub))
	s.waker, s.inserts = newWaker(s), newGatherer(s)
	s.bells = s.newBells()
	s.borrows = make([]chan struct{}, s.hub.Partitions)
	for n := range s.borrows {
		s.borrows[n] = make(chan struct{}, 1)
	}
	return s, nil
}

// paced is the account with no more requests at a time than it answers.
func paced(a storage.Account, cfg Config) storage.Account {
	return &pace.Account{Account: a, Exempt: row.Management, Changed: func(limit int) {
		cfg.Log.Warn("the storage account throttles: this host sends fewer requests at a time; if it goes on, spread the load over more accounts", "limit", limit)
	}}
}

// openHub reads the hub record; the first one to open a hub makes it.
func (s *Store) openHub(ctx context.Context) error {
	for n := 0; ; n++ {
		s.opened = time.Now()
		r, err := s.account.Get(ctx, s.cfg.Name, row.Management, row.HubRecord)
		switch {
		case err == nil:
			if err := json.Unmarshal(r.Cells[hubCell], &s.hub); err != nil {
				return fmt.Errorf("%w: the hub record is none of ours: %w", provider.ErrSchema, err)
			}
			if s.hub.Format < 1 || s.hub.Format > row.Format {
				return fmt.Errorf("%w: its format is %d and this program knows up to %d: upgrade the program", provider.ErrSchema, s.hub.Format, row.Format)
			}
			return nil
		case !storage.Is(err, storage.Missing) && !errors.Is(err, storage.ErrGone):
			return err
		case s.cfg.Existing:
			return fmt.Errorf("%w: the account has no hub of that name", provider.ErrNotFound)
		}
		if err := s.createHub(ctx); err != nil && !storage.Is(err, storage.Exists) {
			if !errors.Is(err, storage.ErrUnknown) {
				return err
			}
			pause(ctx, backoff(n))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Hub implements [provider.Named].
func (s *Store) Hub() string { return s.cfg.Name }

// Partitions is the number of the hub's partitions.
func (s *Store) Partitions() int { return s.hub.Partitions }

// Partition is the partition in which an instance lives.
func (s *Store) Partition(id history.InstanceID) int {
	return sharding.Partition(string(id), s.hub.Partitions)
}

// PartitionKey is that of a partition, for tests and tools that look at rows.
func (s *Store) PartitionKey(n int) string { return s.partitionKey(n) }

func (s *Store) partitionKey(n int) string { return row.Partition(s.hub.Generation, n) }

// blobName is a name for a blob of an instance that nobody used before.
func (s *Store) blobName(id history.InstanceID) string { return row.Blob(id, s.uniqueName()) }

func (s *Store) uniqueName() string { return fmt.Sprintf("%s-%d", s.sender, s.uniques.Add(1)) }

func (s *Store) getBlob(ctx context.Context, name string) ([]byte, error) {
	return s.account.GetBlob(ctx, s.cfg.Name, name)
}

// putBlobs writes blobs before the rows that name them (Z13).
func (s *Store) putBlobs(ctx context.Context, blobs []row.BlobData) error {
	for _, b := range blobs {
		// The name is new, so a write that was applied unnoticed is ours.
		err := s.account.PutBlob(ctx, s.cfg.Name, b.Name, b.Data)
		for n := 0; errors.Is(err, storage.ErrUnknown) && n < 5 && ctx.Err() == nil; n++ {
			pause(ctx, backoff(n))
			err = s.account.PutBlob(ctx, s.cfg.Name, b.Name, b.Data)
		}
		if err != nil && !storage.Is(err, storage.Exists) {
			return err
		}
	}
	return nil
}

// dropBlobs removes blobs that no row names any more. Those of parcels, which
// another row may name as well, and what fails are left to
// the collection of orphans.
func (s *Store) dropBlobs(names []string) {
	names = slices.DeleteFunc(slices.Clone(names), row.Shared)
	if len(names) == 0 {
		return
	}
	s.background(func(ctx context.Context) {
		for _, name := range names {
			_ = s.account.DeleteBlob(ctx, s.cfg.Name, name)
		}
	})
}

// background runs f until the store is closed, which waits for it. It reports
// whether it was not too late for that.
func (s *Store) background(f func(ctx context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Go(func() { f(s.ctx) })
	}
	return !s.closed
}

// owned is the partition's state if this process owns it, nil otherwise.
func (s *Store) owned(number int) *partition {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m == nil {
		return nil
	}
	return m.partition(number)
}

func (s *Store) check(ctx context.Context, operation string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("azure: %s: %w", operation, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return fmt.Errorf("azure: %s: %w", operation, provider.ErrClosed)
	case s.remade:
		return fmt.Errorf("azure: %s: %w", operation, errRemade)
	}
	return nil
}

// sameHub is how long a hub that was seen cannot be another one of its name: Azure
// needs 40 s or more to delete a table.
const sameHub = 30 * time.Second

// made reports whether the row is the record of the hub that was opened.
func (s *Store) made(r storage.Row) bool {
	var now hubRecord
	return json.Unmarshal(r.Cells[hubCell], &now) == nil && now.Generation == s.hub.Generation
}

// seen notes what a look at the hub has shown that began then.
func (s *Store) seen(start time.Time, same bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remade = s.remade || !same; same && start.After(s.opened) {
		s.opened = start
	}
}

// stillTheHub looks whether the hub is the one that was opened, if that is not
// known: what was inserted for another is stored where nobody looks. The look is
// the one by which a client knows whom to wake; a host looks so often anyway.
func (s *Store) stillTheHub(ctx context.Context) error {
	s.mu.Lock()
	known, remade := time.Since(s.opened) < sameHub, s.remade
	s.mu.Unlock()
	switch {
	case remade:
		return errRemade
	case known:
		return nil
	}
	_, err := s.observer.Hosts(ctx)
	if err != nil && !errors.Is(err, errRemade) && !errors.Is(err, storage.ErrGone) { // a row of a host may be damaged
		err = s.lookAtHub(ctx)
	}
	if err == nil || errors.Is(err, errRemade) || errors.Is(err, storage.ErrGone) {
		return err
	}
	return fmt.Errorf("%w: it is stored, and whether that is in the hub that was opened cannot be seen: %w", provider.ErrUnknown, err)
}

// lookAtHub reads the hub record.
func (s *Store) lookAtHub(ctx context.Context) error {
	start := time.Now()
	r, err := s.account.Get(ctx, s.cfg.Name, row.Management, row.HubRecord)
	if err != nil && !storage.Is(err, storage.Missing) {
		return err
	}
	same := err == nil && s.made(r)
	if s.seen(start, same); !same {
		return errRemade
	}
	return nil
}

// Close implements [provider.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	m := s.member
	s.mu.Unlock()
	s.waiters.Close()
	s.cancel()
	s.work.Wait()
	if m != nil {
		m.abandon()
	}
	if s.bells != nil {
		s.bells.Close()
	}
	return nil
}

// born tells an instance from others of its id.
func (s *Store) born() string {
	return fmt.Sprintf("%s.%d", s.sender, s.uniques.Add(1))
}

// backoff is the pause before the nth repetition.
func backoff(n int) time.Duration {
	return min(20*time.Millisecond<<min(n, 10), 2*time.Second)
}

// pause waits, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func hostName(info provider.HostInfo) string { return strings.ToValidUTF8(info.Name, "?") }
