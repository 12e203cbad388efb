package sdk

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Rows are flat objects of JSON with names that vary. Reading them with package
// encoding/json takes maps and four times as long.

// kind of a value.
type kind int

const (
	null kind = iota
	text
	number
	other // a boolean, an object or an array
)

// value is a scalar. Its text is unescaped, and may be a part of what was read.
type value struct {
	kind kind
	text []byte
}

// decodeRow reads the answer to a point read.
func decodeRow(body []byte) (storage.Row, error) {
	s := &scanner{b: body}
	all, err := s.object(nil)
	if err != nil {
		return storage.Row{}, err
	}
	row, long, err := all.row()
	if err == nil && long {
		err = fmt.Errorf("%w: row %q lacks parts of a cell", storage.ErrDamaged, row.Key)
	}
	return row, err
}

// decodePage reads the answer to a query. It reports whether a cell of a row is
// in parts that were not read.
func decodePage(body []byte) (rows []storage.Row, long bool, err error) {
	s := &scanner{b: body}
	found := false
	err = s.members(func(name string) error {
		if name != "value" {
			_, err := s.value()
			return err
		}
		found = true
		var all properties
		return s.elements(func() error {
			var err error
			if all, err = s.object(all[:0]); err != nil {
				return err
			}
			row, missing, err := all.row()
			rows, long = append(rows, row), long || missing
			return err
		})
	})
	if err == nil && !found {
		err = errors.New("a page without rows")
	}
	return rows, long, err
}

// scanner reads JSON from left to right.
type scanner struct {
	b     []byte
	i     int
	depth int
	words map[string]string
}

func (s *scanner) failed(want string) error {
	return fmt.Errorf("JSON at byte %d of %d: want %s", s.i, len(s.b), want)
}

// next is the first byte that is no space, 0 at the end. It is not consumed.
func (s *scanner) next() byte {
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take consumes the byte if it is the next.
func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.i++
	return true
}

// sequence reads what stands between two brackets, separated by commas.
func (s *scanner) sequence(begin, end byte, one func() error) error {
	const maxDepth = 64
	if s.depth++; s.depth > maxDepth {
		return s.failed("less depth")
	}
	defer func() { s.depth-- }()
	if !s.take(begin) {
		return s.failed(strconv.QuoteRune(rune(begin)))
	}
	if s.take(end) {
		return nil
	}
	for {
		if err := one(); err != nil {
			return err
		}
		if s.take(end) {
			return nil
		}
		if !s.take(',') {
			return s.failed("a comma")
		}
	}
}

func (s *scanner) elements(one func() error) error { return s.sequence('[', ']', one) }

func (s *scanner) members(one func(name string) error) error {
	return s.sequence('{', '}', func() error {
		name, err := s.text()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return s.failed("a colon")
		}
		return one(s.word(name))
	})
}

// object reads the properties of a row and appends them.
func (s *scanner) object(all properties) (properties, error) {
	err := s.members(func(name string) error {
		v, err := s.value()
		if of, ok := strings.CutSuffix(name, "@odata.type"); ok {
			all = append(all, property{name: of, types: s.word(v.text)})
		} else {
			all = append(all, property{name: name, value: v})
		}
		return err
	})
	return all, err
}

// word is a text of which there are many: names and types, the same in each row.
func (s *scanner) word(text []byte) string {
	if w, ok := s.words[string(text)]; ok {
		return w
	}
	if s.words == nil {
		s.words = make(map[string]string)
	}
	w := string(text)
	s.words[w] = w
	return w
}

func (s *scanner) value() (v value, err error) {
	switch c := s.next(); {
	case c == '"':
		v.kind = text
		v.text, err = s.text()
	case c == '{':
		v.kind = other
		err = s.members(func(string) error {
			_, err := s.value()
			return err
		})
	case c == '[':
		v.kind = other
		err = s.elements(func() error {
			_, err := s.value()
			return err
		})
	case c == '-' || c >= '0' && c <= '9':
		from := s.i
		for s.i < len(s.b) && strings.IndexByte("+-.eE0123456789", s.b[s.i]) >= 0 {
			s.i++
		}
		v = value{number, s.b[from:s.i]}
	default:
		for _, word := range []struct {
			text string
			kind kind
		}{{"null", null}, {"true", other}, {"false", other}} {
			if bytes.HasPrefix(s.b[s.i:], []byte(word.text)) {
				s.i += len(word.text)
				return value{kind: word.kind}, nil
			}
		}
		err = s.failed("a value")
	}
	return v, err
}

// text reads a string. It is a part of what is read unless it has escapes.
func (s *scanner) text() ([]byte, error) {
	if !s.take('"') {
		return nil, s.failed("a string")
	}
	end := bytes.IndexByte(s.b[s.i:], '"')
	if end < 0 {
		return nil, s.failed("the end of a string")
	}
	plain := s.b[s.i : s.i+end]
	if bytes.IndexByte(plain, '\\') < 0 {
		s.i += end + 1
		return plain, nil
	}
	return s.escaped()
}

// escaped reads the rest of a string that has escapes.
func (s *scanner) escaped() ([]byte, error) {
	out := make([]byte, 0, 2*bytes.IndexByte(s.b[s.i:], '"'))
	for s.i < len(s.b) {
		c := s.b[s.i]
		s.i++
		switch c {
		case '"':
			return out, nil
		case '\\':
			if s.i == len(s.b) {
				return nil, s.failed("an escape")
			}
			e := s.b[s.i]
			s.i++
			if e != 'u' {
				at := strings.IndexByte(`"\/bfnrt`, e)
				if at < 0 {
					return nil, s.failed("an escape")
				}
				out = append(out, "\"\\/\b\f\n\r\t"[at])
				continue
			}
			r, err := s.unit()
			if err != nil {
				return nil, err
			}
			if utf16.IsSurrogate(r) {
				r = s.pair(r)
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return nil, s.failed("the end of a string")
}

// unit reads the four digits of an escape.
func (s *scanner) unit() (rune, error) {
	if s.i+4 > len(s.b) {
		return 0, s.failed("four digits")
	}
	n, err := strconv.ParseUint(string(s.b[s.i:s.i+4]), 16, 16)
	if err != nil {
		return 0, s.failed("four digits")
	}
	s.i += 4
	return rune(n), nil
}

// pair reads the second half of a character, if it is one.
func (s *scanner) pair(first rune) rune {
	from := s.i
	if bytes.HasPrefix(s.b[s.i:], []byte(`\u`)) {
		s.i += 2
		if second, err := s.unit(); err == nil {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r
			}
		}
	}
	s.i = from
	return utf8.RuneError
}

// appendQuoted writes a string of JSON. What is not valid UTF-8 does not get
// here.
func appendQuoted[T string | []byte](b []byte, s T) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < 0x20:
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
