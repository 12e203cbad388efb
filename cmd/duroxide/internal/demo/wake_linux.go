package demo

import "syscall"

// attributes let a host that is paused when its parent dies go on, to find its
// standard input closed. Linux sends the signal when the thread ends that
// started the host, so its owner keeps to one thread.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGCONT} }
