package hub_test

import (
	"context"
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

var (
	walk = orchestration.Declare[int, int]("walk")
	pace = activity.Declare[int, int]("pace")
)

// TestWhatRunsMovesInHalfASecond: an instance of a host that leaves stands still for half a
// second at most, from its last activity there to its next one elsewhere. Where hosts
// cannot ring each other the leaver goes on working until the others have seen its row.
func TestWhatRunsMovesInHalfASecond(t *testing.T) {
	t.Run("with doorbells", func(t *testing.T) { moves(t, "10.0.0.1:80", "10.0.0.2:80") })
	t.Run("without", func(t *testing.T) { moves(t, "", "") })
}

func moves(t *testing.T, from, to string) {
	const instances, steps, most = 24, 600, 500 * time.Millisecond
	measured(t, 4, func(b *bench) {
		network := &doorbelltest.Network{}
		var mu sync.Mutex
		last, moved, longest := map[history.InstanceID]time.Time{}, 0, time.Duration(0)
		at := map[history.InstanceID]string{}
		handlers := func(host string) []core.Handler {
			return []core.Handler{
				pace.Func(func(ctx context.Context, n int) (int, error) {
					id := activity.Info(ctx).Instance
					mu.Lock()
					if before, ok := last[id]; ok && at[id] != host {
						moved++
						longest = max(longest, time.Since(before))
					}
					last[id], at[id] = time.Now(), host
					mu.Unlock()
					<-time.After(20 * time.Millisecond)
					return n, nil
				}),
				walk.Func(func(ctx *orchestration.Context, n int) (int, error) {
					for i := range n {
						if _, err := pace.Call(ctx, i).Await(); err != nil {
							return 0, err
						}
					}
					return n, nil
				}),
			}
		}
		begin := func(name, address string) *core.Client {
			b.cfg.Doorbell = hub.Doorbell{Listen: address, Network: network}
			s, client := b.open(name)
			b.work(s, core.WorkerConfig{}, handlers(name)...)
			return client
		}
		begin("first", from)
		leave := b.stops[len(b.stops)-1]
		b.stops = b.stops[:len(b.stops)-1]
		client := begin("second", to)
		var results []func() error
		for i := range instances {
			results = append(results, started(b, client, walk, steps, history.InstanceID(fmt.Sprint("order-", i))))
		}
		<-time.After(time.Second)
		leave()
		for _, result := range results {
			if err := result(); err != nil {
				b.Error(err)
			}
		}
		if b.Logf("%d instances moved, the longest time that one stood still was %v", moved, longest); moved == 0 || longest > most {
			b.Errorf("%d instances moved, and one stood still for %v, at most %v", moved, longest, most)
		}
	})
}
