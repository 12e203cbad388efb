package codec

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
)

// Codec encodes values. It must be safe for concurrent use.
type Codec interface {
	// Encode returns valid JSON, or nil for "no value".
	Encode(v any) (history.Payload, error)
	// Decode stores the value of a payload in what v points to. A nil payload
	// leaves it as it is.
	Decode(p history.Payload, v any) error
}

// JSON is the default codec: encoding/json. A [history.Payload] passes through
// as it is.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Encode(v any) (history.Payload, error) {
	switch v := v.(type) {
	case history.Payload:
		if v != nil && !json.Valid(v) {
			return nil, fmt.Errorf("the raw payload is not valid JSON: %.60q", v)
		}
		return v, nil
	case string:
		if simple(v) {
			return append(append(append(make(history.Payload, 0, len(v)+2), '"'), v...), '"'), nil
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding %T as JSON: %w", v, err)
	}
	return b, nil
}

func (jsonCodec) Decode(p history.Payload, v any) error {
	if p == nil {
		return nil
	}
	switch v := v.(type) {
	case *history.Payload:
		*v = bytes.Clone(p)
		return nil
	case *string:
		if n := len(p); n >= 2 && p[0] == '"' && p[n-1] == '"' && simple(string(p[1:n-1])) {
			*v = string(p[1 : n-1])
			return nil
		}
	}
	if err := json.Unmarshal(p, v); err != nil {
		return fmt.Errorf("decoding JSON into %T: %w", v, err)
	}
	return nil
}

// simple reports whether JSON writes the text as it is. It saves the common
// short string a walk through reflection.
func simple(s string) bool {
	if len(s) > 64 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
