package cli

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the commands print into testdata/*.txt")

// Each file of testdata holds commands and all that they print. Lines that
// begin with # are comments, those that begin with $ are commands; [exit n] is
// the exit code. After a meant change: go test -rewrite, and read the diff.
func TestCommandsPrintWhatTheirScriptsSay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s is out of date (see the comment of this test):\n%s", file, firstDifference(string(want), got))
			}
		})
	}
}

// play runs the commands of a script and returns the script as it should be.
func play(t *testing.T, script string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(script) {
		switch {
		case strings.HasPrefix(line, "#"):
			out.WriteString(line)
		case strings.HasPrefix(line, "$ duroxide"):
			var printed bytes.Buffer
			args := strings.Fields(strings.TrimPrefix(line, "$ duroxide"))
			code := Run(t.Context(), args, strings.NewReader(""), &printed, &printed)
			fmt.Fprintf(&out, "%s%s[exit %d]\n\n", line, printed.String(), code)
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			line := "(nothing)"
			if i < len(b) {
				line = b[i]
			}
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, a[i], line)
		}
	}
	return "more lines than before: " + strings.Join(b[len(a):], "\n")
}

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}
