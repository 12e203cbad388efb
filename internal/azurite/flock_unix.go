//go:build !windows

package azurite

import (
	"errors"
	"os"
	"syscall"
)

// errLocked says that somebody else has the lock.
var errLocked = errors.New("locked")

// lockFile takes the lock on the file at path, creating it if there is none,
// until the file is closed or the process ends. A file that is opened twice
// counts as two, in one process too.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errLocked
	}
	return nil, errors.Join(err, f.Close())
}
