package hub_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell/doorbelltest"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
)

var budgetFarFan = orchestration.Declare[int, int]("far fan out")

// TestARemoteActivityAmongManyTakesAtMostFourOperations: in one instance, and in
// many.
func TestARemoteActivityAmongManyTakesAtMostFourOperations(t *testing.T) {
	measured(t, 1, func(b *bench) {
		b.cfg.Doorbell = hub.Doorbell{Listen: "10.0.0.1:80", Network: &doorbelltest.Network{}}
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{}, budgetFarFan.Func(func(ctx *orchestration.Context, n int) (int, error) {
			return fanOut(ctx, budgetFar, n, activity.Options{Tag: "far"})
		}))
		b.cfg.Doorbell.Listen = "10.0.0.2:80"
		other, _ := b.open("other")
		b.work(other, core.WorkerConfig{Tags: []string{"far"}})
		run(b, budgetRemote, client, 1, "first") // makes the queue
		margin := func(what string, cost func(n int) (activities int)) {
			b.Helper()
			used := func(n int) (operations, activities int, which string) {
				b.reset()
				activities = cost(n)
				<-time.After(2 * time.Minute) // what is removed later belongs to it
				operations, which = b.count()
				return operations, activities, which
			}
			fewer, few, _ := used(2)
			more, many, which := used(6)
			per := float64(more-fewer) / float64(many-few)
			if b.Logf("%s, a remote activity more takes %.2f operations", what, per); per > 4 {
				b.Errorf("%s, a remote activity more takes %.2f operations, the budget is 4:%.3000s", what, per, which)
			}
		}
		margin("in a fan-out", func(n int) int {
			run(b, budgetFarFan, client, 50*n, history.InstanceID(fmt.Sprint("fan-", n)))
			return 50 * n
		})
		const instances = 100
		margin(fmt.Sprintf("in %d instances at once", instances), func(n int) int {
			var all sync.WaitGroup
			for i := range instances {
				all.Go(func() { run(b, budgetRemote, client, n, history.InstanceID(fmt.Sprint("many-", n, "-", i))) })
			}
			all.Wait()
			return instances * n
		})
	})
}
