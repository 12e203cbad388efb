package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dependencies lists every module that product code may import, and where.
// The list is short on purpose: whoever imports a package of ours gets these.
var dependencies = []struct {
	prefix string   // of the import path
	in     []string // folders
	why    string
}{
	{"zombiezen.com/go/sqlite", []string{"providers/sqlite"}, "the embedded store, in pure Go"},
	{"modernc.org/sqlite", []string{"providers/sqlite"}, "the engine beneath it"},
	{"github.com/gofrs/flock", []string{"providers/sqlite", "internal/azurite", "internal/ledger"}, "file locks that a dying process gives up, on every system"},
	{"github.com/Azure/", []string{"providers/azure", "samples", "test"}, "the storage account, and the resources that samples provision"},
	{"github.com/klauspost/compress", []string{"providers/azure", "providers/sqlite"}, "payloads are compressed before they are stored"},
	{"google.golang.org/grpc", []string{"server"}, "the durabletask protocol and the KEDA scaler"},
	{"google.golang.org/protobuf", []string{"server"}, "the messages of both"},
	{"google.golang.org/genproto", []string{"server"}, "the messages of both"},
	{"github.com/modelcontextprotocol/go-sdk", []string{"server"}, "the MCP server"},
	{"go.opentelemetry.io/", []string{"server", "cmd", "samples", "test"}, "traces and metrics are exported by programs; libraries take small interfaces"},
	{"github.com/spf13/", []string{"cmd"}, "verbs, flags and completion of the command line"},
	{"golang.org/x/term", []string{"cmd"}, "the width of the terminal"},
	{"golang.org/x/tools", []string{"analysis"}, "the framework of the determinism analyser"},
}

// standard reports whether a path belongs to Go itself: only those have no dot
// in their first element.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func TestThirdPartyImports(t *testing.T) {
	rule{
		name:    "each dependency has its place, core has none",
		why:     "a dependency of core is a dependency of every user; a provider's SDK seen outside the provider makes its types part of our contract",
		instead: "use the standard library, or an interface that the owner of the dependency implements; a new dependency needs a row with a reason in internal/lint/thirdparty_test.go, and never one for core",
		check: func(f *file) (found []finding) {
			if !f.product() {
				return nil
			}
			for _, i := range f.imports() {
				if i.path == module || strings.HasPrefix(i.path, module+"/") || standard(i.path) {
					continue
				}
				if what := misplaced(f, i.path); what != "" {
					found = append(found, finding{i.line, what})
				}
			}
			return found
		},
		bad: []example{
			{"core/x.go", "package core\nimport _ \"golang.org/x/sync/errgroup\""},
			{"providers/azure/x.go", "package azure\nimport _ \"modernc.org/sqlite\""},
			{"server/x.go", "package server\nimport _ \"github.com/Azure/azure-sdk-for-go/sdk/azcore\""},
			{"providers/azure/x.go", "package azure\nimport _ \"google.golang.org/grpc\""},
			{"cmd/x.go", "package main\nimport _ \"example.com/unheard/of\""},
		},
		good: []example{
			{"providers/sqlite/x.go", "package sqlite\nimport _ \"modernc.org/sqlite\""},
			{"samples/azure-provisioning/x.go", "package main\nimport _ \"github.com/Azure/azure-sdk-for-go/sdk/azcore\""},
			{"core/x.go", "package core\nimport (\n\"errors\"\n\"" + module + "/core/history\"\n)"},
			{"core/x_test.go", "package core\nimport _ \"pgregory.net/rapid\""},
		},
	}.enforce(t)
}

func misplaced(f *file, importPath string) string {
	if f.inside("core") {
		return fmt.Sprintf("core imports %s: core uses the standard library only", importPath)
	}
	for _, d := range dependencies {
		if !strings.HasPrefix(importPath+"/", strings.TrimSuffix(d.prefix, "/")+"/") {
			continue
		}
		if f.inside(d.in...) {
			return ""
		}
		return fmt.Sprintf("%s belongs in %s only (%s)", importPath, strings.Join(d.in, ", "), d.why)
	}
	return fmt.Sprintf("%s is not a known dependency", importPath)
}

func TestDependenciesGrantNothingToCore(t *testing.T) {
	for _, d := range dependencies {
		if slices.ContainsFunc(d.in, func(folder string) bool { return strings.HasPrefix(folder+"/", "core/") }) {
			t.Errorf("%s is granted to core, which uses the standard library only", d.prefix)
		}
		if d.why == "" {
			t.Errorf("%s needs a reason", d.prefix)
		}
	}
}
