package emulator

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// AppDomain is where container apps answer, by the name of the host that is asked
// for: any address of the emulator serves them.
const AppDomain = ".apps.emulator.internal"

// resource is one, groups included.
type resource struct {
	place
	asked     map[string]any // what was PUT last
	state     string         // provisioningState
	settled   bool           // it has once been complete
	revision  int
	operation *operation // in progress
	visible   time.Time  // when others see an identity's principal
	sought    bool       // somebody has looked for it
	coldUntil time.Time  // an app answers 503 before
}

func (r *resource) etag() string { return fmt.Sprintf(`W/"%d"`, r.revision) }

// uuid derives one from the resource's id and a purpose.
func (r *resource) uuid(purpose string) string {
	h := sha256.Sum256([]byte(purpose + r.key))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// body is the resource as a client sees it.
func (r *resource) body() map[string]any {
	b := maps.Clone(r.asked)
	b["id"], b["name"], b["type"] = r.id, r.name, r.kind
	properties, _ := b["properties"].(map[string]any)
	properties = maps.Clone(properties)
	if properties == nil {
		properties = map[string]any{}
	}
	if r.kind != kindIdentity && r.kind != kindRole {
		properties["provisioningState"] = r.state
	}
	switch r.kind {
	case kindIdentity:
		properties["principalId"], properties["clientId"] = r.uuid("principal"), r.uuid("client")
	case "microsoft.network/virtualnetworks":
		b["etag"] = r.etag()
	case "microsoft.app/containerapps":
		configuration, _ := properties["configuration"].(map[string]any)
		ingress, _ := configuration["ingress"].(map[string]any)
		if ingress != nil {
			configuration, ingress = maps.Clone(configuration), maps.Clone(ingress)
			ingress["fqdn"] = r.fqdn()
			configuration["ingress"], properties["configuration"] = ingress, configuration
		}
	}
	b["properties"] = properties
	return b
}

func (r *resource) fqdn() string { return r.name + AppDomain }

func (s *Server) get(at place) answer {
	r := s.resources[at.key]
	if r == nil {
		return missing(at)
	}
	return answer{status: http.StatusOK, body: r.body()}
}

func missing(at place) answer {
	if at.kind == kindGroup {
		return failure(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", at.name)
	}
	return failure(http.StatusNotFound, "ResourceNotFound", "The resource '%s' was not found.", at.id)
}

func (s *Server) put(req *http.Request, at place) answer {
	b, known := behaviours[at.kind]
	if !known {
		return failure(http.StatusBadRequest, "InvalidResourceType", "the emulator does not know the type %s", at.kind)
	}
	var asked map[string]any
	if err := json.NewDecoder(http.MaxBytesReader(nil, req.Body, 1<<20)).Decode(&asked); err != nil {
		return failure(http.StatusBadRequest, "InvalidRequestContent", "the body is no JSON object: %v", err)
	}
	delete(asked, "id")
	r := s.resources[at.key]
	if refusal := s.refuses(req, at, asked, r, b); refusal != nil {
		return *refusal
	}
	created := r == nil
	switch {
	case created:
		r = &resource{place: at}
		s.resources[at.key] = r
	case r.operation != nil: // and a PUT joins it
		return answer{status: http.StatusOK, body: r.body()}.after(s.cfg.Pace)
	case r.state == "Succeeded" && reflect.DeepEqual(r.asked, asked):
		return answer{status: http.StatusOK, body: r.body()}
	}
	r.asked = asked
	r.revision++
	what := Created
	if !created {
		what = Updated
	}
	s.record(what, r, "")
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	if b.style == atOnce {
		r.state, r.settled = "Succeeded", true
		s.completed(r)
		return answer{status: status, body: r.body()}
	}
	o := s.operate(r, b.style, b.steps, false)
	if b.style == styleLocation {
		status = http.StatusAccepted
	}
	return s.accepted(o, status, r.body(), req.Host)
}

// refuses says why a PUT is refused, nil if it is not.
func (s *Server) refuses(req *http.Request, at place, asked map[string]any, r *resource, b behaviour) *answer {
	refuse := func(status int, code, format string, args ...any) *answer {
		a := failure(status, code, format, args...)
		return &a
	}
	if at.group != "" {
		group := s.resources[at.group]
		switch {
		case group == nil:
			return refuse(http.StatusNotFound, "ResourceGroupNotFound", "Resource group of '%s' could not be found.", at.id)
		case group.state == "Deleting":
			return refuse(http.StatusConflict, "ResourceGroupBeingDeleted", "The resource group is being deleted.")
		}
		if since, ok := s.registered[strings.ToLower(at.namespace)]; !s.cfg.Registered && at.kind != kindRole && (!ok || s.cfg.Now().Before(since)) {
			return refuse(http.StatusConflict, "MissingSubscriptionRegistration", "The subscription is not registered to use namespace '%s'.", at.namespace)
		}
	}
	if r != nil && r.operation != nil && (b.busy != "" || r.operation.deletes) {
		code := b.busy
		if code == "" {
			code = "OperationInProgress"
		}
		a := failure(http.StatusConflict, code, "An operation is in progress on '%s'.", at.name).after(s.cfg.Pace)
		return &a
	}
	if match := req.Header.Get("If-Match"); match != "" && match != "*" && (r == nil || r.etag() != match) {
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed", "The resource is not at %s.", match)
	}
	if at.kind == kindRole {
		return s.refusesRole(at, asked)
	}
	if reference := s.dangling(asked); reference != "" {
		return refuse(http.StatusBadRequest, "InvalidResourceReference", "Resource %s was not found.", reference)
	}
	return nil
}

// refusesRole says why a role assignment is refused.
func (s *Server) refusesRole(at place, asked map[string]any) *answer {
	properties, _ := asked["properties"].(map[string]any)
	var principal *resource
	for _, r := range s.resources {
		if r.kind == kindIdentity && r.uuid("principal") == properties["principalId"] {
			principal = r
		}
		p, _ := r.asked["properties"].(map[string]any)
		if r.kind == kindRole && r.key != at.key && r.group == at.group && p["principalId"] == properties["principalId"] && p["roleDefinitionId"] == properties["roleDefinitionId"] {
			a := failure(http.StatusConflict, "RoleAssignmentExists", "The role assignment already exists.")
			return &a
		}
	}
	if principal == nil || !principal.sought || s.cfg.Now().Before(principal.visible) {
		if principal != nil {
			principal.sought = true
		}
		a := failure(http.StatusBadRequest, "PrincipalNotFound", "Principal %v does not exist in the directory.", properties["principalId"]).after(s.cfg.Pace)
		return &a
	}
	return nil
}

// dangling finds a reference in a body to a resource that is not there.
func (s *Server) dangling(body map[string]any) (reference string) {
	for _, r := range references(body) {
		if s.resources[r] == nil {
			return r
		}
	}
	return ""
}

// references are the keys of resources that a body names.
func references(body any) (found []string) {
	switch v := body.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			found = append(found, referred(key)...)
			found = append(found, references(v[key])...)
		}
	case []any:
		for _, e := range v {
			found = append(found, references(e)...)
		}
	case string:
		found = referred(v)
	}
	return found
}

func referred(text string) []string {
	key, _, _ := strings.Cut(strings.ToLower(text), "/subnets/")
	if strings.Contains(key, "/microsoft.authorization/roledefinitions/") {
		return nil
	}
	if at, ok := parse(key); ok && at.form == formResource {
		return []string{at.key}
	}
	return nil
}

// principalSteps is how long a new identity's principal is not visible, in paces:
// about as long as the app environment and the app take. Whoever looks for it first
// does not find it, however late.
const principalSteps = 15

// completed starts what takes longer than the operation itself.
func (s *Server) completed(r *resource) {
	r.visible = s.cfg.Now().Add(principalSteps * s.cfg.Pace)
	r.coldUntil = s.cfg.Now().Add(s.cfg.Pace)
}
