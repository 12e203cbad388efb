package sim

import (
	"errors"
	"log"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// TestMain makes a seed tell one story: goroutines run in one order only if there
// is one processor, nobody is preempted, and no collection of garbage comes
// between them. The runtime takes the second from the environment alone, and keeps
// it except at calls of functions, on a busy machine.
func TestMain(m *testing.M) {
	const setting = "asyncpreemptoff=1"
	if now := os.Getenv("GODEBUG"); !strings.Contains(now, setting) {
		again := exec.Command(os.Args[0], os.Args[1:]...)
		again.Env = append(os.Environ(), "GODEBUG="+strings.TrimPrefix(now+","+setting, ","))
		again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
		err := again.Run()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			os.Exit(exit.ExitCode())
		}
		if err != nil {
			log.Fatal(err)
		}
		os.Exit(0)
	}
	runtime.GOMAXPROCS(1)
	debug.SetMemoryLimit(1 << 30)
	os.Exit(m.Run())
}

// uncollected runs f without collections of garbage, and collects afterwards.
func uncollected(f func()) {
	before := debug.SetGCPercent(-1)
	defer runtime.GC()
	defer debug.SetGCPercent(before)
	f()
}
