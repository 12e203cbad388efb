package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"
	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// lockSuffix, after the path of the hub, names the file on which the worker
// holds an operating system's lock. The kernel releases it however the process
// ends. The file stays: removing it would let two workers lock two files.
const lockSuffix = ".worker"

// workerInfo is what the worker tells other processes about itself, in the
// table meta. It is out of date after a crash: only the lock says that there is
// a worker.
type workerInfo struct {
	PID     int       `json:"pid"`
	Name    string    `json:"name,omitempty"`
	Address string    `json:"address,omitempty"` // of its socket
	Since   time.Time `json:"since"`
}

func (w workerInfo) String() string {
	if w.PID == 0 {
		return "another process holds the worker's lock"
	}
	s := fmt.Sprintf("process %d", w.PID)
	if w.Name != "" {
		s += fmt.Sprintf(" (%s)", w.Name)
	}
	return s + " is the worker of this file since " + w.Since.Format(time.RFC3339)
}

// workerLock is held by the one host of the file.
type workerLock struct {
	file *flock.Flock // closing it releases the lock
}

// lockWorker takes the lock, or says who has it.
func (s *Store) lockWorker(ctx context.Context) (*workerLock, error) {
	if s.isClosed() {
		return nil, s.write(ctx, &request{op: "joining", write: func(*conn) error { return nil }})
	}
	file := flock.New(s.path + lockSuffix)
	locked, err := file.TryLock()
	switch {
	case err != nil:
		return nil, unavailable("joining", errors.Join(err, file.Close()), "the worker's lock cannot be taken")
	case locked:
		return &workerLock{file}, nil
	}
	// Who has just taken the lock is about to say who he is.
	var holder workerInfo
	for try := 0; holder.PID == 0 && try < 20 && ctx.Err() == nil; try++ {
		if try > 0 {
			<-time.After(25 * time.Millisecond)
		}
		if holder, err = s.readWorker(ctx); err != nil {
			return nil, err
		}
	}
	return nil, errJoined(s.path, holder)
}

func (l *workerLock) release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("sqlite: releasing the worker's lock: %w", err)
	}
	return nil
}

// holder is what others read of the host.
func (h *host) holder() workerInfo {
	return workerInfo{PID: os.Getpid(), Name: h.info.Name, Address: h.bell.address, Since: h.store.cfg.Now().UTC().Truncate(time.Second)}
}

func rememberWorker(c *conn, w workerInfo) error {
	return c.run("INSERT INTO meta (name, value) VALUES ('worker', ?) ON CONFLICT DO UPDATE SET value = excluded.value", func(s *sqlite.Stmt) {
		s.BindText(1, string(wire.MustJSON(w)))
	})
}

// forgetWorker says that there is none any more. Notices are for nobody then.
func forgetWorker(c *conn) error {
	if err := c.run("DELETE FROM meta WHERE name = 'worker'", nil); err != nil {
		return err
	}
	return c.run("DELETE FROM notices", nil)
}

// readWorker reads who the worker is, or was when it crashed.
func (s *Store) readWorker(ctx context.Context) (w workerInfo, err error) {
	err = s.read(ctx, "reading who the worker is", func(c *conn) error {
		return c.rows("SELECT value FROM meta WHERE name = 'worker'", nil, func(s *sqlite.Stmt) error {
			if err := json.Unmarshal(columnBytes(s, 0), &w); err != nil {
				return fmt.Errorf("sqlite: %w: meta.worker: %w: remove that row", provider.ErrCorrupt, err)
			}
			return nil
		})
	})
	return w, err
}
