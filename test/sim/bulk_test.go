package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Payloads that travel in blobs, among others that do not: the order is that in
// which they were sent, and each arrives as it was.

var (
	warehouse = orchestration.Declare[stock, stock]("warehouse")
	shipper   = orchestration.Declare[spring, none]("shipper") // sends six parcels to a warehouse
	weigh     = activity.Declare[parcel, parcel]("weigh")

	parcels = orchestration.DeclareQueue[parcel]("parcels")
)

// parcel is a number with something that is as large as the number says.
type parcel struct {
	N   int    `json:"n"`
	Pad string `json:"pad"`
}

// Sizes of pads. What is above the first goes from a partition to another in a
// blob, and above the second stands in one wherever it is.
const (
	bulky = 40 << 10
	huge  = 200 << 10
)

func pack(n int) parcel {
	switch {
	case n%8 == 2:
		return parcel{n, pad(n, huge)}
	case n%2 == 1:
		return parcel{n, pad(n, bulky)}
	}
	return parcel{N: n}
}

func (p parcel) intact() error {
	if p != pack(p.N) {
		return fmt.Errorf("parcel %d arrived with a pad of %d bytes", p.N, len(p.Pad))
	}
	return nil
}

var pads sync.Map

// pad is a text that does not get much shorter when it is compressed.
func pad(n, size int) string {
	if p, ok := pads.Load([2]int{n, size}); ok {
		return p.(string)
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	r := rand.New(rand.NewPCG(uint64(n), uint64(size)))
	text := make([]byte, 0, size+10)
	for len(text) < size {
		for word, i := r.Uint64(), 0; i < 10; word, i = word>>6, i+1 {
			text = append(text, letters[word&63])
		}
	}
	pads.Store([2]int{n, size}, string(text))
	return string(text)
}

// stock is what a warehouse has, and carries from one execution to the next.
type stock struct {
	Got   []int  `json:"got"`
	Each  int    `json:"each"` // parcels per execution
	Lasts int    `json:"lasts"`
	Top   parcel `json:"top"` // the first large one of the latest execution
}

func runWarehouse(c *octx, s stock) (stock, error) {
	if err := s.Top.intact(); err != nil {
		return s, err
	}
	var weighed []*orchestration.Future[parcel]
	for range s.Each {
		p, err := parcels.Receive(c).Await()
		if err == nil && p.N != last {
			err = p.intact()
		}
		switch {
		case err != nil:
			return s, err
		case p.N == last:
			s.Lasts--
		default:
			s.Got = append(s.Got, p.N)
			if p.Pad != "" && len(weighed) == 0 {
				s.Top = p
				weighed = append(weighed, weigh.Call(c, p))
			}
		}
		if s.Lasts == 0 {
			break
		}
	}
	all, err := orchestration.All(weighed...).Await()
	for i := range all {
		if err == nil {
			err = all[i].intact()
		}
	}
	if err != nil || s.Lasts == 0 {
		return s, err
	}
	return warehouse.ContinueAsNew(c, s)
}

func (h *host) weigh(ctx context.Context, p parcel) (parcel, error) {
	if err := p.intact(); err != nil {
		return p, activity.NonRetryable(err)
	}
	return p, h.runs(ctx, func(info activity.Details) error {
		return h.takes(ctx, h.world.effects.duration(h.world.seed, info))
	})
}

// runShipper sends two parcels a turn.
func runShipper(c *octx, s spring) (none, error) {
	for n := range 6 {
		if err := parcels.Send(c, history.InstanceID(s.To), pack(s.First+n)); err != nil {
			return none{}, err
		}
		if n&1 == 1 {
			if err := c.Sleep(time.Duration(n*n*n) * time.Millisecond); err != nil {
				return none{}, err
			}
		}
	}
	return none{}, parcels.Send(c, history.InstanceID(s.To), parcel{N: last})
}

// ships has parcels sent to a warehouse by a client and by two instances: those
// of each come in order.
func ships(ctx context.Context, c *clients, id string, r *rand.Rand) {
	const shippers, gap = 2, 100
	h, err := begun(ctx, c, warehouse, stock{Each: 4 + r.IntN(9), Lasts: shippers + 1, Top: pack(2)}, orchestration.StartOptions{ID: history.InstanceID("k-" + id)})
	if err != nil {
		return
	}
	for i := range shippers {
		source := history.InstanceID(fmt.Sprintf("k-%s-source-%d", id, i))
		if _, err := begun(ctx, c, shipper, spring{string(h.ID()), gap * (i + 1)}, orchestration.StartOptions{ID: source}); err != nil {
			return
		}
	}
	var acknowledged []int
	for n := range 4 {
		err := parcels.Put(ctx, c.client, h.ID(), pack(n))
		switch {
		case err == nil:
			acknowledged = append(acknowledged, n)
		case !provider.Retryable(err) && ctx.Err() == nil:
			c.w.failed("putting parcel %d to %s: %v", n, h.ID(), err)
		}
	}
	// What was not acknowledged may still come for as long as requests live.
	if len(acknowledged) < 4 && !c.w.wait(ctx, time.Minute) || c.persist(ctx, func() error { return parcels.Put(ctx, c.client, h.ID(), parcel{N: last}) }) != nil {
		return
	}
	gives(ctx, c, h, func(s stock) bool {
		var from [shippers + 1][]int
		for _, n := range s.Got {
			from[n/gap] = append(from[n/gap], n%gap)
		}
		for _, got := range from[1:] {
			if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) {
				return false
			}
		}
		return slices.IsSorted(from[0]) && received(from[0], acknowledged)
	})
}
