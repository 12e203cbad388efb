package environment

import (
	"context"
	"errors"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Sweep finds resource groups of this hub that no environment stands behind any
// more: its instance failed, was cancelled, or is not known at all. It says which,
// and removes them if asked to.
var Sweep = orchestration.Declare[SweepSpec, Swept]("sweep")

// SweepSpec says where to look.
type SweepSpec struct {
	Each   Spec `json:"each"`   // subscription, location and hub
	Remove bool `json:"remove"` // what is found; otherwise it is only reported
}

// Swept is what was found.
type Swept struct {
	Groups  int      `json:"groups"`            // of this hub, in all
	Orphans []string `json:"orphans,omitempty"` // ids of groups
	Removed int      `json:"removed"`
}

// The activities of a sweep.
var (
	// Groups lists the resource groups of a hub.
	Groups = activity.Declare[Spec, []OwnedGroup]("groups")
	// Lives tells whether an environment stands behind an instance.
	Lives = activity.Declare[Owner, bool]("lives")
)

// OwnedGroup is a resource group whose tags tell its owner.
type OwnedGroup struct {
	ID       string `json:"id"`
	Location string `json:"location"`
	Owner    Owner  `json:"owner"`
}

func sweep(ctx *orchestration.Context, spec SweepSpec) (swept Swept, err error) {
	if err := spec.Each.check(); err != nil {
		return swept, err
	}
	each := spec.Each.withDefaults()
	retry := each.options(Resource{}).Retry
	groups, err := Groups.Call(ctx, each, retry).Await()
	if err != nil {
		return swept, err
	}
	swept.Groups = len(groups)
	for _, g := range groups {
		lives, err := Lives.Call(ctx, g.Owner, retry).Await()
		if err != nil {
			return swept, err
		}
		if lives {
			continue
		}
		swept.Orphans = append(swept.Orphans, g.ID)
		if !spec.Remove {
			continue
		}
		// Names follow from the owner: so what is in the group is known (plan.go).
		plan := Plan{Spec: each, Owner: g.Owner}
		plan.Spec.Location = g.Location
		if _, err := TearDown.Call(ctx, plan).Await(); err != nil {
			return swept, err
		}
		swept.Removed++
	}
	return swept, nil
}

// lives tells whether an environment stands behind an instance: it is being made,
// or it was made. One that failed or was cancelled has removed what it made; if
// something is there all the same, it is an orphan.
func lives(client orchestration.Client) func(context.Context, Owner) (bool, error) {
	return func(ctx context.Context, o Owner) (bool, error) {
		instance, err := client.Status(ctx, orchestration.InstanceID(o.Instance))
		if errors.Is(err, provider.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return !instance.Status.Final() || instance.Status == history.StatusCompleted, nil
	}
}
