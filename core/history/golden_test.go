package history_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/duroxide/duroxide-go/core/history"
)

var update = flag.Bool("update", false, "write the golden histories of the newest format")

func goldenDir(format int) string {
	return filepath.Join("testdata", "golden", fmt.Sprintf("format%d", format))
}

// The golden files are what programs in the field have stored. A diff in one
// of them means that stored histories would be read or written differently:
// that takes a new format, never a new golden file of an old one.
func TestGoldenHistoriesAreEncodedAsEver(t *testing.T) {
	for _, th := range themes {
		t.Run(th.name, func(t *testing.T) {
			var got []byte
			for _, e := range th.build() {
				var err error
				if got, err = history.Append(got, e); err != nil {
					t.Fatal(err)
				}
				got = append(got, '\n')
			}
			path := filepath.Join(goldenDir(history.FormatNewest), th.name+".jsonl")
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v: run the test with -update if the theme is new", err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("the encoding differs from the golden file (-golden +now):\n%s", diff)
			}
		})
	}
}

func TestGoldenHistoriesAreDecodedToTheSameEvents(t *testing.T) {
	for _, th := range themes {
		t.Run(th.name, func(t *testing.T) {
			got := readGolden(t, filepath.Join(goldenDir(history.FormatNewest), th.name+".jsonl"))
			if diff := cmp.Diff(th.build(), got); diff != "" {
				t.Errorf("the events differ (-built +read):\n%s", diff)
			}
		})
	}
}

// Every file of every format there ever was, whatever wrote it, is readable
// and valid; in the newest format it is also written as it was read.
func TestGoldenHistoriesOfEveryFormatAreReadableAndValid(t *testing.T) {
	for format := history.Format1; format <= history.FormatNewest; format++ {
		paths, err := filepath.Glob(filepath.Join(goldenDir(format), "*.jsonl"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no golden histories of format %d: %v", format, err)
		}
		for _, path := range paths {
			t.Run(fmt.Sprintf("format%d/%s", format, filepath.Base(path)), func(t *testing.T) {
				var encoded []byte
				var v history.Validator
				for _, e := range readGolden(t, path) {
					if err := v.Next(e); err != nil {
						t.Error(err)
					}
					encoded, err = history.Append(encoded, e)
					if err != nil {
						t.Fatal(err)
					}
					encoded = append(encoded, '\n')
				}
				if format != history.FormatNewest {
					return
				}
				golden, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(golden, encoded) {
					t.Errorf("decoding and encoding changed bytes:\n%s", cmp.Diff(string(golden), string(encoded)))
				}
			})
		}
	}
}

func TestGoldenHistoriesCoverEveryKindAndField(t *testing.T) {
	seen := map[string]bool{}
	for _, th := range themes {
		for _, e := range readGolden(t, filepath.Join(goldenDir(history.FormatNewest), th.name+".jsonl")) {
			cover(seen, reflect.ValueOf(e))
			cover(seen, reflect.ValueOf(e.Data).Elem())
		}
	}
	for _, name := range allFields() {
		if !seen[name] {
			t.Errorf("no golden history has a value for %s: add one to a theme", name)
		}
	}
}

func TestEveryKindNamesItsType(t *testing.T) {
	kinds := history.Kinds()
	if len(kinds) < 30 {
		t.Errorf("there are %d kinds", len(kinds))
	}
	for _, kind := range kinds {
		data := history.NewData(kind)
		if data.Kind() != kind {
			t.Errorf("decoding %s makes a %s", kind, data.Kind())
		}
		if name := reflect.TypeOf(data).Elem().Name(); name != string(kind) {
			t.Errorf("kind %s is the type %s", kind, name)
		}
	}
}

// readGolden decodes a file of one event a line.
func readGolden(t *testing.T, path string) []history.Event {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var events []history.Event
	for line := range strings.Lines(string(content)) {
		e, err := history.Unmarshal([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		events = append(events, e)
	}
	return events
}

// allFields names every field that can be stored: those of events, of each
// kind, and of the structs they hold.
func allFields() []string {
	fields := map[string]bool{}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(typ.Elem())
		case reflect.Struct:
			if typ == reflect.TypeFor[time.Time]() {
				return
			}
			for _, f := range reflect.VisibleFields(typ) {
				name := typ.Name() + "." + f.Name
				if !fields[name] {
					fields[name] = true
					walk(f.Type)
				}
			}
		}
	}
	walk(reflect.TypeFor[history.Event]())
	for _, kind := range history.Kinds() {
		walk(reflect.TypeOf(history.NewData(kind)))
	}
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// cover notes the fields of a struct, and of those in it, that are not zero.
func cover(seen map[string]bool, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			cover(seen, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			cover(seen, v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for _, f := range reflect.VisibleFields(v.Type()) {
			if field := v.FieldByIndex(f.Index); !field.IsZero() {
				seen[v.Type().Name()+"."+f.Name] = true
				cover(seen, field)
			}
		}
	}
}
