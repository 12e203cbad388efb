package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/demo"
	"github.com/duroxide/duroxide-go/internal/verify"
)

func TestOrdersSurviveTheKillsOfTheirWorker(t *testing.T) {
	withProcesses(t)
	path := filepath.Join(t.TempDir(), "demo.db")
	store := "sqlite:" + path
	code, stdout, stderr := run(t, "demo", "--store", store, "--input", "testdata/orders/few.json", "--kills", "2", "-o", "json")
	if code != ExitOK {
		t.Fatalf("exit code %d:\n%s", code, stderr)
	}
	var r demo.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("standard output is not the report alone: %v\n%s", err, stdout)
	}
	if r.Kills != 2 || r.Workers != 3 {
		t.Errorf("%d kills of %d workers, want 2 of 3", r.Kills, r.Workers)
	}
	if len(r.Orders) != 8 || r.Unexpected() != 0 || r.Rounds < 5 || !r.Audit.OK() {
		t.Errorf("the story ended otherwise:\n%s", stdout)
	}
	for _, told := range []string{"✗ kill -9", "takes over", `raises the event "decision": granted`, "undoing the payment", "nobody approved", "the shop closes"} {
		if !strings.Contains(stderr, told) {
			t.Errorf("the progress does not say %q:\n%s", told, stderr)
		}
	}

	t.Run("the store passes the audit of another process", func(t *testing.T) {
		code, stdout, stderr := run(t, "hub", "verify", "--store", store, "--ledger", path+".ledger", "--complete")
		if code != ExitOK || !strings.Contains(stdout, "the audit passed") {
			t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
		}
	})
	t.Run("a second demo is refused", func(t *testing.T) {
		code, _, stderr := run(t, "demo", "--store", store)
		if code != ExitError || !strings.Contains(stderr, "earlier demo") {
			t.Errorf("exit code %d:\n%s", code, stderr)
		}
	})
	t.Run("an effect applied twice is found", func(t *testing.T) {
		doubleEffect(t, path+".ledger")
		code, stdout, _ := run(t, "hub", "verify", "--store", store, "--ledger", path+".ledger", "-o", "json")
		if code != ExitAudit {
			t.Fatalf("exit code %d, want %d", code, ExitAudit)
		}
		var report struct {
			Findings []verify.Finding `json:"findings"`
		}
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatal(err)
		}
		if len(report.Findings) != 1 || report.Findings[0].Rule != verify.OneEffect || !strings.Contains(report.Findings[0].What, "applied twice") {
			t.Errorf("findings %+v, want the doubled effect", report.Findings)
		}
	})
}

// doubleEffect repeats the first effect of a ledger as if it were a new one.
func doubleEffect(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if err := os.WriteFile(path, append(append(text, first...), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAStoreThatCannotBeOpenedIsAnError(t *testing.T) {
	for place, want := range map[string]string{
		filepath.Join(t.TempDir(), "none", "x.db"): "no such file or directory",
		t.TempDir(): "is a directory",
	} {
		for _, verb := range [][]string{{"demo"}, {"bench", "--instances", "1"}, {"hub", "verify"}} {
			code, _, stderr := run(t, append(verb, "--store", "sqlite:"+place)...)
			if code != ExitError || !strings.Contains(stderr, want) || !strings.Contains(stderr, filepath.Dir(place)) {
				t.Errorf("%v: exit code %d, want %q: %s", verb, code, want, stderr)
			}
		}
	}
}

func TestAnUnexpectedEndingIsAnError(t *testing.T) {
	withProcesses(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	code, stdout, stderr := run(t, "demo", "--input", "testdata/orders/wrong.json", "--kills", "0")
	if code != ExitError || !strings.Contains(stderr, "1 order did not end as expected") || !strings.Contains(stdout, "NO, expected shipped") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(stdout, "Look again: duroxide hub verify") {
		t.Errorf("what went wrong was not kept:\n%s", stdout)
	}
}

func TestAnInterruptLeavesNothingBehind(t *testing.T) {
	withProcesses(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, interrupt := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	out := &trigger{after: "paid", do: interrupt}
	code := Run(ctx, []string{"demo"}, strings.NewReader(""), out, &stderr)
	if code != ExitError || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("exit code %d:\n%s", code, stderr.String())
	}
	for _, pid := range workers(t, out.text.String()) {
		if p, err := os.FindProcess(pid); err == nil && p.Signal(syscall.Signal(0)) == nil {
			t.Errorf("the worker process %d still runs", pid)
		}
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// workers are the pids of the worker processes that a story names.
func workers(t *testing.T, story string) (pids []int) {
	t.Helper()
	for _, found := range regexp.MustCompile(`▶ .*worker process (\d+)`).FindAllStringSubmatch(story, -1) {
		pid, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) == 0 {
		t.Fatalf("no worker is named:\n%s", story)
	}
	return pids
}

// trigger does something once a text is written.
type trigger struct {
	after string
	do    func()
	text  bytes.Buffer
}

func (w *trigger) Write(b []byte) (int, error) {
	n, err := w.text.Write(b)
	if strings.Contains(w.text.String(), w.after) {
		w.do()
	}
	return n, err
}

func TestAWorkingDemoIsNotDisturbed(t *testing.T) {
	withProcesses(t)
	store := "sqlite:" + filepath.Join(t.TempDir(), "demo.db")
	var second, report string
	var once bool
	out := &trigger{after: "shipped 2 parcels"}
	out.do = func() {
		if !once { // while the first demo's worker holds the store
			once = true
			_, _, second = run(t, "demo", "--store", store)
			_, report, _ = run(t, "hub", "verify", "--store", store)
		}
	}
	var stderr bytes.Buffer
	code := Run(t.Context(), []string{"demo", "--store", store, "--input", "testdata/orders/few.json", "--kills", "0"}, strings.NewReader(""), out, &stderr)
	if code != ExitOK {
		t.Errorf("the first demo: exit code %d:\n%s%s", code, out.text.String(), stderr.String())
	}
	if !strings.Contains(second, "earlier demo") {
		t.Errorf("the second demo was not refused: %s", second)
	}
	if !strings.Contains(report, "the audit passed") || !strings.Contains(report, "running") {
		t.Errorf("an audit beside the worker:\n%s", report)
	}
}
