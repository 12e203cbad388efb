package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/story"
)

// asProgram makes the test binary behave as the program, whose children are
// started from the file that it runs from.
const asProgram = "PROVISIONING_TEST_AS_PROGRAM"

// dyingWorkers is a value of asProgram: workers die at once.
const dyingWorkers = "workers die at once"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "":
		goleak.VerifyTestMain(m)
	case dyingWorkers:
		if os.Args[1] == host.WorkerVerb {
			fmt.Println(`{"msg":"provisioning: ready"}`)
			fmt.Fprintln(os.Stderr, "this one is broken")
			os.Exit(3)
		}
		main()
	default:
		main()
	}
}

// screen is where the program prints. It calls when something shows.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	when string
	call func()
	see  func(shown string) bool // instead of when
	then func(shown string)
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.text.Write(b)
	if s.call != nil && strings.Contains(s.text.String(), s.when) {
		s.call()
		s.call = nil
	}
	if s.then != nil && s.see(s.text.String()) {
		s.then(s.text.String())
		s.then = nil
	}
	return n, err
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// shown runs the program, which must show some things.
func shown(t *testing.T, args []string, want ...string) {
	t.Helper()
	t.Setenv(asProgram, "1")
	var out screen
	if err := run(t.Context(), args, strings.NewReader(""), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, text := range want {
		if !strings.Contains(out.String(), text) {
			t.Errorf("it does not show %q:\n%s", text, out.String())
		}
	}
}

// claims are what the program prints of itself.
var claims = []string{
	"✗ kill -9 of host", "approved by ann", "each was created exactly once", "nothing else exists: 0 orphans",
	"was killed in the middle of a long-running operation: host", "until the identity's principal was visible", "repaired the storage account", "repaired the role assignment", "QuotaExceeded", "0 are left", "0 resources exist", "facts hold",
}

func TestAHostIsKilledAndEverythingIsMadeOnceOnSQLite(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	shown(t, []string{"--store", "sqlite:" + filepath.Join(t.TempDir(), "hub.db"), "--pace", "60ms", "--log", log}, claims...)
	text, err := os.ReadFile(log)
	for _, want := range []string{`"worker":"host 1"`, `"worker":"host 2"`, "request begun", "request ended", "ensure.poll"} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%v; the log does not have %s", err, want)
		}
	}
}

func TestOneOfTwoHostsIsKilledAndEverythingIsMadeOnceOnAzurite(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Azurite and processes, for up to a minute: run it without -short")
	}
	shown(t, []string{"--pace", "100ms", "--environments", "4"}, append(claims, "4 of 4 environments were made and removed, 0 failed", "created once and deleted once")...)
}

func TestAnInterruptLeavesNoProcess(t *testing.T) {
	t.Setenv(asProgram, "1")
	ctx, interrupt := context.WithCancel(t.Context())
	out := screen{when: "in progress", call: interrupt}
	err := run(ctx, []string{"--store", "sqlite:" + filepath.Join(t.TempDir(), "hub.db"), "--pace", "60ms"}, strings.NewReader(""), &out)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v:\n%s", err, out.String())
	}
	pids := process.FindAllStringSubmatch(out.String(), -1)
	if len(pids) < 2 {
		t.Errorf("the emulator and a worker should have been named:\n%s", out.String())
	}
	for _, m := range pids {
		pid, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		if p, err := os.FindProcess(pid); err == nil && p.Signal(syscall.Signal(0)) == nil {
			t.Errorf("process %d still runs", pid)
		}
	}
}

var process = regexp.MustCompile(`process (\d+)`)

// azureConfig is for what --target azure does, on an emulator.
func azureConfig(t *testing.T, cloud *emulator.Server, path string) story.AzureConfig {
	t.Helper()
	server := httptest.NewServer(cloud)
	t.Cleanup(server.Close)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	store, err := host.ParseStore("sqlite:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return story.AzureConfig{
		Program: program, Store: store, Subscription: "00000000-0000-0000-0000-000000000001", Location: "westeurope",
		Endpoint: server.URL, In: strings.NewReader(""),
	}
}

// azure runs what --target azure does, on an emulator.
func azure(ctx context.Context, t *testing.T, cloud *emulator.Server, in string, out io.Writer, yes, tearDown bool, path string) error {
	t.Helper()
	t.Setenv(asProgram, "1")
	cfg := azureConfig(t, cloud, path)
	cfg.In, cfg.Out, cfg.Yes, cfg.TearDown = strings.NewReader(in), out, yes, tearDown
	return story.Azure(ctx, cfg)
}

func newCloud() *emulator.Server { return emulator.New(emulator.Config{Pace: 20 * time.Millisecond}) }

func TestAzureIsLeftAsItWas(t *testing.T) {
	for name, c := range map[string]struct {
		in, want string
		made     bool
	}{
		"confirmed and approved":  {strings.Repeat("yes\n", 2), "it answers at", true},
		"confirmed, not approved": {"yes\nno\n", "refused by the user", true},
		"not confirmed":           {"no\n", "", false},
		"nobody there":            {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			cloud, out := newCloud(), &screen{}
			err := azure(t.Context(), t, cloud, c.in, out, false, false, filepath.Join(t.TempDir(), "hub.db"))
			text := out.String()
			if err != nil {
				text += err.Error()
			}
			if !strings.Contains(text, "THIS COSTS MONEY") || !strings.Contains(text, c.want) {
				t.Errorf("it shows:\n%s", text)
			}
			if made := cloud.Ledger().Count(emulator.Created, "") > 0; made != c.made || len(cloud.Resources()) != 0 {
				t.Errorf("made %v, left %+v:\n%s", made, cloud.Resources(), text)
			}
		})
	}
}

func TestAnInterruptRemovesWhatIsInAzure(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	cloud, out := newCloud(), &screen{when: "in progress", call: interrupt}
	err := azure(ctx, t, cloud, "", out, true, false, filepath.Join(t.TempDir(), "hub.db"))
	if !errors.Is(err, context.Canceled) || !strings.Contains(out.String(), "all is removed") {
		t.Errorf("it ended with %v:\n%s", err, out.String())
	}
	if cloud.Ledger().Count(emulator.Created, "") == 0 || len(cloud.Resources()) != 0 {
		t.Errorf("left is %+v", cloud.Resources())
	}
}
