package models

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var define = flag.String("define", "", "larger bounds, NAME=VALUE separated by commas")

// run is one search: a model as it stands (name "correct"), or with a mutant or
// variant of it.
type run struct {
	model, name string
}

func (r run) mutant() bool { return strings.HasPrefix(r.name, "MUTANT_") }

// planted finds the mutants and variants in the text of a model.
var planted = regexp.MustCompile(`\b(?:MUTANT|VARIANT)_[A-Z_]+\b`)

// runs lists what there is to check, by the files in this folder.
func runs(t *testing.T) (all []run) {
	t.Helper()
	files, err := filepath.Glob("*.pml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		names := planted.FindAllString(read(t, file), -1)
		slices.Sort(names)
		for _, name := range append([]string{"correct"}, slices.Compact(names)...) {
			all = append(all, run{strings.TrimSuffix(file, ".pml"), name})
		}
	}
	return all
}

// needSpin skips or fails the test where the tools are missing.
func needSpin(t *testing.T) {
	t.Helper()
	var missing []string
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if len(missing) == 0 {
		return
	}
	const hint = "apt-get install spin gcc libc6-dev; .ci/run installs them and runs this"
	if os.Getenv("DUROXIDE_REQUIRE_SPIN") != "" {
		t.Fatalf("not installed: %s, and DUROXIDE_REQUIRE_SPIN is set: %s", strings.Join(missing, ", "), hint)
	}
	t.Skipf("not installed: %s: %s", strings.Join(missing, ", "), hint)
}

// TestModels lets Spin visit every state of each model, and demands that it
// refutes each mutant.
func TestModels(t *testing.T) {
	needSpin(t)
	for _, r := range runs(t) {
		t.Run(r.model+"/"+r.name, func(t *testing.T) {
			t.Parallel()
			out := r.search(t)
			if r.mutant() {
				refuted(t, out)
			} else {
				proved(t, r, out)
			}
		})
	}
}

// search compiles the model and visits its states.
func (r run) search(t *testing.T) string {
	t.Helper()
	dir, file := t.TempDir(), r.model+".pml"
	if err := os.WriteFile(filepath.Join(dir, file), []byte(read(t, file)), 0o600); err != nil {
		t.Fatal(err)
	}
	generate := []string{"-a"}
	if r.name != "correct" {
		generate = append(generate, "-D"+r.name)
	}
	if *define != "" {
		for d := range strings.SplitSeq(*define, ",") {
			generate = append(generate, "-D"+d)
		}
	}
	command(t, dir, "spin", append(generate, file)...)
	optimise := "-O1"
	if r.mutant() {
		optimise = "-O0" // it is refuted sooner than it is optimised
	}
	command(t, dir, "gcc", optimise, "-w", "-DSAFETY", "-DMEMLIM=3000", "-o", "pan", "pan.c")
	// -E: hosts that wait for ever are no error; what must be done at rest is
	// asserted. -m bounds the depth; reaching it is found by proved.
	return command(t, dir, filepath.Join(dir, "pan"), "-E", "-m100000", "-w20")
}

var (
	errors      = regexp.MustCompile(`errors: (\d+)`)
	states      = regexp.MustCompile(`(\d+) states, stored`)
	assertion   = regexp.MustCompile(`(?m)^pan:\d+: assertion violated .*$`)
	unreachable = regexp.MustCompile(`(?m)^\t\S+\.pml:\d+, state \d+, ".*"$`)
)

// refuted demands that an assertion failed, and nothing else.
func refuted(t *testing.T, out string) {
	t.Helper()
	found := assertion.FindString(out)
	if found == "" {
		t.Fatalf("the mutant is not refuted:\n%s", out)
	}
	t.Log(found)
}

// proved demands that all states were visited, without an error, and that there
// is nothing in the model that never happens.
func proved(t *testing.T, r run, out string) {
	t.Helper()
	if n := errors.FindStringSubmatch(out); len(n) < 2 || n[1] != "0" {
		t.Fatalf("refuted; for the story see the package comment:\n%s", out)
	}
	for _, limit := range []string{"Search not completed", "max search depth too small"} {
		if strings.Contains(out, limit) {
			t.Fatalf("%s: the bounds are too large to visit every state:\n%s", limit, out)
		}
	}
	for _, line := range unreachable.FindAllString(out, -1) {
		if !strings.HasSuffix(line, `"-end-"`) && r.name == "correct" {
			t.Errorf("this never happens in the model: %s", strings.TrimSpace(line))
		}
	}
	t.Logf("%s states, all visited", states.FindStringSubmatch(out)[1])
}

// TestEachModelIsSmallAndHasMutants keeps rules Q2 and Q4; it needs no tools.
func TestEachModelIsSmallAndHasMutants(t *testing.T) {
	const most, least, inAll = 150, 3, 12
	mutants := map[string]int{}
	total := 0
	for _, r := range runs(t) {
		if r.name == "correct" {
			if n := strings.Count(read(t, r.model+".pml"), "\n"); n >= most {
				t.Errorf("%s.pml has %d lines: a model has less than %d", r.model, n, most)
			}
			mutants[r.model] += 0
		}
		if r.mutant() {
			mutants[r.model]++
			total++
		}
	}
	for model, n := range mutants {
		if n < least {
			t.Errorf("%s.pml has %d mutants: at least %d show that it can fail", model, n, least)
		}
	}
	if total < inAll {
		t.Errorf("%d mutants in all: at least %d", total, inAll)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// command runs a program in a folder and returns what it prints.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out))
	}
	return string(out)
}
