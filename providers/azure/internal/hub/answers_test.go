package hub_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestAnswersAreNotKeptForEver: those of a while are, since more than one may wait.
func TestAnswersAreNotKeptForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
		defer account.Close()
		open := func(name string) *hub.Store {
			s, err := hub.Open(t.Context(), account.Client(name), hub.Config{Name: "hub", Partitions: 1})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		server, client := open("server"), open("client")
		h := ended(t, server, history.StatusRunning)
		kept := func() int {
			answers := map[string]row.Answer{}
			for _, r := range account.State().Rows("hub") {
				if cell := r.Cells[row.AnswersCell]; len(cell) > 0 {
					if err := row.Parse(cell, &answers); err != nil {
						t.Fatal(err)
					}
				}
			}
			return len(answers)
		}
		for i, want := range []int{1, 2, 1} {
			if i == 2 {
				<-time.After(time.Hour)
			}
			if err := client.Purge(t.Context(), "x", false); !errors.Is(err, provider.ErrConflict) {
				t.Fatalf("a purge of what runs ended with %v", err)
			}
			if n := kept(); n != want {
				t.Errorf("after order %d, %d answers are kept, want %d", i+1, n, want)
			}
		}
		if err := errors.Join(h.Leave(t.Context()), client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
}
