package memory

import (
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestAnEternalLoopLeavesBoundedHistories(t *testing.T) {
	for _, keep := range []int64{1, 5} {
		r := &record{}
		for n := int64(1); n <= 10_000; n++ {
			r.apply(&provider.Commit{
				Events:       []history.Event{{ID: 1, Execution: n, Data: &history.ExecutionStarted{}}},
				NewExecution: true,
				PruneThrough: max(0, n-keep),
			}, time.Unix(n, 0))
		}
		if n := int64(len(r.executions)); n != keep || cap(r.executions) > 64 {
			t.Errorf("keeping %d executions leaves %d in room for %d", keep, n, cap(r.executions))
		}
		for n := range int64(10_000) {
			if _, found := r.events(1 + n); found != (n >= 10_000-keep) {
				t.Fatalf("keeping %d executions, execution %d is found: %v", keep, 1+n, found)
			}
		}
	}
}
