package lint

import (
	"go/ast"
	"go/token"
	"path"
	"strings"
	"testing"
)

// impure lists packages whose mere import gives a step a way to the world. A
// trailing slash means everything below as well.
var impure = []string{
	"context", "crypto/rand", "database/sql", "io/fs", "io/ioutil", "log", "log/", "math/rand", "math/rand/",
	"net", "net/", "os", "os/", "plugin", "sync", "sync/", "syscall", "unsafe",
}

// clock lists what of package time reads or waits for a clock; its types and
// constants are fine everywhere.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestReplayIsPure(t *testing.T) {
	rule{
		name:    "the replay machine is a pure function",
		why:     "the same history must give the same decisions on every machine and for ever; a clock, randomness, I/O, a lock or a goroutine can each make two replays differ, and none of them can be simulated by a seed",
		instead: "take time, ids and results as events or arguments, return decisions, and leave the doing to core/internal/dispatch; loops over maps go through sorted keys",
		check: func(f *file) (found []finding) {
			if !f.product() || !f.inside("core/internal/replay") {
				return nil
			}
			for _, i := range f.imports() {
				for _, p := range impure {
					if i.path == p || strings.HasSuffix(p, "/") && strings.HasPrefix(i.path, p) {
						found = append(found, finding{i.line, "imports " + i.path})
						break
					}
				}
			}
			found = append(found, f.uses("time", clock...)...)
			found = append(found, f.uses(module+"/core/provider", "Store", "Host")...)
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					found = append(found, finding{f.line(n.Pos()), "starts a goroutine"})
				case *ast.SelectStmt:
					found = append(found, finding{f.line(n.Pos()), "selects over channels"})
				case *ast.SendStmt:
					found = append(found, finding{f.line(n.Pos()), "sends on a channel"})
				case *ast.UnaryExpr:
					if n.Op == token.ARROW {
						found = append(found, finding{f.line(n.Pos()), "receives from a channel"})
					}
				}
				return true
			})
			return found
		},
		bad: []example{
			replaying("import \"context\"\nvar _ context.Context"),
			replaying("import \"math/rand/v2\"\nvar _ = rand.Int"),
			replaying("import \"sync/atomic\"\nvar _ atomic.Int64"),
			replaying("import \"log/slog\"\nvar _ slog.Logger"),
			replaying("import clock \"time\"\nvar now = clock.Now"),
			replaying("import \"time\"\nfunc f(t time.Time) time.Duration { return time.Since(t) }"),
			replaying("import \"" + module + "/core/provider\"\ntype m struct{ store provider.Store }"),
			replaying("func f() { go f() }"),
			replaying("func f(c chan int) { select { case <-c: } }"),
			replaying("func f(c chan int) int { return <-c }"),
			replaying("func f(c chan int) { c <- 1 }"),
		},
		good: []example{
			replaying("import \"time\"\nconst limit = 3 * time.Second\ntype event struct{ at time.Time }"),
			replaying("import \"" + module + "/core/provider\"\ntype m struct{ commit provider.Commit }"),
			replaying("type clock struct{}\nfunc (clock) Now() int { return 0 }\nfunc f(time clock) int { return time.Now() }"),
			{"core/internal/dispatch/x.go", "package dispatch\nimport \"context\"\nvar _ context.Context"},
			{"core/internal/replay/x_test.go", "package replay\nimport \"os\"\nvar _ = os.Args"},
		},
	}.enforce(t)
}

func replaying(text string) example {
	return example{"core/internal/replay/x.go", "package replay\n" + text}
}

func TestOrchestrationsHaveNoClock(t *testing.T) {
	rule{
		name:    "orchestration code reads no clock",
		why:     "time in an orchestration is the time history recorded, or a replay a week later decides otherwise",
		instead: "use the time of the turn, as Context.Now does; tests take a virtual clock",
		check: func(f *file) []finding {
			if !f.product() || !f.inside("core/orchestration", "core/internal/registry") {
				return nil
			}
			return f.uses("time", clock...)
		},
		bad: []example{
			{"core/orchestration/x.go", "package orchestration\nimport \"time\"\nfunc f() time.Time { return time.Now() }"},
			{"core/orchestration/orchestrationtest/x.go", "package orchestrationtest\nimport \"time\"\nvar _ = time.NewTimer(time.Second)"},
		},
		good: []example{
			{"core/orchestration/x.go", "package orchestration\nimport \"time\"\nfunc f(d time.Duration) time.Duration { return d.Round(time.Second) }"},
			{"providers/memory/x.go", "package memory\nimport \"time\"\nvar now = time.Now"},
		},
	}.enforce(t)
}

func TestImportNamesAreResolved(t *testing.T) {
	f := newFile("x.go", "package x\nimport (\n\"math/rand/v2\"\nold \"math/rand\"\n)\nvar a, b = rand.Int, old.Int")
	for _, pkg := range []string{"math/rand/v2", "math/rand"} {
		if got := f.uses(pkg, "Int"); len(got) != 1 || got[0].line != 6 {
			t.Errorf("uses of %s in %s: %v, want one on line 6", pkg, path.Base(f.path), got)
		}
	}
}
