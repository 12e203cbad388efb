package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/handed"
	"github.com/duroxide/duroxide-go/providers/internal/waiters"
)

// DefaultHub is the name of a hub that was created without one.
const DefaultHub = "default"

// Synchronous says when a commit counts as durable.
type Synchronous string

const (
	// Full syncs the disk with each transaction: what is acknowledged survives
	// a power failure. The default.
	Full Synchronous = "FULL"
	// Normal leaves the sync to checkpoints. What is acknowledged survives every
	// crash of the process; after a power failure the last commits may be
	// missing, all of them from one point on, and the file stays consistent.
	Normal Synchronous = "NORMAL"
)

// Config of a [Store]. The zero value is complete.
type Config struct {
	// Hub is the name of the hub. The file records it when it is created; a
	// different one is refused afterwards. Empty means whatever the file says,
	// and [DefaultHub] for a new one.
	Hub string
	// Synchronous is [Full] unless set.
	Synchronous Synchronous
	// ReadOnly opens an existing file for reading: everything that would change
	// it gives [provider.ErrReadOnly]. So it is, too, if the permissions of the
	// file forbid writing.
	ReadOnly bool
	// OrphanAfter is how long a message may wait for an instance that does not
	// exist before it goes to the dead letters. 0 means 24 hours.
	OrphanAfter time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (cfg *Config) withDefaults() error {
	switch cfg.Synchronous {
	case "":
		cfg.Synchronous = Full
	case Full, Normal:
	default:
		return fmt.Errorf("%w: Config.Synchronous is %q: use %q or %q", provider.ErrInvalid, cfg.Synchronous, Full, Normal)
	}
	if cfg.Hub != "" {
		if err := history.ValidateName("hub", cfg.Hub); err != nil {
			return fmt.Errorf("%w: Config.Hub: %w", provider.ErrInvalid, err)
		}
	}
	if cfg.OrphanAfter < 0 {
		return fmt.Errorf("%w: Config.OrphanAfter is %v: it must not be negative", provider.ErrInvalid, cfg.OrphanAfter)
	}
	if cfg.OrphanAfter == 0 {
		cfg.OrphanAfter = 24 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return nil
}

// Store is a hub in a file. It implements [provider.Store].
type Store struct {
	path     string
	hub      string
	cfg      Config
	counters counters
	readers  readers
	writer   *writer // nil if the store is read-only
	waiters  waiters.Set
	remote   *remote       // the worker, if it is another process
	handed   handed.Counts // of this process, whichever host it was
	progress progress

	// joined is the host of this store, if it has one. It belongs to the
	// writer's goroutine: requests set it and use it.
	joined *host

	mu struct {
		sync.Mutex
		host   *host // the same, for everyone else
		closed bool
	}
}

var _ provider.Store = (*Store)(nil)

// Open opens the hub in the file at path, and creates it if there is none.
//
// The errors are those of the contract: [provider.ErrSchema] for a file that is
// no hub, or one of a newer program, both of which it leaves as they are;
// [provider.ErrInvalid] for another hub's file; [provider.ErrUnavailable] where
// the disk refuses.
func Open(ctx context.Context, path string, cfg Config) (_ *Store, err error) {
	if err := cfg.withDefaults(); err != nil {
		return nil, fmt.Errorf("sqlite: opening: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sqlite: opening: %w", err)
	}
	// One file, one name: the worker's lock and the socket derive from it.
	if path, err = canonical(path); err != nil {
		return nil, fmt.Errorf("sqlite: opening: %w: %w", provider.ErrInvalid, err)
	}
	s := &Store{path: path, cfg: cfg}
	if err := s.open(ctx); isContract(err) {
		return nil, fmt.Errorf("sqlite: opening %s: %w", path, err)
	} else if err != nil {
		return nil, mapError("opening "+path, err)
	}
	s.remote = newRemote(s)
	return s, nil
}

func canonical(path string) (string, error) {
	if path == "" {
		return "", errors.New("the path is empty")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("the directory of the file: %w", err)
	}
	path = filepath.Join(dir, filepath.Base(path))
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return path, nil // opening it says what is wrong
	}
	// The file is not there yet; a link may say where it will be.
	target, err := os.Readlink(path)
	if err != nil {
		return path, nil //nolint:nilerr // It is no link.
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(dir, target)
	}
	return canonical(target)
}

func (s *Store) open(ctx context.Context) error {
	// Where several processes create the file, or the last one closes it just
	// now, SQLite does not wait for the lock but says so at once.
	deadline := time.Now().Add(busyTimeout)
	err := s.prepare()
	for sqlite.ErrCode(err).ToPrimary() == sqlite.ResultBusy && time.Now().Before(deadline) {
		again := time.NewTimer(retryOpen)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return errors.Join(ctx.Err(), err)
		}
		err = s.prepare()
	}
	if err != nil {
		return err
	}
	s.readers.open = func() (*conn, error) {
		c, err := openConn(s.path, sqlite.OpenReadOnly, &s.counters)
		if err != nil {
			return nil, err
		}
		if err := c.pragmas(readerCacheKiB, s.cfg.Synchronous); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
	err = s.read(ctx, "opening", func(c *conn) (err error) {
		s.hub, err = checkHub(c, s.path, s.cfg.Hub)
		return err
	})
	if err != nil {
		err = errors.Join(err, s.closeConns())
	}
	return err
}

// retryOpen is how long to wait before trying once more.
const retryOpen = 5 * time.Millisecond

// prepare makes sure that the file is a hub of the newest version, and starts
// the writer unless the store is read-only.
func (s *Store) prepare() error {
	if err := s.inspect(); err != nil {
		return err
	}
	if s.cfg.ReadOnly {
		return nil
	}
	c, err := s.openWriter()
	switch {
	case sqlite.ErrCode(err).ToPrimary() == sqlite.ResultReadOnly:
		s.cfg.ReadOnly = true
	case err != nil:
		return err
	default:
		s.writer = startWriter(c)
	}
	return nil
}

// inspect looks at what is there through a connection that cannot write, so
// that a file which is refused stays as it is.
func (s *Store) inspect() error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.cfg.ReadOnly:
		return fmt.Errorf("%w: there is no file %s, and a store that is read-only does not create it", provider.ErrNotFound, s.path)
	case errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 && !s.cfg.ReadOnly:
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", provider.ErrUnavailable, err)
	case info.IsDir():
		return fmt.Errorf("%w: %s is a directory: name a file in it", provider.ErrInvalid, s.path)
	}
	c, err := openConn(s.path, sqlite.OpenReadOnly, &s.counters)
	if err != nil {
		return err
	}
	var h header
	err = c.snapshot(func() (err error) {
		h, err = readHeader(c)
		return err
	})
	if err == nil {
		err = h.check()
	}
	if err == nil && h.version != schemaNewest && s.cfg.ReadOnly {
		err = fmt.Errorf("%w: the file has schema version %d and must be brought to %d: open it once for writing", provider.ErrReadOnly, h.version, schemaNewest)
	}
	return errors.Join(err, c.Close())
}

func (s *Store) openWriter() (c *conn, err error) {
	opened, err := openConn(s.path, sqlite.OpenReadWrite|sqlite.OpenCreate, &s.counters)
	if err != nil {
		return nil, err
	}
	c = opened
	defer func() {
		if err != nil {
			_ = opened.Close() // the first error is the one that tells
		}
	}()
	hub := s.cfg.Hub
	if hub == "" {
		hub = DefaultHub
	}
	// A file that is write-protected opens all the same, and so do transactions
	// on it; with a change it shows.
	if err := c.script("BEGIN IMMEDIATE; PRAGMA user_version = 0; ROLLBACK;"); err != nil {
		return nil, err
	}
	if err := c.script("PRAGMA journal_mode = wal;"); err != nil {
		return nil, err
	}
	if err := c.pragmas(writerCacheKiB, s.cfg.Synchronous); err != nil {
		return nil, err
	}
	if err := migrate(c, hub); err != nil {
		return nil, err
	}
	return c, nil
}

// Hub is the name of the hub in the file.
func (s *Store) Hub() string { return s.hub }

// Path is where the file is.
func (s *Store) Path() string { return s.path }

// Stats counts what a store did since it was opened.
type Stats struct {
	Transactions int64 // committed
	Statements   int64 // executed, in transactions and for reading
	Requests     int64 // writes that were asked for; grouped, they share transactions
	Turns        int64 // commits of turns among them
	Reads        int64
}

// Stats counts.
func (s *Store) Stats() Stats {
	n := &s.counters
	return Stats{
		Transactions: n.transactions.Load(),
		Statements:   n.statements.Load(),
		Requests:     n.requests.Load(),
		Turns:        n.turns.Load(),
		Reads:        n.reads.Load(),
	}
}

// write has a request written, or says why this store cannot.
func (s *Store) write(ctx context.Context, r *request) error {
	if s.writer == nil {
		if s.isClosed() {
			return fmt.Errorf("sqlite: %s: %w", r.op, provider.ErrClosed)
		}
		return fmt.Errorf("sqlite: %s: %w: %s", r.op, provider.ErrReadOnly, s.path)
	}
	return s.writer.do(ctx, r)
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.closed
}

// host is the host that joined through this store, if any.
func (s *Store) host() *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.host
}

// Close implements [provider.Store]. A host that has not left does so now.
func (s *Store) Close() error {
	s.mu.Lock()
	closed, h := s.mu.closed, s.mu.host
	s.mu.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	if h != nil {
		errs = append(errs, h.Leave(context.Background()))
	}
	s.remote.close()
	s.waiters.Close()
	return mapError("closing", errors.Join(append(errs, s.closeConns())...))
}

// closeConns closes the connections, the writer's last: the last connection to
// a file copies the write-ahead log into it and removes the log.
func (s *Store) closeConns() error {
	err := s.readers.close()
	if s.writer != nil {
		s.writer.close()
		err = errors.Join(err, s.writer.conn.Close())
	}
	return err
}
