package bench

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// forgetPeak gives memory back and makes the peak count from now on, so that
// the raw loop does not show in the figures of the run. Only Linux can; on
// other systems the peak is that of the whole process.
func forgetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // what cannot be done changes a figure only
}

// peak is the most memory that this process held since forgetPeak, in bytes.
func peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return peakOfLife()
	}
	for line := range strings.Lines(string(status)) {
		if kib, found := strings.CutPrefix(line, "VmHWM:"); found {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 10, 64)
			if err == nil {
				return n << 10
			}
		}
	}
	return peakOfLife()
}
