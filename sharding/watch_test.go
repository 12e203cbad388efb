package sharding

import (
	"reflect"
	"testing"
	"time"
)

// No row carries a time, so no two clocks can be compared: clock skew has
// nothing to work on.
func TestRowsCarryNoTime(t *testing.T) {
	var check func(typ reflect.Type, path string)
	check = func(typ reflect.Type, path string) {
		switch {
		case typ == reflect.TypeFor[time.Time](), typ == reflect.TypeFor[time.Duration]():
			t.Errorf("%s is a time", path)
		case typ.Kind() == reflect.Struct:
			for field := range typ.Fields() {
				check(field.Type, path+"."+field.Name)
			}
		case typ.Kind() == reflect.Slice:
			check(typ.Elem(), path)
		}
	}
	check(reflect.TypeFor[Host](), "Host")
	check(reflect.TypeFor[Head](), "Head")
}

func TestExpiryIsObserved(t *testing.T) {
	const ttl = 15 * time.Second
	zero := time.Now()
	// A read of the row "x" in a version, from a moment to another.
	type look struct {
		start, end time.Duration
		etag       string
		expired    bool
	}
	const s = time.Second
	for name, looks := range map[string][]look{
		"a row that never changes, counted from the end to the start": {
			{0, s, "1", false}, {5 * s, 6 * s, "1", false}, {10 * s, 11 * s, "1", false},
			{15 * s, 16 * s, "1", false}, {16 * s, 17 * s, "1", true},
		},
		"a row that changes": {
			{0, 0, "1", false}, {5 * s, 5 * s, "1", false}, {10 * s, 10 * s, "2", false}, {15 * s, 15 * s, "2", false},
			{20 * s, 20 * s, "2", false}, {24 * s, 24 * s, "2", false}, {25 * s, 25 * s, "2", true},
		},
		"a gap in reading": {
			{0, 0, "1", false}, {5 * s, 5 * s, "1", false}, {13 * s, 13 * s, "1", false}, {18 * s, 18 * s, "1", false},
			{23 * s, 23 * s, "1", false}, {27 * s, 27 * s, "1", false}, {28 * s, 28 * s, "1", true},
		},
		"a short gap": {
			{0, 0, "1", false}, {5 * s, 5 * s, "1", false}, {12 * s, 12 * s, "1", false}, {15 * s, 15 * s, "1", true},
		},
		"a call that takes long": {
			{0, 10 * s, "1", false}, {15 * s, 24 * s, "1", false}, {25 * s, 25 * s, "1", true},
		},
		"an outage of a minute": {
			{0, 0, "1", false}, {60 * s, 60 * s, "1", false}, {65 * s, 65 * s, "2", false},
		},
	} {
		w := newWatch(ttl)
		for i, l := range looks {
			expired := w.read(zero.Add(l.start), zero.Add(l.end), []Seen{{Host: Host{Incarnation: "x"}, ETag: l.etag}})
			if got := len(expired) > 0; got != l.expired {
				t.Errorf("%s: read %d: expired is %v", name, i, got)
			}
		}
	}
}

func TestARowThatExpiredAndWasWrittenIsWatchedAnew(t *testing.T) {
	zero := time.Now()
	w := newWatch(time.Second)
	row := []Seen{{Host: Host{Incarnation: "x"}, ETag: "1"}}
	read := func(at time.Duration) int { return len(w.read(zero.Add(at), zero.Add(at), row)) }
	for at := time.Duration(0); at < time.Second; at += 250 * time.Millisecond {
		if read(at) > 0 {
			t.Fatalf("expired after %v", at)
		}
	}
	if read(time.Second) != 1 {
		t.Fatal("not expired after the TTL")
	}
	w.alive("x")
	if read(1250*time.Millisecond) > 0 {
		t.Error("expired again at once")
	}
}
