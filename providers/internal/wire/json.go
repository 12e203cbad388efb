package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// JSON leaves payloads as they are, byte by byte: they are compact already, and
// nothing is escaped for HTML.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// MustJSON encodes what always encodes: strings, numbers, maps of them, and
// what was encoded before.
func MustJSON(v any) []byte {
	b, err := JSON(v)
	if err != nil {
		panic(fmt.Sprintf("%T does not encode: %v", v, err)) // panic: only a bug puts something else in
	}
	return b
}

// Nanos is how times are stored: nanoseconds since 1970 in UTC, 0 for the zero
// time. They reach from the year 1678 to 2262, beyond the longest timer; what is
// earlier or later is stored as the end on its side.
func Nanos(t time.Time) int64 {
	switch year := t.Year(); {
	case t.IsZero():
		return 0
	case year < 1678:
		return math.MinInt64
	case year > 2261:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// FromNanos is the time that [Nanos] made a number of.
func FromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
