package lint

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestNoSleepInTests(t *testing.T) {
	rule{
		name:    "tests do not sleep",
		why:     "a sleep is too short on a loaded machine and too long on every other: it makes tests both flaky and slow, and hides what is being waited for",
		instead: "wait for the event itself (a channel, a returned error), or run under testing/synctest, where synctest.Wait settles the bubble and timers of the code under test fire in virtual time",
		check: func(f *file) []finding {
			if f.syntax == nil || !f.test() {
				return nil
			}
			return f.uses("time", "Sleep")
		},
		bad: []example{
			{"core/x_test.go", "package core\nimport \"time\"\nfunc f() { time.Sleep(time.Second) }"},
			{"test/sim/x_test.go", "package sim\nimport \"time\"\nvar pause = time.Sleep"},
		},
		good: []example{
			{"core/x_test.go", "package core\nimport \"time\"\nvar limit = time.Second"},
			{"samples/x/main.go", "package main\nimport \"time\"\nfunc main() { time.Sleep(time.Second) }"},
		},
	}.enforce(t)
}

func TestLibrariesDoNotPrint(t *testing.T) {
	rule{
		name:    "libraries do not print",
		why:     "standard output belongs to the program; a library that writes to it corrupts what the program says there (JSON, a table, MCP)",
		instead: "return the text, write to an io.Writer you were given, or log through the *slog.Logger of the config; programs live in cmd and samples, and examples may print",
		check: func(f *file) []finding {
			if f.syntax == nil || f.inside("cmd", "samples", "bench", "tools") {
				return nil
			}
			found := f.uses("fmt", "Print", "Printf", "Println")
			found = append(found, builtinCalls(f, "print", "println")...)
			if !f.test() {
				return found
			}
			if strings.HasPrefix(path.Base(f.path), "example") {
				return nil
			}
			return slices.DeleteFunc(found, func(b finding) bool { return insideExample(f, b.line) })
		},
		bad: []example{
			{"core/x.go", "package core\nimport \"fmt\"\nfunc f() { fmt.Println() }"},
			{"core/x.go", "package core\nfunc f() { println() }"},
			{"core/x_test.go", "package core\nimport \"fmt\"\nfunc TestX() { fmt.Printf(\"x\") }"},
		},
		good: []example{
			{"core/x_test.go", "package core\nimport \"fmt\"\nfunc ExampleX() {\nfmt.Println()\n}"},
			{"core/example_order_test.go", "package core\nimport \"fmt\"\nfunc ship() { fmt.Println() }"},
			{"cmd/duroxide/x.go", "package main\nimport \"fmt\"\nfunc main() { fmt.Println() }"},
			{"core/x.go", "package core\nimport (\n\"fmt\"\n\"io\"\n)\nfunc f(w io.Writer) { fmt.Fprintln(w) }"},
		},
	}.enforce(t)
}

func TestPanicsAreExplained(t *testing.T) {
	rule{
		name:    "a panic says why it is one",
		why:     "a panic in a library takes the user's process down, with every other instance in it",
		instead: "return an error for what the world can break, use invariant.Assert for what only a bug can break; where a panic is right, say why in a comment on the line or just above: // panic: reason",
		check: func(f *file) []finding {
			if !f.product() || f.generated() || f.inside("internal/invariant") {
				return nil
			}
			return slices.DeleteFunc(builtinCalls(f, "panic"), func(b finding) bool { return explained(f, b.line) })
		},
		bad: []example{
			{"core/x.go", "package core\nfunc f() { panic(1) }"},
			{"core/x.go", "package core\n// panic:\nfunc f() { panic(1) }"},
			{"core/x.go", "package core\nfunc f() {\n// something else\npanic(1)\n}"},
		},
		good: []example{
			{"core/x.go", "package core\nfunc f() {\n\tpanic(1) // panic: goes on with the user's own panic.\n}"},
			{"core/x.go", "package core\nfunc f() {\n\t// The user's code panicked.\n\t// panic: goes on with it.\n\tpanic(1)\n}"},
			{"core/x_test.go", "package core\nfunc f() { panic(1) }"},
			{"internal/invariant/x.go", "package invariant\nfunc f() { panic(1) }"},
		},
	}.enforce(t)
}

func TestSkippedTestsSayWhy(t *testing.T) {
	rule{
		name:    "a skipped test says why",
		why:     "a test that does not run proves nothing; the reader of the output must see what was not proven and how to run it",
		instead: "call Skip or Skipf with the reason and the way to run the test, such as: set DUROXIDE_AZURE to a connection string to run this",
		check: func(f *file) (found []finding) {
			if f.syntax == nil {
				return nil
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !skips(sel) {
					return true
				}
				if reason, ok := firstString(call); sel.Sel.Name == "SkipNow" || len(call.Args) == 0 || ok && len(reason) < 12 {
					found = append(found, finding{f.line(call.Pos()), sel.Sel.Name + " without a reason"})
				}
				return true
			})
			return found
		},
		bad: []example{
			{"core/x_test.go", "package core\nfunc TestX(t *testing.T) { t.Skip() }"},
			{"core/x_test.go", "package core\nfunc BenchmarkX(b *testing.B) { b.SkipNow() }"},
			{"core/provider/providertest/x.go", "package providertest\nfunc run(tb testing.TB) { tb.Skip(\"\") }"},
		},
		good: []example{
			{"core/x_test.go", "package core\nfunc TestX(t *testing.T) { t.Skip(\"needs Azurite: install Node to run it\") }"},
			{"core/x_test.go", "package core\nfunc TestX(t *testing.T) { t.Skip(reason) }"},
			{"core/x.go", "package core\nfunc f(r reader) { r.Skip() }"},
		},
	}.enforce(t)
}

// builtinCalls finds calls of predeclared functions.
func builtinCalls(f *file, names ...string) (found []finding) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if id, ok := call.Fun.(*ast.Ident); ok && id.Obj == nil && slices.Contains(names, id.Name) {
			found = append(found, finding{f.line(call.Pos()), id.Name})
		}
		return true
	})
	return found
}

// explained reports whether a comment on the line, or ending just above it,
// gives a reason for a panic.
func explained(f *file, line int) bool {
	reason := regexp.MustCompile(`(?m)^\s*panic: \w+( \S+)+`)
	return slices.ContainsFunc(f.syntax.Comments, func(c *ast.CommentGroup) bool {
		end := f.line(c.End())
		return (end == line || end == line-1) && reason.MatchString(c.Text())
	})
}

func insideExample(f *file, line int) bool {
	return slices.ContainsFunc(f.syntax.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && strings.HasPrefix(fn.Name.Name, "Example") && f.line(fn.Pos()) <= line && line <= f.line(fn.End())
	})
}

// skips reports whether the selector is Skip, Skipf or SkipNow of something
// named as tests name their testing.T.
func skips(sel *ast.SelectorExpr) bool {
	x, ok := sel.X.(*ast.Ident)
	return ok && slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) &&
		slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name)
}

// firstString returns the first argument of a call if it is a string literal,
// without its quotes.
func firstString(call *ast.CallExpr) (string, bool) {
	if len(call.Args) == 0 {
		return "", false
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	return strings.Trim(lit.Value, "\"`"), true
}
