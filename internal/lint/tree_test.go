package lint

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.." // of the repository, seen from this folder
	module = "github.com/duroxide/duroxide-go"
)

// file is one text file of the repository, or one example of a rule.
type file struct {
	path string // slash-separated, from the root
	text string

	// Go files outside testdata only, and only if they parse: a file that
	// does not is for the compiler to complain about.
	syntax *ast.File
	fset   *token.FileSet
}

func newFile(name, text string) *file {
	f := &file{path: name, text: text}
	if path.Ext(name) != ".go" || strings.Contains(name, "testdata/") {
		return f
	}
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err == nil {
		f.syntax, f.fset = syntax, fset
	}
	return f
}

func (f *file) folder() string { return path.Dir(f.path) }

// inside reports whether the file lies in one of the folders or below.
func (f *file) inside(folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return strings.HasPrefix(f.path, folder+"/")
	})
}

// product reports whether f is Go code that users build: not a test, and not
// part of the modules that stand apart.
func (f *file) product() bool {
	return f.syntax != nil && !f.test() && !f.inside("tools", "bench")
}

func (f *file) test() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f *file) generated() bool { return f.syntax != nil && ast.IsGenerated(f.syntax) }

func (f *file) line(pos token.Pos) int { return f.fset.Position(pos).Line }

// imports lists what a Go file imports: the path, and the name it has there.
func (f *file) imports() []imported {
	var list []imported
	for _, spec := range f.syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		} else if name == "v2" {
			name = path.Base(path.Dir(p)) // math/rand/v2 is rand
		}
		list = append(list, imported{path: p, name: name, line: f.line(spec.Pos())})
	}
	return list
}

type imported struct {
	path, name string
	line       int
}

// uses finds where a Go file mentions pkg.Name, called or not, for any of the
// names, under whatever name the file imports pkg.
func (f *file) uses(pkg string, names ...string) []finding {
	local := ""
	for _, i := range f.imports() {
		if i.path == pkg {
			local = i.name
		}
	}
	if local == "" {
		return nil
	}
	var found []finding
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || !slices.Contains(names, sel.Sel.Name) {
			return true
		}
		// Obj, nil for a package, tells it from a variable of the same name.
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && x.Obj == nil {
			found = append(found, finding{f.line(sel.Pos()), path.Base(pkg) + "." + sel.Sel.Name})
		}
		return true
	})
	return found
}

// tree returns the text files of the repository: those git knows or would add.
// Without git (a module archive) it is every file. The folders are walked in
// both cases, because that is what go test looks at to decide whether a cached
// result still holds.
var tree = sync.OnceValues(func() ([]*file, error) {
	known, err := listed()
	if err != nil {
		return nil, err
	}
	var files []*file
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() || known != nil && !known[rel] {
			return nil
		}
		text, err := os.ReadFile(name)
		if err == nil && !bytes.ContainsRune(text, 0) { // a NUL: not text
			files = append(files, newFile(rel, string(text)))
		}
		return err
	})
	return files, err
})

// listed returns the files git tracks or would track, nil where there is no git.
func listed() (map[string]bool, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return nil, nil //nolint:nilerr,nilnil // No repository: every file counts.
	}
	out, err := exec.Command("git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool)
	for name := range strings.SplitSeq(string(out), "\x00") {
		known[name] = true
	}
	return known, nil
}

func repository(t *testing.T) []*file {
	t.Helper()
	files, err := tree()
	if err != nil {
		t.Fatalf("cannot read the repository: %v", err)
	}
	return files
}

func TestTheRepositoryIsSeen(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range repository(t) {
		seen[f.path] = f.syntax != nil
	}
	for _, name := range []string{"go.mod", "doc.go", "internal/invariant/invariant.go"} {
		isGo, ok := seen[name]
		if !ok || isGo != strings.HasSuffix(name, ".go") {
			t.Errorf("%s was not read (as Go: %v): every other rule would pass on an empty repository", name, isGo)
		}
	}
	if seen["internal/lint/node_modules/x.js"] || seen[".git/config"] {
		t.Error("files outside version control were read")
	}
}
