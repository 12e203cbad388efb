package lro

import (
	"fmt"
	"log/slog"
	"time"
)

// Step is what to do about an operation.
type Step string

// The steps.
const (
	Begin Step = "begin" // ask for it
	Poll  Step = "poll"  // ask how it goes, with the token
	Look  Step = "look"  // look at the resource: there is no token
	Done  Step = "done"  // it has ended, and succeeded
)

// Answer is what one request came to.
type Answer[O any] struct {
	Next  Step          `json:"next"`
	Value O             `json:"value,omitzero"` // with Done
	Token Token         `json:"token,omitzero"` // with Poll
	After time.Duration `json:"after,omitzero"` // how long the service asks to wait; 0 if it does not say
	Why   string        `json:"why,omitempty"`  // for people: why it is not done
	// Accepted says that an operation was begun, to the answer of a begin.
	Accepted bool `json:"accepted,omitzero"`
	// Denied is what the service said to a poll that it denied; the resource is
	// looked at, then.
	Denied *Error `json:"denied,omitempty"`
}

// Reading is what a resource looks like.
type Reading[O any] struct {
	// Exists says that it is there.
	Exists bool `json:"exists,omitzero"`
	// State is its provisioningState; empty counts as Succeeded, since resources
	// that are created at once have none.
	State string `json:"state,omitempty"`
	// Wanted says that it is as the input asks for, whatever its state. For an
	// operation that removes something that is so when it is not there.
	Wanted bool   `json:"wanted,omitzero"`
	Why    string `json:"why,omitempty"` // for people: what is not as wanted
	ETag   string `json:"etag,omitempty"`
	Value  O      `json:"value,omitzero"`
	// Unknown says to people why the service does not tell now. All above is empty
	// then. It and After are filled in by the activity, not by Client.Look.
	Unknown string        `json:"unknown,omitempty"`
	After   time.Duration `json:"after,omitzero"` // how long the service asks to wait; 0 if it does not say
}

// Settled reports whether nothing is under way, as far as is known.
func (r Reading[O]) Settled() bool {
	switch r.State {
	case "", "Succeeded", "Failed", "Canceled", "UpgradeFailed":
		return r.Unknown == ""
	}
	return false
}

// Done reports whether the resource is as it is wanted, and complete.
func (r Reading[O]) Done() bool {
	return r.Unknown == "" && r.Wanted && (r.State == "" || r.State == "Succeeded")
}

// Token says how to poll an operation: the SDK's resume token, sealed. That
// contains signed addresses: whoever has it may read what the operation returns. So
// it leaves the worker encrypted, and prints as "(token)" (L5).
type Token string

func (t Token) String() string {
	if t == "" {
		return ""
	}
	return "(token)"
}

// GoString serves %#v.
func (t Token) GoString() string { return t.String() }

// LogValue serves slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Error says that the service refused something for good, or that an operation
// has failed. It reaches orchestrations and clients as it is: errors.AsType
// finds it.
type Error struct {
	What    string // such as "begin storage account st0a1b"
	Code    string // the service's, such as QuotaExceeded
	Status  int    // of HTTP; 200 for an operation that was accepted and failed later, but at a Location; 0 if no answer says so
	Message string // the service's
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("%s: %s: %s", e.What, e.Code, e.Message)
	}
	return fmt.Sprintf("%s: %s (HTTP %d): %s", e.What, e.Code, e.Status, e.Message)
}
