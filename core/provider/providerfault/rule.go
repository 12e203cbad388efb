package providerfault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Outcome is what happens to a call instead of the usual. The package comment
// says what each does.
type Outcome int

// The outcomes.
const (
	Before Outcome = iota + 1
	Unknown
	After
	Delay
	Crash
	CrashAfter
)

var outcomeNames = map[Outcome]string{
	Before: "before", Unknown: "unknown", After: "after", Delay: "delay", Crash: "crash", CrashAfter: "crash-after",
}

func (o Outcome) String() string {
	if name, ok := outcomeNames[o]; ok {
		return name
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// Rule lets some calls fail. All conditions that are set must hold.
type Rule struct {
	// Op is the operation; Any for all.
	Op Op
	// Instance is the instance that the call is about; "" for all. What an
	// operation is about is known before it is applied, except for NextTurn and
	// NextActivity, whose rules with an instance apply to the outcomes After and
	// CrashAfter only.
	Instance history.InstanceID
	// Nth says which of the calls that match Op and Instance: the first is 1.
	// 0 means every one.
	Nth int
	// Probability is between 0 and 1; 0 means always.
	Probability float64
	// Outcome happens if all conditions hold.
	Outcome Outcome
	// Delay is for the outcome Delay.
	Delay time.Duration
}

// String prints the rule so that [Parse] reads it back.
func (r Rule) String() string {
	var b strings.Builder
	b.WriteString(r.Op.String())
	if r.Instance != "" {
		fmt.Fprintf(&b, " instance=%s", strconv.Quote(string(r.Instance)))
	}
	if r.Nth != 0 {
		fmt.Fprintf(&b, " nth=%d", r.Nth)
	}
	if r.Probability != 0 {
		fmt.Fprintf(&b, " p=%s", strconv.FormatFloat(r.Probability, 'g', -1, 64))
	}
	if r.Outcome == Delay {
		fmt.Fprintf(&b, " delay=%v", r.Delay)
	} else {
		fmt.Fprintf(&b, " %v", r.Outcome)
	}
	return b.String()
}

// Parse reads rules, one a line; empty lines and lines that begin with # are
// left out.
func Parse(text string) ([]Rule, error) {
	var rules []Rule
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		r, err := parseRule(line)
		if err != nil {
			return nil, fmt.Errorf("fault rule in line %d, %q: %w", n, line, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// MustParse is [Parse] for rules that stand in a program. It panics on an
// error.
func MustParse(text string) []Rule {
	rules, err := Parse(text)
	if err != nil {
		panic(err) // panic: the text is part of the program.
	}
	return rules
}

func parseRule(line string) (Rule, error) {
	words, err := split(line)
	if err != nil {
		return Rule{}, err
	}
	var r Rule
	if r.Op, err = parseOp(words[0]); err != nil {
		return Rule{}, err
	}
	for _, word := range words[1:] {
		if err := setCondition(&r, word); err != nil {
			return Rule{}, err
		}
	}
	return r, r.validate()
}

func setCondition(r *Rule, word string) (err error) {
	key, value, isSetting := strings.Cut(word, "=")
	if !isSetting {
		return setOutcome(r, word)
	}
	switch key {
	case "instance":
		var id string
		if id, err = strconv.Unquote(value); err != nil || id == "" {
			return fmt.Errorf("%s is no instance id in quotes", value)
		}
		r.Instance = history.InstanceID(id)
	case "nth":
		if r.Nth, err = strconv.Atoi(value); err != nil || r.Nth < 1 {
			return fmt.Errorf("nth=%s is no count from 1", value)
		}
	case "p":
		if r.Probability, err = strconv.ParseFloat(value, 64); err != nil || !(r.Probability > 0 && r.Probability <= 1) {
			return fmt.Errorf("p=%s is no probability above 0 and up to 1", value)
		}
	case "delay":
		if err := setOutcome(r, "delay"); err != nil {
			return err
		}
		if r.Delay, err = time.ParseDuration(value); err != nil || r.Delay <= 0 {
			return fmt.Errorf("delay=%s is no duration such as 5ms", value)
		}
	default:
		return fmt.Errorf("there is no condition %q: the conditions are instance, nth and p", key)
	}
	return nil
}

func setOutcome(r *Rule, name string) error {
	if r.Outcome != 0 {
		return fmt.Errorf("%s is a second outcome after %v", name, r.Outcome)
	}
	for o, n := range outcomeNames {
		if n == name {
			r.Outcome = o
			return nil
		}
	}
	return fmt.Errorf("there is no outcome %q: the outcomes are before, unknown, after, delay=DURATION, crash and crash-after", name)
}

func (r Rule) validate() error {
	switch {
	case r.Op < Any || r.Op >= ops:
		return fmt.Errorf("there is no operation %v", r.Op)
	case outcomeNames[r.Outcome] == "":
		return errors.New("the outcome is missing: before, unknown, after, delay=DURATION, crash or crash-after")
	case (r.Outcome == Delay) != (r.Delay > 0):
		return fmt.Errorf("outcome %v with a delay of %v", r.Outcome, r.Delay)
	case r.Nth < 0 || !(r.Probability >= 0 && r.Probability <= 1):
		return fmt.Errorf("nth=%d p=%v is out of range", r.Nth, r.Probability)
	}
	return nil
}

// split cuts a line at spaces that are not in quotes. It returns at least one
// word.
func split(line string) ([]string, error) {
	var words []string
	rest := strings.TrimSpace(line)
	for rest != "" {
		end := strings.IndexAny(rest, " \t\"")
		if end >= 0 && rest[end] == '"' {
			quoted, err := strconv.QuotedPrefix(rest[end:])
			if err != nil {
				return nil, errors.New("a quote is not closed")
			}
			end += len(quoted)
		}
		if end < 0 {
			end = len(rest)
		}
		words = append(words, rest[:end])
		rest = strings.TrimLeft(rest[end:], " \t")
	}
	if len(words) == 0 {
		return nil, errors.New("the rule is empty")
	}
	return words, nil
}
