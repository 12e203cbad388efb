package history_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duroxide/duroxide-go/core/history"
)

// FuzzUnmarshal: any bytes are either refused with ErrFormat, or an event that
// is encoded and decoded again without a change; encoding/json has the same
// opinion.
func FuzzUnmarshal(f *testing.F) {
	for _, th := range themes {
		for _, e := range th.build() {
			line, err := history.Marshal(e)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		sameAsReference(t, line)
		e, err := history.Unmarshal(line)
		if err != nil {
			return
		}
		first, err := history.Marshal(e)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", line, err)
		}
		again, err := history.Unmarshal(first)
		if err != nil {
			t.Fatalf("%q was written and cannot be read: %v", first, err)
		}
		second, err := history.Marshal(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written as %q, then as %q: %v", first, second, err)
		}
	})
}

// FuzzUnmarshalData: the same for the data of messages.
func FuzzUnmarshalData(f *testing.F) {
	for _, th := range themes {
		for _, d := range th.events {
			data, err := history.MarshalData(d)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		d, err := history.UnmarshalData(line)
		if err != nil {
			return
		}
		first, err := history.MarshalData(d)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", line, err)
		}
		again, err := history.UnmarshalData(first)
		if err != nil {
			t.Fatalf("%q was written and cannot be read: %v", first, err)
		}
		second, err := history.MarshalData(again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written as %q, then as %q: %v", first, second, err)
		}
	})
}

// FuzzScanValue: what is scanned as a value is one to encoding/json too.
func FuzzScanValue(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e+3,"x\u00e9\n"],"b":{}}`, `[[],{}]`, `-0`, `01`, `"\ud800"`, `nul`, `{"a"}`, `[1,]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) { scansLikeJSON(t, value) })
}

// FuzzValidator: the Validator and a slow restatement of its rules agree on
// where a history goes wrong, and neither panics.
func FuzzValidator(f *testing.F) {
	for _, th := range themes {
		f.Add(program(th.build()))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		events := interpret(program)
		var v history.Validator
		for i, e := range events {
			got, want := v.Next(e), slowRule(events[:i], e)
			rule := ""
			if broken, ok := errors.AsType[*history.InvalidError](got); ok {
				rule = broken.Rule
			}
			if rule != want {
				t.Fatalf("event %d, %s %+v: %v, want a break of rule %q", e.ID, e.Data.Kind(), e.Data, got, want)
			}
			if got != nil {
				return
			}
		}
	})
}

func TestProgramsOfTheFuzzerMakeValidHistoriesToo(t *testing.T) {
	for _, th := range themes {
		if th.execution > 1 || th.name == "text" { // carries state, hostile text
			continue
		}
		events := interpret(program(th.build()))
		if diff := cmp.Diff(len(th.events), len(events)); diff != "" {
			t.Errorf("%s: %s", th.name, diff)
		}
		if err := check(events); err != nil {
			t.Errorf("%s: %v", th.name, err)
		}
	}
}
