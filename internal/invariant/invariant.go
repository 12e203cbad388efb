package invariant

import (
	"fmt"
	"path/filepath"
	"runtime"
)

// Violation is the value a broken invariant panics with. It implements error,
// so the boundary that recovers it can wrap it and callers can find it with
// errors.As.
type Violation struct {
	// Message is the text given to Assert, with its arguments filled in.
	Message string
	// Where is "file.go:line" of the assertion, without any directory.
	Where string
}

// Error returns the message and the place of the assertion.
func (v *Violation) Error() string {
	return fmt.Sprintf("broken invariant at %s: %s (this is a bug, please report it)", v.Where, v.Message)
}

// Assert panics with a *[Violation] unless cond holds. It always runs, in
// release builds too, so cond must be cheap; costly conditions stand behind
// [Enabled]. The format and args follow fmt.Sprintf and are formatted only when
// the invariant is broken.
func Assert(cond bool, format string, args ...any) {
	if cond {
		return
	}
	where := "unknown"
	if _, file, line, ok := runtime.Caller(1); ok {
		where = fmt.Sprintf("%s:%d", filepath.Base(file), line)
	}
	panic(&Violation{Message: fmt.Sprintf(format, args...), Where: where})
}
