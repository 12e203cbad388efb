package provider

import (
	"context"
	"iter"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Store is a hub as clients see it. See the package comment for the laws.
type Store interface {
	// Send makes a message durable and wakes whoever owns its receiver. A nil
	// error acknowledges it (P2). Starts follow [Start]; they fail with
	// [ErrExists]. Every other message is accepted whether or not its receiver
	// exists: one for an instance that does not exist waits for it to be
	// started, and goes to the dead letters if that does not happen within the
	// provider's time; one for an instance that has ended is dropped in a turn.
	// If ctx ends first the outcome is unknown ([ErrUnknown]) unless the
	// provider knows that nothing was applied.
	Send(ctx context.Context, m Message) error

	// Instance reads an instance, as of a commit not older than any that was
	// acknowledged before the call. [ErrNotFound] if there is none.
	Instance(ctx context.Context, id history.InstanceID) (*Instance, error)

	// Wait blocks until the condition holds for the instance and returns it as
	// it then was. [ErrNotFound] at once if there is none. It ends with
	// ctx.Err().
	Wait(ctx context.Context, id history.InstanceID, until Until) (*Instance, error)

	// History streams the committed events of an execution with ids above
	// after, in order. Execution 0 means the current one. The stream ends with
	// the first error: [ErrNotFound], also if the execution was pruned, before
	// or while it is read; [ErrCorrupt], …. It is a consistent prefix: events
	// committed while it runs may be missing.
	History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error]

	// State reads one key of the durable state of an instance: nil if unset.
	State(ctx context.Context, id history.InstanceID, key string) (history.Payload, error)

	// List reads a page of instances in ascending order of id.
	List(ctx context.Context, q Query) ([]Instance, error)

	// Outstanding reads what an instance waits for.
	Outstanding(ctx context.Context, id history.InstanceID) (*Outstanding, error)

	// DeadLetters reads messages that could not be applied, oldest first, at
	// most limit.
	DeadLetters(ctx context.Context, limit int) ([]DeadLetter, error)

	// Purge removes an instance and everything that belongs to it, and nothing
	// else. Starts that wait at it, sent by commits while it had the id, are not
	// among that: the first of them makes the next instance. Unless force is set an instance whose status is not final is
	// refused with [ErrConflict]; with it, a host that holds the instance loses
	// its lock. [ErrNotFound] if there is none.
	Purge(ctx context.Context, id history.InstanceID, force bool) error

	// Join makes the caller a host. Work left by hosts that are gone is offered
	// again.
	Join(ctx context.Context, info HostInfo) (Host, error)

	// Close ends the use of the store and waits for everything it started. The
	// host, if any, must have left before.
	Close() error
}

// HostInfo says who joins, and what it can do.
type HostInfo struct {
	// Name is for operators, for example "web-1 pid 4711".
	Name string
	// Accepts, if not nil, is asked before an instance is locked: an instance
	// for which it returns false gets no turn on this host and holds up nobody
	// else. It must be quick and must not call the provider.
	Accepts func(orchestration, version string) bool
	// Tags are the activity tags that this host serves, besides "".
	Tags []string
	// Slots is how many activities it runs at once: the measure of its strength,
	// for providers that spread instances over hosts. 0 counts as 1.
	Slots int
}

// Host takes turns and runs activities. See the package comment for the laws.
type Host interface {
	// NextTurn blocks until an instance has something for it, locks it, and
	// returns it. It ends with ctx.Err(), or [ErrClosed] after Leave.
	NextTurn(ctx context.Context) (*Turn, error)

	// History is [Store.History]; it also serves instances that this host holds
	// from a nearer place if there is one.
	History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error]

	// CommitTurn applies what the turn decided and unlocks the instance, all or
	// nothing. Commits of different instances called at once are grouped. After
	// an error the turn is over: on [ErrLockLost] nothing was applied, and there is
	// nothing to release: the provider has ended the turn, and if the instance is
	// there still it gets another; on [ErrConflict] nothing was applied, the
	// caller's memory is stale, and the lock is still held, to be released; on
	// [ErrInvalid] nothing was applied and the lock is still held, to be released;
	// on [ErrUnknown] the caller releases the turn and forgets what it knew. The
	// exception is [ErrUnavailable]: nothing was applied, the lock is still held,
	// and the caller may try the same commit again instead of releasing the turn.
	CommitTurn(ctx context.Context, t *Turn, c *Commit) error

	// ReleaseTurn gives a turn back undecided. A lock that is already gone is no
	// error.
	ReleaseTurn(ctx context.Context, t *Turn, r Release) error

	// NextActivity blocks until there is an activity for this host, locks it,
	// and returns it.
	NextActivity(ctx context.Context) (*ActivityTask, error)

	// CompleteActivity hands in the completion of an activity. The message is
	// delivered to its instance at least once or the work is offered again
	// (P9); it need not be durable on return, since the work stays open until a
	// commit consumes the completion. [ErrLockLost] says that it no longer
	// counts.
	CompleteActivity(ctx context.Context, t *ActivityTask, completion Message) error

	// ExtendActivity renews the lock and, if progress is not nil, keeps it for
	// later deliveries and attempts, wherever they run and after whatever delay. An
	// error is not a cancellation: only Signals are.
	ExtendActivity(ctx context.Context, t *ActivityTask, progress history.Payload) (Signals, error)

	// ReleaseActivity gives an activity back unfinished.
	ReleaseActivity(ctx context.Context, t *ActivityTask, r Release) error

	// Leave ends the host: locks it holds are given up, and what it had not
	// finished is offered to others, or to the next that joins. Blocked calls
	// end with [ErrClosed].
	Leave(ctx context.Context) error
}

// CompletionKeeper is implemented by hosts whose Leave makes durable what
// CompleteActivity took and no commit consumed, and of which instances may go to
// another host meanwhile. A worker that stops need not wait until it has
// committed the outcomes of its activities itself.
type CompletionKeeper interface{ KeepsCompletions() bool }

// LeaveAnnouncer is implemented by hosts whose instances go on elsewhere the sooner, the
// earlier other hosts know that this one leaves. A worker that is to stop calls
// AnnounceLeave once, and goes on working, new activities included, until it returns; it
// ends with ctx at the latest. Leave follows, as soon as nothing runs any more.
type LeaveAnnouncer interface{ AnnounceLeave(ctx context.Context) }

// SessionKeeper is implemented by hosts that keep sessions: activities with the
// same Session and Tag, of whatever instances, are handed out in one process, as
// long as that process is a host and has had one of them within the time that
// KeepsSessions returns. If it is lost they are handed out in another one. What a
// provider without it does with a session is not said.
type SessionKeeper interface{ KeepsSessions() time.Duration }

// Named is implemented by stores that know the name of their hub. It becomes
// part of the idempotency keys of activities; without it the name is "default".
type Named interface{ Hub() string }
