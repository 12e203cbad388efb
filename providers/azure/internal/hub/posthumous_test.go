package hub_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestAStartThatIsDelayedPastThePurgeBringsNothingBack: a copy of what another
// partition sent meets the tombstone, or comes when that is gone.
func TestAStartThatIsDelayedPastThePurgeBringsNothingBack(t *testing.T) {
	for _, by := range []time.Duration{10 * time.Minute, 26 * time.Hour} {
		for what, message := range map[string]func(history.InstanceID) provider.Message{
			"small": func(id history.InstanceID) provider.Message { return story(id, "child", "") },
			"large": bulkyStart, // the blob went with what was consumed
		} {
			t.Run(what+" "+by.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { delayedPastThePurge(t, by, message) })
			})
		}
	}
}

func delayedPastThePurge(t *testing.T, by time.Duration, message func(history.InstanceID) provider.Message) {
	store, account := checkedWith(t, hub.Config{Name: "hub", Partitions: 2, TTL: 10 * time.Minute, WakeEvery: time.Minute})
	from, to := history.InstanceID("parent"), history.InstanceID("child")
	for store.Partition(from) == store.Partition(to) {
		to += "-"
	}
	h, err := store.Join(t.Context(), provider.HostInfo{Name: "host"})
	if err != nil {
		t.Fatal(err)
	}
	late := false
	account.Decide(func(c simulated.Call) simulated.Fault {
		if late || c.Kind != simulated.Transact || c.Ops[0].Row.Key != "i:"+string(to) {
			return simulated.Fault{}
		}
		late = true
		return simulated.Fault{Kind: simulated.Late, Delay: by}
	})
	if err := store.Send(t.Context(), story(from, "start", "")); err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, from)
	if err := h.CommitTurn(t.Context(), turn, ends(turn, message(to))); err != nil {
		t.Fatal(err)
	}
	turn = turnOf(t, h, to)
	if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
		t.Fatal(err)
	}
	if err := store.Purge(t.Context(), to, false); err != nil {
		t.Fatal(err)
	}
	<-time.After(by + 10*time.Minute)
	for _, r := range account.State().Rows("hub") {
		tombstone := by < 24*time.Hour && (strings.HasPrefix(r.Key, "i:") || strings.HasPrefix(r.Key, "x:p:"))
		if strings.Contains(r.Key, string(to)) && !tombstone {
			t.Errorf("row %s is there", r.Key)
		}
	}
	if _, err := store.Instance(t.Context(), to); err == nil {
		t.Error("the instance is back")
	}
	if !late {
		t.Error("no copy came late")
	}
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
}
