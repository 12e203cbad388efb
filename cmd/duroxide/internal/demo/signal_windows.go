package demo

import (
	"errors"
	"os"
)

var errNoSignals = errors.New("this system has no signals that pause a process or ask it to end: the story of several hosts needs them")

func pauseProcess(*os.Process) error  { return errNoSignals }
func resumeProcess(*os.Process) error { return errNoSignals }
func askToLeave(*os.Process) error    { return errNoSignals }
