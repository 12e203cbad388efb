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

// withProcesses lets a test start child processes.
func withProcesses(t *testing.T) {
	t.Helper()
	t.Setenv(asProgram, "1")
}
