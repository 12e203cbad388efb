package dispatch

import (
	"context"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// WithOther is the native executor beside another one, which runs what is not
// registered as Go code in this process.
func (n *Native) WithOther(other Executor) Executor { return &either{native: n, other: other} }

type either struct {
	native *Native
	other  Executor
}

func (e *either) Accepts(orchestration, version string) bool {
	return e.native.Accepts(orchestration, version) || e.other.Accepts(orchestration, version)
}

func (e *either) Execute(ctx context.Context, w Work) (*provider.Commit, error) {
	i := &w.Turn.Instance
	if !e.native.Accepts(i.Name, i.Version) && e.other.Accepts(i.Name, i.Version) {
		return e.other.Execute(ctx, w)
	}
	return e.native.Execute(ctx, w)
}

func (e *either) Settle(id history.InstanceID, applied bool) {
	e.native.Settle(id, applied)
	e.other.Settle(id, applied)
}

func (e *either) Trim(now time.Time) { e.native.Trim(now) }
func (e *either) Close()             { e.native.Close() }
