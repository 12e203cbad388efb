package sdk

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// cellBytes are cells of all kinds and of the sizes at which the kind changes.
func cellBytes() *rapid.Generator[[]byte] {
	sizes := rapid.SampledFrom([]int{0, 1, 40, maxText - 1, maxText, maxText + 1, storage.MaxPropertyBytes - 1, storage.MaxPropertyBytes, storage.MaxPropertyBytes + 1, 2 * storage.MaxPropertyBytes, 150_000})
	return rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 50),
		rapid.Custom(func(t *rapid.T) []byte { return []byte(rapid.String().Draw(t, "text")) }),
		rapid.Custom(func(t *rapid.T) []byte {
			return bytes.Repeat([]byte(rapid.SampledFrom([]string{"x", "\x00", `"`, `\`, "\n"}).Draw(t, "byte")), sizes.Draw(t, "size"))
		}),
		rapid.Custom(func(t *rapid.T) []byte {
			return []byte(strings.Repeat(rapid.SampledFrom([]string{"é", "好", "😀", `{"a":1}`}).Draw(t, "unit"), sizes.Draw(t, "size")/7))
		}),
	)
}

func rows() *rapid.Generator[storage.Row] {
	return rapid.Custom(func(t *rapid.T) storage.Row {
		return storage.Row{
			Key:   rapid.StringMatching(`[A-Za-z0-9._~:-]{0,40}`).Draw(t, "key"),
			Cells: rapid.MapOfN(rapid.StringMatching(`[A-Za-z][A-Za-z0-9]{0,8}`), cellBytes(), 0, 4).Draw(t, "cells"),
		}
	})
}

func TestCellsComeBackByteForByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := rows().Draw(t, "row")
		text := appendRow(nil, "p", &row)
		if !json.Valid(text) {
			t.Fatalf("the row is no JSON: %.200q", text)
		}
		got, err := decodeRow(text)
		if err != nil || got.Key != row.Key || !maps.EqualFunc(got.Cells, row.Cells, bytes.Equal) {
			t.Fatalf("%.100q became %.100q, %v", row, got, err)
		}
		for name, cell := range got.Cells {
			if cell == nil {
				t.Fatalf("cell %s became nil", name)
			}
		}
	})
}

func TestSizeBoundsTheEncoding(t *testing.T) {
	table := &tableService{endpoint: "https://" + strings.Repeat("n", 24) + ".table.core.usgovcloudapi.net", signature: strings.Repeat("s", 250)}
	rapid.Check(t, func(t *rapid.T) {
		row := rows().Draw(t, "row")
		for verb := range methods {
			op := storage.Op{Verb: verb, Row: row}
			if n := len(table.appendOp(nil, strings.Repeat("t", 63), strings.Repeat("p", 20), &op)); n > row.Size() {
				t.Fatalf("%d bytes for verb %d, and Size says %d", n, verb, row.Size())
			}
		}
	})
}

func TestTextIsStoredAsText(t *testing.T) {
	for _, test := range []struct {
		cell string
		text bool
	}{
		{"", true},
		{`{"status":"Running","n":1}`, true},
		{"two\nlines\tof", true},
		{"日本語", true},
		{strings.Repeat("x", maxText), true},
		{strings.Repeat("x", maxText+1), false},
		{strings.Repeat("é", maxText), true},
		{strings.Repeat(`"`, 1000), false},
		{"a\x00b", false},
		{"a\rb", false},
		{"a\x7fb", false},
		{"\xff", false},
		{"a\u2028b", false},
		{string(utf8.RuneError), false},
	} {
		row := storage.Row{Key: "k", Cells: map[string][]byte{"C": []byte(test.cell)}}
		stored := string(appendRow(nil, "p", &row))
		if got := !strings.Contains(stored, "Edm.Binary"); got != test.text {
			t.Errorf("%.20q stands as text: %v", test.cell, got)
		}
	}
}

func TestPartsOfAnEarlierLongerCellAreIgnored(t *testing.T) {
	long := bytes.Repeat([]byte("\x01long"), 40_000)
	for _, cell := range [][]byte{{}, []byte("short"), {0, 1}, long[:70_000]} {
		// What the service makes of a merge: properties given replace those of
		// their name, others stay.
		before, after := storage.Row{Key: "k", Cells: map[string][]byte{"C": long}}, storage.Row{Key: "k", Cells: map[string][]byte{"C": cell}}
		merged := make(map[string]json.RawMessage)
		for _, row := range []*storage.Row{&before, &after} {
			var properties map[string]json.RawMessage
			if err := json.Unmarshal(appendRow(nil, "p", row), &properties); err != nil {
				t.Fatal(err)
			}
			for name := range properties {
				delete(merged, name+"@odata.type")
			}
			maps.Copy(merged, properties)
		}
		text, err := json.Marshal(merged)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRow(text)
		if err != nil || len(got.Cells) != 1 || !bytes.Equal(got.Cells["C"], cell) {
			t.Errorf("a cell of %d bytes became %d cells, one of %d bytes: %v", len(cell), len(got.Cells), len(got.Cells["C"]), err)
		}
	}
}

func TestARowThatOthersWroteIsCorrupt(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[]`, `{`, `{"RowKey":"k"`, `{"RowKey":"k","C":}`, `{"RowKey":"k","C":"x}`, `{"RowKey":"k","C":"\x"}`, `{"RowKey":"k","C":"\u12"}`,
		`{"RowKey":"k","C":true}`,
		`{"RowKey":"k","C":7}`,
		`{"RowKey":"k","C":1.5}`,
		`{"RowKey":"k","C":70000}`,
		`{"RowKey":"k","C":70000,"C_0@odata.type":"Edm.Binary","C_0":"AAAA"}`,
		`{"RowKey":"k","C":9999999999}`,
		`{"RowKey":"k","C@odata.type":"Edm.Int64","C":"7"}`,
		`{"RowKey":"k","C@odata.type":"Edm.DateTime","C":"2026-01-01T00:00:00Z"}`,
		`{"RowKey":"k","C@odata.type":"Edm.Binary","C":"not base64!"}`,
	} {
		if row, err := decodeRow([]byte(text)); err == nil {
			t.Errorf("%s became %v", text, row)
		}
	}
}

func TestAnETagIsMadeOfTheTimestampWhereThereIsNone(t *testing.T) {
	row, err := decodeRow([]byte(`{"RowKey":"k","Timestamp@odata.type":"Edm.DateTime","Timestamp":"2026-11-27T23:59:28.5448073Z","C":null}`))
	if err != nil || row.ETag != `W/"datetime'2026-11-27T23%3A59%3A28.5448073Z'"` || len(row.Cells) != 0 {
		t.Errorf("got %v, %v", row, err)
	}
}

func TestAPageIsReadWhateverStandsAroundIt(t *testing.T) {
	const page = ` { "odata.metadata" : "x" , "more" : [ { "a" : [ 1 , true , { } ] } ] , "value" : [ {"RowKey":"a","odata.etag":"1"} ,
		{ "C" : "\u00e9\ud83d\ude00\n" , "RowKey" : "b" , "odata.etag" : "2" } ] , "after" : null } `
	rows, long, err := decodePage([]byte(page))
	if err != nil || long || len(rows) != 2 || rows[0].Key != "a" || string(rows[1].Cells["C"]) != "é😀\n" || rows[1].ETag != "2" {
		t.Errorf("got %q, %v, %v", rows, long, err)
	}
	if _, _, err := decodePage([]byte(`{"odata.metadata":"x"}`)); err == nil {
		t.Error("a page without rows was read")
	}
}

// FuzzScanner holds the scanner against package encoding/json: what that takes
// for a flat object of strings must read the same.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":"b"}`, `{"a":"\u00e9\ud83d\ude00\ud800x\\\"\/\b\f\n\r\t"}`, `{"a":{"b":[1,2,null]},"c":-1.5e3}`, `{"a":"`, `{"a":tru}`, "{\"a\":\"\\ud800\\u0041\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &scanner{b: text}
		all, err := s.object(nil)
		var want map[string]any
		if !utf8.Valid(text) || json.Unmarshal(text, &want) != nil || want == nil {
			return
		}
		if err != nil {
			t.Fatalf("%q is JSON, and was refused: %v", text, err)
		}
		for i, p := range all {
			later := slices.ContainsFunc(all[i+1:], func(q property) bool { return q.name == p.name })
			if w, ok := want[p.name].(string); ok && p.types == "" && !later && string(p.value.text) != w {
				t.Fatalf("%q: %q is %q, want %q", text, p.name, p.value.text, w)
			}
		}
	})
}
