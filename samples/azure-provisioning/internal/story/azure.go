package story

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
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
}

// How long things may take in Azure.
const (
	provisionLimit = 90 * time.Minute
	tearDownLimit  = 90 * time.Minute
	decisionLimit  = 30 * time.Minute
)

// azureID is the instance of the one environment that this program makes: with
// the same store, another run finds it.
const azureID = "sample"

// errNotConfirmed is how it ends when somebody says no.
var errNotConfirmed = errors.New("the plan was not confirmed; nothing was created")

// Azure makes one environment in a subscription, and removes it.
func Azure(ctx context.Context, cfg AzureConfig) (err error) {
	plan := environment.Plan{
		Spec:  environment.Spec{Subscription: cfg.Subscription, Location: cfg.Location, Hub: host.Hub, Approval: decisionLimit},
		Owner: environment.Owner{Hub: host.Hub, Instance: azureID},
	}
	if cfg.Endpoint != "" {
		plan.Spec.Pace = 20 * time.Millisecond
	}
	lines := bufio.NewReader(cfg.In)
	if err := confirm(ctx, cfg, plan, lines); err != nil {
		return err
	}
	// From here on an interrupt ends the making, and begins the removal. Hosts, and
	// the removal, have a context that nothing ends before all is done.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	t := staffed(work, Config{Program: cfg.Program, Store: cfg.Store, Out: cfg.Out}, cfg.Subscription, lro.NewKey(), func(error) {})
	t.cloud.URL = cfg.Endpoint
	started, stopStore, err := cfg.Store.Start(work)
	if err != nil {
		return err
	}
	t.Store = started
	defer func() { err = errors.Join(err, t.dismiss(), stopStore()) }()
	if t.store, err = t.Store.Open(work, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.dismiss(), t.store.Close()) }()
	t.client = core.NewClient(t.store, core.ClientConfig{})
	if err := t.hire(); err != nil {
		return err
	}
	if !cfg.TearDown {
		err = t.azureMake(ctx, plan, cfg.Yes, lines)
		if ctx.Err() != nil {
			t.say("interrupted: what was made is removed now; if you kill this program, the same command with --teardown goes on")
		}
	}
	return errors.Join(err, t.azureRemove(work, plan))
}

// confirm shows the plan, and asks.
func confirm(ctx context.Context, cfg AzureConfig, plan environment.Plan, lines *bufio.Reader) error {
	if cfg.Endpoint == "" {
		credential, err := azidentity.NewDefaultAzureCredential(nil)
		if err == nil {
			_, err = credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
		}
		if err != nil {
			return fmt.Errorf("no credential for Azure: run az login, or set the variables of DefaultAzureCredential: %w", err)
		}
	}
	verb := "create, and then remove"
	if cfg.TearDown {
		verb = "remove"
	}
	fmt.Fprintf(cfg.Out, "This is going to %s, in subscription %s, location %s:\n\n", verb, cfg.Subscription, cfg.Location)
	for _, r := range plan.Resources() {
		fmt.Fprintf(cfg.Out, "    %-26s %s\n", r.Kind, r.Name())
	}
	fmt.Fprintf(cfg.Out, `
THIS COSTS MONEY while it exists: some cents an hour for these resources, more if
they are left behind. They are removed before this program ends, whatever happens;
if it is killed, the same command with --teardown removes them. The state is in
%s. You need the roles Contributor and Role Based Access Control
Administrator (or Owner) in the subscription.

`, cfg.Store)
	if cfg.Yes {
		return nil
	}
	fmt.Fprint(cfg.Out, "Type yes to go on: ")
	if !saysYes(ctx, lines) {
		return errNotConfirmed
	}
	return nil
}

// saysYes reads a line and tells whether it is yes. The end of the input, and of
// the context, are no.
func saysYes(ctx context.Context, lines *bufio.Reader) bool {
	answer := make(chan string, 1)
	go func() { // ends with the process at the latest: a read cannot be interrupted
		line, _ := lines.ReadString('\n') // no answer is no
		answer <- line
	}()
	select {
	case line := <-answer:
		return strings.TrimSpace(line) == "yes"
	case <-ctx.Done():
		return false
	}
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

// azureMake makes the environment, or goes on with the one of an earlier run.
func (t *tale) azureMake(ctx context.Context, plan environment.Plan, yes bool, lines *bufio.Reader) (err error) {
	ctx, cancel := limited(ctx, "making it", provisionLimit)
	defer cancel(nil)
	defer func() { err = because(ctx, err) }()
	t.title("Making")
	if err := t.next(cancel); err != nil {
		return err
	}
	h, err := environment.Provision.Start(ctx, t.client, plan.Spec, orchestration.StartOptions{ID: azureID, Reuse: orchestration.ReuseFinal})
	if errors.Is(err, provider.ErrExists) { // it is being made: an earlier run was killed
		t.say("an earlier run has begun it; it goes on")
		h = environment.Provision.Handle(t.client, azureID)
	} else if err != nil {
		return err
	}
	err = follow(ctx, t.client, h.ID(), t.say, func(phase string) {
		if phase != "waiting for approval" {
			return
		}
		approved := yes
		if !yes {
			t.say("may it stay? Type yes (it is removed at the end in any case):")
			approved = saysYes(ctx, lines)
		}
		if err := environment.Approval.Raise(ctx, t.client, azureID, environment.Decision{Approved: approved, By: "the user"}); err != nil {
			t.say("the decision was not heard: %v", err)
		}
	})
	if err != nil {
		return err
	}
	out, err := h.Wait(ctx)
	if err == nil {
		t.say("it answers at https://%s", out.Host)
	}
	return err
}

// azureRemove removes the environment, whatever state it is in (S3).
func (t *tale) azureRemove(ctx context.Context, plan environment.Plan) (err error) {
	ctx, cancel := limited(ctx, "removing it", tearDownLimit)
	defer cancel(nil)
	group := plan.Group().Name()
	defer func() {
		if err != nil {
			err = because(ctx, err)
			t.say("NOT ALL IS REMOVED. The same command with --teardown goes on with it; or remove the group yourself:\n\n    az group delete --subscription %s --name %s\n", plan.Spec.Subscription, group)
		}
	}()
	t.title("Removing")
	if err := t.next(cancel); err != nil {
		return err
	}
	making := environment.Provision.Handle(t.client, azureID)
	if s, err := making.Status(ctx); err == nil && !s.Status.Final() {
		if err := making.Cancel(ctx, "the program ends"); err != nil {
			return err
		}
		if err := follow(ctx, t.client, azureID, t.say, nil); err != nil {
			return err
		}
	}
	h, err := environment.TearDown.Start(ctx, t.client, plan, orchestration.StartOptions{ID: "teardown-" + azureID, Reuse: orchestration.ReuseFinal})
	if errors.Is(err, provider.ErrExists) { // it is being removed already
		h, err = environment.TearDown.Handle(t.client, "teardown-"+azureID), nil
	}
	if err != nil {
		return err
	}
	if err := follow(ctx, t.client, h.ID(), t.say, nil); err != nil {
		return err
	}
	if _, err := h.Wait(ctx); err != nil {
		return err
	}
	sweep, err := environment.Sweep.Start(ctx, t.client, environment.SweepSpec{Each: plan.Spec}, orchestration.StartOptions{ID: "sweep-" + azureID, Reuse: orchestration.ReuseFinal})
	if err != nil {
		return err
	}
	swept, err := sweep.Wait(ctx)
	if err != nil {
		return err
	}
	for _, orphan := range swept.Orphans {
		t.say("a group of an earlier run, with another store, is left: %s", orphan)
	}
	t.say("all is removed: %s is gone", group)
	return nil
}
