package hub_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// bury removes the row of a host, as others do that took it for dead.
func (w *two) bury(name string) {
	w.Helper()
	hosts, err := w.stores[0].HostRows(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	for _, h := range hosts {
		if h.Name != name {
			continue
		}
		if _, err := w.account.Client("others").Transact(w.Context(), "hub", row.Management, []storage.Op{{
			Verb: storage.Delete, Row: storage.Row{Key: row.HostPrefix + h.Incarnation},
		}}); err != nil {
			w.Fatal(err)
		}
	}
}

// TestASessionIsNotTakenByWhoHasNotJoined: a host that was taken for dead joins again
// while it is about to take a session. Who finds that in the name of an incarnation
// without a row would count it as dead for ever.
func TestASessionIsNotTakenByWhoHasNotJoined(t *testing.T) {
	for offset := range 8 { // it tries every two seconds, and its row is on its way for 1.5
		t.Run(fmt.Sprint(offset), func(t *testing.T) { joinsAgainBesideASession(t, time.Duration(offset)*250*time.Millisecond) })
	}
}

func joinsAgainBesideASession(t *testing.T, offset time.Duration) {
	work := provider.Activity{Tag: "far", Session: "one"}
	besides(t, provider.HostInfo{Name: "owner"}, work, 100, func(w *two) {
		var joining atomic.Bool
		taken, sent := make(chan struct{}), map[string]int{}
		w.account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case c.Kind == simulated.Enqueue:
				sent[strings.TrimPrefix(c.Resource, "hub-")[:3]]++
			case c.Client != "other" || c.Kind != simulated.Transact || c.Partition != row.Management:
			case c.Ops[0].Row.Key == row.Session("one", "far"):
				if !joining.Load() {
					return simulated.Fault{Kind: simulated.Reset} // and again
				}
				select {
				case <-taken:
				default:
					close(taken)
				}
			case c.Ops[0].Verb == storage.Insert && !joining.Swap(true):
				return simulated.Fault{Kind: simulated.Slow, Delay: 1500 * time.Millisecond}
			}
			return simulated.Fault{}
		})
		got := make(chan *provider.ActivityTask)
		<-time.After(offset)
		go func() {
			for {
				task, err := w.away.NextActivity(w.Context())
				if err == nil {
					got <- task
					return
				}
			}
		}()
		<-time.After(5 * time.Second)
		w.bury("away")
		<-taken
		<-time.After(10 * time.Millisecond)
		opens(w.T, w.stores[0], w.owner, "y", work)
		<-time.After(time.Minute)
		if task := <-got; task == nil || task.ID.Instance != "x" {
			w.Fatalf("it took %v, want the activity of x", task)
		}
		before := sent["wh-"]
		opens(w.T, w.stores[0], w.owner, "z", work)
		<-time.After(time.Second)
		if sent["wh-"] != before+1 {
			w.Errorf("an activity of the session was not sent to its host: %v", sent)
		}
	})
}
