package history

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"
)

// Reading mirrors encode.go: what [Append] writes for the frequent kinds is
// read by hand, in one pass. Everything else — other kinds, other orders of
// the common fields, white space, escapes, errors — falls back to
// encoding/json, which alone decides what is an event.

// readEvent reads an event as Append writes it.
func readEvent(b []byte) (Event, bool) {
	r := reader{b: b, ok: true}
	var e Event
	r.expect(`{"format":1,"id":`)
	readInt(&r, &e.ID)
	r.expect(`,"execution":`)
	readInt(&r, &e.Execution)
	r.expect(`,"time":`)
	e.Time = r.time().UTC()
	if r.accept(`,"remote":`) {
		e.Remote = new(int32)
		readInt(&r, e.Remote)
	}
	r.expect(`,`)
	e.Data = r.kindAndData()
	return e, r.end()
}

// readMessageData reads data as MarshalData writes it.
func readMessageData(b []byte) (Data, bool) {
	r := reader{b: b, ok: true}
	r.expect(`{`)
	d := r.kindAndData()
	return d, r.end()
}

// reader walks over b as long as that looks as expected.
type reader struct {
	b    []byte
	i    int
	ok   bool
	name []byte // key of the field at i
}

// kindAndData reads the last two fields of the outer object and its end.
func (r *reader) kindAndData() Data {
	r.expect(`"kind":"`)
	if !r.ok {
		return nil
	}
	n := bytes.IndexByte(r.b[r.i:], '"')
	if n < 0 {
		r.ok = false
		return nil
	}
	create, known := newData[Kind(r.b[r.i:r.i+n])]
	r.i += n
	r.expect(`","data":{`)
	if !known || !r.ok {
		r.ok = false
		return nil
	}
	d := create()
	begin := r.i - 1
	if r.fields(d); r.ok {
		r.expect(`}`)
		return d
	}
	// Not one of the frequent kinds, or an unusual one: the data is what
	// stands before the last brace, if it is a value at all.
	last := len(r.b) - 1
	if last <= begin || r.b[last] != '}' {
		return nil
	}
	d = create()
	r.i, r.ok = len(r.b), json.Unmarshal(r.b[begin:last], d) == nil
	return d
}

// next moves to the value of the next field of an object whose brace is read,
// or past the end of the object.
func (r *reader) next() bool {
	if !r.ok || r.accept(`}`) {
		return false
	}
	if r.name != nil { // not the first
		r.expect(`,`)
	}
	r.name = r.raw('"')
	if n := len(r.name); r.ok {
		r.name = r.name[1 : n-1]
	}
	r.expect(`:`)
	return r.ok
}

// raw is the value at the current place, which begins with a byte, or with
// any if that is 0.
func (r *reader) raw(first byte) []byte {
	if !r.ok || r.i >= len(r.b) || (first != 0 && r.b[r.i] != first) {
		r.ok = false
		return nil
	}
	begin := r.i
	r.i, r.ok = scanValue(r.b, r.i)
	if !r.ok {
		return nil
	}
	return r.b[begin:r.i]
}

func (r *reader) payload(p *Payload) { *p = bytes.Clone(r.raw(0)) }

func (r *reader) text(s *string) {
	raw := r.raw('"')
	if !r.ok || bytes.IndexByte(raw, '\\') >= 0 || !utf8.Valid(raw) {
		r.ok = false
		return
	}
	*s = string(raw[1 : len(raw)-1])
}

func (r *reader) time() (t time.Time) {
	raw := r.raw('"')
	if r.ok {
		r.ok = t.UnmarshalText(raw[1:len(raw)-1]) == nil
	}
	return t
}

func (r *reader) bool(b *bool) {
	*b = r.accept("true")
	if !*b {
		r.expect("false")
	}
}

func readInt[T ~int | ~int32 | ~int64](r *reader, n *T) {
	negative := r.accept("-")
	begin, value := r.i, int64(0)
	for r.i < len(r.b) && '0' <= r.b[r.i] && r.b[r.i] <= '9' && r.i < begin+18 {
		value = value*10 + int64(r.b[r.i]-'0')
		r.i++
	}
	if negative {
		value = -value
	}
	*n = T(value)
	// A digit that is left over is refused by whatever is expected next.
	if digits := r.i - begin; digits == 0 || (r.b[begin] == '0' && digits > 1) || int64(*n) != value {
		r.ok = false
	}
}

func (r *reader) accept(s string) bool {
	if end := r.i + len(s); r.ok && end <= len(r.b) && string(r.b[r.i:end]) == s {
		r.i = end
		return true
	}
	return false
}

func (r *reader) expect(s string) {
	r.ok = r.accept(s)
}

// end reports whether all of b was read, as expected.
func (r *reader) end() bool { return r.ok && r.i == len(r.b) }
