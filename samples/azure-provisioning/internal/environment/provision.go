package environment

import (
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// The contract of provisioning.
var (
	// Provision makes an environment. Its instance id is the name of the
	// environment, and the owner of all that it makes. If it fails, is refused, or
	// is cancelled, it removes what it has made.
	Provision = orchestration.Declare[Spec, Outputs]("provision")
	// Approval answers whether an environment may stay.
	Approval = orchestration.DeclareEvent[Decision]("approval")
	// SmokeTest asks an app for its page.
	SmokeTest = activity.Declare[string, int]("smoke test")
)

// Decision is an answer to the question whether an environment may stay.
type Decision struct {
	Approved bool   `json:"approved"`
	By       string `json:"by"`
}

// Outputs is what an environment came to.
type Outputs struct {
	Plan      Plan   `json:"plan"`
	Group     string `json:"group"`
	Storage   string `json:"storage"`
	Identity  string `json:"identity"`
	Principal string `json:"principal"`
	Host      string `json:"host"` // where the app answers
	Approved  string `json:"approved,omitempty"`
}

// RefusedError is how an environment ends that nobody approved.
type RefusedError struct{ By string }

func (e *RefusedError) Error() string {
	if e.By == "" {
		return "nobody approved in time"
	}
	return "refused by " + e.By
}

func provision(ctx *orchestration.Context, spec Spec) (Outputs, error) {
	if err := spec.Check(); err != nil {
		return Outputs{}, err
	}
	plan := Plan{Spec: spec.withDefaults(), Owner: Owner{Hub: spec.Hub, Instance: string(ctx.Info().ID)}}
	w := newWork(plan)
	out, err := w.make(ctx)
	if err == nil {
		return out, nil
	}
	ctx.Logger().Warn("undoing", "environment", plan.Owner.Instance, "reason", err.Error())
	return Outputs{}, errors.Join(err, ctx.Shield(func(ctx *orchestration.Context) error {
		_, err := w.undo(ctx, "undoing")
		return err
	}))
}

// make makes the environment, stage by stage.
func (w *work) make(ctx *orchestration.Context) (out Outputs, err error) {
	p := w.plan
	if p.Spec.Budget != "" {
		w.enter(ctx, "waiting for writes")
		if err := w.reserve(ctx, len(p.Resources())); err != nil {
			return out, err
		}
	}
	w.enter(ctx, "making")
	group, err := w.ensure(ctx, p.Group())
	if err != nil {
		return out, err
	}
	// Side by side. When one fails, All cancels the others; what they have begun is
	// waited for (lro, L3), so that whoever cleans up knows all there is.
	networking, storing, identifying := w.branch(ctx, p.Network()), w.branch(ctx, p.Storage()), w.branch(ctx, p.Identity())
	side, err := orchestration.All(networking, storing, identifying).Await()
	if err != nil {
		return out, errors.Join(err, windDown(ctx, networking, storing, identifying))
	}
	storage, identity := side[1], side[2]
	if _, err := w.ensure(ctx, p.AppEnv()); err != nil {
		return out, err
	}
	app, err := w.ensure(ctx, p.App())
	if err != nil {
		return out, err
	}
	if _, err := w.ensure(ctx, p.Role(identity.Principal)); err != nil {
		return out, err
	}
	if err := w.smoke(ctx, app.Host); err != nil {
		return out, err
	}
	out = Outputs{Plan: p, Group: group.ID, Storage: storage.ID, Identity: identity.ID, Principal: identity.Principal, Host: app.Host}
	if out.Approved, err = w.approval(ctx); err != nil {
		return out, err
	}
	w.enter(ctx, phaseDone)
	return out, nil
}

// smokeLimit is how long the app may take to answer. An outage of the network, or of
// the workers, is no reason to undo what was made.
const smokeLimit = 2 * time.Hour

// smoke asks the app for its page until it answers.
func (w *work) smoke(ctx *orchestration.Context, address string) error {
	w.enter(ctx, "smoke test")
	for spent := time.Duration(0); ; { // as lro counts: requests and waits, not the clock
		began := ctx.Now()
		_, err := SmokeTest.Call(ctx, address, activity.Retry{}, activity.Options{Timeout: time.Minute}).Await()
		if err == nil || !lro.Unanswered(err) {
			return err
		}
		spent += min(ctx.Now().Sub(began), time.Minute)
		wait := max(w.plan.Spec.Pace, spent/100)
		if spent += wait; spent > smokeLimit {
			return err
		}
		if err := ctx.Sleep(wait); err != nil {
			return err
		}
	}
}

// windDown waits for branches that are being cancelled.
func windDown(ctx *orchestration.Context, branches ...orchestration.Awaitable) error {
	return ctx.Shield(func(*orchestration.Context) error {
		_, err := orchestration.Join(branches...).Await()
		return err
	})
}

// approval waits for a decision, but not for ever.
func (w *work) approval(ctx *orchestration.Context) (by string, err error) {
	limit := w.plan.Spec.Approval
	if limit == 0 {
		return "", nil
	}
	w.enter(ctx, "waiting for approval")
	decision := Approval.Wait(ctx, orchestration.WaitOptions{Description: "may " + w.plan.Owner.Instance + " stay?"})
	late := ctx.Timer(limit)
	won, err := orchestration.First(decision, late)
	if err != nil {
		return "", err
	}
	if won == late {
		return "", &RefusedError{}
	}
	late.Cancel()
	d, err := decision.Await()
	if err == nil && !d.Approved {
		err = &RefusedError{By: d.By}
	}
	return d.By, err
}

// branch makes a resource beside others.
func (w *work) branch(ctx *orchestration.Context, r Resource) *orchestration.Future[Made] {
	return orchestration.Go(ctx, func(ctx *orchestration.Context) (Made, error) { return w.ensure(ctx, r) })
}

// notRegistered is the code of a refusal in a subscription that has never used a
// service.
const notRegistered = "MissingSubscriptionRegistration"

// ensure makes a resource as it is wanted; and registers its provider, which
// happens once in the life of a subscription.
func (w *work) ensure(ctx *orchestration.Context, r Resource) (Made, error) {
	made, err := w.run(ctx, Ensure, r, "")
	if e, ok := errors.AsType[*lro.Error](err); ok && e.Code == notRegistered {
		registration := w.plan.registration(r.Kind)
		w.step(ctx, StepInfo{What: r.String(), State: string(lro.Begin), Why: "registering the subscription for " + registration.Name()})
		if _, err := Ensure.Run(ctx, registration, w.options(registration)); err != nil {
			return made, fmt.Errorf("registering for %s: %w", r, err)
		}
		made, err = w.run(ctx, Ensure, r, "")
	}
	return made, err
}
