//go:build !windows

package demo

import (
	"os"
	"syscall"
)

func pauseProcess(p *os.Process) error  { return p.Signal(syscall.SIGSTOP) }
func resumeProcess(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
func askToLeave(p *os.Process) error    { return p.Signal(syscall.SIGTERM) }
