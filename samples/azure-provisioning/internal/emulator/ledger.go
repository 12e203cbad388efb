package emulator

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// What happens to resources.
const (
	Created = "created" // a PUT of what did not exist was accepted
	Updated = "updated" // a PUT that changes something was accepted
	Deleted = "deleted" // it is gone
	Failed  = "failed"  // an operation on it has failed
	Changed = "changed" // behind everybody's back: see Server.Change
)

// Record is something that happened to a resource.
type Record struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	ID     string    `json:"id"`
	Kind   string    `json:"kind"`
	Detail string    `json:"detail,omitempty"`
}

// Ledger tells everything that happened.
type Ledger struct {
	Records   []Record `json:"records"`
	Polls     int      `json:"polls"`
	Throttled int      `json:"throttled"`
	Injected  int      `json:"injected"` // faults
	// Refused counts the answers that were errors, by code.
	Refused map[string]int `json:"refused"`
}

// Count counts the records that say what happened to a resource, or to any if id
// is empty.
func (l Ledger) Count(what, id string) (n int) {
	for _, r := range l.Records {
		if r.What == what && (id == "" || strings.EqualFold(r.ID, id)) {
			n++
		}
	}
	return n
}

// Resource is how a resource stands.
type Resource struct {
	ID        string            `json:"id"`
	Kind      string            `json:"kind"`
	State     string            `json:"state"`
	Tags      map[string]string `json:"tags,omitempty"`
	Operating bool              `json:"operating"`
}

func (s *Server) record(what string, r *resource, detail string) {
	s.ledger.Records = append(s.ledger.Records, Record{At: s.cfg.Now(), What: what, ID: r.id, Kind: r.kind, Detail: detail})
}

// Ledger returns the ledger so far.
func (s *Server) Ledger() Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	l := s.ledger
	l.Records, l.Refused = slices.Clone(l.Records), maps.Clone(l.Refused)
	return l
}

// Resources lists what exists, by id.
func (s *Server) Resources() []Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	list := []Resource{}
	for _, key := range slices.Sorted(maps.Keys(s.resources)) {
		r := s.resources[key]
		tags := map[string]string{}
		asked, _ := r.asked["tags"].(map[string]any)
		for name, value := range asked {
			tags[name], _ = value.(string)
		}
		list = append(list, Resource{ID: r.id, Kind: r.kind, State: r.state, Tags: tags, Operating: r.operation != nil})
	}
	return list
}

// Change changes a resource as somebody at the portal does: it merges properties
// into those of the resource, or removes the resource if there are none. What
// stands beside the properties in a body (sku, kind, identity) is changed there.
// It reports whether the resource exists.
func (s *Server) Change(id string, properties map[string]any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	r := s.resources[strings.ToLower(id)]
	if r == nil {
		return false
	}
	s.record(Changed, r, "by hand")
	if properties == nil {
		s.remove(r)
		return true
	}
	asked := maps.Clone(r.asked)
	merged, _ := asked["properties"].(map[string]any)
	merged = maps.Clone(merged)
	if merged == nil {
		merged = map[string]any{}
	}
	for name, value := range properties {
		if name == "sku" || name == "kind" || name == "identity" {
			asked[name] = value
			continue
		}
		merged[name] = value
	}
	asked["properties"] = merged
	r.asked = asked
	r.revision++
	return true
}
