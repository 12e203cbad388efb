package azurite

import (
	"errors"
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

var errNoPause = errors.New("azurite: this system cannot pause a process")

func pause(*os.Process) error { return errNoPause }

func resume(*os.Process) error { return errNoPause }
