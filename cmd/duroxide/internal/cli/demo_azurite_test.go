package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/demo"
)

func TestOrdersSurviveWhatHappensToTheirHosts(t *testing.T) {
	startsAzurite(t)
	withProcesses(t)
	t.Setenv("TMPDIR", t.TempDir())
	code, stdout, stderr := run(t, "demo", "--store", "azurite", "--hosts", "3", "-o", "json", "--timeout", "4m")
	if code != ExitOK {
		t.Fatalf("exit code %d:\n%s\n%s", code, stderr, stdout)
	}
	var r demo.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("standard output is not the report alone: %v\n%s", err, stdout)
	}
	if len(r.Orders) != 96 || r.Unexpected() != 0 || !r.Audit.OK() || r.Audit.Effects.Effects != r.Audit.Effects.Completed {
		t.Errorf("the story ended otherwise:\n%s", stdout)
	}
	p := r.Partitions
	if p == nil || p.Hosts != 4 || r.Kills != 1 {
		t.Fatalf("%d kills, and of the hosts: %+v", r.Kills, p)
	}
	ttl := demo.HostTTL.Seconds()
	if p.PauseSeconds <= ttl || p.PausedApplied != 0 {
		t.Errorf("a host that was paused for %.1f s committed %d times afterwards", p.PauseSeconds, p.PausedApplied)
	}
	if p.TakeOverSeconds <= 0 || p.TakeOverSeconds > 10*ttl { // the bound is asserted in virtual time: this is a machine that does other things
		t.Errorf("the takeover took %.1f s", p.TakeOverSeconds)
	}
	if p.Transactions["Table: Entity Group Transaction"] == 0 || p.Watching == 0 {
		t.Errorf("transactions were not counted: %+v", p)
	}
	for _, told := range []string{"✗ kill -9 of host", "declares it dead", "host 4 joins", "‖ SIGSTOP", "▷ SIGCONT", "committed nothing under its old name", "⇢ SIGTERM", "the hosts share them"} {
		if !strings.Contains(stderr, told) {
			t.Errorf("the progress does not say %q:\n%s", told, stderr)
		}
	}
	nothingLeft(t, stderr)
}

func TestAnInterruptEndsHostsAndEmulator(t *testing.T) {
	startsAzurite(t)
	withProcesses(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	out := &trigger{after: "✗ kill -9", do: interrupt}
	code := Run(ctx, []string{"demo", "--store", "azurite", "--hosts", "2"}, strings.NewReader(""), out, &stderr)
	if code != ExitError || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("exit code %d:\n%s", code, stderr.String())
	}
	nothingLeft(t, out.text.String())
}

// nothingLeft demands that the workers of a story are gone, and its files.
func nothingLeft(t *testing.T, story string) {
	t.Helper()
	for _, pid := range workers(t, story) {
		if p, err := os.FindProcess(pid); err == nil && p.Signal(syscall.Signal(0)) == nil {
			t.Errorf("the worker process %d still runs", pid)
		}
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
