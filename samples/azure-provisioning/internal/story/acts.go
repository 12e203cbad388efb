package story

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// provisionAndKill makes an environment, and kills the host that polls its longest
// operation.
func (t *tale) provisionAndKill(ctx context.Context) error {
	t.title("1. An environment, and kill -9 in the middle of a long-running operation")
	spec := t.spec()
	spec.Approval = 2 * time.Minute
	h, err := environment.Provision.Start(ctx, t.client, spec, orchestration.StartOptions{ID: "alpha"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	made := make(chan struct{})
	var hunt sync.WaitGroup
	defer hunt.Wait()
	defer cancel(nil)
	killed := ""
	hunt.Go(func() { // ends with the context, or once alpha is made
		var err error
		if killed, err = t.kill(ctx, environment.AppEnv, made); err != nil {
			cancel(err)
		}
	})
	err = follow(ctx, t.client, h.ID(), t.say, func(phase string) {
		if phase == "waiting for approval" {
			t.say("ann approves")
			if err := environment.Approval.Raise(ctx, t.client, h.ID(), environment.Decision{Approved: true, By: "ann"}); err != nil {
				cancel(err)
			}
		}
	})
	if err != nil {
		return because(ctx, err)
	}
	out, err := h.Wait(ctx)
	if err != nil {
		return because(ctx, err)
	}
	close(made)
	hunt.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	t.say("alpha answers at %s; approved by %s", out.Host, out.Approved)
	t.fact(killed != "", "a host was killed in the middle of a long-running operation%s", killed)
	if err := t.checkSought(ctx, "alpha"); err != nil {
		return err
	}
	return t.check(ctx, "alpha", map[string]int{})
}

// kill kills a host that polls an operation on a kind of resource, and says which;
// nobody if the environment is made before.
func (t *tale) kill(ctx context.Context, kind environment.Kind, made <-chan struct{}) (killed string, err error) {
	for {
		select {
		case n := <-t.notes:
			if n.Activity != "ensure.poll" || !strings.HasPrefix(n.What, string(kind)) {
				continue
			}
			victim := t.child(n.from)
			if victim == nil {
				return "", fmt.Errorf("%s is not there any more", n.from)
			}
			if !victim.Kill() {
				continue // it had ended by itself, and is replaced: the next one, then
			}
			t.say("✗ kill -9 of %s (process %d), while it polls the %s", n.from, victim.PID, n.What)
			return ": " + n.from, t.hire()
		case <-made:
			t.say("there was nothing to kill: no host polled the %s; a larger --pace makes it last longer", kind)
			return "", nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// drift changes what was made behind everybody's back, and lets it be repaired.
func (t *tale) drift(ctx context.Context) error {
	t.title("2. Somebody changes things by hand; the drift is repaired")
	plan := t.plan("alpha")
	h, err := environment.Watch.Start(ctx, t.client, environment.WatchSpec{Plan: plan, Every: time.Second, Rounds: 3}, orchestration.StartOptions{ID: "watch-alpha"})
	if err != nil {
		return err
	}
	storage, role := plan.Storage(), plan.Role("")
	err = errors.Join(
		t.cloud.Change(ctx, storage.ID, map[string]any{"minimumTlsVersion": "TLS1_0", "allowBlobPublicAccess": true}),
		t.cloud.Change(ctx, role.ID, nil),
	)
	if err != nil {
		return err
	}
	t.say("the %s now allows TLS 1.0 and public blobs; the %s is gone", storage, role)
	seen, err := t.repaired(ctx, h.ID(), 2)
	if err != nil {
		return err
	}
	for _, repair := range seen.Last {
		t.say("repaired the %s", repair)
	}
	return t.check(ctx, "alpha", map[string]int{role.ID: 2})
}

// repaired follows a watch until it has made so many repairs.
func (t *tale) repaired(ctx context.Context, id history.InstanceID, repairs int) (seen environment.Drifts, err error) {
	for _, err := range t.client.Watch(ctx, id) {
		if err == nil {
			seen, err = environment.Drifted.Read(ctx, t.client, id)
		}
		if err != nil || seen.Repairs >= repairs {
			return seen, err
		}
	}
	return seen, fmt.Errorf("the watch %s has ended after %d repairs", id, seen.Repairs)
}

// failing makes an environment that cannot be made.
func (t *tale) failing(ctx context.Context) error {
	t.title("3. An environment that fails is undone")
	plan := t.plan("beta")
	err := t.cloud.Inject(ctx, emulator.Fault{
		Method: http.MethodPut, ID: plan.AppEnv().ID,
		Operation: &emulator.OperationFailure{Code: "QuotaExceeded", Message: "The subscription has no environments left in this region."},
	})
	if err != nil {
		return err
	}
	h, err := environment.Provision.Start(ctx, t.client, t.spec(), orchestration.StartOptions{ID: "beta"})
	if err != nil {
		return err
	}
	if err := follow(ctx, t.client, h.ID(), t.say, nil); err != nil {
		return err
	}
	_, err = h.Wait(ctx)
	refusal, ok := errors.AsType[*lro.Error](err)
	if !ok {
		return fmt.Errorf("beta should have failed for its quota: %w", err)
	}
	t.say("beta failed: %s", refusal)
	t.fact(refusal.Code == "QuotaExceeded" && refusal.Status == http.StatusOK, "the operation failed with code QuotaExceeded, under HTTP status %d", refusal.Status)
	return t.checkGone(ctx, "beta")
}

// fleet makes many environments at once, and removes them.
func (t *tale) fleet(ctx context.Context) error {
	if t.Fleet == 0 {
		return nil
	}
	t.title("4. %d environments at once, within the subscription's budget of writes", t.Fleet)
	spec := environment.FleetSpec{Each: t.spec(), Concurrent: t.Fleet, Remove: true}
	for i := range t.Fleet {
		spec.Names = append(spec.Names, fmt.Sprintf("fleet-%03d", i+1))
	}
	h, err := environment.Fleet.Start(ctx, t.client, spec, orchestration.StartOptions{ID: "fleet"})
	if err != nil {
		return err
	}
	told := time.Now()
	var report environment.FleetReport
	for instance, err := range t.client.Watch(ctx, h.ID()) {
		if err == nil {
			err = t.client.Decode(instance.CustomStatus, &report)
		}
		if err != nil {
			return err
		}
		if time.Since(told) > time.Second {
			told = time.Now()
			t.say("    %d of %d made and removed, %d failed", report.Made, report.Total, report.Failed)
		}
	}
	if report, err = h.Wait(ctx); err != nil {
		return err
	}
	t.fact(report.Made == t.Fleet && report.Failed == 0, "%d of %d environments were made and removed, %d failed", report.Made, report.Total, report.Failed)
	return t.checkOnce(ctx, spec.Names)
}

// ending tears down and looks for orphans.
func (t *tale) ending(ctx context.Context) error {
	t.title("%s. All is torn down", map[bool]string{true: "4", false: "5"}[t.Fleet == 0])
	watch := environment.Watch.Handle(t.client, "watch-alpha")
	if err := watch.Cancel(ctx, "the story ends"); err != nil {
		return err
	}
	if _, err := watch.Wait(ctx); !errors.Is(err, orchestration.ErrCancelled) {
		return fmt.Errorf("the watch should have been cancelled: %w", err)
	}
	h, err := environment.TearDown.Start(ctx, t.client, t.plan("alpha"), orchestration.StartOptions{ID: "teardown-alpha"})
	if err != nil {
		return err
	}
	if err := follow(ctx, t.client, h.ID(), t.say, nil); err != nil {
		return err
	}
	if _, err := h.Wait(ctx); err != nil {
		return err
	}
	sweep, err := environment.Sweep.Start(ctx, t.client, environment.SweepSpec{Each: t.spec()}, orchestration.StartOptions{ID: "sweep"})
	if err != nil {
		return err
	}
	swept, err := sweep.Wait(ctx)
	if err != nil {
		return err
	}
	t.fact(swept.Groups == 0 && len(swept.Orphans) == 0, "the sweeper finds %d resource groups of this hub, %d of them orphans", swept.Groups, len(swept.Orphans))
	return t.checkEmpty(ctx)
}
