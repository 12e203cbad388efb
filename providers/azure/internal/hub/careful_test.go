package hub_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
)

// TestHeadNamesATurnWhileItRuns: where an owner has died, the next one says what it
// runs before it does, and with the commit of a turn that this does not run any more:
// else it would be blamed for what comes after it.
func TestHeadNamesATurnWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1, TTL: 3 * time.Second})
		dies := open("dies")
		if _, err := dies.Join(t.Context(), provider.HostInfo{}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(dies.Send(t.Context(), story("x", "start", "")), dies.Close()); err != nil {
			t.Fatal(err)
		}
		s := open("next")
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		named := func() bool {
			r, _ := account.State().Row("hub", s.PartitionKey(0), row.Head)
			o, err := row.ParseOwner(r.Cells)
			if err != nil {
				t.Fatal(err)
			}
			return o.Crash != nil && slices.Contains(o.Crash.Named, row.Piece("x", "", 0, 0, 0))
		}
		turn := turnOf(t, h, "x")
		if !named() {
			t.Error("a turn has begun that head does not name, although the last owner died")
		}
		if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
			t.Fatal(err)
		}
		if named() {
			t.Error("head names a turn that has ended")
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
