package models

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheMappingNamesWhatTheCodeHas: every model is in the table of the package
// comment, and what that names in the code is there. Whoever renames or replaces a
// part of a protocol comes past its model.
func TestTheMappingNamesWhatTheCodeHas(t *testing.T) {
	const code = "../../providers/azure/internal"
	functions := map[string]bool{}
	for _, dir := range []string{code + "/hub", code + "/journal", code + "/row", "../../providers/internal/broker"} {
		declared(t, dir, functions)
	}
	const least = 40 // of names, or else the table was not read
	mapped := map[string]bool{}
	named := 0
	model := ""
	for line := range strings.SplitSeq(read(t, "doc.go"), "\n") {
		columns := strings.Split(strings.TrimPrefix(line, "//\t"), "|")
		if len(columns) != 3 || strings.TrimSpace(columns[0]) == "model" {
			continue
		}
		if first := columns[0]; first[0] != ' ' {
			model = strings.TrimSuffix(strings.Fields(first)[0], ".pml")
		}
		mapped[model] = true
		for name := range strings.SplitSeq(strings.TrimSpace(columns[1]), ", ") {
			if name == "-" {
				continue
			}
			if named++; !functions[name] {
				t.Errorf("%s: the code has no %s: say what does that now, and see whether the model is still true", strings.TrimSpace(columns[0]), name)
			}
		}
	}
	for _, r := range runs(t) {
		if !mapped[r.model] {
			t.Errorf("%s.pml is not in the table", r.model)
		}
	}
	if named < least {
		t.Errorf("the table names %d functions, want at least %d", named, least)
	}
}

// declared collects the functions of a package, methods by the type that they are
// of.
func declared(t *testing.T, dir string, functions map[string]bool) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, f.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				functions[of(f)+f.Name.Name] = true
			}
		}
	}
}

// of is the type of a method, with a dot.
func of(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	on := f.Recv.List[0].Type
	if pointer, ok := on.(*ast.StarExpr); ok {
		on = pointer.X
	}
	if name, ok := on.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}
