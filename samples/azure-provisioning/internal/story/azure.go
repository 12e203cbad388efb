package story

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/resources"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// AzureConfig says which subscription to provision in.
type AzureConfig struct {
	Program      string
	Store        host.Store
	Subscription string
	Location     string
	Yes          bool   // the plan is confirmed already
	TearDown     bool   // only remove what an earlier run has left
	Endpoint     string // of an emulator in place of Azure, for tests
	In           io.Reader
	Out          io.Writer
	Log          io.Writer // what workers log
}

// How long things may take in Azure.
const (
	provisionLimit = 90 * time.Minute
	tearDownLimit  = 90 * time.Minute
	decisionLimit  = 30 * time.Minute
)

// How it ends when somebody says no.
var (
	errNotToMake   = errors.New("the plan was not confirmed; nothing was created")
	errNotToRemove = errors.New("the removal was not confirmed; nothing was removed, and what there is goes on costing money")
)

// visit is a tale that is told in Azure.
type visit struct {
	*tale
	cfg     AzureConfig
	plan    environment.Plan
	manager *resources.Manager // to look around with; the work is done by hosts
	lines   <-chan string      // what the user types, from the first question on
	work    context.Context    //nolint:containedctx // It outlives the one that an interrupt ends.
}

// Azure makes one environment in a subscription, and removes it.
func Azure(ctx context.Context, cfg AzureConfig) (err error) {
	manager, err := openManager(ctx, cfg)
	if err != nil {
		return err
	}
	// An interrupt ends the making, and begins the removal. Hosts, and the removal,
	// have a context that nothing ends before all is done.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	t := staffed(work, Config{Program: cfg.Program, Store: cfg.Store, Out: cfg.Out, Log: cfg.Log}, cfg.Subscription, lro.NewKey(), func(error) {})
	t.cloud.URL = cfg.Endpoint
	if t.store, err = t.Store.Open(work, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.dismiss(), t.store.Close()) }()
	t.client = core.NewClient(t.store, core.ClientConfig{})
	v := &visit{tale: t, cfg: cfg, manager: manager, work: work}
	v.plan.Spec = environment.Spec{Subscription: cfg.Subscription, Location: cfg.Location, Hub: host.Hub, Approval: decisionLimit}
	if cfg.Endpoint != "" {
		v.plan.Spec.Pace = 20 * time.Millisecond
	}
	known, err := v.claim()
	switch {
	case err != nil:
		return err
	case cfg.TearDown && !known:
		return v.removeOthers(ctx)
	case !cfg.TearDown:
		if err := v.mayMake(ctx, known); err != nil {
			return err
		}
	}
	if err := v.confirm(ctx); err != nil {
		return err
	}
	if err := t.hire(); err != nil {
		return err
	}
	if !cfg.TearDown {
		err = v.make(ctx)
		if ctx.Err() != nil {
			t.say("interrupted: what was made is removed now, and another interrupt changes nothing; if you kill this program, the same command with --teardown goes on")
		}
	}
	return errors.Join(err, v.remove(v.plan))
}

// claim finds out whose the environment of this store is, and tells whether the
// store knows of it: whether it was ever begun.
func (v *visit) claim() (known bool, err error) {
	var claim host.Claim
	if v.cfg.TearDown {
		claim, err = host.Claimed(v.work, v.client)
		if errors.Is(err, provider.ErrNotFound) {
			return false, nil
		}
	} else {
		claim, err = host.Draw(v.work, v.client, v.cfg.Subscription, v.cfg.Location)
	}
	if err == nil {
		err = claim.Check(v.Store, v.cfg.Subscription, v.cfg.Location)
	}
	if err != nil {
		return false, err
	}
	v.plan.Owner = environment.Owner{Hub: host.Hub, Instance: claim.Name}
	_, err = v.making().Status(v.work)
	if errors.Is(err, provider.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// making is the instance that makes the environment.
func (v *visit) making() *orchestration.Handle[environment.Outputs] {
	return environment.Provision.Handle(v.client, orchestration.InstanceID(v.plan.Owner.Instance))
}

// limited is a context for something that takes until a limit at most, or until it
// is given up.
func limited(ctx context.Context, what string, limit time.Duration) (context.Context, context.CancelCauseFunc) {
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s took longer than %v", what, limit))
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, func(cause error) { cancel(cause); stop() }
}

// because is an error, or why the context ended, if it did.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return cause
	}
	return err
}

// make makes the environment, or goes on with the one of an earlier run.
func (v *visit) make(ctx context.Context) (err error) {
	ctx, cancel := limited(ctx, "making it", provisionLimit)
	defer cancel(nil)
	defer func() { err = because(ctx, err) }()
	v.title("Making")
	if err := v.next(cancel); err != nil {
		return err
	}
	h := v.making()
	_, err = environment.Provision.Start(ctx, v.client, v.plan.Spec, orchestration.StartOptions{ID: h.ID(), Reuse: orchestration.ReuseFinal})
	if errors.Is(err, provider.ErrExists) { // it is being made: an earlier run was killed
		v.say("an earlier run has begun it; it goes on")
	} else if err != nil {
		return err
	}
	err = follow(ctx, v.client, h.ID(), v.say, func(phase string) {
		if phase != "waiting for approval" {
			return
		}
		approved := v.cfg.Yes
		if !approved {
			v.say("may it stay? Type yes (it is removed at the end in any case):")
			asking, stop := context.WithTimeout(ctx, decisionLimit) // after which nobody waits for it
			approved = v.saysYes(asking)
			stop()
		}
		if err := environment.Approval.Raise(ctx, v.client, h.ID(), environment.Decision{Approved: approved, By: "the user"}); err != nil {
			v.say("the decision was not heard: %v", err)
		}
	})
	if err != nil {
		return err
	}
	out, err := h.Wait(ctx)
	if err == nil {
		v.say("it answers at https://%s", out.Host)
	}
	return err
}

// remove removes an environment, whatever state it is in (S3).
func (v *visit) remove(plan environment.Plan) (err error) {
	ctx, cancel := limited(v.work, "removing it", tearDownLimit)
	defer cancel(nil)
	group, id := plan.Group().Name(), orchestration.InstanceID(plan.Owner.Instance)
	gone := false
	defer func() {
		err = because(ctx, err)
		switch {
		case err == nil:
		case gone:
			v.say("NOT ALL IS REMOVED: %s is gone; of the rest the error tells. The same command with --teardown looks again.", group)
		case environment.IsNotOurs(err):
			v.say("NOT ALL IS REMOVED: what has another owner by now is left alone; the error names it.")
		default:
			v.say("NOT ALL IS REMOVED. The same command with --teardown goes on with it; or remove the group yourself:\n\n    az group delete --subscription %s --name %s\n", plan.Spec.Subscription, group)
		}
	}()
	v.title("Removing")
	if err := v.next(cancel); err != nil {
		return err
	}
	making := environment.Provision.Handle(v.client, id)
	s, err := making.Status(ctx)
	switch {
	case errors.Is(err, provider.ErrNotFound): // another store has made it
	case err != nil: // it may be at work
		return err
	case !s.Status.Final():
		if err := making.Cancel(ctx, "the program ends"); err != nil {
			return err
		}
		if err := follow(ctx, v.client, id, v.say, nil); err != nil {
			return err
		}
	}
	h := environment.TearDown.Handle(v.client, "teardown-"+id)
	_, err = environment.TearDown.Start(ctx, v.client, plan, orchestration.StartOptions{ID: h.ID(), Reuse: orchestration.ReuseFinal})
	if err != nil && !errors.Is(err, provider.ErrExists) { // that one removes it already
		return err
	}
	if err := follow(ctx, v.client, h.ID(), v.say, nil); err != nil {
		return err
	}
	if _, err := h.Wait(ctx); err != nil {
		return err
	}
	gone = true
	if err := v.sweep(ctx, plan.Spec, "sweep-"+id); err != nil {
		return err
	}
	found, err := v.manager.Survey(ctx, plan) // the sweeper takes it for alive if its making went well
	if err != nil {
		return err
	}
	if gone = !found.There || !found.Ours; !gone {
		return fmt.Errorf("the %s was made again after its removal, by a late request", plan.Group())
	}
	v.say("all is removed: %s is gone", group)
	return nil
}

// sweep removes what this store knows to have ended, such as a group that a late
// request has made again. What is left of that is an error.
func (v *visit) sweep(ctx context.Context, spec environment.Spec, id orchestration.InstanceID) error {
	h, err := environment.Sweep.Start(ctx, v.client, environment.SweepSpec{Each: spec, Remove: true}, orchestration.StartOptions{ID: id, Reuse: orchestration.ReuseFinal})
	if err != nil {
		return err
	}
	swept, err := h.Wait(ctx)
	if err != nil {
		return err
	}
	for _, group := range swept.Unknown {
		v.say("left alone, because this store knows nothing of it: %s", group)
	}
	for _, group := range swept.Foreign {
		v.say("left alone, because its tags are a copy of another group's: %s", group)
	}
	for _, left := range swept.Failed {
		err = errors.Join(err, fmt.Errorf("its environment has ended, and it was not removed: %s: %s", left.Name, left.Why))
	}
	return err
}
