package emulator

import (
	"net"
	"regexp"
	"strings"
)

// form is what a path stands for.
type form int

const (
	formResource  form = iota // one resource, or a group
	formList                  // of groups, or of the resources of one
	formNamespace             // a resource provider of a subscription
)

// kindGroup is the kind of resource groups; that of other resources is
// namespace/type in lower case.
const kindGroup = "microsoft.resources/resourcegroups"

const kindRole = "microsoft.authorization/roleassignments"

// place is what a path names.
type place struct {
	form         form
	id           string // as written
	key          string // in lower case
	kind         string
	name         string
	subscription string
	group        string // key of the group it is in; empty for a group itself
	namespace    string
	register     bool
}

var (
	groupPath     = regexp.MustCompile(`(?i)^/subscriptions/([^/]+)/resourcegroups/([^/]+)$`)
	groupsPath    = regexp.MustCompile(`(?i)^/subscriptions/([^/]+)/resourcegroups$`)
	contentsPath  = regexp.MustCompile(`(?i)^(/subscriptions/([^/]+)/resourcegroups/[^/]+)/resources$`)
	namespacePath = regexp.MustCompile(`(?i)^/subscriptions/([^/]+)/providers/([^/]+)(/register)?$`)
	resourcePath  = regexp.MustCompile(`(?i)^(/subscriptions/([^/]+)/resourcegroups/[^/]+)(?:/providers/.+)?/providers/([^/]+)/([^/]+)/([^/]+)$`)
)

func parse(path string) (place, bool) {
	path = strings.TrimSuffix(path, "/")
	p := place{id: path, key: strings.ToLower(path)}
	if m := groupPath.FindStringSubmatch(path); m != nil {
		p.kind, p.subscription, p.name = kindGroup, m[1], m[2]
		return p, true
	}
	if m := groupsPath.FindStringSubmatch(path); m != nil {
		p.form, p.kind, p.subscription = formList, kindGroup, m[1]
		return p, true
	}
	if m := contentsPath.FindStringSubmatch(path); m != nil {
		p.form, p.group, p.subscription = formList, strings.ToLower(m[1]), m[2]
		return p, true
	}
	if m := namespacePath.FindStringSubmatch(path); m != nil {
		p.form, p.subscription, p.namespace, p.register = formNamespace, m[1], m[2], m[3] != ""
		return p, true
	}
	if m := resourcePath.FindStringSubmatch(path); m != nil {
		p.group, p.subscription, p.namespace, p.name = strings.ToLower(m[1]), m[2], m[3], m[5]
		p.kind = strings.ToLower(m[3] + "/" + m[4])
		return p, true
	}
	return place{}, false
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}
