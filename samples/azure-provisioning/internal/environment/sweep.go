package environment

import (
	"context"
	"errors"
	"strings"

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
	// Foreign are ids of groups that have another name than the owner in their tags
	// gives: somebody copied the tags. They are left alone, and so is what the owner
	// has made: it is another group.
	Foreign []string  `json:"foreign,omitempty"`
	Failed  []Failure `json:"failed,omitempty"` // those of Orphans that should have gone, by id
	Removed int       `json:"removed"`
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

// Plan is what the owner in a group's tags has made, in the place of each. It is
// not that of the group if the group has another name: then the tags are a copy.
func (g OwnedGroup) Plan(each Spec) (p Plan, its bool) {
	each.Location = g.Location
	p = Plan{Spec: each, Owner: g.Owner}
	return p, strings.EqualFold(p.Group().ID, g.ID)
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
		// Names follow from the owner: so what is in the group is known (plan.go).
		plan, its := g.Plan(each)
		if !its {
			swept.Foreign = append(swept.Foreign, g.ID)
			continue
		}
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
		switch _, err := TearDown.Call(ctx, plan).Await(); {
		case ctx.Cancelled():
			return swept, orchestration.ErrCancelled
		case err != nil: // it keeps no other group from going
			swept.Failed = append(swept.Failed, Failure{g.ID, shorten(reason(err), maxReason)})
		default:
			swept.Removed++
		}
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
