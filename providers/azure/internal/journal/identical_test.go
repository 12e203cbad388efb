package journal_test

import (
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestAfterAnUnknownOutcomeTheIdenticalTransactionGoesAgain: what was submitted since
// waits for the next one (J1). The first request may be applied at any time: under one
// commit number there must not be two contents.
func TestAfterAnUnknownOutcomeTheIdenticalTransactionGoesAgain(t *testing.T) {
	within(t, func(d *desk) {
		var sent []int // how many rows each transaction has
		d.account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Kind != simulated.Transact {
				return simulated.Fault{}
			}
			if sent = append(sent, len(c.Ops)); len(sent) == 1 {
				return simulated.Fault{Kind: simulated.LostRequest}
			}
			return simulated.Fault{}
		})
		first, done := d.entry("k:a")
		d.journal.Submit(first)
		<-time.After(100 * time.Millisecond) // it is on its way
		next, after := d.entry("k:b")
		d.journal.Submit(next)
		d.ok(done)
		d.ok(after)
		if len(sent) != 3 || sent[0] != sent[1] {
			t.Errorf("transactions of %v rows: want the first one twice, and then the other entry's", sent)
		}
	})
}
