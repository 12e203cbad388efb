package resources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

type (
	resource = environment.Resource
	made     = environment.Made
	reading  = lro.Reading[made]
	poller   = lro.Poller[made]
)

// kind is how a kind of resource is read and asked for.
type kind struct {
	// read reads a resource that exists, with its tags.
	read func(ctx context.Context, r resource, at *arm.ResourceID) (reading, map[string]*string, error)
	// put asks for it, or takes up what a resume token stands for.
	put func(ctx context.Context, r resource, at *arm.ResourceID, resume string) (poller, error)
	// version of the API that removes it; empty for kinds without tags.
	version string
}

// find reads a resource that may exist, and tells whether it is the owner's.
func (m *Manager) find(ctx context.Context, r resource) (seen reading, ours bool, err error) {
	at, k, err := m.of(r)
	if err != nil {
		return seen, false, err
	}
	seen, tags, err := k.read(ctx, r, at)
	if missing(err) {
		return reading{}, true, nil
	}
	if err != nil {
		return seen, false, err
	}
	seen.Exists = true
	return seen, k.version == "" || ownerOf(tags) == r.Owner, nil
}

func (m *Manager) of(r resource) (*arm.ResourceID, kind, error) {
	k, ok := m.kinds[r.Kind]
	if !ok {
		return nil, k, &lro.Error{What: "look at " + r.String(), Code: "UnknownKind", Message: "this worker does not know the kind: deploy one that does"}
	}
	if r.Kind == environment.Namespace {
		return nil, k, nil // its id is none of a resource
	}
	at, err := arm.ParseResourceID(r.ID)
	if err != nil {
		return nil, k, &lro.Error{What: "look at " + r.String(), Code: "BadID", Message: err.Error()}
	}
	return at, k, nil
}

func notOurs(r resource, why string) error {
	return &lro.Error{What: "change " + r.String(), Code: environment.NotOurs, Message: fmt.Sprintf(
		"%s; it is left alone. If it is to go, remove it by hand; if it is to stay, choose another name for the environment", why)}
}

// ensure asks for a resource, unless it is there already (M1).
func (m *Manager) ensure(ctx context.Context, r resource, resume string) (poller, error) {
	at, k, err := m.of(r)
	if err != nil {
		return nil, err
	}
	if resume != "" {
		return k.put(ctx, r, at, resume)
	}
	seen, ours, err := m.find(lro.Unconditional(ctx), r)
	switch {
	case err != nil:
		return nil, err
	case !ours:
		return nil, notOurs(r, "it exists, and its tags name another owner")
	case !seen.Settled():
		return nil, lro.ErrUnderWay
	case seen.Exists && seen.Done():
		return lro.Completed(seen.Value, nil, func(v made) made { return v })
	}
	return k.put(ctx, r, at, "")
}

// look reads a resource.
func (m *Manager) look(ctx context.Context, r resource) (reading, error) {
	seen, ours, err := m.find(ctx, r)
	if err == nil && !ours {
		err = notOurs(r, "it exists, and its tags name another owner")
	}
	if err == nil && !seen.Exists {
		seen.Why = "it does not exist"
	}
	return seen, err
}

// remove asks for a resource to go, unless it is somebody else's.
func (m *Manager) remove(ctx context.Context, r resource, resume string) (poller, error) {
	if resume != "" {
		return m.delete(ctx, r, resume)
	}
	seen, ours, err := m.find(ctx, r)
	switch {
	case err != nil:
		return nil, err
	case !seen.Exists:
		return lro.Completed(made{}, nil, nothing[made])
	case !ours:
		return nil, notOurs(r, "its tags name another owner")
	case !seen.Settled():
		return nil, lro.ErrUnderWay
	}
	if r.Kind == environment.Group {
		if err := m.onlyOurs(ctx, r); missing(err) { // it went meanwhile
			return lro.Completed(made{}, nil, nothing[made])
		} else if err != nil {
			return nil, err
		}
	}
	if seen.ETag != "" { // where the service knows conditions, what was seen is what goes
		ctx = policy.WithHTTPHeader(ctx, http.Header{"If-Match": {seen.ETag}})
	}
	p, err := m.delete(ctx, r, "")
	if missing(err) { // it went meanwhile
		return lro.Completed(made{}, nil, nothing[made])
	}
	return p, err
}

func (m *Manager) delete(ctx context.Context, r resource, resume string) (poller, error) {
	if r.Kind == environment.RoleAssigning {
		answer, err := m.roles.DeleteByID(ctx, r.ID, nil)
		return lro.Completed(answer, err, nothing)
	}
	if r.Kind == environment.Group {
		p, err := m.groups.BeginDelete(ctx, r.Name(), &armresources.ResourceGroupsClientBeginDeleteOptions{ResumeToken: resume})
		return lro.From(p, err, nothing)
	}
	p, err := m.resources.BeginDeleteByID(ctx, r.ID, m.kinds[r.Kind].version, &armresources.ClientBeginDeleteByIDOptions{ResumeToken: resume})
	return lro.From(p, err, nothing)
}

func nothing[R any](R) made { return made{} }

// gone looks whether a resource is gone.
func (m *Manager) gone(ctx context.Context, r resource) (reading, error) {
	seen, ours, err := m.find(ctx, r)
	switch {
	case err != nil:
		return seen, err
	case !seen.Exists:
		seen.Wanted = true
	case !ours:
		return seen, notOurs(r, "its tags name another owner")
	default:
		seen.Wanted, seen.Why = false, "it is still there"
	}
	return seen, nil
}

// onlyOurs refuses to remove a group that has something of others in it (M2).
func (m *Manager) onlyOurs(ctx context.Context, r resource) error {
	pages := m.resources.NewListByResourceGroupPager(r.Name(), nil)
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, other := range page.Value {
			if ownerOf(other.Tags) != r.Owner {
				return notOurs(r, fmt.Sprintf("%s is in it, whose tags do not name %s", text(other.ID), r.Owner.Instance))
			}
		}
	}
	return nil
}

func ownerOf(tags map[string]*string) environment.Owner {
	var o environment.Owner
	for name, value := range tags { // Azure compares the names of tags without regard to case
		switch strings.ToLower(name) {
		case environment.HubTag:
			o.Hub = text(value)
		case environment.InstanceTag:
			o.Instance = text(value)
		}
	}
	return o
}

// missing reports whether an error says that something does not exist.
func missing(err error) bool {
	response, ok := errors.AsType[*azcore.ResponseError](err)
	return ok && response.StatusCode == http.StatusNotFound
}

// text is the text that the SDK points to.
func text[S ~string](s *S) string {
	if s == nil {
		return ""
	}
	return string(*s)
}
