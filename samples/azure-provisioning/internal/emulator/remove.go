package emulator

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// groupSteps and removeSteps are how long deletions take, in paces.
const (
	groupSteps  = 2
	removeSteps = 1
)

func (s *Server) delete(req *http.Request, at place) answer {
	r := s.resources[at.key]
	switch {
	case r == nil && at.kind == kindGroup:
		return missing(at)
	case r == nil:
		return answer{status: http.StatusNoContent}
	case r.operation != nil && !r.operation.deletes:
		return failure(http.StatusConflict, "AnotherOperationInProgress", "An operation is in progress on '%s'.", at.name).after(s.cfg.Pace)
	case r.operation != nil:
		return s.accepted(r.operation, http.StatusAccepted, nil, req.Host)
	}
	if match := req.Header.Get("If-Match"); match != "" && match != "*" && r.etag() != match {
		return failure(http.StatusPreconditionFailed, "PreconditionFailed", "The resource is not at %s.", match)
	}
	for _, other := range s.resources {
		if other.group == at.key && other.operation != nil {
			return failure(http.StatusConflict, "AnotherOperationInProgress", "An operation is in progress on '%s'.", other.name).after(s.cfg.Pace)
		}
		if other != r && other.kind != kindRole && slices.Contains(references(other.asked), r.key) {
			return failure(http.StatusConflict, inUse(at.kind), "'%s' is in use by '%s'.", at.name, other.name)
		}
	}
	if behaviours[at.kind].style == atOnce && at.kind != kindGroup {
		body := r.body()
		s.remove(r)
		return answer{status: http.StatusOK, body: body}
	}
	steps, st := removeSteps, styleAsync
	if at.kind == kindGroup {
		steps, st = groupSteps, styleLocation
	}
	return s.accepted(s.operate(r, st, steps, true), http.StatusAccepted, nil, req.Host)
}

func inUse(kind string) string {
	switch kind {
	case "microsoft.network/virtualnetworks":
		return "InUseSubnetCannotBeDeleted"
	case "microsoft.app/managedenvironments":
		return "ManagedEnvironmentNotEmpty"
	}
	return "ResourceInUse"
}

// remove removes a resource, with what is in it.
func (s *Server) remove(r *resource) {
	for _, key := range slices.Sorted(maps.Keys(s.resources)) {
		if other := s.resources[key]; other != nil && other.group == r.key {
			s.remove(other)
		}
	}
	delete(s.resources, r.key)
	s.record(Deleted, r, "")
}

var tagFilter = regexp.MustCompile(`^tagName eq '([^']+)' and tagValue eq '([^']*)'$`)

// list lists groups, or the resources of one. Role assignments are no resources
// of a group, for Azure.
func (s *Server) list(req *http.Request, at place) answer {
	if at.group != "" && s.resources[at.group] == nil {
		return failure(http.StatusNotFound, "ResourceGroupNotFound", "Resource group of '%s' could not be found.", at.id)
	}
	filter := req.URL.Query().Get("$filter")
	wanted := tagFilter.FindStringSubmatch(filter)
	if filter != "" && wanted == nil {
		return failure(http.StatusBadRequest, "InvalidFilterInQueryString", "the emulator does not know the filter %q", filter)
	}
	found := []any{}
	for _, key := range slices.Sorted(maps.Keys(s.resources)) {
		r := s.resources[key]
		tags, _ := r.asked["tags"].(map[string]any)
		switch {
		case !strings.EqualFold(r.subscription, at.subscription), r.group != at.group, r.kind == kindRole,
			(r.kind == kindGroup) != (at.kind == kindGroup), len(wanted) > 2 && tags[wanted[1]] != wanted[2]:
			continue
		}
		found = append(found, r.body())
	}
	return answer{status: http.StatusOK, body: map[string]any{"value": found}}
}

// namespace tells of a resource provider, or registers it.
func (s *Server) namespace(req *http.Request, at place) answer {
	key, now := strings.ToLower(at.namespace), s.cfg.Now()
	if at.register && req.Method == http.MethodPost {
		if _, ok := s.registered[key]; !ok {
			s.registered[key] = now.Add(2 * s.cfg.Pace)
		}
	}
	state := "NotRegistered"
	if since, ok := s.registered[key]; s.cfg.Registered || ok && !now.Before(since) {
		state = "Registered"
	} else if ok {
		state = "Registering"
	}
	return answer{status: http.StatusOK, body: map[string]any{"id": at.id, "namespace": at.namespace, "registrationState": state}}.after(s.cfg.Pace)
}

// serveApp answers for container apps.
func (s *Server) serveApp(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.settle()
	var app *resource
	for _, other := range s.resources {
		if other.kind == "microsoft.app/containerapps" && strings.EqualFold(other.fqdn(), hostname(r.Host)) {
			app = other
		}
	}
	status, text := http.StatusOK, "hello\n"
	switch now := s.cfg.Now(); {
	case app == nil || app.state != "Succeeded":
		status, text = http.StatusNotFound, "no such app\n"
	case now.Before(app.coldUntil):
		status, text = http.StatusServiceUnavailable, "starting\n"
	}
	s.mu.Unlock()
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client may be gone
}
