package hub_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell/doorbelltest"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
)

// TestManySequencesOfAClientElsewhereShareTheirCommits: that of the budget in which the
// client is another process. Its own requests, which are the starts and its waiting, are
// counted apart.
func TestManySequencesOfAClientElsewhereShareTheirCommits(t *testing.T) {
	const instances, steps = 400, 5
	measured(t, 4, func(b *bench) {
		b.cfg.Doorbell = hub.Doorbell{Listen: "10.0.0.1:80", Network: &doorbelltest.Network{}}
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{})
		b.cfg.Doorbell.Listen = ""
		store, client := b.open("client")
		knowsHosts(b, store)
		b.reset()
		var all sync.WaitGroup
		for i := range instances {
			all.Go(func() { run(b, budgetSequence, client, steps, history.InstanceID(fmt.Sprint("order-", i))) })
		}
		all.Wait()
		n, calls := b.count()
		theirs := 0
		b.mu.Lock()
		for _, c := range b.calls {
			if c.Client == "client" {
				theirs++
			}
		}
		b.mu.Unlock()
		per := float64(n-theirs) / (instances * steps)
		if b.Logf("%.3f operations per activity, and %.2f of the client for each instance", per, float64(theirs)/instances); per > 0.15 {
			b.Errorf("%.3f operations per activity, the budget is 0.15:%.3000s", per, calls)
		}
	})
}
