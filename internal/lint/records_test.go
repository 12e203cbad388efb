package lint

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// record is a call that writes a log record.
type record struct {
	line           int
	level, message string
}

// records are the log records that a Go file writes with a message of its own.
func records(f *file) (found []record) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		message, ok := call.Args[0].(*ast.BasicLit)
		if !ok || message.Kind != token.STRING {
			return true
		}
		switch sel.Sel.Name {
		case "Debug", "Info", "Warn", "Error":
			if text, err := strconv.Unquote(message.Value); err == nil {
				found = append(found, record{f.line(call.Pos()), strings.ToLower(sel.Sel.Name), text})
			}
		}
		return true
	})
	return found
}

var (
	recordRow = regexp.MustCompile(`(?m)^\| (` + "`[^|]*`" + `) \| ((?:debug|info|warn|error)(?:, \w+)*) \|`)
	recordIn  = regexp.MustCompile("`([^`]+)`")
)

// listedIn reports whether a table of a document has the record, with its level.
// What stands there may end in an ellipsis.
func (r record) listedIn(doc string) bool {
	for _, row := range recordRow.FindAllStringSubmatch(doc, -1) {
		for _, m := range recordIn.FindAllStringSubmatch(row[1], -1) {
			begin, cut := strings.CutSuffix(m[1], "…")
			if strings.Contains(row[2], r.level) && (m[1] == r.message || cut && strings.HasPrefix(r.message, strings.TrimSpace(begin))) {
				return true
			}
		}
	}
	return false
}

// TestTheOperationsGuideListsEveryLogRecord: what azure.Config.Log hears is a table
// in docs/operations.md.
func TestTheOperationsGuideListsEveryLogRecord(t *testing.T) {
	const guide = "docs/operations.md"
	doc, count := "", 0
	for _, f := range repository(t) {
		if f.path == guide {
			doc = f.text
		}
	}
	for _, f := range repository(t) {
		if !f.product() || !f.inside("providers/azure", "sharding") && f.folder() != "sharding" {
			continue
		}
		for _, r := range records(f) {
			if count++; !r.listedIn(doc) {
				t.Errorf("%s:%d: %s lacks the record %q with level %s: say there what it means and what to do", f.path, r.line, guide, r.message, r.level)
			}
		}
	}
	if count < 40 {
		t.Errorf("%d log records were found: are they looked for?", count)
	}
}

func TestALogRecordThatIsNotListedIsFound(t *testing.T) {
	doc := "| message | level |\n| `a is lost`, `b: …` | warn | x |\n"
	for source, want := range map[string]bool{
		`log.Warn("a is lost", "error", err)`: true,
		`p.log().Warn("b: it is gone")`:       true,
		`log.Error("a is lost")`:              false,
		`log.Warn("a is lost twice")`:         false,
		`log.Warn("c")`:                       false,
	} {
		f := newFile("x/x.go", "package x\nfunc f() { "+source+" }\n")
		if found := records(f); len(found) != 1 || found[0].listedIn(doc) != want {
			t.Errorf("%s: found %v, want one that is listed: %v", source, found, want)
		}
	}
}
