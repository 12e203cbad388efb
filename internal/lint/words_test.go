package lint

import (
	"regexp"
	"strings"
	"testing"
)

// The words of these rules are written in pieces, so that this file does not
// break its own rules.

func TestNoMachinePaths(t *testing.T) {
	home, work := "/ho"+"me", "/wo"+"rk"
	forbidden := regexp.MustCompile(`(^|[^\w./\-}*)\]>])(/ho` + `me/\w|/ro` + `ot/|/wo` + `rk/)`)
	rule{
		name:    "no paths of one machine",
		why:     "a path of the machine something was written on exists nowhere else, and tells strangers about it",
		instead: "use t.TempDir, os.UserCacheDir, or a path relative to the repository",
		check:   matching(forbidden),
		bad: []example{
			{"core/x.go", "package core\nconst dir = \"" + home + "/ann/store.db\""},
			{"docs/guide.md", "Run `" + work + "/main/bin/duroxide`."},
			{".ci/run", "cache=/ro" + "ot/.cache\n"},
		},
		good: []example{
			{"core/x.go", "package core\nconst route = \"/api/v1" + work + "/{id}\""},
			{"docs/guide.md", "https://example.com" + home + "/ and $HOME/.cache"},
		},
	}.enforce(t)
}

func TestNoRegistryHosts(t *testing.T) {
	hosts := []string{
		"proxy.golang" + ".org", "sum.golang" + ".org", "registry.npmjs" + ".org", "registry.yarnpkg" + ".com",
		"pypi" + ".org", "files.pythonhosted" + ".org", "deb.debian" + ".org", "index.crates" + ".io", "static.crates" + ".io",
	}
	for i, host := range hosts {
		hosts[i] = regexp.QuoteMeta(host)
	}
	rule{
		name:    "no package registry is named",
		why:     "which registry or mirror a machine uses is that machine's setting; a host in a file (a lock file, most often) breaks every machine that uses another",
		instead: "leave the host out: npm writes none with omit-lockfile-registry-resolved=true in .npmrc, and Go needs none",
		check:   matching(regexp.MustCompile(strings.Join(hosts, "|"))),
		bad: []example{
			{"internal/azurite/package-lock.json", `"resolved": "https://registry.npmjs` + `.org/azurite/-/azurite.tgz"`},
			{".ci/run", "GOPROXY=https://proxy.golang" + ".org go test ./...\n"},
		},
		good: []example{{"README.md", "See pkg.go.dev, and github.com/duroxide."}},
	}.enforce(t)
}

func TestNothingIsPostponed(t *testing.T) {
	rule{
		name:    "no work is left in comments",
		why:     "a reminder in the code is read by nobody who could act on it, and tells a user that the product is not finished",
		instead: "do it, or describe the limit as a limit, with its reason, where a user looks for it",
		check:   matching(regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)),
		bad: []example{
			{"core/x.go", "package core // TO" + "DO: finish"},
			{"docs/guide.md", "FIX" + "ME"},
		},
		good: []example{{"core/x.go", "package core // a todo list is a fine sample"}},
	}.enforce(t)
}

// matching makes a check that finds a pattern in each line of any text file.
func matching(pattern *regexp.Regexp) func(*file) []finding {
	return func(f *file) (found []finding) {
		n := 0
		for line := range strings.Lines(f.text) {
			n++
			if m := pattern.FindString(strings.TrimRight(line, "\n")); m != "" {
				found = append(found, finding{n, strings.TrimLeft(m, " \t\"'`(=:")})
			}
		}
		return found
	}
}
