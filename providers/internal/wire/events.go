package wire

import (
	"bytes"
	"iter"

	"github.com/duroxide/duroxide-go/core/history"
)

// EncodeEvents writes one line of JSON an event, each with its end. So blobs
// that follow each other in a history can be joined as they are.
func EncodeEvents(events []history.Event) ([]byte, error) {
	buf := make([]byte, 0, 256*len(events))
	for i := range events {
		var err error
		if buf, err = history.Append(buf, events[i]); err != nil {
			return nil, err
		}
		buf = append(buf, '\n')
	}
	return buf, nil
}

// DecodeEvents reads what [EncodeEvents] wrote, line by line. It ends with the
// first line that cannot be decoded; whether events are missing or belong there
// is the caller's to see.
func DecodeEvents(blob []byte) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		for line := range bytes.Lines(blob) {
			e, err := history.Unmarshal(bytes.TrimSuffix(line, []byte{'\n'}))
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
