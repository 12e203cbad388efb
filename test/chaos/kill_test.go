package chaos

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/internal/verify"
	"github.com/duroxide/duroxide-go/providers/sqlite"
)

var (
	kills = flag.Int("kills", 200, "how often the worker is killed")
	seed  = flag.Uint64("seed", 1, "of the moments at which it is")
)

// process is a worker that can be killed.
type process struct {
	cmd   *exec.Cmd
	input io.Closer
	log   *bytes.Buffer
}

func start(t *testing.T, path string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(exe), log: &bytes.Buffer{}}
	p.cmd.Env = append(os.Environ(), workerVariable+"="+path)
	p.cmd.Stderr = p.log
	input, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.input = input
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// kill kills the worker, which must still be alive.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatalf("the worker had ended by itself: %v\n%s", err, p.log)
	}
	err := p.cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if status, unix := exit.Sys().(syscall.WaitStatus); !ok || !unix || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the worker ended by itself: %v\n%s", err, p.log)
	}
}

// TestKill9 kills the worker at random moments, some of them while it starts,
// some in the middle of work.
func TestKill9(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+time.Duration(*kills)*time.Second)
	defer cancel()
	path := filepath.Join(t.TempDir(), "hub.db")
	store, err := sqlite.Open(ctx, path, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error("closing the store:", err)
		}
	}()
	client := core.NewClient(store, core.ClientConfig{})
	r := rand.New(rand.NewPCG(*seed, 0))

	var handles []*orchestration.Handle[int]
	var unconfirmed []*orchestration.Handle[int]
	for range *kills {
		p := start(t, path)
		for range r.IntN(3) {
			n := len(handles)
			h, err := order.Start(ctx, client, n, orchestration.StartOptions{ID: orchestration.InstanceID(fmt.Sprintf("order-%d", n))})
			if err != nil {
				t.Fatal(err)
			}
			handles, unconfirmed = append(handles, h), append(unconfirmed, h)
		}
		for len(unconfirmed) > 0 && r.IntN(2) == 0 {
			i := r.IntN(len(unconfirmed))
			if err := confirm.Raise(ctx, client, unconfirmed[i].ID(), 1); err != nil {
				t.Fatal(err)
			}
			unconfirmed = append(unconfirmed[:i], unconfirmed[i+1:]...)
		}
		// A random moment, unlike a sleep to wait for something: whatever the
		// worker is doing then is what is tested.
		<-time.After(time.Duration(r.IntN(60)) * time.Millisecond)
		p.kill(t)
	}

	last := start(t, path)
	for _, h := range unconfirmed {
		if err := confirm.Raise(ctx, client, h.ID(), 1); err != nil {
			t.Fatal(err)
		}
	}
	for n, h := range handles {
		got, err := h.Wait(ctx)
		if err != nil || got != want(n) {
			t.Errorf("%s: %d, %v; want %d", h.ID(), got, err, want(n))
		}
	}
	if err := last.input.Close(); err != nil {
		t.Error(err)
	}
	if err := last.cmd.Wait(); err != nil {
		t.Errorf("the last worker: %v\n%s", err, last.log)
	}
	audit(ctx, t, store, path+".ledger")
}

// audit demands that nothing was lost and nothing doubled.
func audit(ctx context.Context, t *testing.T, store *sqlite.Store, effects string) {
	t.Helper()
	report, err := verify.Store(ctx, store, verify.Options{Complete: true, Effects: []string{"effect", "flaky"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Effects(report, verify.Ledger(effects)); err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Error(f)
	}
	t.Logf("%d instances, %d activities completed, %d effects, %d of them run again after a kill",
		report.Instances, report.Counts.Activities.Completed, report.Effects.Effects, report.Effects.Repeats)
	if report.Counts.Activities.Completed == 0 || report.Effects.Effects == 0 {
		t.Error("the test did no work")
	}
}
