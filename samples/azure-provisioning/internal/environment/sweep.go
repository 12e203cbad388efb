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
// and removes them if asked to. Of an instance that is not known the sweeper cannot
// tell how it ended: an environment that works well is among these once its
// instance was purged. So they have a question of their own.
var Sweep = orchestration.Declare[SweepSpec, Swept]("sweep")

// SweepSpec says where to look.
type SweepSpec struct {
	Each   Spec `json:"each"`   // subscription, location and hub
	Remove bool `json:"remove"` // orphans whose instance has ended; otherwise they are only reported
	// RemoveUnknown removes those, too, whose instance this hub does not know. Ask
	// for it only where no instance is purged whose environment is to stay.
	RemoveUnknown bool `json:"removeUnknown,omitempty"`
}

// Swept is what was found.
type Swept struct {
	Groups  int      `json:"groups"`            // of this hub, in all
	Orphans []string `json:"orphans,omitempty"` // ids of groups
	Unknown []string `json:"unknown,omitempty"` // those of Orphans whose instance is not known
	Removed int      `json:"removed"`
}

// The activities of a sweep.
var (
	// Groups lists the resource groups of a hub.
	Groups = activity.Declare[Spec, []OwnedGroup]("groups")
	// Lives tells what stands behind a group.
	Lives = activity.Declare[Owner, Life]("lives")
)

// Life is what stands behind a group.
type Life string

// The lives.
const (
	Living  Life = "living"  // it is being made, or was made
	Ended   Life = "ended"   // it failed or was cancelled, and should have removed what it made
	Unknown Life = "unknown" // its instance was purged, or is of another store
)

// OwnedGroup is a resource group whose tags tell its owner.
type OwnedGroup struct {
	ID       string `json:"id"`
	Location string `json:"location"`
	Owner    Owner  `json:"owner"`
}

func sweep(ctx *orchestration.Context, spec SweepSpec) (swept Swept, err error) {
	if err := spec.Each.Check(); err != nil {
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
		life, err := Lives.Call(ctx, g.Owner, retry).Await()
		if err != nil {
			return swept, err
		}
		if life == Living {
			continue
		}
		swept.Orphans = append(swept.Orphans, g.ID)
		remove := spec.Remove
		if life == Unknown {
			swept.Unknown = append(swept.Unknown, g.ID)
			remove = spec.RemoveUnknown
		}
		if !remove {
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

// lives asks the store what stands behind a group.
func lives(client orchestration.Client) func(context.Context, Owner) (Life, error) {
	return func(ctx context.Context, o Owner) (Life, error) {
		instance, err := client.Status(ctx, orchestration.InstanceID(o.Instance))
		switch {
		case errors.Is(err, provider.ErrNotFound):
			return Unknown, nil
		case err != nil:
			return "", err
		case !instance.Status.Final() || instance.Status == history.StatusCompleted:
			return Living, nil
		}
		return Ended, nil
	}
}
