package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// promised are the rows that docs/features.md must have, by letter.
var promised = map[string]int{"A": 18, "R": 12, "O": 9, "S": 5}

var (
	featureRow = regexp.MustCompile(`^\| ([AROS]\d+) \|`)
	namedTest  = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)\\w*)((?:/[^`]*)?)` in `([\\w./-]+)`")
	anyTest    = regexp.MustCompile("`(?:Test|Fuzz|Benchmark|Example)\\w*[^`]*`")
)

// TestFeaturesNameTestsThatExist keeps docs/features.md true: every promise has
// its row, and every test that a document names as "`TestX` in `folder`" is
// there.
func TestFeaturesNameTestsThatExist(t *testing.T) {
	files := repository(t)
	tests := testFunctions(files)
	seen := map[string]bool{}
	for _, f := range files {
		if path.Ext(f.path) != ".md" {
			continue
		}
		for _, problem := range missingTests(f, tests, files) {
			t.Error(problem)
		}
		if f.path != "docs/features.md" {
			continue
		}
		for line := range strings.Lines(f.text) {
			m := featureRow.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			if seen[m[1]] {
				t.Errorf("%s: the promise %s has two rows", f.path, m[1])
			}
			seen[m[1]] = true
			if !namedTest.MatchString(line) && !strings.Contains(line, "not yet") {
				t.Errorf("%s: the promise %s names no test and does not say \"not yet\"", f.path, m[1])
			}
			if strings.Count(namedTest.ReplaceAllString(line, ""), "`Test") > 0 {
				t.Errorf("%s: in the row of %s a test lacks its folder: write `TestX` in `folder`; found %q", f.path, m[1], anyTest.FindString(namedTest.ReplaceAllString(line, "")))
			}
		}
	}
	for letter, count := range promised {
		for n := range count {
			if id := letter + strconv.Itoa(n+1); !seen[id] {
				t.Errorf("docs/features.md: the promise %s has no row", id)
			}
		}
	}
}

// testFunctions are the names of tests by folder.
func testFunctions(files []*file) map[string][]string {
	tests := map[string][]string{}
	for _, f := range files {
		if f.syntax == nil || !f.test() {
			continue
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				tests[f.folder()] = append(tests[f.folder()], fn.Name.Name)
			}
		}
	}
	return tests
}

// missingTests says which of the tests that a document names do not exist. A
// part of a test counts as existing if a string in the code is its name.
func missingTests(doc *file, tests map[string][]string, files []*file) (problems []string) {
	for _, m := range namedTest.FindAllStringSubmatch(doc.text, -1) {
		name, part, folder := m[1], strings.TrimPrefix(m[2], "/"), m[3]
		if !slices.Contains(tests[folder], name) {
			problems = append(problems, fmt.Sprintf("%s: there is no %s in %s: correct the document, or bring the test back", doc.path, name, folder))
			continue
		}
		for p := range strings.SplitSeq(part, "/") {
			quoted := strconv.Quote(p)
			if p != "" && !slices.ContainsFunc(files, func(f *file) bool { return f.syntax != nil && strings.Contains(f.text, quoted) }) {
				problems = append(problems, fmt.Sprintf("%s: no test has a part %s, as %s is said to: correct the document", doc.path, quoted, name))
			}
		}
	}
	return problems
}

func TestMissingTestsAreFound(t *testing.T) {
	source := newFile("core/x_test.go", "package core\nfunc TestKeeps() { run(\"a part\") }\n")
	files := []*file{source}
	for text, want := range map[string]int{
		"`TestKeeps` in `core`":              0,
		"`TestKeeps/a part` in `core`":       0,
		"`TestKeeps/another` in `core`":      1,
		"`TestLoses` in `core`":              1,
		"`TestKeeps` in `core/history`":      1,
		"`TestLoses` in `core`, `TestKeeps`": 1,
	} {
		got := missingTests(newFile("docs/x.md", text), testFunctions(files), files)
		if len(got) != want {
			t.Errorf("%s: found %q, want %d problems", text, got, want)
		}
	}
}

// limits are the constants of core/history by name.
var limits = map[string]int{
	"MaxInstanceIDLength": history.MaxInstanceIDLength, "MaxNameLength": history.MaxNameLength,
	"MaxPayloadBytes": history.MaxPayloadBytes, "MaxStatusBytes": history.MaxStatusBytes,
	"MaxStateKeys": history.MaxStateKeys, "MaxStateValueBytes": history.MaxStateValueBytes, "MaxStateBytes": history.MaxStateBytes,
	"MaxHistoryEvents": history.MaxHistoryEvents, "MaxOpenTasks": history.MaxOpenTasks,
	"MaxCarriedEvents": history.MaxCarriedEvents, "MaxCarriedBytes": history.MaxCarriedBytes,
	"MaxDescriptionLength": history.MaxDescriptionLength, "MaxFailureMessage": history.MaxFailureMessage,
	"MaxFailureStack": history.MaxFailureStack, "MaxFailureDetails": history.MaxFailureDetails, "MaxFailureDepth": history.MaxFailureDepth,
	"MaxTags": history.MaxTags, "MaxTimerDelay": int(history.MaxTimerDelay / time.Hour), "MaxTurnMessages": history.MaxTurnMessages,
}

// TestTheGuideListsEveryLimit compares the table of limits with the code.
func TestTheGuideListsEveryLimit(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\|[^|]*\\| ([\\d,]+)( KiB| MiB)?[^|]*\\| `(Max\\w+)` \\|$")
	listed := map[string]int{}
	for _, f := range repository(t) {
		switch f.path {
		case "docs/guide.md":
			for _, m := range row.FindAllStringSubmatch(f.text, -1) {
				n, err := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
				if err != nil {
					t.Fatal(err)
				}
				listed[m[3]] = n * map[string]int{"": 1, " KiB": 1 << 10, " MiB": 1 << 20}[m[2]]
			}
		case "core/history/limits.go":
			for name := range constants(f) {
				if _, known := limits[name]; !known {
					t.Errorf("%s: the limit %s is new: add it to this test, and to the table in docs/guide.md", f.path, name)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if got, ok := listed[name]; !ok {
			t.Errorf("docs/guide.md: the table of limits lacks %s (%d)", name, limits[name])
		} else if got != limits[name] {
			t.Errorf("docs/guide.md: the table says %d for %s, the code %d", got, name, limits[name])
		}
	}
	if len(listed) > len(limits) {
		t.Errorf("docs/guide.md: the table has %d limits, the code %d", len(listed), len(limits))
	}
}

// constants yields the exported constants that a file declares.
func constants(f *file) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, d := range f.syntax.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if name.IsExported() && !yield(name.Name) {
						return
					}
				}
			}
		}
	}
}
