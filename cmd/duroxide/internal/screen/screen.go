package screen

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/term"
)

// Screen is where lines go. It is safe for concurrent use: lines stay whole.
type Screen struct {
	colour bool

	mu sync.Mutex
	w  io.Writer
}

// New makes a screen of a writer.
func New(w io.Writer) *Screen {
	s := &Screen{w: w}
	if f, ok := w.(*os.File); ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		s.colour = term.IsTerminal(int(f.Fd()))
	}
	return s
}

// Line writes a line.
func (s *Screen) Line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.w, format+"\n", args...)
}

// Style is how a piece of text looks.
type Style string

// The styles.
const (
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31;1"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Paint gives a text a style where there is colour.
func (s *Screen) Paint(style Style, text string) string {
	if !s.colour || style == "" || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// Clean makes a text from outside fit for a line: control characters become
// spaces, and it is cut after most runes.
func Clean(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
