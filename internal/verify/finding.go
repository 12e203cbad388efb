package verify

import (
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
)

// Rule is the number of a rule of the package comment.
type Rule string

// The rules.
const (
	Order       Rule = "V1"
	Time        Rule = "V2"
	Answers     Rule = "V3"
	Attempts    Rule = "V4"
	Events      Rule = "V5"
	Contents    Rule = "V6"
	Chain       Rule = "V7"
	Row         Rule = "V8"
	State       Rule = "V9"
	OpenWork    Rule = "V10"
	FinalWork   Rule = "V11"
	Stuck       Rule = "V12"
	Children    Rule = "V13"
	Parents     Rule = "V14"
	Sent        Rule = "V15"
	DeadLetters Rule = "V16"
	Readable    Rule = "V17"
	OneEffect   Rule = "V18"
)

// Finding is a broken rule, or a note.
type Finding struct {
	Rule      Rule               `json:"rule"`
	Instance  history.InstanceID `json:"instance,omitempty"`
	Execution int64              `json:"execution,omitempty"`
	Event     int64              `json:"event,omitempty"`
	What      string             `json:"what"`
	// Next is what to do about it; notes have none.
	Next string `json:"next,omitempty"`
}

// Place names where the finding is: instance/execution/event.
func (f Finding) Place() string {
	switch {
	case f.Event != 0:
		return fmt.Sprintf("%s/%d/%d", f.Instance, f.Execution, f.Event)
	case f.Execution != 0:
		return fmt.Sprintf("%s/%d", f.Instance, f.Execution)
	default:
		return string(f.Instance)
	}
}

func (f Finding) String() string {
	s := fmt.Sprintf("%s %s: %s", f.Rule, f.Place(), f.What)
	if f.Next != "" {
		s += " (" + f.Next + ")"
	}
	return s
}

const (
	keepAndReport  = "keep a copy of the store and report it; the instance can be purged and started again"
	restartOrPurge = "restart the worker, which takes up open work; if it stays, keep a copy of the store and report it"
)

// next is what to do about a broken rule.
func (r Rule) next() string {
	switch r {
	case Contents:
		return "the instance can be purged and started again; find out who wrote the value"
	case OpenWork, FinalWork, Stuck:
		return restartOrPurge
	case Children, Sent:
		return "keep a copy of the store and report it; the waiting instance can be cancelled, or purged and started again"
	case DeadLetters:
		return "see the reason of the dead letter; send the message again or cancel the instance"
	case Readable:
		return "restore the row from a backup, or purge the instance; other instances are not affected"
	case OneEffect:
		return "check that the activity applies its effect through the ledger under its idempotency key, and that it is the ledger of this store"
	default:
		return keepAndReport
	}
}
