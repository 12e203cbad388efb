package story

import (
	"context"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
)

// follow tells of the progress of an instance, as its custom status shows it,
// until it has ended. Each phase is told to entered.
func follow(ctx context.Context, client *core.Client, id history.InstanceID, say func(string, ...any), entered func(phase string)) error {
	shown := map[string]string{}
	phase := ""
	for instance, err := range client.Watch(ctx, id) {
		if err != nil {
			return err
		}
		var p environment.Progress
		if err := client.Decode(instance.CustomStatus, &p); err != nil {
			return err
		}
		enter := func() {
			if p.Phase == phase {
				return
			}
			phase = p.Phase
			say("%s: %s", id, phase)
			if entered != nil {
				entered(phase)
			}
		}
		if !p.Ends() { // the last phase comes after the steps
			enter()
		}
		if len(p.Steps) == 0 { // it begins anew, with undoing
			clear(shown)
		}
		for _, s := range p.Steps {
			if line := describe(s); line != "" && line != shown[s.What] {
				shown[s.What] = line
				say("    %-62s %s", s.What, line)
			}
		}
		enter()
	}
	return nil
}

// describe says how far a resource is.
func describe(s environment.StepInfo) string {
	switch {
	case s.State == "done" && s.Requests > 1:
		return fmt.Sprintf("done, %d requests", s.Requests)
	case s.State == "begin" && s.Why == "":
		return "" // it is asked for; what comes of it is worth a line
	case s.State == "done" || s.State == "cancelled" || s.State == "failed":
		if s.Why != "" {
			return s.State + ": " + s.Why
		}
		return s.State
	case s.Wait == 0:
		return s.Why
	}
	return fmt.Sprintf("%s; next %s in %v", s.Why, s.State, s.Wait.Round(time.Millisecond))
}
