package azurite

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestThePreloadChangesWhatItSays runs it before a program that stands where
// Azurite would, and prints what it finds.
func TestThePreloadChangesWhatItSays(t *testing.T) {
	i := installation{t.TempDir()}
	preload, err := i.preload()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Dir(i.program())
	for path, text := range map[string]string{
		i.program(): `console.log(require("./blob/utils/constants").DEFAULT_GC_INTERVAL_MS, require("./queue/utils/constants").DEFAULT_GC_INTERVAL_MS,
			Object.keys(require("applicationinsights")).length, "AZURITE_ACCOUNTS" in process.env, process.env.AZURITE_DB);
			process.once("SIGTERM", () => { console.log("saved"); });`,
		filepath.Join(source, "blob", "utils", "constants.js"):  "exports.DEFAULT_GC_INTERVAL_MS = 1;",
		filepath.Join(source, "queue", "utils", "constants.js"): "exports.DEFAULT_GC_INTERVAL_MS = 1;",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AZURITE_ACCOUNTS", "other:key")
	t.Setenv("AZURITE_DB", "sqlite")
	printed, err := exec.Command("node", "-r", preload, i.program()).CombinedOutput() // its standard input is empty
	if want := "2147483647 2147483647 0 false undefined\nsaved\n"; string(printed) != want || err != nil {
		t.Errorf("printed %q, %v, want %q", printed, err, want)
	}
}
