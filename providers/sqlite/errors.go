package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/provider"
)

// retryAfter is what the store asks callers to wait when the disk is full or
// another process holds the write lock for long: short enough that work goes on
// soon after an operator made room, long enough not to burn a core meanwhile.
const retryAfter = 500 * time.Millisecond

// mapError is the one place where errors of the driver become errors of the
// contract. It is for statements that had no effect because their transaction
// is rolled back; what a failing COMMIT means is decided by [mapCommitError].
//
// An error that is one of the contract already, or none, is returned as it is.
func mapError(op string, err error) error {
	if err == nil || isContract(err) {
		return err
	}
	wrap := func(sentinel error, hint string) error {
		return fmt.Errorf("sqlite: %s: %w: %w%s", op, sentinel, err, hint)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("sqlite: %s: %w", op, err)
	}
	code := sqlite.ErrCode(err)
	switch code.ToPrimary() {
	case sqlite.ResultFull:
		return unavailable(op, err, "the disk is full: nothing was applied and nothing is lost; make room")
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return unavailable(op, err, "another process holds the write lock of the file")
	case sqlite.ResultIOErr, sqlite.ResultNoMem, sqlite.ResultCantOpen, sqlite.ResultInterrupt, sqlite.ResultProtocol:
		return unavailable(op, err, "nothing was applied")
	case sqlite.ResultReadOnly:
		return wrap(provider.ErrReadOnly, "")
	case sqlite.ResultPerm, sqlite.ResultAuth:
		return wrap(provider.ErrReadOnly, " (check the permissions of the file and its directory)")
	case sqlite.ResultNotADB, sqlite.ResultFormat:
		return wrap(provider.ErrSchema, " (the file is not a SQLite database)")
	case sqlite.ResultCorrupt:
		return wrap(provider.ErrCorrupt, " (run \"PRAGMA integrity_check\" on a copy of the file and restore it from a backup, or with \".recover\" of the sqlite3 shell)")
	case sqlite.ResultTooBig:
		return wrap(provider.ErrInvalid, " (a value exceeds SQLite's limit for one row)")
	case sqlite.ResultError:
		// The driver's word for errors that are not SQLite's, too.
		if !strings.Contains(err.Error(), "no such ") && !strings.Contains(err.Error(), "has no column") {
			break
		}
		fallthrough
	case sqlite.ResultSchema, sqlite.ResultMismatch, sqlite.ResultConstraint:
		return wrap(provider.ErrSchema, " (the tables are not as this program made them)")
	default: // a surprise: later may be better
	}
	return wrap(provider.ErrUnavailable, "")
}

// mapCommitError says what a failing COMMIT means. Where the write-ahead log
// could not be synced its frames may still reach the disk, and a process that
// opens the file after a crash would find them: the outcome is unknown. Every
// other failure rolls back.
func mapCommitError(op string, err error) error {
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultIOErr {
		return fmt.Errorf("sqlite: %s: %w: %w", op, provider.ErrUnknown, err)
	}
	return mapError(op, err)
}

func unavailable(op string, err error, why string) error {
	return &provider.UnavailableError{After: retryAfter, Cause: fmt.Errorf("sqlite: %s: %s: %w", op, why, err)}
}

var contractErrors = []error{
	provider.ErrNotFound, provider.ErrExists, provider.ErrLockLost, provider.ErrConflict,
	provider.ErrInvalid, provider.ErrUnavailable, provider.ErrUnknown, provider.ErrCorrupt,
	provider.ErrHostTaken, provider.ErrSchema, provider.ErrReadOnly, provider.ErrClosed,
}

func isContract(err error) bool {
	for _, sentinel := range contractErrors {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}
