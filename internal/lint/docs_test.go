package lint

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is one fenced piece of Go in a Markdown file.
type block struct {
	path string
	line int // of its first line of code
	text string
}

// TestGoInDocumentation holds every Go block of every Markdown file to one
// rule: it is a whole file, and compiles; or it is a quotation of Go code in
// this repository, which compiles with the rest. Nothing else is marked go.
func TestGoInDocumentation(t *testing.T) {
	files := repository(t)
	var whole []block
	for _, f := range files {
		if !strings.HasSuffix(f.path, ".md") {
			continue
		}
		for _, b := range goBlocks(f) {
			if b.wholeFile() {
				whole = append(whole, b)
			} else if !quoted(b.text, files) {
				t.Errorf("%s:%d: this Go block is neither a whole file (it does not start with package) nor a quotation of this repository's Go code: quote an Example or other code to the letter, without leaving lines out, or make it a file that compiles; for anything else use a fence without go", b.path, b.line)
			}
		}
	}
	if len(whole) == 0 {
		return // no document shows a whole file
	}
	if err := compileBlocks(t.TempDir(), whole); err != nil {
		t.Error(err)
	}
}

var fence = regexp.MustCompile("^([ \t]*)(```+|~~~+)[ \t]*([^\\s`]*)")

// goBlocks finds the fenced blocks whose language is exactly go, each without
// the indentation of its fence.
func goBlocks(f *file) (blocks []block) {
	var open []string // the match that opened the current block
	var text strings.Builder
	start, n := 0, 0
	for line := range strings.Lines(f.text) {
		n++
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m != nil:
			open, start = m, n+1
			text.Reset()
		case open != nil && m != nil && m[3] == "" && strings.HasPrefix(m[2], open[2]):
			if open[3] == "go" {
				blocks = append(blocks, block{f.path, start, text.String()})
			}
			open = nil
		case open != nil:
			text.WriteString(strings.TrimPrefix(line, open[1]))
		}
	}
	return blocks
}

// wholeFile reports whether the block starts with a package clause, comments
// aside.
func (b block) wholeFile() bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", b.text, parser.PackageClauseOnly)
	return err == nil
}

// quoted reports whether the lines of text stand together in a Go file that the
// tests compile, however deeply indented there.
func quoted(text string, files []*file) bool {
	want := dedent(strings.Split(strings.Trim(text, "\n"), "\n"))
	return slices.ContainsFunc(files, func(f *file) bool {
		if f.syntax == nil || f.inside("tools", "bench") || !strings.Contains(f.text, want[0]) {
			return false
		}
		have := strings.Split(f.text, "\n")
		for i := 0; i+len(want) <= len(have); i++ {
			if strings.HasSuffix(have[i], want[0]) && slices.Equal(dedent(have[i:i+len(want)]), want) {
				return true
			}
		}
		return false
	})
}

// dedent removes the indentation that all lines share, and spaces at their ends.
func dedent(lines []string) []string {
	shared := -1
	for _, line := range lines {
		if trimmed := strings.TrimLeft(line, "\t "); trimmed != "" {
			if indent := len(line) - len(trimmed); shared < 0 || indent < shared {
				shared = indent
			}
		}
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimRight(line[min(max(shared, 0), len(line)):], "\t \r")
	}
	return out
}

// compileBlocks vets each block as a package of its own, in a module that uses
// this one as its reader would: internal packages are out of reach.
func compileBlocks(dir string, blocks []block) error {
	base, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if err := readersModule(dir, base); err != nil {
		return err
	}
	for i, b := range blocks {
		folder := filepath.Join(dir, fmt.Sprintf("b%d", i))
		if err := os.Mkdir(folder, 0o750); err != nil {
			return err
		}
		// The compiler reports the place in the document.
		text := fmt.Sprintf("//line %s:%d\n%s", filepath.Join(base, b.path), b.line, b.text)
		if err := os.WriteFile(filepath.Join(folder, "block.go"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	vet := exec.Command("go", "vet", "-mod=mod", "./...")
	vet.Dir = dir
	vet.Env = append(os.Environ(), "GOWORK=off", "PWD="+dir)
	if out, err := vet.CombinedOutput(); err != nil {
		return fmt.Errorf("a Go block of the documentation does not compile (%w); correct the document, or mark the block as something else than go:\n%s", err, out)
	}
	return nil
}

// readersModule writes a module that requires the one in base, with the same
// versions of everything else.
func readersModule(dir, base string) error {
	mod, err := os.ReadFile(filepath.Join(base, "go.mod"))
	if err != nil {
		return err
	}
	text := strings.Replace(string(mod), "module "+module, "module reader", 1) +
		fmt.Sprintf("\nrequire %s v0.0.0\nreplace %[1]s => %q\n", module, base)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o600); err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(base, "go.sum"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o600)
}

func TestGoBlocksAreFound(t *testing.T) {
	doc := newFile("docs/x.md", "# X\n```go\npackage a\n```\n```sh\ngo test\n```\n- item\n\n  ~~~go\n  x := 1\n  ~~~\n````md\n```go\nnot(this)\n```\n````\n```gotemplate\n{{.}}\n```\n")
	got := goBlocks(doc)
	want := []block{{"docs/x.md", 3, "package a\n"}, {"docs/x.md", 11, "x := 1\n"}}
	if !slices.Equal(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	if !got[0].wholeFile() || got[1].wholeFile() {
		t.Error("a block is a whole file exactly when it starts with a package clause")
	}
}

func TestQuotationsAreExact(t *testing.T) {
	source := []*file{newFile("core/example_test.go", "package core\n\nfunc Example() {\n\tif ok {\n\t\tcall(1)\n\n\t\tcall(2)\n\t}\n}\n")}
	for text, want := range map[string]bool{
		"if ok {\n\tcall(1)\n\n\tcall(2)\n}\n": true,
		"call(1)\n\ncall(2)\n":                 true,
		"call(1)\ncall(2)\n":                   false, // a line left out
		"call(1)\n\ncall(3)\n":                 false,
		"if ok {\n\t\tcall(1)\n":               false, // its own indentation
	} {
		if got := quoted(text, source); got != want {
			t.Errorf("quoted(%q) = %v, want %v", text, got, want)
		}
	}
	if quoted("call(1)", []*file{newFile("docs/x.md", "call(1)")}) {
		t.Error("a document quoted itself")
	}
}

func TestBlocksAreCompiled(t *testing.T) {
	good := block{"docs/x.md", 3, "package main\n\nimport _ \"" + module + "\"\n\nfunc main() {}\n"}
	if err := compileBlocks(t.TempDir(), []block{good, good}); err != nil {
		t.Errorf("a good block was refused: %v", err)
	}
	for name, text := range map[string]string{
		"type error":       "package main\nfunc main() { var x int = \"1\" }\n",
		"vet finding":      "package x\nimport \"fmt\"\nfunc f() error { return fmt.Errorf(\"%d\", \"x\") }\n",
		"internal package": "package x\nimport _ \"" + module + "/internal/invariant\"\n",
	} {
		err := compileBlocks(t.TempDir(), []block{good, {"docs/y.md", 40, text}})
		if err == nil || !strings.Contains(err.Error(), "docs/y.md:4") {
			t.Errorf("%s: got %v, want an error at docs/y.md:4…", name, err)
		}
	}
}
