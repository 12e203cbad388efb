package history

import "time"

// Limits. Each is checked where the thing enters the system (at a call, a
// start, a raise), so that nothing oversize is ever stored; the error names
// what was too large, how large it was, and the limit.
const (
	// MaxInstanceIDLength is the longest instance id, in bytes. Providers with
	// shorter keys hash what does not fit.
	MaxInstanceIDLength = 2_000

	// MaxNameLength is the longest name of an orchestration, activity, event,
	// state key, tag or session, in bytes: names become parts of keys and of
	// metric labels.
	MaxNameLength = 256

	// MaxPayloadBytes is the largest input, output or event payload, in bytes of
	// encoded JSON. Larger data belongs in a store of its own, with a reference
	// in the payload.
	MaxPayloadBytes = 16 << 20

	// MaxStatusBytes is the largest custom status, in bytes of encoded JSON:
	// it is rewritten with each change and returned by every status read.
	MaxStatusBytes = 256 << 10

	// MaxStateKeys, MaxStateValueBytes and MaxStateBytes bound the durable
	// key-value state of one instance: it travels whole with each
	// continue-as-new.
	MaxStateKeys       = 256
	MaxStateValueBytes = 64 << 10
	MaxStateBytes      = 1 << 20

	// MaxHistoryEvents is the longest history of one execution. A turn that
	// would pass it fails the orchestration; continue-as-new starts afresh.
	MaxHistoryEvents = 200_000

	// MaxOpenTasks bounds what one execution may have outstanding at a time:
	// activities, timers, children and waits together.
	MaxOpenTasks = 50_000

	// MaxCarriedEvents and MaxCarriedBytes bound the unconsumed events that
	// continue-as-new carries over.
	MaxCarriedEvents = 10_000
	MaxCarriedBytes  = 8 << 20

	// MaxDescriptionLength bounds the human text on a wait or an activity, in
	// bytes.
	MaxDescriptionLength = 1_024

	// MaxFailureMessage and MaxFailureStack bound, in bytes, the text kept of
	// an error and of a panic's stack; longer text is cut, with a mark.
	MaxFailureMessage = 16 << 10
	MaxFailureStack   = 16 << 10

	// MaxFailureDetails bounds, in bytes of JSON, the error value kept beside its
	// message; a larger one is left out.
	MaxFailureDetails = 64 << 10

	// MaxFailureDepth bounds the chain of causes kept of an error.
	MaxFailureDepth = 8

	// MaxTags bounds the tags of an instance.
	MaxTags = 64

	// MaxTimerDelay is the longest delay of a durable timer: 100 years, which
	// keeps due times within what every store can index.
	MaxTimerDelay = 100 * 365 * 24 * time.Hour

	// MaxTurnMessages bounds the messages one turn takes in, so that a flooded
	// instance commits in steps and its neighbours get their turns.
	MaxTurnMessages = 2_000
)

// A status must fit in a payload, and the state of an instance must fit in the
// start event that carries it over.
const (
	_ = uint(MaxPayloadBytes - MaxStatusBytes)
	_ = uint(MaxStateBytes - MaxStateValueBytes)
	_ = uint(MaxPayloadBytes - MaxStateBytes)
	_ = uint(MaxPayloadBytes - MaxCarriedBytes)
)
