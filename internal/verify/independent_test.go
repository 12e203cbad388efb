package verify_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// An auditor that used the engine's code would share its errors.
func TestTheAuditorSharesNoCodeWithTheEngine(t *testing.T) {
	const module = "github.com/duroxide/duroxide-go/"
	allowed := []string{module + "core/history", module + "core/provider", module + "internal/ledger"}
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		looked++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, ".") && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s", path, name)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "history" && (s.Sel.Name == "Validator" || s.Sel.Name == "Ends" || strings.HasPrefix(s.Sel.Name, "Validate")) {
				t.Errorf("%s uses history.%s", path, s.Sel.Name)
			}
			return true
		})
	}
	if looked < 10 {
		t.Errorf("%d files were looked at", looked)
	}
}
