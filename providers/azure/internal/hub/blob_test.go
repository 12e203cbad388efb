package hub_test

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// bulky is a payload that compression does not make fit into a row.
func bulky() history.Payload {
	b := make([]byte, 200_000)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b)
	return history.Payload(`"` + hex.EncodeToString(b) + `"`)
}

func bulkyStart(id history.InstanceID) provider.Message {
	return provider.Message{
		ID: "start-" + string(id), To: id,
		Start: &provider.Start{Name: "story", RequestID: "once"},
		Data:  &history.ExecutionStarted{Name: "story", Seed: "0123456789abcdef0123456789abcdef", Input: bulky()},
	}
}

// checked opens a hub on an account, and reports what the checker found when it
// ends.
func checked(t *testing.T) (*hub.Store, *simulated.Account) {
	t.Helper()
	return checkedWith(t, hub.Config{Name: "hub", Partitions: 2})
}

func checkedWith(t *testing.T, cfg hub.Config) (*hub.Store, *simulated.Account) {
	t.Helper()
	checker := simulated.NewChecker(simulated.Layout{}, nil)
	account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond), Observe: checker.Observe})
	store, err := hub.Open(t.Context(), account.Client("one"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		account.Close()
		for _, v := range checker.Violations() {
			t.Error(v)
		}
	})
	return store, account
}

func TestAStartWhoseAnswerIsLostKeepsItsBlobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, account := checked(t)
		account.Decide(simulated.Nth(1, func(c simulated.Call) bool { return c.Kind == simulated.Transact }, simulated.Fault{Kind: simulated.LostAnswer}))
		if err := store.Send(t.Context(), bulkyStart("a")); err != nil {
			t.Fatal(err)
		}
		h, err := store.Join(t.Context(), provider.HostInfo{Name: "host"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		turn, err := h.NextTurn(ctx)
		if err != nil || len(turn.Messages) != 1 {
			t.Fatalf("the instance got the turn %+v, error %v", turn, err)
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The row of the outbox goes later than the one of the inbox that it became, and
// both name the blob.
func TestABlobOfAParcelOutlivesTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := checked(t)
		from, to := history.InstanceID("a"), history.InstanceID("b")
		for store.Partition(from) == store.Partition(to) {
			to += "b"
		}
		h, err := store.Join(t.Context(), provider.HostInfo{Name: "host"})
		if err != nil {
			t.Fatal(err)
		}
		first := bulkyStart(from)
		first.Data = &history.ExecutionStarted{Name: "story", Seed: "0123456789abcdef0123456789abcdef"}
		if err := store.Send(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		for _, sends := range [][]provider.Message{{bulkyStart(to)}, nil} {
			turn, err := h.NextTurn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c := &provider.Commit{
				Consumed: len(turn.Messages), NewExecution: true, Status: history.StatusRunning, Name: "story", Send: sends,
				Events: []history.Event{{ID: 1, Execution: 1, Time: time.Now(), Data: turn.Messages[0].Data}},
			}
			if err := h.CommitTurn(t.Context(), turn, c); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(5 * time.Minute) // the outbox is empty by then
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
