//go:build !windows

package azurite

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func withTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// fakeNPM installs a program of one byte, and tells that it did.
const fakeNPM = `echo run >>"$CALLS"; mkdir -p node_modules/azurite/dist/src && echo >node_modules/azurite/dist/src/azurite.js`

func calls(t *testing.T) func() int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "calls")
	t.Setenv("CALLS", path)
	return func() int {
		text, _ := os.ReadFile(path)
		return strings.Count(string(text), "run\n")
	}
}

func TestOneOfManyProcessesInstallsAndAllFindIt(t *testing.T) {
	fakeProgram(t, "npm", "sleep 0.3; "+fakeNPM)
	count, cache := calls(t), t.TempDir()
	done := make(chan error)
	for range 5 {
		go func() {
			at, err := installUnder(t.Context(), cache)
			if err == nil && !at.complete() {
				err = os.ErrNotExist
			}
			done <- err
		}()
	}
	for range 5 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := count(); n != 1 {
		t.Errorf("npm ran %d times, want once", n)
	}
}

func TestAnInterruptedInstallationIsDoneAnew(t *testing.T) {
	count, cache := calls(t), t.TempDir()
	fakeProgram(t, "npm", "mkdir node_modules; echo the network is a desert; exit 1")
	at, err := installUnder(t.Context(), cache)
	if err == nil || !strings.Contains(err.Error(), "the network is a desert") {
		t.Errorf("a failed installation says %v", err)
	}
	if at.complete() {
		t.Error("a failed installation is complete")
	}
	if err := os.MkdirAll(at.folder+".new/node_modules/half", 0o750); err != nil { // as a killed process leaves it
		t.Fatal(err)
	}
	fakeProgram(t, "npm", fakeNPM)
	if at, err = installUnder(t.Context(), cache); err != nil || !at.complete() {
		t.Errorf("the second attempt: %v", err)
	}
	if _, err := os.Stat(filepath.Join(at.folder, "node_modules", "half")); err == nil {
		t.Error("it was mixed with the half of the first")
	}
	if n := count(); n != 1 {
		t.Errorf("npm succeeded %d times, want once", n)
	}
}

func TestWaitingForAnotherInstallationEndsWithTheContext(t *testing.T) {
	cache := t.TempDir()
	lockFileText, err := npm.ReadFile("npm/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := waitForLock(t.Context(), filepath.Join(cache, "azurite-"+shortHash(lockFileText)+".lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := withTimeout(t, 10*time.Millisecond)
	defer cancel()
	if _, err := installUnder(ctx, cache); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}

func TestAMissingNPMIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := installUnder(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "npm is needed") {
		t.Errorf("got %v", err)
	}
}

func TestTheLockFilePinsTheVersionAndNamesNoRegistry(t *testing.T) {
	lockFileText, err := npm.ReadFile("npm/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	text := string(lockFileText)
	if strings.Contains(text, `"resolved"`) {
		t.Error("the lock file names where packages come from: make it with omit-lockfile-registry-resolved")
	}
	if !strings.Contains(text, `"azurite": "`+Version+`"`) {
		t.Errorf("the lock file does not pin version %s", Version)
	}
}

func TestThePreloadIsWrittenOnce(t *testing.T) {
	i := installation{t.TempDir()}
	first, err := i.preload()
	if err != nil {
		t.Fatal(err)
	}
	second, err := i.preload()
	if err != nil || first != second {
		t.Errorf("got %s, then %s, %v", first, second, err)
	}
	entries, err := os.ReadDir(i.folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}
