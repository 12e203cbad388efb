package codec_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
)

// FuzzJSONStringsEqualEncodingJSON holds the short way for strings against the
// long one.
func FuzzJSONStringsEqualEncodingJSON(f *testing.F) {
	for _, s := range []string{"", "plain", `"`, `\`, "<b>&", "\x00\x1f", "ü", "\u2028", "\xff", string(make([]byte, 100))} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := codec.JSON.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(s)
		if err != nil || string(got) != string(want) {
			t.Fatalf("%q encodes as %s, encoding/json as %s (%v)", s, got, want, err)
		}
		var fast, slow string
		if err := codec.JSON.Decode(got, &fast); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &slow); err != nil || fast != slow {
			t.Fatalf("%s decodes as %q, with encoding/json as %q (%v)", got, fast, slow, err)
		}
	})
}

func TestValuesComeBack(t *testing.T) {
	type value struct {
		N int
		S []string
	}
	in := value{7, []string{"a"}}
	p, err := codec.JSON.Encode(in)
	if err != nil {
		t.Fatal(err)
	}
	var out value
	if err := codec.JSON.Decode(p, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Fatalf("%+v came back as %+v (%v)", in, out, err)
	}
}

func TestWhatJSONCannotSayIsAnError(t *testing.T) {
	for _, v := range []any{math.NaN(), make(chan int), history.Payload(`{"half":`)} {
		if p, err := codec.JSON.Encode(v); err == nil {
			t.Errorf("%T encoded as %s", v, p)
		}
	}
	var n int
	if err := codec.JSON.Decode(history.Payload(`"seven"`), &n); err == nil {
		t.Error("a string decoded into an int")
	}
}

func TestNoPayloadLeavesTheValueAsItIs(t *testing.T) {
	n := 7
	if err := codec.JSON.Decode(nil, &n); err != nil || n != 7 {
		t.Fatal(n, err)
	}
}
