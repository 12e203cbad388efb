package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Row is a line of the ledger: one run of an activity.
type Row struct {
	Key       string    `json:"key"` // the idempotency key
	Activity  string    `json:"activity"`
	Instance  string    `json:"instance"`
	Execution int64     `json:"execution"`
	Event     int64     `json:"event"` // that scheduled the activity
	Attempt   int       `json:"attempt"`
	PID       int       `json:"pid"`
	Time      time.Time `json:"time"`
	// Repeat marks a run that found its effect applied.
	Repeat bool `json:"repeat,omitempty"`
}

// Ledger is a ledger opened for appending. It may be used by several
// goroutines at once, and the file by several processes.
type Ledger struct {
	mu   sync.Mutex
	file *os.File
	lock *flock.Flock
	keys map[string]bool // applied, as far as read
	read int64           // how far the file is read
	line int             // of that place
}

// lockSuffix, after the path of a ledger, names the file that is locked while a row is
// appended. It stays.
const lockSuffix = ".lock"

// Open opens the ledger in a file, or creates it.
func Open(path string) (*Ledger, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &Ledger{file: file, lock: flock.New(path + lockSuffix), keys: map[string]bool{}}, nil
}

// Path is the file that the ledger was opened from.
func (l *Ledger) Path() string { return l.file.Name() }

// Close closes the file.
func (l *Ledger) Close() error { return l.file.Close() }

// Apply applies the effect of a row unless one of its key was applied before,
// and reports whether it did. Either way the run leaves a row. The time and
// the process are filled in if they are zero.
func (l *Ledger) Apply(row Row) (applied bool, err error) {
	if row.Key == "" {
		return false, errors.New("ledger: a row needs a key: give it the idempotency key of the activity")
	}
	if row.PID == 0 {
		row.PID = os.Getpid()
	}
	if row.Time.IsZero() {
		row.Time = time.Now()
	}
	row.Time = row.Time.UTC()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.lock.Lock(); err != nil {
		return false, fmt.Errorf("ledger: locking %s: %w", l.lock.Path(), err)
	}
	defer func() { err = errors.Join(err, l.lock.Unlock()) }()
	if err := l.catchUp(); err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	row.Repeat = l.keys[row.Key]
	line, err := json.Marshal(row)
	if err != nil {
		return false, fmt.Errorf("ledger: encoding a row: %w", err)
	}
	line = append(line, '\n')
	if _, err := l.file.WriteAt(line, l.read); err != nil {
		return false, fmt.Errorf("ledger: appending to %s: %w", l.file.Name(), err)
	}
	l.read += int64(len(line))
	l.line++
	l.keys[row.Key] = true
	return !row.Repeat, nil
}

// catchUp reads what others have appended, and cuts off an unfinished line. It
// is called with the file locked.
func (l *Ledger) catchUp() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < l.read {
		return fmt.Errorf("%s shrank from %d bytes to %d: somebody else writes to it", l.file.Name(), l.read, info.Size())
	}
	added, err := io.ReadAll(io.NewSectionReader(l.file, l.read, info.Size()-l.read))
	if err != nil {
		return err
	}
	finished := bytes.LastIndexByte(added, '\n') + 1
	for line := range bytes.Lines(added[:finished]) {
		row, err := parse(line)
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", l.file.Name(), l.line+1, err)
		}
		l.keys[row.Key] = true
		l.line++
		l.read += int64(len(line))
	}
	if finished < len(added) {
		return l.file.Truncate(l.read)
	}
	return nil
}

func parse(line []byte) (Row, error) {
	var row Row
	if err := json.Unmarshal(line, &row); err != nil {
		return row, fmt.Errorf("no row of a ledger: %w", err)
	}
	if row.Key == "" {
		return row, errors.New("no row of a ledger: it has no key")
	}
	return row, nil
}
