package providerfault

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

func TestRulesReadAsTheyPrint(t *testing.T) {
	text := `commit nth=3 after
send p=0.1 before
commit instance="order-1" unknown
* p=0.01 delay=5ms
activity nth=2 crash
release-activity instance="a b \"c\"\n" nth=1 p=1 crash-after
`
	var printed strings.Builder
	for _, r := range MustParse(text) {
		printed.WriteString(r.String() + "\n")
	}
	if printed.String() != text {
		t.Errorf("got\n%s\nwant\n%s", &printed, text)
	}
}

func TestEveryRuleThatPrintsParses(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	ids := []history.InstanceID{"", "order-1", "with space", `quote"`, "back\\slash", "nth=3", "日本 🚀", "# no comment", "a=b"}
	for range 2_000 {
		r := Rule{Op: Op(random.IntN(int(ops))), Instance: ids[random.IntN(len(ids))], Outcome: Outcome(1 + random.IntN(len(outcomeNames)))}
		if random.IntN(2) == 0 {
			r.Nth = 1 + random.IntN(10)
		}
		if random.IntN(2) == 0 {
			r.Probability = 1 - random.Float64()
		}
		if r.Outcome == Delay {
			r.Delay = time.Duration(1 + random.Int64N(1e12))
		}
		back, err := Parse(r.String())
		if err != nil || len(back) != 1 || back[0] != r {
			t.Fatalf("%q reads back as %+v (%v), want %+v", r, back, err, r)
		}
	}
}

func TestCommentsAndEmptyLinesAreLeftOut(t *testing.T) {
	rules, err := Parse("# why\n\n  send before  \n\t# more\n")
	if want := []Rule{{Op: Send, Outcome: Before}}; err != nil || !slices.Equal(rules, want) {
		t.Errorf("got %+v, %v, want %+v", rules, err, want)
	}
}

func TestWhatIsInjectedParsesAgain(t *testing.T) {
	rules := MustParse("send p=0.5 before\ncommit nth=1 crash")
	back, err := Parse(New(7, rules...).String())
	if err != nil || !slices.Equal(back, rules) {
		t.Errorf("got %+v, %v, want %+v", back, err, rules)
	}
}

func TestAWrongRuleSaysWhereAndWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"send before\nfly before":     "line 2",
		"fly before":                  `no operation "fly"`,
		"send":                        "outcome is missing",
		"send explode":                `no outcome "explode"`,
		"send before after":           "second outcome",
		"send nth=0 before":           "nth=0",
		"send nth=x before":           "nth=x",
		"send p=0 before":             "p=0",
		"send p=1.5 before":           "p=1.5",
		"send p=NaN before":           "p=NaN",
		"send delay":                  "with a delay of 0s",
		"send delay=0s":               "delay=0s",
		"send delay=soon":             "delay=soon",
		"send delay=1s before":        "second outcome",
		"send when=now before":        `no condition "when"`,
		`send instance=order before`:  "order is no instance id in quotes",
		`send instance="" before`:     "no instance id",
		`send instance="order before`: "quote is not closed",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want an error about %q", text, err, want)
		}
	}
}

func TestARuleOfTheProgramMustMakeSense(t *testing.T) {
	for name, f := range map[string]func(){
		"MustParse": func() { MustParse("fly before") },
		"New":       func() { New(1, Rule{Op: Send}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s accepted a rule that makes no sense", name)
				}
			}()
			f()
		}()
	}
}

func TestEveryOperationHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range append(Ops(), Any) {
		if seen[o.String()] || o.String() == "" {
			t.Errorf("operation %d is called %q", o, o)
		}
		seen[o.String()] = true
		if back, err := parseOp(o.String()); err != nil || back != o {
			t.Errorf("%q reads back as %v, %v", o, back, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`commit instance="order-1" nth=3 p=0.5 after`)
	f.Add("* delay=5ms\n# comment")
	f.Add(`send instance="\"" crash`)
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := Parse(text)
		if err != nil {
			return
		}
		for _, r := range rules {
			back, err := Parse(r.String())
			if err != nil || len(back) != 1 || back[0] != r {
				t.Errorf("%q prints as %q and reads back as %+v (%v)", text, r, back, err)
			}
		}
	})
}
