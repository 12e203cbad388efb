//go:build !unix

package bench

import "time"

// cpuTime is not measured on this system.
func cpuTime() time.Duration { return 0 }

// peakOfLife is not measured on this system.
func peakOfLife() int64 { return 0 }
