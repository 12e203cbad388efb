package ledger

import (
	"os"
	"syscall"
	"unsafe"
)

var (
	kernel32     = syscall.NewLazyDLL("kernel32.dll")
	lockFileEx   = kernel32.NewProc("LockFileEx")
	unlockFileEx = kernel32.NewProc("UnlockFileEx")
)

// One byte far beyond the rows is locked, so that readers are not kept out.
const (
	exclusive  = 2
	offsetHigh = 0x7fffffff
)

func lock(f *os.File) error {
	at := syscall.Overlapped{OffsetHigh: offsetHigh}
	ok, _, err := lockFileEx.Call(f.Fd(), exclusive, 0, 1, 0, uintptr(unsafe.Pointer(&at))) //nolint:gosec // the system takes a pointer
	return failed(ok, err)
}

func unlock(f *os.File) error {
	at := syscall.Overlapped{OffsetHigh: offsetHigh}
	ok, _, err := unlockFileEx.Call(f.Fd(), 0, 1, 0, uintptr(unsafe.Pointer(&at))) //nolint:gosec // the system takes a pointer
	return failed(ok, err)
}

func failed(ok uintptr, err error) error {
	if ok != 0 {
		return nil
	}
	return err
}
