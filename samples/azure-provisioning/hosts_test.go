//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/story"
)

var working = regexp.MustCompile(`(host \d+) works, process (\d+)`)

// strike sends a signal to the host that began to work last, once the screen shows
// some texts one after another.
func strike(t *testing.T, with syscall.Signal, texts ...string) *screen {
	t.Helper()
	return &screen{see: func(shown string) bool {
		for _, text := range texts {
			_, after, ok := strings.Cut(shown, text)
			if !ok {
				return false
			}
			if text != texts[len(texts)-1] {
				shown = after
			}
		}
		return true
	}, then: func(shown string) {
		hosts := working.FindAllStringSubmatch(shown, -1)
		pid, err := strconv.Atoi(hosts[len(hosts)-1][2])
		if err == nil {
			err = syscall.Kill(pid, with)
		}
		if err != nil {
			t.Error(err)
		}
	}}
}

func TestAHostThatDiesWhileAzureIsAtWorkIsReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		with  syscall.Signal
		texts []string
	}{
		"kill -9, making":   {syscall.SIGKILL, []string{"in progress"}},
		"kill -9, removing": {syscall.SIGKILL, []string{"Removing", "next poll"}},
		"SIGTERM, making":   {syscall.SIGTERM, []string{"in progress"}},
		"SIGTERM, removing": {syscall.SIGTERM, []string{"Removing", "next poll"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			cloud, out := newCloud(), strike(t, c.with, c.texts...)
			err := azure(ctx, t, cloud, "", out, true, false, filepath.Join(t.TempDir(), "hub.db"))
			text := out.String()
			if err != nil || !strings.Contains(text, "all is removed") || len(cloud.Resources()) != 0 {
				t.Errorf("it ended with %v, left is %+v:\n%s", err, cloud.Resources(), text)
			}
			n := strings.Count(text, "ended by itself")
			if mayFinish := c.with == syscall.SIGTERM && len(c.texts) > 1; n != 1 && (!mayFinish || n != 0) { // what it began, in order, and that may be all
				t.Errorf("it says %d times that a host ended:\n%s", n, text)
			} else if !mayFinish && !strings.Contains(text, "host 2 works") {
				t.Errorf("no host takes its place:\n%s", text)
			}
			if n := cloud.Ledger().Count(emulator.Created, ""); n != 7 {
				t.Errorf("%d resources were created, want 7", n)
			}
		})
	}
}

func TestAHostThatIsKilledByHandIsReplaced(t *testing.T) {
	for name, with := range map[string]syscall.Signal{"kill -9": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(asProgram, "1")
			out := strike(t, with, "in progress")
			err := run(t.Context(), []string{"--store", "sqlite:" + filepath.Join(t.TempDir(), "hub.db"), "--pace", "60ms"}, strings.NewReader(""), out)
			text := out.String()
			if err != nil || !strings.Contains(text, "facts hold") || !strings.Contains(text, "✗ kill -9 of host 2") {
				t.Errorf("it ended with %v:\n%s", err, text)
			}
			if strings.Count(text, "host 1 (process") != 1 || regexp.MustCompile(`(?m)[: ]$`).MatchString(text) {
				t.Errorf("how host 1 ended is not said once and well:\n%s", text)
			}
		})
	}
}

func TestWorkersThatDieOneAfterAnotherEndTheProgram(t *testing.T) {
	for name, call := range map[string]func(path string, out io.Writer) error{
		"emulator": func(path string, out io.Writer) error {
			t.Setenv(asProgram, dyingWorkers)
			return run(t.Context(), []string{"--store", "sqlite:" + path, "--pace", "60ms"}, strings.NewReader(""), out)
		},
		"azure": func(path string, out io.Writer) error {
			t.Setenv(asProgram, dyingWorkers)
			cfg := azureConfig(t, newCloud(), path)
			cfg.Out, cfg.Yes = out, true
			return story.Azure(t.Context(), cfg)
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := &screen{}
			err := call(filepath.Join(t.TempDir(), "hub.db"), out)
			if err == nil || !strings.Contains(err.Error(), "hosts in a row") || !strings.Contains(err.Error(), "this one is broken") {
				t.Errorf("it ended with %v:\n%s", err, out.String())
			}
			if left := strings.Contains(out.String(), "NOT ALL IS REMOVED"); left != (name == "azure") {
				t.Errorf("it says what is left: %v\n%s", left, out.String())
			}
		})
	}
}

func TestAHangUpEndsTheProgramInOrder(t *testing.T) {
	cmd := program(t, "--store", "sqlite:"+filepath.Join(t.TempDir(), "hub.db"), "--pace", "60ms")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a shell does
	var said bytes.Buffer
	out := &screen{when: "in progress", call: func() { // at a terminal all processes hear of it
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGHUP); err != nil {
			t.Error(err)
		}
	}}
	cmd.Stdout, cmd.Stderr = out, &said
	_ = cmd.Run() // its state is looked at
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(said.String(), "hangup") {
		t.Errorf("it ended with code %d, and %s\n%s", code, said.String(), out.String())
	}
	if text := out.String(); strings.Contains(text, "ended by itself") {
		t.Errorf("a hang-up is not for hosts:\n%s", text)
	}
}
