package resources

import (
	"context"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/appcontainers/armappcontainers/v3"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// consumption is the workload profile that costs nothing while nothing runs.
const consumption = "Consumption"

func appEnvKind(c *armappcontainers.ManagedEnvironmentsClient) kind {
	value := func(e armappcontainers.ManagedEnvironment) made { return made{ID: text(e.ID)} }
	return kind{
		version: "2025-01-01",
		read: func(ctx context.Context, r resource, at *arm.ResourceID) (reading, map[string]*string, error) {
			e, err := c.Get(ctx, at.ResourceGroupName, at.Name, nil)
			if err != nil {
				return reading{}, nil, err
			}
			var d differs
			subnet := ""
			if v := e.Properties.VnetConfiguration; v != nil {
				subnet = text(v.InfrastructureSubnetID)
			}
			d.text("subnet", subnet, r.Subnet)
			if !slices.ContainsFunc(e.Properties.WorkloadProfiles, func(p *armappcontainers.WorkloadProfile) bool {
				return p != nil && strings.EqualFold(text(p.Name), consumption) && strings.EqualFold(text(p.WorkloadProfileType), consumption)
			}) {
				d = append(d, "the workload profile "+consumption+" is missing")
			}
			return d.seen(text(e.Properties.ProvisioningState), "", value(e.ManagedEnvironment)), e.Tags, nil
		},
		put: func(ctx context.Context, r resource, at *arm.ResourceID, resume string) (poller, error) {
			p, err := c.BeginCreateOrUpdate(ctx, at.ResourceGroupName, at.Name, armappcontainers.ManagedEnvironment{
				Location: &r.Location, Tags: tags(r),
				Properties: &armappcontainers.ManagedEnvironmentProperties{
					VnetConfiguration: &armappcontainers.VnetConfiguration{InfrastructureSubnetID: &r.Subnet},
					WorkloadProfiles:  []*armappcontainers.WorkloadProfile{{Name: new(consumption), WorkloadProfileType: new(consumption)}},
				},
			}, &armappcontainers.ManagedEnvironmentsClientBeginCreateOrUpdateOptions{ResumeToken: resume})
			return lro.From(p, err, func(e armappcontainers.ManagedEnvironmentsClientCreateOrUpdateResponse) made {
				return value(e.ManagedEnvironment)
			})
		},
	}
}

// What an app gets.
const (
	port        = 80
	cpu         = 0.25
	memory      = "0.5Gi"
	minReplicas = 0
	maxReplicas = 1
)

// app compares an app.
func (d *differs) app(a *armappcontainers.ContainerApp, r resource) {
	p := a.Properties
	d.text("environment", text(p.ManagedEnvironmentID), r.AppEnv)
	d.text("workload profile", text(p.WorkloadProfileName), consumption)
	if !runsAs(a.Identity, r.Identity) {
		*d = append(*d, "it does not run as the managed identity")
	}
	if p.Configuration == nil || p.Configuration.Ingress == nil {
		*d = append(*d, "the ingress is missing")
	} else {
		d.flag("ingress from outside", p.Configuration.Ingress.External, true)
		d.number("port of the ingress", amount(p.Configuration.Ingress.TargetPort), port)
	}
	if p.Template == nil || len(p.Template.Containers) != 1 || p.Template.Containers[0] == nil {
		*d = append(*d, "it has not exactly one container")
		return
	}
	d.text("image", text(p.Template.Containers[0].Image), r.Image)
	if given := p.Template.Containers[0].Resources; given == nil {
		*d = append(*d, "the container's resources are missing")
	} else {
		d.number("CPU", amount(given.CPU), cpu)
		d.text("memory", text(given.Memory), memory)
	}
	scale := armappcontainers.Scale{}
	if p.Template.Scale != nil {
		scale = *p.Template.Scale
	}
	d.number("least replicas", amount(scale.MinReplicas), minReplicas) // Azure leaves 0 out
	d.number("most replicas", amount(scale.MaxReplicas), maxReplicas)
}

// runsAs tells whether an app may act as an identity.
func runsAs(is *armappcontainers.ManagedServiceIdentity, identity string) bool {
	if is == nil || !strings.Contains(text(is.Type), string(armappcontainers.ManagedServiceIdentityTypeUserAssigned)) {
		return false
	}
	for id := range is.UserAssignedIdentities {
		if strings.EqualFold(id, identity) {
			return true
		}
	}
	return false
}

// amount is the number that the SDK points to.
func amount[N int32 | float64](n *N) float64 {
	if n == nil {
		return 0
	}
	return float64(*n)
}

func appKind(c *armappcontainers.ContainerAppsClient) kind {
	value := func(a armappcontainers.ContainerApp) made {
		m := made{ID: text(a.ID)}
		if p := a.Properties; p != nil && p.Configuration != nil && p.Configuration.Ingress != nil {
			m.Host = text(p.Configuration.Ingress.Fqdn)
		}
		return m
	}
	return kind{
		version: "2025-01-01",
		read: func(ctx context.Context, r resource, at *arm.ResourceID) (reading, map[string]*string, error) {
			a, err := c.Get(ctx, at.ResourceGroupName, at.Name, nil)
			if err != nil {
				return reading{}, nil, err
			}
			var d differs
			d.app(&a.ContainerApp, r)
			return d.seen(text(a.Properties.ProvisioningState), "", value(a.ContainerApp)), a.Tags, nil
		},
		put: func(ctx context.Context, r resource, at *arm.ResourceID, resume string) (poller, error) {
			p, err := c.BeginCreateOrUpdate(ctx, at.ResourceGroupName, at.Name, armappcontainers.ContainerApp{
				Location: &r.Location, Tags: tags(r),
				Identity: &armappcontainers.ManagedServiceIdentity{
					Type: new(armappcontainers.ManagedServiceIdentityTypeUserAssigned), UserAssignedIdentities: map[string]*armappcontainers.UserAssignedIdentity{r.Identity: {}},
				},
				Properties: &armappcontainers.ContainerAppProperties{
					ManagedEnvironmentID: &r.AppEnv, WorkloadProfileName: new(consumption),
					Configuration: &armappcontainers.Configuration{Ingress: &armappcontainers.Ingress{External: new(true), TargetPort: new(int32(port))}},
					Template: &armappcontainers.Template{
						Containers: []*armappcontainers.Container{{Name: new("app"), Image: &r.Image, Resources: &armappcontainers.ContainerResources{CPU: new(cpu), Memory: new(memory)}}},
						Scale:      &armappcontainers.Scale{MinReplicas: new(int32(minReplicas)), MaxReplicas: new(int32(maxReplicas))},
					},
				},
			}, &armappcontainers.ContainerAppsClientBeginCreateOrUpdateOptions{ResumeToken: resume})
			return lro.From(p, err, func(a armappcontainers.ContainerAppsClientCreateOrUpdateResponse) made { return value(a.ContainerApp) })
		},
	}
}
