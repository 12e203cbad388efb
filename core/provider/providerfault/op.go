package providerfault

import "fmt"

// Op is an operation of the contract.
type Op int

// The operations of [provider.Store] and [provider.Host]. Histories read
// through a host count as ReadHistory too.
const (
	// Any stands for every operation in a [Rule].
	Any Op = iota
	Send
	ReadInstance
	Wait
	ReadHistory
	ReadState
	List
	ReadOutstanding
	ReadDeadLetters
	Purge
	Join
	NextTurn
	CommitTurn
	ReleaseTurn
	NextActivity
	CompleteActivity
	ExtendActivity
	ReleaseActivity
	Leave
	Close

	ops // how many there are
)

var opNames = [ops]string{
	Any:              "*",
	Send:             "send",
	ReadInstance:     "instance",
	Wait:             "wait",
	ReadHistory:      "history",
	ReadState:        "state",
	List:             "list",
	ReadOutstanding:  "outstanding",
	ReadDeadLetters:  "dead-letters",
	Purge:            "purge",
	Join:             "join",
	NextTurn:         "turn",
	CommitTurn:       "commit",
	ReleaseTurn:      "release",
	NextActivity:     "activity",
	CompleteActivity: "complete",
	ExtendActivity:   "extend",
	ReleaseActivity:  "release-activity",
	Leave:            "leave",
	Close:            "close",
}

func (o Op) String() string {
	if o < 0 || o >= ops {
		return fmt.Sprintf("Op(%d)", int(o))
	}
	return opNames[o]
}

// Ops lists the operations.
func Ops() []Op {
	all := make([]Op, 0, ops-1)
	for o := Any + 1; o < ops; o++ {
		all = append(all, o)
	}
	return all
}

// Reads reports whether the operation changes nothing in the store.
func (o Op) Reads() bool {
	switch o {
	case ReadInstance, Wait, ReadHistory, ReadState, List, ReadOutstanding, ReadDeadLetters:
		return true
	default:
		return false
	}
}

// parseOp finds the operation by its name.
func parseOp(name string) (Op, error) {
	for o, n := range opNames {
		if n == name {
			return Op(o), nil
		}
	}
	return 0, fmt.Errorf("there is no operation %q: the operations are %q", name, opNames)
}
