package ledger_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duroxide/duroxide-go/internal/ledger"
)

// helperEnv makes the test binary a process that applies effects until it is
// killed or has done all.
const helperEnv = "LEDGER_TEST_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(helperEnv); path != "" {
		if err := applyAll(path, func(i int) { fmt.Fprintln(os.Stdout, i) }); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or the test is
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const helperKeys = 300

func applyAll(path string, progress func(int)) error {
	l, err := ledger.Open(path)
	if err != nil {
		return err
	}
	for i := range helperKeys {
		if _, err := l.Apply(row(fmt.Sprint("key-", i))); err != nil {
			return err
		}
		progress(i)
	}
	return l.Close()
}

func row(key string) ledger.Row {
	return ledger.Row{Key: key, Activity: "charge", Instance: "order-7", Execution: 1, Event: 2, Attempt: 1}
}

func open(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func read(t *testing.T, path string) []ledger.Row {
	t.Helper()
	var rows []ledger.Row
	for row, err := range ledger.Read(path) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// effects counts the effects and the repeats of each key.
func effects(rows []ledger.Row) (applied, repeated map[string]int) {
	applied, repeated = map[string]int{}, map[string]int{}
	for _, row := range rows {
		if row.Repeat {
			repeated[row.Key]++
		} else {
			applied[row.Key]++
		}
	}
	return applied, repeated
}

func TestAnEffectIsAppliedOnceAndItsRepeatsAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	l := open(t, path)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first := ledger.Row{Key: "k", Activity: "charge", Instance: "order-7", Execution: 1, Event: 2, Attempt: 1, PID: 11, Time: at}
	second := first
	second.Attempt, second.PID = 2, 12
	for i, c := range []struct {
		row  ledger.Row
		want bool
	}{{first, true}, {second, false}, {row("other"), true}} {
		if applied, err := l.Apply(c.row); err != nil || applied != c.want {
			t.Errorf("run %d: applied %v, want %v (%v)", i+1, applied, c.want, err)
		}
	}
	rows := read(t, path)
	if len(rows) != 3 {
		t.Fatalf("%d rows, want one for each run", len(rows))
	}
	second.Repeat = true
	if diff := cmp.Diff([]ledger.Row{first, second}, rows[:2]); diff != "" {
		t.Errorf("rows (-applied +read):\n%s", diff)
	}
	if rows[2].PID != os.Getpid() || rows[2].Time.IsZero() {
		t.Errorf("process and time were not filled in: %+v", rows[2])
	}
}

func TestSeveralWritersShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	const writers, keys = 4, 50
	var mu sync.Mutex
	applied := 0
	var group sync.WaitGroup
	for range writers {
		l := open(t, path)
		group.Go(func() {
			for i := range keys {
				ok, err := l.Apply(row(fmt.Sprint("key-", i)))
				if err != nil {
					t.Error(err)
				}
				if ok {
					mu.Lock()
					applied++
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	if applied != keys {
		t.Errorf("%d effects were reported as applied, want %d", applied, keys)
	}
	once, repeats := effects(read(t, path))
	for i := range keys {
		key := fmt.Sprint("key-", i)
		if once[key] != 1 || repeats[key] != writers-1 {
			t.Errorf("%s: %d effects and %d repeats, want 1 and %d", key, once[key], repeats[key], writers-1)
		}
	}
}

func TestAnUnfinishedLineIsNoEffectAndIsCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	if _, err := open(t, path).Apply(row("whole")); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := strings.Replace(string(whole), "whole", "torn!", 1)
	for cut := 1; cut < len(torn); cut++ { // all but the line break at most
		if err := os.WriteFile(path, append(whole, torn[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		if rows := read(t, path); len(rows) != 1 {
			t.Fatalf("cut after %d bytes: %d rows are read, want 1", cut, len(rows))
		}
		applied, err := open(t, path).Apply(row("torn!"))
		if err != nil || !applied {
			t.Fatalf("cut after %d bytes: applied %v (%v), want the effect to be new", cut, applied, err)
		}
		if once, _ := effects(read(t, path)); once["whole"] != 1 || once["torn!"] != 1 {
			t.Fatalf("cut after %d bytes: effects %v", cut, once)
		}
	}
}

func TestALineThatIsNoRowIsAnErrorThatNamesIt(t *testing.T) {
	for name, line := range map[string]string{"garbage": "garbage", "a row without a key": `{"activity":"charge"}`} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.jsonl")
			content := `{"key":"k"}` + "\n" + line + "\n" + `{"key":"l"}` + "\n"
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			var readErr error
			for _, err := range ledger.Read(path) {
				readErr = err
			}
			_, applyErr := open(t, path).Apply(row("m"))
			for _, err := range []error{readErr, applyErr} {
				if err == nil || !strings.Contains(err.Error(), "line 2: no row of a ledger") {
					t.Errorf("error %v, want one that names line 2", err)
				}
			}
		})
	}
}

func TestALedgerThatShrinksIsNotTrusted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	l := open(t, path)
	if _, err := l.Apply(row("k")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Apply(row("k")); err == nil || !strings.Contains(err.Error(), "shrank") {
		t.Errorf("error %v, want one that says that the file shrank", err)
	}
}

func TestARowNeedsAKey(t *testing.T) {
	if _, err := open(t, filepath.Join(t.TempDir(), "ledger.jsonl")).Apply(ledger.Row{}); err == nil {
		t.Error("a row without a key was applied")
	}
}

func TestAMissingLedgerIsAnErrorToReadersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	var err error
	for _, err = range ledger.Read(path) {
	}
	if err == nil {
		t.Error("a ledger that does not exist was read")
	}
	open(t, path)
	if rows := read(t, path); len(rows) != 0 {
		t.Errorf("a new ledger has %d rows", len(rows))
	}
}

// Processes that share a ledger are killed at any moment; whoever comes later
// finishes, and every effect is there once.
func TestEffectsAreAppliedOnceWhenWritersAreKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	for round := range 8 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range round * 30 { // then it is somewhere in the middle of a row
			lines.Scan()
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatalf("round %d: the process ended by itself", round)
		}
		_ = in.Close() // Wait has done so
	}
	if err := applyAll(path, func(int) {}); err != nil {
		t.Fatal(err)
	}
	once, _ := effects(read(t, path))
	for i := range helperKeys {
		if key := fmt.Sprint("key-", i); once[key] != 1 {
			t.Errorf("%s has %d effects", key, once[key])
		}
	}
}
