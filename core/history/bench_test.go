package history_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
)

// One iteration is one event, of a history of two activities.

func BenchmarkMarshal(b *testing.B) {
	events := themes[0].build()
	b.ReportAllocs()
	var buf []byte
	for i := 0; b.Loop(); i++ {
		var err error
		if buf, err = history.Append(buf[:0], events[i%len(events)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	var lines [][]byte
	for _, e := range themes[0].build() {
		line, err := history.Marshal(e)
		if err != nil {
			b.Fatal(err)
		}
		lines = append(lines, line)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := history.Unmarshal(lines[i%len(lines)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidator(b *testing.B) {
	events := themes[0].build()
	b.ReportAllocs()
	var v *history.Validator
	for i := 0; b.Loop(); i++ {
		if i%len(events) == 0 {
			v = new(history.Validator)
		}
		if err := v.Next(events[i%len(events)]); err != nil {
			b.Fatal(err)
		}
	}
}
