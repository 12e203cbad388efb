//go:build !windows

package azurite

import (
	"os"
	"syscall"
)

// gone reports whether a process has ended.
func gone(p *os.Process) bool { return p.Signal(syscall.Signal(0)) != nil }
