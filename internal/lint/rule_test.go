package lint

import (
	"fmt"
	"strings"
	"testing"
)

// rule is one law of the repository.
type rule struct {
	name    string
	why     string // the reason, for whoever broke it
	instead string // what to do
	// check returns what is wrong in one file, nothing for files it does not
	// concern.
	check func(*file) []finding

	exempt map[string]string // file to reason
	bad    []example         // each must be caught
	good   []example         // each must pass
}

// finding is one breach: the line, 0 for the file as a whole, and what is there.
type finding struct {
	line int
	what string
}

// example is a small source under a path of its choice.
type example struct{ path, text string }

// enforce proves that the rule can fail and can pass, then holds the repository
// to it.
func (r rule) enforce(t *testing.T) {
	t.Helper()
	t.Run("proof", r.prove)
	t.Run("repository", func(t *testing.T) {
		var report strings.Builder
		excused := make(map[string]bool)
		for _, f := range repository(t) {
			found := r.check(f)
			if len(found) > 0 && r.exempt[f.path] != "" {
				excused[f.path] = true
				continue
			}
			for _, b := range found {
				fmt.Fprintf(&report, "\n  %s", b.in(f.path))
			}
		}
		if report.Len() > 0 {
			t.Errorf("%s%s\n\nwhy: %s\ninstead: %s", r.name, &report, r.why, r.instead)
		}
		for path, reason := range r.exempt {
			if !excused[path] {
				t.Errorf("%s: %s no longer needs its exemption (%s): remove it", r.name, path, reason)
			}
		}
	})
}

// prove checks the rule against its own examples.
func (r rule) prove(t *testing.T) {
	if len(r.bad) == 0 || len(r.good) == 0 || r.why == "" || r.instead == "" {
		t.Fatalf("the rule %q needs a reason, advice, and examples good and bad", r.name)
	}
	for _, e := range r.bad {
		if len(r.check(newFile(e.path, e.text))) == 0 {
			t.Errorf("%s: not caught in %s:\n%s", r.name, e.path, e.text)
		}
	}
	for _, e := range r.good {
		for _, b := range r.check(newFile(e.path, e.text)) {
			t.Errorf("%s: a false alarm, %s:\n%s", r.name, b.in(e.path), e.text)
		}
	}
}

func (b finding) in(path string) string {
	if b.line == 0 {
		return fmt.Sprintf("%s: %s", path, b.what)
	}
	return fmt.Sprintf("%s:%d: %s", path, b.line, b.what)
}
