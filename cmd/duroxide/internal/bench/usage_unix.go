//go:build unix

package bench

import (
	"runtime"
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakOfLife is the most memory that this process ever held, in bytes.
func peakOfLife() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(u.Maxrss) //nolint:unconvert // It is 32 bits wide on some systems; in bytes here, in KiB elsewhere.
	}
	return int64(u.Maxrss) << 10 //nolint:unconvert // As above.
}
