package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/story"
)

const inAzure = "--target azure --location westeurope --subscription 00000000-0000-0000-0000-000000000000 "

func TestBadFlagsAreRefusedWithTheNextStep(t *testing.T) {
	for args, want := range map[string]string{
		"--store oracle":                  "write azurite, or sqlite:PATH",
		"--store sqlite:":                 "the path of the file is missing",
		"--target aws":                    "emulator or azure",
		"--target azure":                  "az account list",
		"--target azure --subscription x": "az account list",
		"--target azure --location x --subscription 00000000-0000-0000-0000-000000000000": "az account list-locations",
		"--environments 100000":      "want 0 to 1000",
		"--yes":                      "for --target azure",
		"more":                       "no arguments besides flags",
		"--timeout 0s":               "--timeout 0s",
		"--pace -1s":                 "--pace -1s",
		"--pace 1ms":                 "--pace 1ms: want 20ms or more",
		"--nonsense":                 "see --help",
		inAzure + "--environments 3": "one environment",
		inAzure + "--store azurite":  "--store sqlite:PATH",
		inAzure + "--pace 1s":        "--pace",
		inAzure + "--timeout 1h":     "--timeout 1h0m0s is for the emulator",
		"--location westeurope":      "for --target azure",
		"--subscription x":           "for --target azure",
		"--store sqlite:/":           "a directory",
	} {
		err := run(t.Context(), strings.Fields(args), strings.NewReader(""), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// program is the program as a process.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func TestHelpIsNoFailureAndAnUnknownFlagIsNamedOnce(t *testing.T) {
	out, err := program(t, "--help").Output()
	if err != nil || strings.Count(string(out), "-environments") == 0 {
		t.Errorf("--help ends with %v:\n%s", err, out)
	}
	out, err = program(t, "--nonsense").CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 1 || strings.Count(string(out), "nonsense") != 1 {
		t.Errorf("an unknown flag ends with %v:\n%s", err, out)
	}
}

func TestItSaysThatItNeedsMoreTime(t *testing.T) {
	t.Setenv(asProgram, "1")
	err := run(t.Context(), []string{"--store", "sqlite:" + filepath.Join(t.TempDir(), "hub.db"), "--pace", "5s", "--timeout", "1s"}, strings.NewReader(""), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "not done within --timeout 1s") {
		t.Errorf("it ended with %v", err)
	}
}

func TestAHostIsKilledAtTheSmallestPaceToo(t *testing.T) {
	shown(t, []string{"--store", "sqlite:" + filepath.Join(t.TempDir(), "hub.db"), "--pace", "20ms"}, "facts hold")
}

func TestAFileOfAnEarlierRunIsNotUsedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	for _, suffix := range []string{"", "-wal", ".worker"} {
		if err := os.WriteFile(path+suffix, []byte("something"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := run(t.Context(), []string{"--store", "sqlite:" + path}, strings.NewReader(""), io.Discard)
	if err == nil {
		t.Fatal("it is used again")
	}
	if want := regexp.MustCompile(`remove .*hub\.db .*hub\.db-wal .*hub\.db\.worker, or name another`); !want.MatchString(err.Error()) || strings.Contains(err.Error(), "-shm") {
		t.Errorf("it ended with %v", err)
	}
}

// It is no success either: the kill is one of the facts.
func TestWhatIsTooFastToBeKilledIsNotWaitedFor(t *testing.T) {
	t.Setenv(asProgram, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	store, err := host.ParseStore("sqlite:" + filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	var out screen
	err = story.Run(t.Context(), story.Config{Program: self, Store: store, Pace: time.Millisecond, Out: &out, Limit: time.Minute})
	text := out.String()
	killed := strings.Contains(text, "✗ kill -9")
	if killed == strings.Contains(text, "nothing to kill") || killed && err != nil || !killed && !errors.Is(err, story.ErrNotTrue) {
		t.Errorf("it ended with %v:\n%s", err, text)
	}
}
