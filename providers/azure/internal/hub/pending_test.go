package hub_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestAMessageForAPendingInstanceThatIsCold: the instance begins tomorrow, and others
// took its place in memory. Its start is with the broker already; the message is, too,
// a moment later, and whoever purges the instance then has an answer.
func TestAMessageForAPendingInstanceThatIsCold(t *testing.T) {
	for name, purged := range map[string]bool{"begins": false, "is purged": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { pendingAndCold(t, purged) })
		})
	}
}

func pendingAndCold(t *testing.T, purged bool) {
	account, open := processes(t, hub.Config{Name: "hub", Partitions: 1, Cold: 1})
	s, other := open("server"), open("other")
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Minute)
	due := time.Now().Add(24 * time.Hour)
	for _, id := range []history.InstanceID{"x", "y", "z"} {
		m := story(id, "start "+string(id), "")
		m.Due = due
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(time.Minute)
	scans := 0 // guarded by the account
	account.Decide(func(c simulated.Call) simulated.Fault {
		if c.Client == "server" && c.Kind == simulated.Scan && c.Partition == s.PartitionKey(0) {
			scans++
		}
		return simulated.Fault{}
	})
	if err := s.Send(t.Context(), event("x", "event")); err != nil {
		t.Fatal(err)
	}
	<-time.After(20 * time.Second)
	account.Decide(nil)
	if scans > 1 { // at most the look into the inbox that is due anyway
		t.Errorf("the server has looked %d times for a start that it knows", scans)
	}
	if purged {
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if err := other.Purge(ctx, "x", true); err != nil {
			t.Errorf("the purge says %v", err)
		}
	} else {
		<-time.After(time.Until(due))
		turn := turnOf(t, h, "x")
		var got []string
		for _, m := range turn.Messages {
			got = append(got, m.ID)
		}
		if want := []string{"start x", "event"}; !slices.Equal(got, want) {
			t.Errorf("the turn has %q, want %q", got, want)
		}
	}
	if err := errors.Join(h.Leave(t.Context()), s.Close(), other.Close()); err != nil {
		t.Error(err)
	}
}
