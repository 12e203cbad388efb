package emulator

import (
	"crypto/hmac"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// style is how a type of resource tells of its long-running operations.
type style int

const (
	atOnce        style = iota // there are none
	styleAsync                 // an Azure-AsyncOperation address tells the status
	styleLocation              // a Location address answers 202 until it is done
	styleState                 // the provisioningState of the resource tells
)

// behaviour is how a type of resource behaves.
type behaviour struct {
	style style
	steps int    // how long a creation takes, in paces
	busy  string // the code of a 409 while an operation is in progress; empty if a PUT joins it
}

// behaviours are the types of resource that the emulator knows.
var behaviours = map[string]behaviour{
	kindGroup:                           {},
	"microsoft.network/virtualnetworks": {styleAsync, 2, "AnotherOperationInProgress"},
	"microsoft.storage/storageaccounts": {styleLocation, 3, "StorageAccountOperationInProgress"},
	"microsoft.app/managedenvironments": {styleAsync, 5, ""},
	"microsoft.app/containerapps":       {styleState, 2, "ContainerAppOperationInProgress"},
	kindIdentity:                        {},
	kindRole:                            {},
}

const kindIdentity = "microsoft.managedidentity/userassignedidentities"

// operation is a long-running one.
type operation struct {
	id      string
	key     string // of the resource
	style   style
	deletes bool
	due     time.Time
	ended   bool
	failed  *OperationFailure
}

// OperationFailure is how an operation fails.
type OperationFailure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

const operationPath = "/providers/Emulator.Operations/"

// operate begins an operation on a resource.
func (s *Server) operate(r *resource, st style, steps int, deletes bool) *operation {
	s.serial++
	o := &operation{
		id: fmt.Sprintf("op-%d", s.serial), key: r.key, style: st, deletes: deletes,
		due: s.cfg.Now().Add(time.Duration(steps) * s.cfg.Pace), failed: s.failureOf(r, deletes),
	}
	s.operations[o.id] = o
	r.operation = o
	r.state = "Creating"
	if deletes {
		r.state = "Deleting"
	} else if r.settled {
		r.state = "Updating"
	}
	return o
}

// settle ends the operations that are due (E1), the earliest first.
func (s *Server) settle() {
	now := s.cfg.Now()
	var due []*operation
	for _, o := range s.operations {
		if !o.ended && !now.Before(o.due) {
			due = append(due, o)
		}
	}
	slices.SortFunc(due, func(a, b *operation) int {
		if c := a.due.Compare(b.due); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	for _, o := range due {
		s.end(o)
	}
}

func (s *Server) end(o *operation) {
	o.ended = true
	r := s.resources[o.key]
	if r == nil || r.operation != o {
		return
	}
	r.operation = nil
	switch {
	case o.failed != nil:
		r.state = "Failed"
		s.record(Failed, r, o.failed.Code)
	case o.deletes:
		s.remove(r)
	default:
		r.state, r.settled = "Succeeded", true
		s.completed(r)
	}
}

// accepted is the answer to a request that began an operation.
func (s *Server) accepted(o *operation, status int, body any, host string) answer {
	a := answer{status: status, body: body}.after(s.cfg.Pace)
	address := fmt.Sprintf("http://%s%s%s?api-version=1&t=%s&sig=%s", host, operationPath, o.id, o.key, s.sign(o.id))
	switch o.style {
	case styleAsync:
		return a.with("Azure-Asyncoperation", address)
	case styleLocation:
		a.body = nil // as storage answers
		return a.with("Location", address)
	case atOnce, styleState: // the resource tells
	}
	return a
}

// operationOf finds the operation whose address a request has.
func (s *Server) operationOf(r *http.Request) (id string, ok bool) {
	return strings.CutPrefix(r.URL.Path, operationPath)
}

func (s *Server) poll(r *http.Request, id string) answer {
	o := s.operations[id]
	if !hmac.Equal([]byte(r.URL.Query().Get("sig")), []byte(s.sign(id))) {
		return failure(http.StatusForbidden, "AuthenticationFailed", "the signature of the address is wrong")
	}
	if o == nil {
		return failure(http.StatusNotFound, "OperationNotFound", "there is no operation %s, or not any more", id)
	}
	s.ledger.Polls++
	if o.style == styleLocation {
		return s.pollLocation(r, o)
	}
	status := map[string]any{"id": r.URL.Path, "name": o.id, "status": "InProgress"}
	if !o.ended {
		return answer{status: http.StatusOK, body: status}.after(s.cfg.Pace)
	}
	status["status"] = "Succeeded"
	if o.failed != nil {
		status["status"], status["error"] = "Failed", o.failed
	}
	return answer{status: http.StatusOK, body: status}
}

func (s *Server) pollLocation(r *http.Request, o *operation) answer {
	switch res := s.resources[o.key]; {
	case !o.ended:
		return s.accepted(o, http.StatusAccepted, nil, r.Host)
	case o.failed != nil:
		return answer{status: http.StatusOK, body: map[string]any{"properties": map[string]any{"provisioningState": "Failed"}, "error": o.failed}}
	case o.deletes || res == nil:
		return answer{status: http.StatusNoContent}
	default:
		return answer{status: http.StatusOK, body: res.body()}
	}
}
