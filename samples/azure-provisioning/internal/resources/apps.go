package resources

import (
	"context"

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
			image := ""
			if t := a.Properties.Template; t != nil && len(t.Containers) == 1 {
				image = text(t.Containers[0].Image)
			}
			d.text("image", image, r.Image)
			d.text("environment", text(a.Properties.ManagedEnvironmentID), r.AppEnv)
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
					Configuration: &armappcontainers.Configuration{Ingress: &armappcontainers.Ingress{External: new(true), TargetPort: new(int32(80))}},
					Template: &armappcontainers.Template{
						Containers: []*armappcontainers.Container{{Name: new("app"), Image: &r.Image, Resources: &armappcontainers.ContainerResources{CPU: new(0.25), Memory: new("0.5Gi")}}},
						Scale:      &armappcontainers.Scale{MinReplicas: new(int32(0)), MaxReplicas: new(int32(1))},
					},
				},
			}, &armappcontainers.ContainerAppsClientBeginCreateOrUpdateOptions{ResumeToken: resume})
			return lro.From(p, err, func(a armappcontainers.ContainerAppsClientCreateOrUpdateResponse) made { return value(a.ContainerApp) })
		},
	}
}
