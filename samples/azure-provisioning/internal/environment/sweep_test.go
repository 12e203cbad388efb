package environment_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
)

// sweeping sweeps once.
func sweeping(w *world, client *core.Client, s environment.SweepSpec) environment.Swept {
	w.t.Helper()
	s.Each = spec()
	h, err := environment.Sweep.Start(w.ctx, client, s, orchestration.StartOptions{ID: "sweep", Reuse: orchestration.ReuseFinal})
	if err != nil {
		w.t.Fatal(err)
	}
	swept, err := h.Wait(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return swept
}

// purged makes environments that the store forgets.
func purged(w *world, client *core.Client, names ...string) {
	w.t.Helper()
	for _, name := range names {
		provision(w, client, name, spec())
		if err := client.Purge(w.ctx, orchestration.InstanceID(name)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestACopyOfTagsRemovesNothing(t *testing.T) {
	const copied = "/subscriptions/" + subscription + "/resourcegroups/copied"
	all := environment.SweepSpec{Remove: true, RemoveUnknown: true}
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		provision(w, client, "ann", spec())
		put(w, copied, `{"location":"westeurope","tags":{"durable-hub":"`+hub+`","durable-instance":"ann"}}`)
		there := len(plan("ann").Resources()) + 1
		if s := sweeping(w, client, all); s.Groups != 2 || !sameIDs(s.Foreign, []string{copied}) || len(s.Orphans) != 0 || len(w.cloud.Resources()) != there {
			t.Errorf("it found %+v, and left %+v", s, w.cloud.Resources())
		}
		if err := client.Purge(w.ctx, "ann"); err != nil {
			t.Fatal(err)
		}
		ann := strings.ToLower(plan("ann").Group().ID)
		s := sweeping(w, client, all)
		if s.Groups != 2 || !sameIDs(s.Foreign, []string{copied}) || !sameIDs(s.Orphans, []string{ann}) || !sameIDs(s.Unknown, []string{ann}) || s.Removed != 1 {
			t.Errorf("it found %+v", s)
		}
		if left := w.cloud.Resources(); len(left) != 1 || !strings.EqualFold(left[0].ID, copied) {
			t.Errorf("left is %+v", left)
		}
	})
}

func TestTheSweeperGoesOnPastWhatDoesNotGo(t *testing.T) {
	for _, locked := range []string{"a", "b"} {
		t.Run(locked, func(t *testing.T) {
			inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
				purged(w, client, "a", "b")
				group := strings.ToLower(plan(locked).Group().ID)
				w.cloud.Inject(emulator.Fault{Method: http.MethodDelete, ID: group, Kind: kinds[environment.Group], Status: http.StatusForbidden, Code: "ScopeLocked"})
				s := sweeping(w, client, environment.SweepSpec{RemoveUnknown: true})
				if len(s.Orphans) != 2 || s.Removed != 1 || len(s.Failed) != 1 || !strings.EqualFold(s.Failed[0].Name, group) || !strings.Contains(s.Failed[0].Why, "ScopeLocked") {
					t.Errorf("it found %+v", s)
				}
				if left := w.cloud.Resources(); len(left) != 1 || !strings.EqualFold(left[0].ID, group) {
					t.Errorf("left is %+v", left)
				}
			})
		})
	}
}
