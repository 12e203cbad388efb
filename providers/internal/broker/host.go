package broker

import (
	"context"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Host takes turns and activities from the broker.
type Host struct{}

// Join adds a host. The answers of info.Accepts are remembered while any host
// stays. Instances that are parked are ready at once.
func (b *Broker) Join(info provider.HostInfo) *Host

// Leave gives back, counted, every turn and activity that the host holds, ends
// its blocked calls with [provider.ErrClosed], and forgets it. Turns that are
// sealed stay so until their commit is settled.
func (h *Host) Leave()

// NextTurn blocks until an instance that the host accepts is ready and gives it
// to the caller. It ends with ctx.Err(), or [provider.ErrClosed].
func (h *Host) NextTurn(ctx context.Context) (*Turn, error)

// NextActivity blocks likewise until there is an activity with a tag of the
// host.
func (h *Host) NextActivity(ctx context.Context) (*Work, error)

// Turn is an instance held by a host.
type Turn struct {
	Instance history.InstanceID
	// Messages, at most [history.MaxTurnMessages], and the provider's keys of
	// them, index by index.
	Messages []provider.Message
	Keys     []int64
	// Attempt is that of [provider.Turn].
	Attempt int
}

// Held reports whether the turn still counts.
func (t *Turn) Held() bool

// Seal keeps Leave from giving the instance to others while a commit of this
// turn is being made durable. It is undone by Commit, Release or Unseal.
// [provider.ErrLockLost] if the turn is not held any more.
func (t *Turn) Seal() error

// Unseal undoes Seal when the commit was not applied. If the host has left
// meanwhile the instance is given back.
func (t *Turn) Unseal()

// Release gives the turn back undecided, its messages in their old places. A
// turn that is already lost is none of its business.
func (t *Turn) Release(r provider.Release)

// Work is an activity held by a host.
type Work struct {
	ID            history.ActivityID
	Activity      provider.Activity
	Orchestration string
	Version       string
	Delivery      int
	Progress      history.Payload
}

// Complete ends the work and delivers its completion, with key 0. The activity
// stays open until a commit closes it. [provider.ErrLockLost] if the work does
// not count any more.
func (w *Work) Complete(m provider.Message) error

// Extend keeps progress, if it is not nil, for later deliveries and attempts,
// and tells whether the activity was cancelled. [provider.ErrLockLost] if the
// work was given back.
func (w *Work) Extend(progress history.Payload) (provider.Signals, error)

// Release gives the work back unfinished.
func (w *Work) Release(r provider.Release)
