package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Claim is whose the environment in Azure is that a store knows of, and where. It
// is drawn once for a store, so that two stores never take the resources of each
// other for their own.
type Claim struct {
	Name         string // the instance that makes the environment, and owns it
	Subscription string
	Location     string
}

// claiming keeps a claim, as the tags of its one instance. It has nothing to do:
// the claim is there before any worker is.
var claiming = orchestration.Declare[orchestration.None, orchestration.None]("claim")

func claim(*orchestration.Context, orchestration.None) (none orchestration.None, err error) {
	return none, nil
}

// claimID is the instance that keeps the claim.
const claimID = "claim"

// The names of its tags.
const (
	nameTag         = "name"
	subscriptionTag = "subscription"
	locationTag     = "location"
)

// Draw keeps a new claim in the store, unless it has one, and returns the one that
// it has.
func Draw(ctx context.Context, client *core.Client, subscription, location string) (Claim, error) {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // it never fails
	_, err := claiming.Start(ctx, client, orchestration.None{}, orchestration.StartOptions{
		ID: claimID, Reuse: orchestration.ReuseIgnore,
		Tags: map[string]string{nameTag: "sample-" + hex.EncodeToString(random), subscriptionTag: subscription, locationTag: location},
	})
	if err != nil {
		return Claim{}, err
	}
	return Claimed(ctx, client)
}

// Claimed reads the claim of a store. It is provider.ErrNotFound if there is none.
func Claimed(ctx context.Context, client *core.Client) (Claim, error) {
	i, err := client.Status(ctx, claimID)
	if err != nil {
		return Claim{}, err
	}
	return Claim{i.Tags[nameTag], i.Tags[subscriptionTag], i.Tags[locationTag]}, nil
}

// Check reports an error if a claim is for another place.
func (c Claim) Check(store Store, subscription, location string) error {
	if c.Subscription == subscription && c.Location == location {
		return nil
	}
	return fmt.Errorf("the state in %s is of an environment in subscription %s, location %s: write --subscription %s --location %s, or name another --store",
		store, c.Subscription, c.Location, c.Subscription, c.Location)
}
