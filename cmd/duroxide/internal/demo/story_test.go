package demo

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/internal/ledger"
	"github.com/duroxide/duroxide-go/internal/verify"
	"github.com/duroxide/duroxide-go/providers/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inShop runs the story's handlers on a memory store, in virtual time.
func inShop(t *testing.T, do func(ctx context.Context, client *core.Client, audit func() *verify.Report)) {
	path := filepath.Join(t.TempDir(), "ledger")
	synctest.Test(t, func(t *testing.T) {
		effects, err := ledger.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		store := memory.New(memory.Config{})
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		s := &shop{ledger: effects, pace: 300 * time.Millisecond}
		go func() { left <- core.NewWorker(store, core.WorkerConfig{}).Register(s.handlers()...).Run(ctx) }()
		do(ctx, core.NewClient(store, core.ClientConfig{}), func() *verify.Report {
			r, err := verify.Store(ctx, store, verify.Options{Complete: true, Effects: Effects})
			if err == nil {
				err = verify.Effects(r, verify.Ledger(path))
			}
			if err != nil {
				t.Fatal(err)
			}
			return r
		})
		leave()
		for _, err := range []error{<-left, store.Close(), effects.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

func TestEveryBuiltInOrderEndsAsExpected(t *testing.T) {
	orders := committedOrders(t)
	inShop(t, func(ctx context.Context, client *core.Client, audit func() *verify.Report) {
		handles := map[string]*orchestration.Handle[Outcome]{}
		for _, o := range orders {
			h, err := Fulfil.Start(ctx, client, o, orchestration.StartOptions{ID: history.InstanceID(o.ID)})
			if err != nil {
				t.Fatal(err)
			}
			handles[o.ID] = h
			if a := o.Approval; a != nil && a.Answer != Silence {
				if err := Decide.Raise(ctx, client, h.ID(), Decision{Granted: a.Answer == Granted, By: "test"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, o := range orders {
			out, err := handles[o.ID].Wait(ctx)
			if err != nil || out.Ending != o.Expect {
				t.Errorf("%s ended as %q, %v, want %q", o.ID, out.Ending, err, o.Expect)
			}
			if out.Ending == Shipped && (len(out.Parcels) != len(o.Items) || out.Invoice == "") {
				t.Errorf("%s: %d parcels for %d items, invoice %q", o.ID, len(out.Parcels), len(o.Items), out.Invoice)
			}
		}
		if r := audit(); !r.OK() {
			t.Errorf("the audit failed: %v", r.Findings)
		}
	})
}

func TestMissingStockUndoesWhatWasDone(t *testing.T) {
	inShop(t, func(ctx context.Context, client *core.Client, audit func() *verify.Report) {
		o := Order{ID: "saga", Cents: 5, Items: []Item{{SKU: "a"}, {SKU: "b", Missing: true}, {SKU: "c"}}}
		h, err := Fulfil.Start(ctx, client, o, orchestration.StartOptions{ID: "saga"})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := h.Wait(ctx); err != nil || out.Ending != OutOfStock || len(out.Missing) != 1 || out.Missing[0] != "b" {
			t.Errorf("ended as %+v, %v", out, err)
		}
		done := map[string]int{}
		for e, err := range client.History(ctx, "saga", 0) {
			if err != nil {
				t.Fatal(err)
			}
			if a, ok := e.Data.(*history.ActivityScheduled); ok {
				done[a.Name]++
			}
		}
		if done[refund.Name()] != 1 || done[release.Name()] != 2 || done[ship.Name()] != 0 {
			t.Errorf("activities %v, want one refund, two releases and nothing shipped", done)
		}
	})
}

func TestTheInventoryCountsUntilTheShopCloses(t *testing.T) {
	inShop(t, func(ctx context.Context, client *core.Client, audit func() *verify.Report) {
		h, err := Reconcile.Start(ctx, client, Round{Number: 1}, orchestration.StartOptions{ID: reconcilerID})
		if err != nil {
			t.Fatal(err)
		}
		const open = time.Hour // in virtual time
		time.AfterFunc(open, func() {
			if err := Closing.Raise(ctx, client, reconcilerID, orchestration.None{}); err != nil {
				t.Error(err)
			}
		})
		end, err := h.Wait(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if least := int(open / (roundPause + time.Second)); end.Number < least || end.Items < 100*end.Number {
			t.Errorf("%+v after an hour, want at least %d rounds", end, least)
		}
	})
}
