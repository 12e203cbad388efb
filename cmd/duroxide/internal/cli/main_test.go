package cli

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// asProgram makes the test binary behave as the program: the verbs start their
// child processes from the file that they run from.
const asProgram = "DUROXIDE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main())
	}
	goleak.VerifyTestMain(m)
}

// startsAzurite skips a test that starts the emulator, and worker processes with
// it, where tests are to be short.
func startsAzurite(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts Azurite and processes, for up to a minute: run it without -short")
	}
}

// withProcesses lets a test start child processes.
func withProcesses(t *testing.T) {
	t.Helper()
	t.Setenv(asProgram, "1")
}
