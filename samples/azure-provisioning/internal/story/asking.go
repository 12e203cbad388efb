package story

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/resources"
)

// openManager looks for a credential that Azure accepts, before anything else.
func openManager(ctx context.Context, cfg AzureConfig) (*resources.Manager, error) {
	m, err := resources.Open(resources.Config{Subscription: cfg.Subscription, Endpoint: cfg.Endpoint})
	if err != nil {
		return nil, err
	}
	if err := m.CheckCredential(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// mayMake refuses to make an environment where something is that this store has
// not made, and shows what others have in the subscription.
func (v *visit) mayMake(ctx context.Context, known bool) error {
	found, err := v.manager.Survey(ctx, v.plan)
	if err != nil {
		return err
	}
	group := v.plan.Group()
	if found.There && (!known || !found.Ours) {
		why := "the state in " + v.Store.String() + " has never made it: is that a copy, or an old one?"
		if !found.Ours {
			why = "its tags name another owner than " + v.plan.Owner.Instance
		}
		return fmt.Errorf("the %s is in subscription %s already, and %s. It is left alone, and nothing was made. Name the --store that it was made from; or a new one, such as --store sqlite:another.db: what is made from that has other names, and with --teardown it asks whether this group may go",
			group, v.cfg.Subscription, why)
	}
	for _, g := range found.Owned {
		if g.Owner != v.plan.Owner {
			fmt.Fprintf(v.Out, "There already, and not of this environment: %s, owner %s.\n", name(g), g.Owner.Instance)
		}
	}
	return nil
}

// name is the last part of a group's id.
func name(g environment.OwnedGroup) string { return environment.Resource{ID: g.ID}.Name() }

// confirm shows the plan, and asks.
func (v *visit) confirm(ctx context.Context) error {
	verb := "create, and then remove"
	if v.cfg.TearDown {
		verb = "remove"
	}
	fmt.Fprintf(v.Out, "This is going to %s, in subscription %s, location %s, as %s:\n\n", verb, v.cfg.Subscription, v.cfg.Location, v.plan.Owner.Instance)
	for _, r := range v.plan.Resources() {
		fmt.Fprintf(v.Out, "    %-26s %s\n", r.Kind, r.Name())
	}
	fmt.Fprintf(v.Out, `
THIS COSTS MONEY while it exists: some cents an hour for these resources, more if
they are left behind. They are removed before this program ends; if it is killed,
the same command with --teardown removes them. The state is in %s:
keep it until then. You need the roles Contributor and Role Based Access Control
Administrator (or Owner) in the subscription.

`, v.Store)
	if v.cfg.Yes {
		return nil
	}
	fmt.Fprint(v.Out, "Type yes to go on: ")
	if !v.saysYes(ctx) {
		if v.cfg.TearDown {
			return errNotToRemove
		}
		return errNotToMake
	}
	return nil
}

// saysYes reads a line and tells whether it is yes. The end of the input, and of
// the context, are no.
func (v *visit) saysYes(ctx context.Context) bool {
	if v.lines == nil {
		v.lines = read(v.work, v.cfg.In)
	}
	if ctx.Err() != nil {
		return false
	}
	select {
	case line := <-v.lines: // empty at the end of the input
		return ctx.Err() == nil && strings.TrimSpace(line) == "yes"
	case <-ctx.Done():
		return false
	}
}

// read hands out the lines of an input, one when it is asked for, until it is over.
// There is one reader: a read cannot be interrupted, so a question that nobody
// answered leaves it to the next one.
func read(over context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() { // ends with the input, or with the process at the latest
		defer close(lines)
		for r := bufio.NewReader(in); ; {
			line, err := r.ReadString('\n')
			select {
			case lines <- line:
			case <-over.Done():
				return
			}
			if err != nil { // no more answers: those are no
				return
			}
		}
	}()
	return lines
}

// removeOthers shows what this program has left in the subscription, of which this
// store knows nothing, and asks of each whether it may go: --yes is no answer to
// that.
func (v *visit) removeOthers(ctx context.Context) error {
	v.plan.Owner = environment.Owner{Hub: host.Hub}
	found, err := v.manager.Survey(ctx, v.plan)
	if err != nil {
		return err
	}
	fmt.Fprintf(v.Out, "The state in %s knows of no environment.\n", v.Store)
	if len(found.Owned) == 0 {
		fmt.Fprintf(v.Out, "Subscription %s has no resource group of this program: there is nothing to remove.\n", v.cfg.Subscription)
		return nil
	}
	fmt.Fprintf(v.Out, "In subscription %s there are, from other stores, perhaps of other people who are at work on them:\n\n", v.cfg.Subscription)
	for _, g := range found.Owned {
		fmt.Fprintf(v.Out, "    %s, in %s, owner %s\n", name(g), g.Location, g.Owner.Instance)
	}
	left, hired := 0, false
	for _, g := range found.Owned {
		plan, its := g.Plan(v.plan.Spec)
		if !its { // a yes would remove what the owner has made, which is another group
			fmt.Fprintf(v.Out, "\n%s has tags of %s, whose group is %s: they are a copy, and it is left alone\n", name(g), g.Owner.Instance, plan.Group().Name())
			continue
		}
		fmt.Fprintf(v.Out, "\nMay %s go, with all that %s has made? Type yes: ", name(g), g.Owner.Instance)
		if !v.saysYes(ctx) {
			fmt.Fprintln(v.Out, "it is left alone")
			left++
			continue
		}
		if !hired {
			if err := v.hire(); err != nil {
				return err
			}
			hired = true
		}
		if err := v.remove(plan); err != nil {
			return err
		}
	}
	if left > 0 {
		return fmt.Errorf("%d of %d resource groups are left alone, because nobody said yes", left, len(found.Owned))
	}
	return nil
}
