//go:build !windows

// The tests run shell scripts and send signals.

package azurite

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// parentVariable makes this very program a parent that starts a server and never
// stops it; its value is the server's location, or "memory".
const parentVariable = "DUROXIDE_AZURITE_TEST_PARENT"

func TestMain(m *testing.M) {
	if location := os.Getenv(parentVariable); location != "" {
		os.Exit(beParent(location))
	}
	goleak.VerifyTestMain(m)
}

// beParent prints the endpoints and the process id of its server, and pauses
// it if its standard input says so. It goes on until it is killed, or its test
// is.
func beParent(location string) int {
	if location == "memory" {
		location = ""
	}
	server, err := Start(context.Background(), Config{Location: location})
	if err != nil {
		fmt.Fprintln(os.Stdout, "failed", err)
		return 1
	}
	fmt.Fprintln(os.Stdout, server.Endpoints().Table, server.PID())
	if n, _ := os.Stdin.Read(make([]byte, 1)); n == 1 {
		fmt.Fprintln(os.Stdout, "paused", server.Pause())
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fakeProgram puts a shell script of that name before all other programs.
func fakeProgram(t *testing.T, name, script string) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/"+name, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// gone reports whether a process has ended.
func gone(p *os.Process) bool { return p.Signal(syscall.Signal(0)) != nil }
