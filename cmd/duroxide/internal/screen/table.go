package screen

import (
	"strings"
	"unicode/utf8"
)

// Cell is a cell of a table.
type Cell struct {
	Text  string
	Style Style // empty for plain
}

// Column heads a column.
type Column struct {
	Head  string
	Right bool // aligned, for numbers
}

// Table writes rows under their heads, each column as wide as it needs.
func (s *Screen) Table(columns []Column, rows [][]Cell) {
	width := make([]int, len(columns))
	for i, c := range columns {
		width[i] = utf8.RuneCountInString(c.Head)
		for _, row := range rows {
			width[i] = max(width[i], utf8.RuneCountInString(row[i].Text))
		}
	}
	head := make([]Cell, len(columns))
	for i, c := range columns {
		head[i] = Cell{c.Head, Dim}
	}
	for _, row := range append([][]Cell{head}, rows...) {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell.Text))
			painted := s.Paint(cell.Style, cell.Text)
			switch {
			case columns[i].Right:
				b.WriteString(pad + painted)
			case i < len(row)-1:
				b.WriteString(painted + pad)
			default:
				b.WriteString(painted)
			}
			if i < len(row)-1 {
				b.WriteString("  ")
			}
		}
		s.Line("%s", strings.TrimRight(b.String(), " "))
	}
}
