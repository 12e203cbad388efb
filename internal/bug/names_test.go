package bug

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// statutes are where the rules are that bugs break, by their letters.
var statutes = map[string]string{
	"Z": "../../providers/azure/doc.go",
	"J": "../../providers/azure/internal/journal/doc.go",
	"B": "../../providers/azure/internal/hub/doc.go",
	"L": "../../sharding/doc.go",
}

// TestEachRuleIsBrokenByABug: a rule that no bug breaks may be one that no test keeps.
func TestEachRuleIsBrokenByABug(t *testing.T) {
	broken := map[string][]string{} // bugs by rule
	names := read(t, "names.go")
	for _, m := range regexp.MustCompile(`(?m)^\t"([a-z-]+)", *// (.*)$`).FindAllStringSubmatch(names, -1) {
		for _, rules := range regexp.MustCompile(`\(([A-Z]\d+(?:, [A-Z]\d+)*)\)$`).FindAllStringSubmatch(m[2], -1) {
			for rule := range strings.SplitSeq(rules[1], ", ") {
				broken[rule] = append(broken[rule], m[1])
			}
		}
	}
	for letter, file := range statutes {
		var rules []string
		for _, m := range regexp.MustCompile(`(?m)^//   - (`+letter+`\d+) `).FindAllStringSubmatch(read(t, file), -1) {
			rules = append(rules, m[1])
			if broken[m[1]] == nil {
				t.Errorf("no bug breaks %s of %s", m[1], file)
			}
		}
		if len(rules) == 0 {
			t.Errorf("%s has no rules", file)
		}
		for rule, by := range broken {
			if strings.HasPrefix(rule, letter) && !slices.Contains(rules, rule) {
				t.Errorf("%v break %s, which %s does not have", by, rule, file)
			}
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
