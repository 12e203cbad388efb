package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// TestWhatIsBuriedInPartsIsNotHandedOverToo: a turn sent more to nobody than a transaction
// buries. After the first one there is trouble: the host ends, or a payload cannot be
// written. Then the receiver is started. Each message is a dead letter or handed over.
func TestWhatIsBuriedInPartsIsNotHandedOverToo(t *testing.T) {
	for name, c := range map[string]struct{ ends, copies bool }{
		"the host ends": {true, false}, "the host ends, messages came twice": {true, true}, "a payload": {false, false}, "a payload, messages came twice": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { buriedInParts(t, c.ends, c.copies) })
		})
	}
}

func buriedInParts(t *testing.T, ends, copies bool) {
	account, open := processes(t, hub.Config{Name: "hub", Partitions: 1, OrphanAfter: time.Minute})
	s, client := open("server"), open("client")
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	var sends []provider.Message
	for n := range 120 {
		sends = append(sends, event("x", fmt.Sprintf("event %03d", n)))
	}
	if !ends {
		sends[60].Data = &history.EventRaised{Name: "go", Payload: bulky()}
	}
	sent(t, s, h, sends...)
	for n := 0; n < 100 && copies; n += 10 {
		if err := client.Send(t.Context(), sends[n]); err != nil {
			t.Fatal(err)
		}
	}
	buries := func(c simulated.Call) bool {
		return slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return row.KindOf(o.Row.Key) == row.KindDead })
	}
	part, trouble := false, make(chan struct{}) // guarded by the account
	account.Decide(func(c simulated.Call) simulated.Fault {
		if c.Client != "server" || !part || ends && !buries(c) || !ends && c.Kind != simulated.PutBlob {
			part = part || c.Client == "server" && buries(c)
			return simulated.Fault{}
		}
		select {
		case <-trouble:
		default:
			close(trouble)
		}
		return simulated.Fault{Kind: simulated.Denied}
	})
	<-trouble
	<-time.After(time.Second) // less than it takes until the burial is tried again
	if ends {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		account.Decide(nil)
		s = open("heir")
	}
	if err := s.Send(t.Context(), story("x", "start", "")); err != nil {
		t.Fatal(err)
	}
	account.Decide(nil)
	if ends {
		if h, err = s.Join(t.Context(), provider.HostInfo{}); err != nil {
			t.Fatal(err)
		}
	}
	times := map[string]int{}
	for _, m := range turnOf(t, h, "x").Messages[1:] {
		times[m.ID]++
	}
	dead, err := client.DeadLetters(t.Context(), 1_000)
	if err != nil || len(dead) == 0 {
		t.Errorf("there are %d dead letters, %v", len(dead), err)
	}
	for _, l := range dead {
		times[l.Message.ID]++
	}
	for _, m := range sends {
		if times[m.ID] != 1 {
			t.Errorf("%s: %d times handed over or a dead letter", m.ID, times[m.ID])
		}
	}
	if err := errors.Join(h.Leave(t.Context()), s.Close(), client.Close()); err != nil {
		t.Error(err)
	}
}
