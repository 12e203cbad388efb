package resources

import (
	"context"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources/v3"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// tags are the owner's, as the SDK takes them.
func tags(r resource) map[string]*string {
	t := map[string]*string{}
	for name, value := range r.Owner.Tags() {
		t[name] = &value
	}
	return t
}

// differs says what is not as it is wanted, in words; empty for nothing.
type differs []string

func (d *differs) text(field, is, wanted string) {
	if !strings.EqualFold(is, wanted) {
		*d = append(*d, fmt.Sprintf("%s is %q, not %q", field, is, wanted))
	}
}

func (d *differs) number(field string, is, wanted float64) {
	if is != wanted {
		*d = append(*d, fmt.Sprintf("%s is %v, not %v", field, is, wanted))
	}
}

func (d *differs) flag(field string, is *bool, wanted bool) {
	if is == nil || *is != wanted {
		*d = append(*d, fmt.Sprintf("%s is not %v", field, wanted))
	}
}

// seen makes the reading of a resource.
func (d *differs) seen(state, etag string, value made) reading {
	return reading{State: state, ETag: etag, Value: value, Why: strings.Join(*d, "; "), Wanted: len(*d) == 0}
}

func namespaceKind(c *armresources.ProvidersClient) kind {
	return kind{
		read: func(ctx context.Context, r resource, _ *arm.ResourceID) (reading, map[string]*string, error) {
			p, err := c.Get(ctx, r.Name(), nil)
			if err != nil {
				return reading{}, nil, err
			}
			var d differs
			d.text("registrationState", text(p.RegistrationState), "Registered")
			state := ""
			if text(p.RegistrationState) == "Registering" {
				state = "Registering"
			}
			return d.seen(state, "", made{ID: r.ID}), nil, nil
		},
		put: func(ctx context.Context, r resource, _ *arm.ResourceID, _ string) (poller, error) {
			_, err := c.Register(ctx, r.Name(), nil)
			return nil, err // it is looked at until it is registered
		},
	}
}

func groupKind(c *armresources.ResourceGroupsClient) kind {
	value := func(g armresources.ResourceGroup) made { return made{ID: text(g.ID)} }
	return kind{
		version: "2021-04-01",
		read: func(ctx context.Context, _ resource, at *arm.ResourceID) (reading, map[string]*string, error) {
			g, err := c.Get(ctx, at.ResourceGroupName, nil)
			if err != nil {
				return reading{}, nil, err
			}
			return (&differs{}).seen(text(g.Properties.ProvisioningState), "", value(g.ResourceGroup)), g.Tags, nil
		},
		put: func(ctx context.Context, r resource, at *arm.ResourceID, _ string) (poller, error) {
			g, err := c.CreateOrUpdate(ctx, at.ResourceGroupName, armresources.ResourceGroup{Location: &r.Location, Tags: tags(r)}, nil)
			return lro.Completed(g, err, func(g armresources.ResourceGroupsClientCreateOrUpdateResponse) made { return value(g.ResourceGroup) })
		},
	}
}

// delegation lets an environment of container apps have the subnet.
const delegation = "Microsoft.App/environments"

func networkKind(c *armnetwork.VirtualNetworksClient) kind {
	value := func(v armnetwork.VirtualNetwork) made { return made{ID: text(v.ID)} }
	return kind{
		version: "2024-05-01",
		read: func(ctx context.Context, r resource, at *arm.ResourceID) (reading, map[string]*string, error) {
			v, err := c.Get(ctx, at.ResourceGroupName, at.Name, nil)
			if err != nil {
				return reading{}, nil, err
			}
			var d differs
			var prefixes []string
			if p := v.Properties; p.AddressSpace != nil {
				for _, prefix := range p.AddressSpace.AddressPrefixes {
					prefixes = append(prefixes, text(prefix))
				}
			}
			d.text("address space", strings.Join(prefixes, ", "), r.Address)
			d.subnet(v.Properties.Subnets, r)
			return d.seen(text(v.Properties.ProvisioningState), text(v.Etag), value(v.VirtualNetwork)), v.Tags, nil
		},
		put: func(ctx context.Context, r resource, at *arm.ResourceID, resume string) (poller, error) {
			p, err := c.BeginCreateOrUpdate(ctx, at.ResourceGroupName, at.Name, armnetwork.VirtualNetwork{
				Location: &r.Location, Tags: tags(r),
				Properties: &armnetwork.VirtualNetworkPropertiesFormat{
					AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{&r.Address}},
					Subnets: []*armnetwork.Subnet{{
						Name: new(environment.SubnetName),
						Properties: &armnetwork.SubnetPropertiesFormat{
							AddressPrefix: new(firstSubnet(r.Address)),
							Delegations:   []*armnetwork.Delegation{{Name: new(environment.SubnetName), Properties: &armnetwork.ServiceDelegationPropertiesFormat{ServiceName: new(delegation)}}},
						},
					}},
				},
			}, &armnetwork.VirtualNetworksClientBeginCreateOrUpdateOptions{ResumeToken: resume})
			return lro.From(p, err, func(v armnetwork.VirtualNetworksClientCreateOrUpdateResponse) made { return value(v.VirtualNetwork) })
		},
	}
}

// subnet compares the one that the apps get. Others are none of the plan's.
func (d *differs) subnet(subnets []*armnetwork.Subnet, r resource) {
	for _, s := range subnets {
		if s == nil || !strings.EqualFold(text(s.Name), environment.SubnetName) {
			continue
		}
		prefix, delegated := "", []string{}
		if p := s.Properties; p != nil {
			if prefix = text(p.AddressPrefix); prefix == "" && len(p.AddressPrefixes) == 1 { // newer APIs say it so
				prefix = text(p.AddressPrefixes[0])
			}
			for _, to := range p.Delegations {
				if to != nil && to.Properties != nil {
					delegated = append(delegated, text(to.Properties.ServiceName))
				}
			}
		}
		d.text("prefix of the subnet", prefix, firstSubnet(r.Address))
		d.text("delegation of the subnet", strings.Join(delegated, ", "), delegation)
		return
	}
	*d = append(*d, "the subnet "+environment.SubnetName+" is missing")
}

// firstSubnet is the first subnet of an address space such as 10.0.0.0/16.
func firstSubnet(space string) string {
	address, _, _ := strings.Cut(space, "/")
	return fmt.Sprintf("%s/%d", address, environment.SubnetBits)
}

func storageKind(c *armstorage.AccountsClient) kind {
	value := func(a armstorage.Account) made { return made{ID: text(a.ID)} }
	return kind{
		version: "2024-01-01",
		read: func(ctx context.Context, _ resource, at *arm.ResourceID) (reading, map[string]*string, error) {
			a, err := c.GetProperties(ctx, at.ResourceGroupName, at.Name, nil)
			if err != nil {
				return reading{}, nil, err
			}
			p := a.Properties
			var d differs
			sku := ""
			if a.SKU != nil {
				sku = text(a.SKU.Name)
			}
			d.text("kind", text(a.Kind), string(armstorage.KindStorageV2))
			d.text("SKU", sku, string(armstorage.SKUNameStandardLRS))
			d.text("minimum TLS version", text(p.MinimumTLSVersion), string(armstorage.MinimumTLSVersionTLS12))
			d.flag("HTTPS only", p.EnableHTTPSTrafficOnly, true)
			d.flag("public access to blobs", p.AllowBlobPublicAccess, false)
			return d.seen(text(p.ProvisioningState), "", value(a.Account)), a.Tags, nil
		},
		put: func(ctx context.Context, r resource, at *arm.ResourceID, resume string) (poller, error) {
			p, err := c.BeginCreate(ctx, at.ResourceGroupName, at.Name, armstorage.AccountCreateParameters{
				Kind: new(armstorage.KindStorageV2), Location: &r.Location, Tags: tags(r),
				SKU: &armstorage.SKU{Name: new(armstorage.SKUNameStandardLRS)},
				Properties: &armstorage.AccountPropertiesCreateParameters{
					MinimumTLSVersion: new(armstorage.MinimumTLSVersionTLS12), EnableHTTPSTrafficOnly: new(true), AllowBlobPublicAccess: new(false),
				},
			}, &armstorage.AccountsClientBeginCreateOptions{ResumeToken: resume})
			return lro.From(p, err, func(a armstorage.AccountsClientCreateResponse) made { return value(a.Account) })
		},
	}
}

func identityKind(c *armmsi.UserAssignedIdentitiesClient) kind {
	value := func(i armmsi.Identity) made { return made{ID: text(i.ID), Principal: text(i.Properties.PrincipalID)} }
	return kind{
		version: "2024-11-30",
		read: func(ctx context.Context, _ resource, at *arm.ResourceID) (reading, map[string]*string, error) {
			i, err := c.Get(ctx, at.ResourceGroupName, at.Name, nil)
			if err != nil {
				return reading{}, nil, err
			}
			return (&differs{}).seen("", "", value(i.Identity)), i.Tags, nil
		},
		put: func(ctx context.Context, r resource, at *arm.ResourceID, _ string) (poller, error) {
			i, err := c.CreateOrUpdate(ctx, at.ResourceGroupName, at.Name, armmsi.Identity{Location: &r.Location, Tags: tags(r)}, nil)
			return lro.Completed(i, err, func(i armmsi.UserAssignedIdentitiesClientCreateOrUpdateResponse) made { return value(i.Identity) })
		},
	}
}

func roleKind(c *armauthorization.RoleAssignmentsClient) kind {
	return kind{
		read: func(ctx context.Context, r resource, _ *arm.ResourceID) (reading, map[string]*string, error) {
			a, err := c.GetByID(ctx, r.ID, nil)
			if err != nil {
				return reading{}, nil, err
			}
			var d differs
			d.text("principal", text(a.Properties.PrincipalID), r.Principal)
			d.text("role", text(a.Properties.RoleDefinitionID), r.Role)
			return d.seen("", "", made{ID: text(a.ID)}), nil, nil
		},
		put: func(ctx context.Context, r resource, _ *arm.ResourceID, _ string) (poller, error) {
			a, err := c.Create(ctx, r.Scope, r.Name(), armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
				PrincipalID: &r.Principal, RoleDefinitionID: &r.Role, PrincipalType: new(armauthorization.PrincipalTypeServicePrincipal),
			}}, nil)
			return lro.Completed(a, err, func(a armauthorization.RoleAssignmentsClientCreateResponse) made { return made{ID: text(a.ID)} })
		},
	}
}
