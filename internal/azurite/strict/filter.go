package strict

import (
	"regexp"
	"slices"
	"strings"
)

// maxComparisons is documented under "Querying tables and entities".
const maxComparisons = 15

var (
	comparisons = []string{"eq", "ne", "gt", "ge", "lt", "le"}
	connectives = []string{"and", "or", "not"}
	literal     = regexp.MustCompile(`^(-?[0-9.].*|true|false|([A-Za-z]+)?'(''|[^'])*')$`)
	token       = regexp.MustCompile(`^\s*([()]|[A-Za-z]*'(''|[^'])*'|[^\s()']+)`)
	column      = regexp.MustCompile(`^[\p{L}_][\p{L}\p{Nd}_]*$`)
)

// checkFilter checks each comparison of a filter: a column, an operator, a
// literal.
func checkFilter(filter string) *refusal {
	tokens, ok := tokenize(filter)
	if !ok {
		return invalidInput("filter", "a quote without its end in "+filter)
	}
	count, open := 0, 0
	for i, t := range tokens {
		switch {
		case t == "(":
			open++
		case t == ")":
			if open--; open < 0 {
				return invalidInput("filter", "a parenthesis without its beginning in "+filter)
			}
		case slices.Contains(comparisons, t):
			count++
			if i == 0 || i == len(tokens)-1 || !isColumn(tokens[i-1]) || !literal.MatchString(tokens[i+1]) {
				return invalidInput("filter", "not a column, an operator and a literal, at "+strings.Join(tokens[max(i-1, 0):min(i+2, len(tokens))], " "))
			}
		}
	}
	if open != 0 {
		return invalidInput("filter", "a parenthesis without its end in "+filter)
	}
	if count > maxComparisons {
		return invalidInput("filter", "more than 15 comparisons in "+filter)
	}
	return nil
}

func isColumn(t string) bool {
	return column.MatchString(t) && !literal.MatchString(t) && !slices.Contains(comparisons, t) && !slices.Contains(connectives, t)
}

// tokenize cuts a filter into parentheses, words, and literals with their quotes.
func tokenize(filter string) ([]string, bool) {
	var tokens []string
	for rest := filter; strings.TrimSpace(rest) != ""; {
		m := token.FindStringSubmatch(rest)
		if m == nil {
			return nil, false
		}
		tokens = append(tokens, m[1])
		rest = rest[len(m[0]):]
	}
	return tokens, true
}
