package emulator

import (
	"net/http"
	"strings"
	"time"
)

// Fault makes requests, or operations, fail on purpose. It applies to requests
// that match all that it names.
type Fault struct {
	Method string `json:"method,omitempty"` // such as PUT; empty for any
	Kind   string `json:"kind,omitempty"`   // such as microsoft.app/containerapps; empty for any; polls have none
	ID     string `json:"id,omitempty"`     // a part of the path, in any case
	Skip   int    `json:"skip,omitempty"`   // lets so many pass first
	Times  int    `json:"times,omitempty"`  // how often; 0 for always

	// One of these happens. Status refuses the request, with Code and RetryAfter.
	// LoseAnswer does what was asked and breaks the connection. Operation lets the
	// operation that is begun end as failed.
	Status     int               `json:"status,omitempty"`
	Code       string            `json:"code,omitempty"`
	RetryAfter time.Duration     `json:"retryAfter,omitempty"`
	LoseAnswer bool              `json:"loseAnswer,omitempty"`
	Operation  *OperationFailure `json:"operation,omitempty"`
}

// Inject adds a fault. The first that matches happens.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// matches reports whether a fault applies, and counts.
func (f *Fault) matches(method, kind, path string) bool {
	switch {
	case f.Method != "" && f.Method != method,
		f.Kind != "" && !strings.EqualFold(f.Kind, kind),
		!strings.Contains(strings.ToLower(path), strings.ToLower(f.ID)),
		f.Times < 0:
		return false
	case f.Skip > 0:
		f.Skip--
		return false
	case f.Times == 1:
		f.Times = -1 // used up
	case f.Times > 1:
		f.Times--
	}
	return true
}

// inject finds the fault that happens to a request, nil for none.
func (s *Server) inject(r *http.Request, kind string) *answer {
	for _, f := range s.faults {
		if f.Operation != nil || !f.matches(r.Method, kind, r.URL.Path) {
			continue
		}
		s.ledger.Injected++
		if f.LoseAnswer {
			return &answer{lost: true}
		}
		a := failure(f.Status, f.Code, "a fault that was injected")
		if f.RetryAfter > 0 {
			a = a.after(f.RetryAfter)
		}
		return &a
	}
	return nil
}

// failureOf finds the fault that happens to an operation, nil for none.
func (s *Server) failureOf(r *resource, deletes bool) *OperationFailure {
	method := http.MethodPut
	if deletes {
		method = http.MethodDelete
	}
	for _, f := range s.faults {
		if f.Operation != nil && f.matches(method, r.kind, r.id) {
			s.ledger.Injected++
			return f.Operation
		}
	}
	return nil
}
