package environment

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// Kind is a kind of resource.
type Kind string

// The kinds of resources that environments consist of.
const (
	Namespace     Kind = "registration" // of a resource provider; not a resource
	Group         Kind = "resource group"
	Network       Kind = "virtual network"
	Storage       Kind = "storage account"
	Identity      Kind = "managed identity"
	AppEnv        Kind = "container app environment"
	App           Kind = "container app"
	RoleAssigning Kind = "role assignment"
)

// Resource is one resource as it is wanted, or is to go. Its id is all that
// matters for the latter.
type Resource struct {
	Kind     Kind   `json:"kind"`
	ID       string `json:"id"`
	Location string `json:"location,omitempty"`
	Owner    Owner  `json:"owner"`

	Address   string `json:"address,omitempty"`   // of a network, such as 10.0.0.0/16
	Subnet    string `json:"subnet,omitempty"`    // id, of an environment of container apps
	AppEnv    string `json:"appEnv,omitempty"`    // id, of an app
	Identity  string `json:"identity,omitempty"`  // id, of an app
	Image     string `json:"image,omitempty"`     // of an app
	Scope     string `json:"scope,omitempty"`     // id, of a role assignment
	Role      string `json:"role,omitempty"`      // id of the role's definition
	Principal string `json:"principal,omitempty"` // who gets the role
}

// Name is the last part of the id.
func (r Resource) Name() string { return r.ID[strings.LastIndex(r.ID, "/")+1:] }

func (r Resource) String() string { return string(r.Kind) + " " + r.Name() }

// needs reports whether a resource cannot be without another: it refers to it, or
// is in it.
func (r Resource) needs(other Resource) bool {
	in := func(id string) bool { return id == other.ID || strings.HasPrefix(id, other.ID+"/") }
	return strings.HasPrefix(r.ID, other.ID+"/") || slices.ContainsFunc([]string{r.Subnet, r.AppEnv, r.Identity, r.Scope}, in)
}

// Made is what a resource came to.
type Made struct {
	ID        string `json:"id"`
	Principal string `json:"principal,omitempty"` // of an identity
	Host      string `json:"host,omitempty"`      // where an app answers
}

// The two long-running operations. They are declared for all kinds of resources
// at once, so that orchestrations treat them alike; package resources has the
// clients of the Azure SDK behind them.
var (
	// Ensure makes a resource as it is wanted. It refuses to touch one of another
	// owner.
	Ensure = lro.Declare[Resource, Made]("ensure")
	// Remove removes a resource, unless it has another owner: then it fails with
	// an *lro.Error whose code is [NotOurs].
	Remove = lro.Declare[Resource, Made]("remove")
)

// NotOurs is the code of an error about a resource that has another owner, or a
// group with resources of others in it. Nothing was done about it.
const NotOurs = "NotOurs"

// Owner is who made a resource: an instance of a hub. It is in the resource's
// tags, and never changes.
type Owner struct {
	Hub      string `json:"hub"`
	Instance string `json:"instance"`
}

// The names of the tags that tell the owner.
const (
	HubTag      = "durable-hub"
	InstanceTag = "durable-instance"
)

// Tags are those of everything that the owner makes.
func (o Owner) Tags() map[string]string {
	return map[string]string{HubTag: o.Hub, InstanceTag: o.Instance}
}

// hash makes short names of an owner: the same each time, so that asking again
// for what was asked for before finds it (deterministic names are what makes a
// begin repeatable), and different for different owners.
func (o Owner) hash(subscription string) string {
	h := sha256.Sum256([]byte(subscription + "\x00" + o.Hub + "\x00" + o.Instance))
	return fmt.Sprintf("%x", h[:6])
}

// uuid derives one: role assignments are named by one.
func (o Owner) uuid(subscription, purpose string) string {
	h := sha256.Sum256([]byte(subscription + "\x00" + o.Hub + "\x00" + o.Instance + "\x00" + purpose))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// label is a readable part for names: Azure's rules for them differ, and these
// fit all.
func (o Owner) label() string {
	label := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(o.Instance), "-"), "-")
	if len(label) > 16 {
		label = strings.Trim(label[:16], "-")
	}
	if label == "" {
		return "env"
	}
	return label
}
