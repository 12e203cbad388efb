package failure

import (
	"fmt"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
)

// Panic is the failure of code that panicked with a value. The stack is that of
// debug.Stack in the deferred call that recovered.
func Panic(value any, stack []byte) *history.Failure {
	f := &history.Failure{}
	if err, ok := value.(error); ok {
		f = Of(err)
	} else {
		f.Message = cut(safely(fmt.Sprintf("(a value of type %T)", value), func() string { return fmt.Sprint(value) }), history.MaxFailureMessage)
	}
	f.Kind = history.FailurePanic
	f.Stack = cut(below(string(stack)), history.MaxFailureStack)
	return f
}

// below drops the frames of the recovery from a stack, so that it begins where
// the code panicked.
func below(stack string) string {
	first, rest, ok := strings.Cut(stack, "\n")
	if !ok || !strings.HasPrefix(first, "goroutine ") {
		return stack
	}
	_, frames, ok := strings.Cut("\n"+rest, "\npanic(")
	if !ok {
		return stack
	}
	// Skip the arguments and the place of the frame of panic itself.
	for range 2 {
		if _, frames, ok = strings.Cut(frames, "\n"); !ok {
			return stack
		}
	}
	return first + "\n" + frames
}
