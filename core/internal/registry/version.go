package registry

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// version is a semantic version (semver.org 2.0.0), without build metadata.
type version struct {
	numbers    [3]int
	prerelease []string
}

func parseVersion(s string) (version, error) {
	bad := fmt.Errorf("version %q is not semantic: write major.minor.patch, for example 1.2.0", s)
	var v version
	core, pre, hasPre := strings.Cut(s, "-")
	parts := strings.Split(core, ".")
	if len(parts) != 3 || len(s) > 100 || (hasPre && pre == "") {
		return v, bad
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || part != strconv.Itoa(n) {
			return v, bad
		}
		v.numbers[i] = n
	}
	if hasPre {
		v.prerelease = strings.Split(pre, ".")
		for _, id := range v.prerelease {
			if id == "" || strings.ContainsFunc(id, notIdentifier) {
				return v, bad
			}
		}
	}
	return v, nil
}

func notIdentifier(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-'
}

// compare orders versions by precedence: a pre-release comes before its
// release, numbers before words.
func (v version) compare(w version) int {
	for i := range v.numbers {
		if c := cmp.Compare(v.numbers[i], w.numbers[i]); c != 0 {
			return c
		}
	}
	if len(v.prerelease) == 0 || len(w.prerelease) == 0 {
		return cmp.Compare(len(w.prerelease), len(v.prerelease))
	}
	for i := range min(len(v.prerelease), len(w.prerelease)) {
		if c := compareIdentifiers(v.prerelease[i], w.prerelease[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(v.prerelease), len(w.prerelease))
}

func compareIdentifiers(a, b string) int {
	n, errA := strconv.Atoi(a)
	m, errB := strconv.Atoi(b)
	switch {
	case errA == nil && errB == nil:
		return cmp.Compare(n, m)
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return cmp.Compare(a, b)
}
