package chaos

import "syscall"

// attributes end a process with the thread that started it, paused or not.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
