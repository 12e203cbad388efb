package pace_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/pace"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// account serves a number of requests at a time; those beyond are refused.
type account struct {
	storage.Account
	capacity int

	mu      sync.Mutex
	used    int
	most    int
	refused int
}

func (a *account) Get(_ context.Context, _, partition, _ string) (storage.Row, error) {
	a.mu.Lock()
	a.used++
	a.most = max(a.most, a.used)
	over := a.used > a.capacity
	if over {
		a.refused++
	}
	a.mu.Unlock()
	<-time.After(10 * time.Millisecond)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used--
	if over && partition != "exempt" {
		return storage.Row{}, &storage.WaitError{After: time.Second, Cause: storage.ErrBusy}
	}
	return storage.Row{}, nil
}

// load keeps n callers at work for a while.
func load(a *pace.Account, n int, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				_, _ = a.Get(ctx, "hub", "p", "k")
			}
		})
	}
	all.Wait()
}

func TestABusyAccountGetsFewerRequestsAtATimeAndMoreAgainWhenItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &account{capacity: 20}
		a := &pace.Account{Account: service}
		load(a, 200, 10*time.Second)
		if limit := a.Limit(); limit > 80 {
			t.Errorf("after 10 s the limit is %d, the account takes 20", limit)
		}
		service.mu.Lock()
		service.capacity, service.refused = 1_000, 0
		service.mu.Unlock()
		load(a, 300, 20*time.Second)
		if limit := a.Limit(); limit < pace.Most*3/4 {
			t.Errorf("when the account takes all again the limit is %d, want nearly %d", limit, pace.Most)
		}
		if service.most > 300 {
			t.Errorf("%d requests at once", service.most)
		}
	})
}

func TestNeverLessThanAFewAndHeartbeatsAreNeverHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &account{}
		a := &pace.Account{Account: service, Exempt: "exempt"}
		load(a, 100, 20*time.Second)
		if limit := a.Limit(); limit != pace.Least {
			t.Errorf("the limit is %d, want %d", limit, pace.Least)
		}
		var all sync.WaitGroup
		began := time.Now()
		for range 50 {
			all.Go(func() { _, _ = a.Get(context.Background(), "hub", "exempt", "k") })
		}
		all.Wait()
		if took := time.Since(began); took > 10*time.Millisecond {
			t.Errorf("50 exempt requests took %v, want no wait", took)
		}
	})
}

func TestACallerWhoGivesUpSendsNothingAndHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := &account{}
		a := &pace.Account{Account: service}
		load(a, 100, 20*time.Second) // the limit is the least
		var all sync.WaitGroup
		for range pace.Least {
			all.Go(func() { _, _ = a.Get(context.Background(), "hub", "p", "k") })
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := a.Get(ctx, "hub", "p", "k"); !errors.Is(err, context.Canceled) || !errors.Is(err, storage.ErrBusy) {
			t.Errorf("giving up: %v, want canceled and busy", err)
		}
		all.Wait()
		if _, err := a.Get(context.Background(), "hub", "p", "k"); errors.Is(err, context.Canceled) {
			t.Errorf("the next one: %v", err)
		}
	})
}
