package sim

import (
	"context"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
)

// TestBoundsOfSweep: a message whose sender died before it could wake anybody is found
// within a minute.
func TestBoundsOfSweep(t *testing.T) {
	inWorld(t, 15*time.Second, 2, func(ctx context.Context, w *world, c *clients) {
		h, err := begun(ctx, c, race, time.Hour, orchestration.StartOptions{ID: "k-race"})
		if err != nil {
			return
		}
		w.wait(ctx, 2*time.Minute) // whoever claimed something has looked again
		other := w.enter(ctx)
		w.users = c
		w.account.Fail(1, azuretest.CrashAfter)
		alive, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := decision.Raise(alive, other.client, h.ID(), "yes"); err == nil {
			w.failed("a client that died was told that its event is stored")
		}
		select {
		case <-other.process.Killed():
		default:
			w.failed("the client that sent the event lives: the test shows nothing")
		}
		_ = other.process.Close() // of a dead process
		sent := time.Now()
		gives(ctx, c, h, is("yes"))
		if took, most := time.Since(sent), time.Minute+5*time.Second; took > most || took < time.Second {
			w.failed("an event for which nobody rang was found after %v, at most %v", took, most)
		}
	})
}
