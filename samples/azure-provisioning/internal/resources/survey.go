package resources

import (
	"context"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// Survey is what there is in a subscription, for somebody who is about to decide.
type Survey struct {
	Owned []environment.OwnedGroup // the resource groups of the hub
	There bool                     // the plan's own group exists
	Ours  bool                     // and its tags name the plan's owner
}

// Survey looks once, and changes nothing.
func (m *Manager) Survey(ctx context.Context, plan environment.Plan) (s Survey, err error) {
	if s.Owned, err = m.ownedGroups(ctx, plan.Spec); err != nil {
		return s, err
	}
	seen, ours, err := m.find(ctx, plan.Group())
	if err != nil {
		return s, lro.Clean("look at "+plan.Group().String(), err)
	}
	s.There, s.Ours = seen.Exists, seen.Exists && ours
	return s, nil
}
