package dispatch

import (
	"context"
	"iter"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Executor runs orchestrations: native Go code, or workers elsewhere. All see
// the same events and return the same decisions; the owner of the instance
// alone commits. It is called concurrently for different instances, and for
// one instance by one turn at a time.
type Executor interface {
	// Accepts reports whether it can run a version of an orchestration, "" for
	// any.
	Accepts(orchestration, version string) bool
	// Execute takes the messages of a turn in and returns what to commit. Its
	// errors: *[ParkError] if only a deploy or an operator can help; errors of
	// reading history as the provider gave them. After an error it remembers
	// nothing of the instance.
	Execute(ctx context.Context, w Work) (*provider.Commit, error)
	// Settle follows every Execute. It tells what became of the commit: applied,
	// or not, and then whatever is remembered of the instance is void.
	Settle(id history.InstanceID, applied bool)
}

// Work is one turn for an [Executor].
type Work struct {
	Turn *provider.Turn
	// Now is the hub's time for everything that the turn records.
	Now time.Time
	// History streams the committed events of the current execution, above an
	// event id. Whoever remembers the instance need not call it.
	History func(ctx context.Context, after int64) iter.Seq2[history.Event, error]

	behind func() []provider.Message // the requests to cancel that wait behind the turn's messages
}

// ParkError says that an instance cannot proceed until somebody does
// something. The reason is for the operator: what is wrong, and what heals it.
type ParkError struct{ Reason string }

func (e *ParkError) Error() string { return e.Reason }
