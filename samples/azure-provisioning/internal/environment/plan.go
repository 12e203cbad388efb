package environment

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// Spec is the input of [Provision]: what somebody wants.
type Spec struct {
	Subscription string `json:"subscription"`
	Location     string `json:"location"`
	Hub          string `json:"hub"`               // of the store, so that two hubs do not take each other's resources for their own
	Image        string `json:"image,omitempty"`   // of the app; default [DefaultImage]
	Address      string `json:"address,omitempty"` // of the network; default 10.0.0.0/16
	// Approval is how long to wait for somebody to approve; none is needed if 0.
	Approval time.Duration `json:"approval,omitempty"`
	// Budget is the instance of [Budget] that hands out writes; it must run, or
	// nothing is made. Empty for none.
	Budget string `json:"budget,omitempty"`
	// Pace is how long to wait where the service does not say; default 10 s. The
	// emulator is faster than Azure.
	Pace time.Duration `json:"pace,omitempty"`
}

// defaultPace suits Azure: most operations take minutes.
const defaultPace = 10 * time.Second

func (s Spec) withDefaults() Spec {
	s.Image = cmp.Or(s.Image, DefaultImage)
	s.Address = cmp.Or(s.Address, "10.0.0.0/16")
	s.Pace = cmp.Or(s.Pace, defaultPace)
	return s
}

// The forms of what becomes part of addresses.
var (
	subscriptionForm = regexp.MustCompile(`^[0-9A-Fa-f-]{36}$`)
	locationForm     = regexp.MustCompile(`^[a-z0-9]{2,40}$`)
)

func isAddressSpace(text string) bool {
	prefix, err := netip.ParsePrefix(text)
	return err == nil && prefix.Addr().Is4() && prefix == prefix.Masked() && prefix.Bits() <= SubnetBits
}

// Check says what is wrong with it, as an *lro.Error.
func (s Spec) Check() error {
	bad := func(format string, args ...any) error {
		return &lro.Error{What: "checking the specification", Code: "BadSpec", Message: fmt.Sprintf(format, args...)}
	}
	switch {
	case !subscriptionForm.MatchString(s.Subscription):
		return bad("the subscription %.60q is no id such as 00000000-0000-0000-0000-000000000000: see az account list", s.Subscription)
	case !locationForm.MatchString(s.Location):
		return bad("the location %.60q is none such as westeurope: see az account list-locations", s.Location)
	case s.Hub == "":
		return bad("the name of the hub is missing: it is part of what tells whose a resource is")
	case s.Address != "" && !isAddressSpace(s.Address):
		return bad("the address %.60q is no space such as 10.0.0.0/16: it needs room for a subnet of /%d", s.Address, SubnetBits)
	case s.Approval < 0 || s.Pace < 0:
		return bad("approval %v and pace %v must not be negative", s.Approval, s.Pace)
	}
	return nil
}

// options are those of a long-running operation on a resource.
func (s Spec) options(r Resource) lro.Options {
	return lro.Options{
		Every: s.Pace, Describe: r.String(),
		Retry: activity.Retry{MaxAttempts: 12, First: s.Pace / 10, Max: 3 * s.Pace, Jitter: 0.3},
	}
}

// DefaultImage is what the app runs unless its specification says otherwise.
const DefaultImage = "mcr.microsoft.com/k8se/quickstart:latest"

// reader is the id of the role Reader, the same in all of Azure.
const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

// SubnetName is that of the one subnet of a network, for the container apps.
const SubnetName = "apps"

// SubnetBits is the length of its prefix: container apps need a /23.
const SubnetBits = 23

// Plan is the resources of an environment. It follows from the specification and
// the owner alone, so that whoever knows these two can look for what is there,
// repair it, or remove it.
type Plan struct {
	Spec  Spec  `json:"spec"`
	Owner Owner `json:"owner"`
}

func (p Plan) groupID() string {
	return fmt.Sprintf("/subscriptions/%s/resourceGroups/rg-%s-%s", p.Spec.Subscription, p.Owner.label(), p.Owner.hash(p.Spec.Subscription))
}

// resource begins one in the group.
func (p Plan) resource(kind Kind, namespace, kinds, prefix string) Resource {
	return Resource{
		Kind: kind, Location: p.Spec.Location, Owner: p.Owner,
		ID: fmt.Sprintf("%s/providers/%s/%s/%s%s", p.groupID(), namespace, kinds, prefix, p.Owner.hash(p.Spec.Subscription)),
	}
}

// Group is the resource group.
func (p Plan) Group() Resource {
	return Resource{Kind: Group, ID: p.groupID(), Location: p.Spec.Location, Owner: p.Owner}
}

// Network is the virtual network, with one subnet for container apps.
func (p Plan) Network() Resource {
	r := p.resource(Network, "Microsoft.Network", "virtualNetworks", "vnet-")
	r.Address = p.Spec.Address
	return r
}

// Storage is the storage account.
func (p Plan) Storage() Resource {
	return p.resource(Storage, "Microsoft.Storage", "storageAccounts", "st")
}

// Identity is the managed identity that the app runs as.
func (p Plan) Identity() Resource {
	return p.resource(Identity, "Microsoft.ManagedIdentity", "userAssignedIdentities", "id-")
}

// AppEnv is the environment of container apps, in the network.
func (p Plan) AppEnv() Resource {
	r := p.resource(AppEnv, "Microsoft.App", "managedEnvironments", "cae-")
	r.Subnet = p.Network().ID + "/subnets/" + SubnetName
	return r
}

// App is the container app.
func (p Plan) App() Resource {
	r := p.resource(App, "Microsoft.App", "containerApps", "app-")
	r.AppEnv, r.Identity, r.Image = p.AppEnv().ID, p.Identity().ID, p.Spec.Image
	return r
}

// Role lets the identity read the group. The principal is known once the identity
// exists.
func (p Plan) Role(principal string) Resource {
	return Resource{
		Kind: RoleAssigning, Owner: p.Owner, Scope: p.groupID(), Principal: principal,
		ID:   p.groupID() + "/providers/Microsoft.Authorization/roleAssignments/" + p.Owner.uuid(p.Spec.Subscription, "reader"),
		Role: fmt.Sprintf("/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/%s", p.Spec.Subscription, reader),
	}
}

// stages are the resources in the order in which they are made; those of a stage
// side by side.
func (p Plan) stages(principal string) [][]Resource {
	return [][]Resource{
		{p.Group()},
		{p.Network(), p.Storage(), p.Identity()},
		{p.AppEnv()},
		{p.App()},
		{p.Role(principal)},
	}
}

// Resources are all, in the order in which they are made.
func (p Plan) Resources() (all []Resource) {
	for _, stage := range p.stages("") {
		all = append(all, stage...)
	}
	return all
}

// namespaces of the resource providers, by kind.
var namespaces = map[Kind]string{
	Network: "Microsoft.Network", Storage: "Microsoft.Storage", Identity: "Microsoft.ManagedIdentity",
	AppEnv: "Microsoft.App", App: "Microsoft.App",
}

// registration is the registration of the resource provider of a resource.
func (p Plan) registration(of Kind) Resource {
	return Resource{Kind: Namespace, ID: "/subscriptions/" + p.Spec.Subscription + "/providers/" + namespaces[of], Owner: p.Owner}
}
