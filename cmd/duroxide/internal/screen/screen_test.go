package screen

import (
	"strings"
	"testing"
)

func TestAPipeGetsNoColour(t *testing.T) {
	var b strings.Builder
	s := New(&b)
	s.Line("%s", s.Paint(Red, "kill"))
	if b.String() != "kill\n" {
		t.Errorf("wrote %q", b.String())
	}
}

func TestPaintMarksTextOnly(t *testing.T) {
	s := &Screen{colour: true}
	for _, c := range []struct {
		style      Style
		text, want string
	}{{Red, "x", "\x1b[31;1mx\x1b[0m"}, {"", "x", "x"}, {Red, "", ""}} {
		if got := s.Paint(c.style, c.text); got != c.want {
			t.Errorf("Paint(%q, %q) = %q, want %q", c.style, c.text, got, c.want)
		}
	}
}

func TestForeignTextCannotForgeLines(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"a\nb\x1b[2Jc", 20, "a b [2Jc"},
		{"123456", 6, "123456"},
		{"1234567", 6, "12345…"},
		{"äöüäöüä", 6, "äöüäö…"},
	} {
		if got := Clean(c.text, c.most); got != c.want {
			t.Errorf("Clean(%q, %d) = %q, want %q", c.text, c.most, got, c.want)
		}
	}
}

func TestColumnsAreAsWideAsTheirWidestCell(t *testing.T) {
	var b strings.Builder
	New(&b).Table([]Column{{Head: "id"}, {Head: "took", Right: true}, {Head: "note"}}, [][]Cell{
		{{Text: "é"}, {Text: "1 s"}, {Text: "x"}},
		{{Text: "order-12", Style: Bold}, {Text: "100 s"}, {Text: ""}},
	})
	want := "id         took  note\né           1 s  x\norder-12  100 s\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
