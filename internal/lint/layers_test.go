package lint

import (
	"fmt"
	"path"
	"strings"
	"testing"
)

// layers lists the packages from the ground up, one row a layer. A package may
// import the rows above its own and its own subtree, never its neighbours in
// the row. A name ending in /... stands for the whole subtree. Tests and
// examples may import what they like.
var layers = [][]string{
	{".", "internal/invariant", "internal/lint", "internal/ledger", "internal/lograte", "internal/bug", "internal/redact", "internal/azurite/...", "analysis/...", "web/..."},
	{"core/history", "core/internal/coro"},
	{"core/provider", "core/codec", "core/internal/failure", "sharding/..."},
	{"core/internal/replay"},
	{"core/internal/registry", "core/provider/providerfault", "providers/internal/...", "internal/verify/..."},
	{"core/orchestration", "core/internal/dispatch", "providers/memory/...", "providers/sqlite/...", "providers/azure/..."},
	{"core/activity"},
	{"core"},
	{"core/provider/providertest/...", "core/orchestration/orchestrationtest/..."},
	{"server/..."},
	{"samples/..."},
	{"cmd/...", "test/..."},
}

// programs are the packages that wire a provider to the engine.
var programs = []string{"cmd/...", "samples/...", "test/..."}

const choice = "programs choose a provider, libraries take a provider.Store"

// reserved lists packages that only some may import although they lie below.
var reserved = []struct {
	what string
	by   []string
	why  string
}{
	{"sharding/...", []string{"providers/azure/..."}, "partitions and leases are one provider's way to be many hosts; the engine knows none of it"},
	{"providers/memory/...", programs, choice},
	{"providers/sqlite/...", programs, choice},
	{"providers/azure/...", programs, choice},
	{"internal/bug", []string{"sharding/...", "providers/azure/..."}, "bugs are planted where hosts share storage; what every program runs has none, not even in a build with a tag"},
	{"core/internal/coro", []string{"core/internal/replay"}, "the replay machine alone runs coroutines, so that it alone decides their order"},
}

// covers reports whether the pattern of a layer stands for the folder.
func covers(pattern, folder string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return folder == tree || strings.HasPrefix(folder, tree+"/")
	}
	return folder == pattern
}

// place finds the layer of a folder: its row and the pattern that covers it.
func place(folder string) (row int, pattern string, ok bool) {
	for row, patterns := range layers {
		for _, p := range patterns {
			if covers(p, folder) {
				return row, p, true
			}
		}
	}
	return 0, "", false
}

// badImport says what is wrong with an import between two of our packages,
// nothing if it is allowed.
func badImport(from, to string) string {
	fromRow, fromPattern, _ := place(from)
	toRow, _, ok := place(to)
	if !ok {
		return fmt.Sprintf("imports %s, which has no layer (modules beside the product, such as tools and bench, are never imported)", to)
	}
	if covers(fromPattern, to) {
		return "" // its own subtree
	}
	for _, r := range reserved {
		if !covers(r.what, to) {
			continue
		}
		allowed := false
		for _, by := range r.by {
			allowed = allowed || covers(by, from)
		}
		if !allowed {
			return fmt.Sprintf("%s imports %s, reserved for %s: %s", from, to, strings.Join(r.by, ", "), r.why)
		}
	}
	switch {
	case toRow == fromRow:
		return fmt.Sprintf("%s imports its neighbour %s in the same layer", from, to)
	case toRow > fromRow:
		return fmt.Sprintf("%s (layer %d) imports upwards: %s (layer %d)", from, fromRow, to, toRow)
	}
	return ""
}

func TestLayers(t *testing.T) {
	rule{
		name:    "packages import downwards only",
		why:     "each layer can then be read, tested and replaced knowing only what lies below it; the replay machine stays pure and providers stay exchangeable because nothing else can reach in",
		instead: "declare the interface or type you need in the lower package, or move the code to the layer where both sides are known (programs wire, libraries do not); the table is in internal/lint/layers_test.go",
		check: func(f *file) (found []finding) {
			if !f.product() {
				return nil
			}
			if _, _, ok := place(f.folder()); !ok {
				return []finding{{0, fmt.Sprintf("package %s has no layer yet: add it to a row of layers in internal/lint/layers_test.go", f.folder())}}
			}
			for _, i := range f.imports() {
				rel, ours := strings.CutPrefix(i.path+"/", module+"/")
				if !ours {
					continue
				}
				if what := badImport(f.folder(), path.Clean("./"+rel)); what != "" {
					found = append(found, finding{i.line, what})
				}
			}
			return found
		},
		bad: []example{
			{"core/history/x.go", "package history\nimport \"" + module + "/core/provider\""},
			{"core/internal/dispatch/x.go", "package dispatch\nimport \"" + module + "/core/orchestration\""},
			{"core/x.go", "package core\nimport \"" + module + "/providers/memory\""},
			{"providers/sqlite/x.go", "package sqlite\nimport \"" + module + "/providers/memory\""},
			{"providers/sqlite/x.go", "package sqlite\nimport \"" + module + "/sharding\""},
			{"providers/memory/x.go", "package memory\nimport \"" + module + "/core\""},
			{"server/x.go", "package server\nimport \"" + module + "/providers/azure\""},
			{"core/provider/x.go", "package provider\nimport \"" + module + "/core/internal/coro\""},
			{"core/x.go", "package core\nimport \"" + module + "/tools\""},
			{"core/x.go", "package core\nimport \"" + module + "/internal/bug\""},
			{"core/surprise/x.go", "package surprise"},
		},
		good: []example{
			{"core/history/x.go", "package history\nimport \"" + module + "/internal/invariant\""},
			{"providers/memory/x.go", "package memory\nimport \"" + module + "/providers/internal/broker\""},
			{"providers/azure/x.go", "package azure\nimport \"" + module + "/providers/azure/internal/table\"\nimport \"" + module + "/sharding\""},
			{"core/x.go", "package core\nimport \"" + module + "/core/internal/dispatch\"\nimport \"" + module + "/core/activity\""},
			{"sharding/x.go", "package sharding\nimport \"" + module + "/internal/bug\""},
			{"core/x_test.go", "package core\nimport \"" + module + "/providers/memory\""},
			{"cmd/duroxide/internal/cli/x.go", "package cli\nimport \"" + module + "/providers/azure\""},
		},
	}.enforce(t)
}

func TestEveryLayerIsNamedOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, row := range layers {
		for _, pattern := range row {
			if seen[pattern] {
				t.Errorf("%s stands in two layers", pattern)
			}
			seen[pattern] = true
		}
	}
}
