package azurite

import (
	"errors"
	"os"
	"syscall"
)

// errLocked says that somebody else has the lock.
var errLocked = errors.New("locked")

// errorSharingViolation is ERROR_SHARING_VIOLATION, which package syscall does
// not name.
const errorSharingViolation syscall.Errno = 32

// lockFile takes the lock on the file at path, creating it if there is none,
// until the file is closed or the process ends: nobody else may open it
// meanwhile.
func lockFile(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const shareNothing = 0
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, shareNothing, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case errors.Is(err, errorSharingViolation):
		return nil, errLocked
	case err != nil:
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}
