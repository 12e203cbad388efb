package azurite

import "syscall"

// wakeWithoutParent lets a server that was paused when its parent died go on, to
// find its pipe closed. Linux sends the signal when the thread ends that started
// the server, so its owner keeps to one thread; a signal too many does no harm.
func wakeWithoutParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGCONT }
