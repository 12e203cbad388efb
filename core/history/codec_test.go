package history_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/core/history"
)

func TestEveryEventSurvivesEncodingAndDecoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEvent(t)
		line, err := history.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(line, "\n\r") {
			t.Fatalf("the encoding spans lines: %q", line)
		}
		got, err := history.Unmarshal(line)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("decoding %s gives another event (-encoded +decoded):\n%s", line, diff)
		}
	})
}

func TestEncodingByHandEqualsEncodingByReflection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawData(t, hostileText)
		want, err := history.ReferenceMarshal(nil, d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := history.MarshalData(d)
		if err != nil {
			t.Fatal(err)
		}
		if enveloped := fmt.Sprintf(`{"kind":%q,"data":%s}`, d.Kind(), want); string(got) != enveloped {
			t.Fatalf("encoded %s\n   want %s", got, enveloped)
		}
		back, err := history.UnmarshalData(got)
		if err != nil {
			t.Fatal(err)
		}
		if back.Kind() != d.Kind() {
			t.Fatalf("%s came back as %s", d.Kind(), back.Kind())
		}
	})
}

func TestDecodingByHandEqualsDecodingByReflection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line, err := history.Marshal(drawEvent(t))
		if err != nil {
			t.Fatal(err)
		}
		// Damage of all sorts: a byte changed, added or taken away.
		for range rapid.IntRange(0, 2).Draw(t, "damage") {
			i := rapid.IntRange(0, len(line)-1).Draw(t, "where")
			with := rapid.SampledFrom([]string{"", "0", "1", "-", ",", ":", `"`, "{", "}", " ", "\\", "\n", "e", "\xff", "null"}).Draw(t, "with")
			keep := rapid.IntRange(0, 1).Draw(t, "keep")
			line = append(append(bytes.Clone(line[:i]), with...), line[i+1-keep:]...)
		}
		sameAsReference(t, line)
	})
}

// sameAsReference fails unless Unmarshal and encoding/json agree about a line.
func sameAsReference(t interface{ Fatalf(string, ...any) }, line []byte) {
	got, err := history.Unmarshal(line)
	want, wantErr := history.ReferenceUnmarshal(line)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: error %v, want %v", line, err, wantErr)
	}
	if diff := cmp.Diff(want, got); err == nil && diff != "" {
		t.Fatalf("%q is decoded differently (-want +got):\n%s", line, diff)
	}
	if err != nil && !errors.Is(err, history.ErrFormat) {
		t.Fatalf("%q: error %v does not wrap ErrFormat", line, err)
	}
}

// The point of reading by hand is lost if it silently stops to apply.
func TestWhatAppendWritesOfFrequentKindsIsReadByHand(t *testing.T) {
	for _, th := range themes {
		if th.name == "text" {
			continue
		}
		for _, e := range th.build() {
			line, err := history.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := history.ReadByHand(line); !ok {
				t.Errorf("%s: encoding/json reads %s", th.name, line)
			}
		}
	}
}

func TestTheDecodedEventOwnsItsMemory(t *testing.T) {
	for _, th := range themes {
		for _, e := range th.build() {
			line, err := history.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			got, err := history.Unmarshal(line)
			if err != nil {
				t.Fatal(err)
			}
			for i := range line {
				line[i] = 'x'
			}
			if diff := cmp.Diff(e, got); diff != "" {
				t.Errorf("%s: the event changed with the bytes it was read from:\n%s", th.name, diff)
			}
		}
	}
}

func TestPayloadsKeepTheirBytes(t *testing.T) {
	for _, p := range []string{`null`, `"<&>"`, `"\u2028"`, "\"\u2028\"", `1.10`, `1E+2`, `{"b":1,"a":2,"a":3}`, `"\/"`, `[[[]]]`, strings.Repeat(`[`, 500) + strings.Repeat(`]`, 500)} {
		line, err := history.Marshal(history.Event{ID: 1, Execution: 1, Data: &history.ActivityCompleted{Source: 1, Output: payload(p)}})
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		e, err := history.Unmarshal(line)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		if got := string(e.Data.(*history.ActivityCompleted).Output); got != p {
			t.Errorf("payload %s came back as %s", p, got)
		}
	}
}

func TestWhiteSpaceInPayloadsDoesNotBreakTheLine(t *testing.T) {
	line, err := history.Marshal(history.Event{ID: 1, Execution: 1, Data: &history.ActivityCompleted{Source: 1, Output: payload("{\n  \"a\": [1, 2]\r\n}")}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `"output":{"a":[1,2]}`; !bytes.Contains(line, []byte(want)) || bytes.ContainsAny(line, "\n\r") {
		t.Errorf("encoded %q, want %s in one line", line, want)
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	line := `{"format":1,"id":3,"execution":1,"time":"2026-01-02T03:04:05Z","novelty":{"a":1},"kind":"TimerFired","data":{"source":2,"novelty":[1]}}`
	e, err := history.Unmarshal([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if d, ok := e.Data.(*history.TimerFired); !ok || d.Source != 2 || e.ID != 3 {
		t.Errorf("decoded %+v", e)
	}
}

func TestTimesAreStoredInUTC(t *testing.T) {
	zone := time.FixedZone("somewhere", 2*60*60)
	line, err := history.Marshal(history.Event{ID: 1, Execution: 1, Time: start.In(zone), Data: &history.TimerFired{Source: 1}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := history.Unmarshal(line)
	if err != nil {
		t.Fatal(err)
	}
	if !e.Time.Equal(start) || e.Time.Location() != time.UTC {
		t.Errorf("time %v, want %v", e.Time, start)
	}
}

func TestUnreadableEventsAreRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct{ line, want string }{
		"nothing":              {``, "unexpected end of JSON input"},
		"no JSON":              {`{"format":1,`, "unexpected end of JSON input"},
		"no object":            {`[]`, "cannot unmarshal array"},
		"null":                 {`null`, "it names no format"},
		"no format":            {`{"id":1,"execution":1,"kind":"TimerFired","data":{"source":1}}`, "it names no format (rule H10)"},
		"a later format":       {`{"format":99,"id":7,"kind":"TimerFired","data":{}}`, "event 7 has format 99 and this program reads up to 1 (rule H10): upgrade the program"},
		"a later kind":         {`{"format":1,"id":7,"kind":"Novelty","data":{}}`, `event 7: unknown kind "Novelty": it was written by a newer program`},
		"a hostile kind":       {`{"format":1,"id":7,"kind":"` + strings.Repeat(`\u0007`, 100) + `","data":{}}`, `unknown kind "\a\a`},
		"no data":              {`{"format":1,"id":7,"kind":"TimerFired"}`, "event 7: TimerFired has no data"},
		"null data":            {`{"format":1,"id":7,"kind":"TimerFired","data":null}`, "event 7: TimerFired has no data"},
		"data of another sort": {`{"format":1,"id":7,"kind":"TimerFired","data":{"source":"x"}}`, "event 7: TimerFired: json: cannot unmarshal string"},
		"two events":           {`{"format":1,"id":7,"kind":"TimerFired","data":{"source":1}}{}`, "after top-level value"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := history.Unmarshal([]byte(c.line))
			if !errors.Is(err, history.ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want an ErrFormat that says %q", err, c.want)
			}
			if len(err.Error()) > 400 {
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
		})
	}
}

func TestWhatCannotBeReadBackIsNotWritten(t *testing.T) {
	e := func(d history.Data) history.Event { return history.Event{ID: 7, Execution: 1, Time: start, Data: d} }
	late := e(&history.TimerFired{Source: 1})
	late.Time = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]history.Event{
		"no data":                   e(nil),
		"a payload of no JSON":      e(&history.ActivityCompleted{Source: 1, Output: payload(`{"a"`)}),
		"two payloads in one":       e(&history.ActivityCompleted{Source: 1, Output: payload(`1 2`)}),
		"two payloads in a row":     e(&history.ActivityCompleted{Source: 1, Output: payload(`1,"x":2`)}),
		"a rare payload of no JSON": e(&history.ValueRecorded{Value: payload(`{`)}),
		"an infinite number":        e(&history.ActivityScheduled{Name: "a", Retry: &history.RetryPolicy{Factor: math.Inf(1)}}),
		"a year of five digits":     late,
		"a due time of five digits": e(&history.TimerCreated{Due: late.Time}),
	} {
		t.Run(name, func(t *testing.T) {
			before := []byte("before")
			after, err := history.Append(before, c)
			if !errors.Is(err, history.ErrFormat) || !strings.Contains(err.Error(), "event 7") {
				t.Errorf("error %v, want an ErrFormat that names event 7", err)
			}
			if string(after) != "before" {
				t.Errorf("Append left %q behind", after)
			}
		})
	}
}

func TestEventsAreMarshalersOfJSON(t *testing.T) {
	want := themes[0].build()
	encoded, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got []history.Event
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestScanningAgreesWithEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := []string{`{`, `}`, `[`, `]`, `,`, `:`, `"`, `"a"`, `\`, `\n`, `\u12aF`, `0`, `12`, `-`, `.5`, `e+1`, `true`, `false`, `null`, "\x01", "\xff", "ü", ` `}
		value := []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 9).Draw(t, "parts"), ""))
		scansLikeJSON(t, value)
	})
}

func drawEvent(t *rapid.T) history.Event {
	e := history.Event{
		ID:        rapid.Int64().Draw(t, "id"),
		Execution: rapid.Int64().Draw(t, "execution"),
		Time:      drawTime(t),
		Data:      drawData(t, rapid.String()),
	}
	if rapid.Bool().Draw(t, "remote") {
		e.Remote = new(rapid.Int32().Draw(t, "remote id"))
	}
	return e
}

// hostileText is text that JSON cannot carry as it is.
var hostileText = rapid.Custom(func(t *rapid.T) string {
	return string(rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "bytes"))
})

func drawData(t *rapid.T, text *rapid.Generator[string]) history.Data {
	data := history.NewData(rapid.SampledFrom(history.Kinds()).Draw(t, "kind"))
	v := reflect.ValueOf(data).Elem()
	for _, field := range v.Fields() {
		drawField(t, text, field, 2)
	}
	return data
}

func drawTime(t *rapid.T) time.Time {
	return time.Unix(rapid.Int64Range(-1e9, 9e9).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
}

// drawField sets a field that an encoding can tell from its absence: empty
// maps, slices and payloads stay nil.
func drawField(t *rapid.T, text *rapid.Generator[string], v reflect.Value, depth int) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(drawTime(t)))
		return
	case reflect.TypeFor[history.Payload]():
		if p := rapid.SampledFrom([]string{"", "", `null`, `""`, `"ü<&>"`, `{"a":[1,2.50,-3e9],"b":{}}`, `[]`, `true`}).Draw(t, "payload"); p != "" {
			v.SetBytes([]byte(p))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text.Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, "float"))
	case reflect.Pointer:
		if depth > 0 && rapid.Bool().Draw(t, "present") {
			v.Set(reflect.New(v.Type().Elem()))
			drawField(t, text, v.Elem(), depth-1)
		}
	case reflect.Slice:
		if n := rapid.IntRange(0, 2).Draw(t, "length"); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				drawField(t, text, v.Index(i), depth-1)
			}
		}
	case reflect.Map:
		if n := rapid.IntRange(0, 2).Draw(t, "length"); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for i := range n {
				value := reflect.New(v.Type().Elem()).Elem()
				if drawField(t, text, value, depth-1); value.Kind() == reflect.Slice && value.IsNil() {
					value.SetBytes([]byte(`0`))
				}
				v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key", i)), value)
			}
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			drawField(t, text, field, depth)
		}
	default:
		t.Fatalf("no generator for %s", v.Type())
	}
}
