package sqlite

import (
	"sync"
	"testing"

	"github.com/duroxide/duroxide-go/core/provider"
)

func TestAnOrchestrationRunsToItsEnd(t *testing.T) {
	s := open(t)
	h := join(t, s)
	ctx := soon(t)
	var work sync.WaitGroup
	work.Go(func() { _ = runActivities(ctx, h) })
	must(t, s.Send(ctx, startMessage("a")))
	must(t, runHello(ctx, h, 1))
	i, err := s.Wait(ctx, "a", provider.Until{Final: true})
	must(t, err)
	if string(i.Output) != `"out"` {
		t.Errorf("output %s", i.Output)
	}
	n := 0
	for e, err := range s.History(ctx, "a", 0, 0) {
		must(t, err)
		n++
		if e.ID != int64(n) {
			t.Fatalf("event %d in place of %d", e.ID, n)
		}
	}
	if n != 12 {
		t.Errorf("%d events, want 12", n)
	}
	must(t, h.Leave(ctx))
	work.Wait()
}
