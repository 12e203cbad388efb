package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Read streams the rows of a ledger, in order. An unfinished last line is
// ignored (L3), so it may be read while others append. The stream ends with
// the first error, which names the line.
func Read(path string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(Row{}, fmt.Errorf("ledger: %w", err))
			return
		}
		defer func() { _ = file.Close() }() // it was only read
		reader := bufio.NewReader(file)
		for n := 1; ; n++ {
			line, err := reader.ReadBytes('\n')
			if errors.Is(err, io.EOF) {
				return
			}
			var row Row
			if err == nil {
				row, err = parse(line)
			}
			if err != nil {
				yield(Row{}, fmt.Errorf("ledger: %s, line %d: %w", path, n, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}
