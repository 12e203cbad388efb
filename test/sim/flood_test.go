package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/sharding"
)

// A commit that sends to many instances of its own partition does so by the
// outbox, and one that sends to few sends directly: an instance does both in
// turn, and one other receives.

var (
	flood = orchestration.Declare[flooding, none]("flood") // sends numbers to a counter
	still = orchestration.Declare[int, int]("still")       // n, at once
)

// flooding is where a flood goes. Everything in it is of the flood's partition.
type flooding struct {
	To   string   `json:"to"`
	Near []string `json:"near"` // children, crowd of them a round
}

// crowd is more than a commit sends to directly.
const crowd = 9

func runFlood(c *octx, f flooding) (none, error) {
	n := 0
	send := func() error {
		n++
		return numbers.Send(c, history.InstanceID(f.To), n-1)
	}
	for near := range slices.Chunk(f.Near, crowd) {
		if err := send(); err != nil {
			return none{}, err
		}
		var all []*orchestration.Future[int]
		for i, id := range near {
			all = append(all, still.Call(c, i, orchestration.ChildOptions{ID: history.InstanceID(id)}))
		}
		for _, pause := range []time.Duration{time.Millisecond, 15 * time.Millisecond} {
			if err := c.Sleep(pause); err != nil {
				return none{}, err
			}
			if err := send(); err != nil {
				return none{}, err
			}
		}
		if _, err := orchestration.All(all...).Await(); err != nil {
			return none{}, err
		}
	}
	return none{}, numbers.Send(c, history.InstanceID(f.To), last)
}

// floods has numbers sent by the outbox and directly: they come in order.
func floods(ctx context.Context, c *clients, id string, r *rand.Rand) {
	rounds := 1 + r.IntN(3)
	source := history.InstanceID("k-" + id)
	near := c.near(source, rounds*crowd+1)
	h, err := begun(ctx, c, counter, tally{Each: 1 + r.IntN(30), Lasts: 1}, orchestration.StartOptions{ID: history.InstanceID(near[0])})
	if err != nil {
		return
	}
	if _, err := begun(ctx, c, flood, flooding{near[0], near[1:]}, orchestration.StartOptions{ID: source}); err != nil {
		return
	}
	gives(ctx, c, h, func(got []int) bool { return slices.IsSorted(got) && len(got) == 3*rounds })
}

// near are ids of the same partition.
func (c *clients) near(id history.InstanceID, n int) (all []string) {
	count := c.w.account.Partitions()
	for i := 0; len(all) < n; i++ {
		other := fmt.Sprintf("%s-near-%d", id, i)
		if sharding.Partition(other, count) == sharding.Partition(string(id), count) {
			all = append(all, other)
		}
	}
	return all
}
