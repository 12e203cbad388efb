//go:build !windows

package azurite

import (
	"os"
	"syscall"
)

// attributes gives the server a process group of its own: an interrupt typed at
// the terminal is for its parent, which stops it in order.
func attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	wakeWithoutParent(a)
	return a
}

func pause(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
