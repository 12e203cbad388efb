//go:build !linux && !windows

package azurite

import "syscall"

// wakeWithoutParent has nothing to do: a paused process group whose parent dies
// is woken by the system in most cases, and there is no way for the others.
func wakeWithoutParent(*syscall.SysProcAttr) {}
