package orchestration

import (
	"context"
	"crypto/sha1" //nolint:gosec // RFC 9562 prescribes it for version 5; it is no secret
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// Context is what an orchestration acts through. It is deliberately no
// context.Context: handing it to I/O does not compile, since orchestration
// code must do none.
//
// It is for the code of its orchestration alone; using it from a goroutine
// panics. Branches and shields have a Context of their own.
type Context struct {
	r      *replay.Context
	env    *registry.Env
	shared *shared
}

// shared is what all contexts of one execution share.
type shared struct {
	guids int
	rand  *rand.Rand
}

func newContext(r *replay.Context) *Context {
	env, _ := r.Env().(*registry.Env)
	if env == nil {
		env = registry.DefaultEnv
	}
	return &Context{r: r, env: env, shared: &shared{}}
}

func (c *Context) with(r *replay.Context) *Context {
	return &Context{r: r, env: c.env, shared: c.shared}
}

// Bridge gives the other packages of this module what is behind a Context. It
// is of no use outside.
func Bridge(c *Context) (*replay.Context, *registry.Env) { return c.r, c.env }

// Info is what an orchestration may know about itself.
type Info struct {
	ID        history.InstanceID
	Execution int64 // counts continue-as-new, from 1
	Name      string
	Version   string
	Parent    *history.ParentRef // nil for a root
	Tags      map[string]string
	Headers   map[string]string // set by client interceptors
	// HistoryLength is how many events the execution has so far: the measure
	// of when to continue as new.
	HistoryLength int64
	// CancelReason is the reason of the request to cancel, if there was one.
	CancelReason    string
	CancelRequested bool
}

// Info describes the running instance.
func (c *Context) Info() Info {
	s := c.r.Started()
	reason, requested := c.r.CancelReason()
	return Info{
		ID: c.r.Instance(), Execution: c.r.Execution(), Name: s.Name, Version: s.Version,
		Parent: s.Parent, Tags: s.Tags, Headers: s.Headers, HistoryLength: c.r.HistoryLength(),
		CancelReason: reason, CancelRequested: requested,
	}
}

// Now is the time of the newest thing that reached the orchestration: the same
// in every replay, and never going back.
func (c *Context) Now() time.Time { return c.r.Now() }

// NewGUID makes a UUID that is unique to this call and the same in every
// replay: version 5 of RFC 9562, in a namespace drawn for the execution.
func (c *Context) NewGUID() string {
	c.shared.guids++
	seed, _ := hex.DecodeString(c.r.Started().Seed)
	sum := sha1.Sum(append(seed, strconv.Itoa(c.shared.guids)...)) //nolint:gosec // see the import
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// Rand is a source of random numbers that gives the same ones in every replay.
// It is not for secrets.
func (c *Context) Rand() *rand.Rand {
	if c.shared.rand == nil {
		c.shared.rand = rand.New(rand.NewChaCha8(sha256.Sum256([]byte(c.r.Started().Seed + " rand"))))
	}
	return c.shared.rand
}

// Logger logs what the orchestration does, once: it is silent while history is
// replayed. Records carry the instance, its execution and its name.
func (c *Context) Logger() *slog.Logger {
	return slog.New(&replaySafe{c: c.r, next: c.env.Logger.Handler()}).With(
		"instance", string(c.r.Instance()), "execution", c.r.Execution(), "orchestration", c.r.Started().Name)
}

// replaySafe is a handler that is silent while replaying.
type replaySafe struct {
	c    *replay.Context
	next slog.Handler
}

func (h *replaySafe) Enabled(ctx context.Context, level slog.Level) bool {
	return !h.c.Replaying() && h.next.Enabled(ctx, level)
}

func (h *replaySafe) Handle(ctx context.Context, r slog.Record) error { return h.next.Handle(ctx, r) }

func (h *replaySafe) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &replaySafe{c: h.c, next: h.next.WithAttrs(attrs)}
}

func (h *replaySafe) WithGroup(name string) slog.Handler {
	return &replaySafe{c: h.c, next: h.next.WithGroup(name)}
}

// Timer completes after a delay, counted from [Context.Now]. It survives
// everything, costs nothing while it runs, and is never early. Delays are kept
// to the nanosecond; a delay of zero or less completes in a later turn.
func (c *Context) Timer(delay time.Duration, options ...WaitOption) *Future[None] {
	w := waitOptions(options)
	return none(c.r.Timer(delay, w.Description))
}

// Sleep blocks for a delay. It returns [ErrCancelled] if the scope is cancelled
// first.
func (c *Context) Sleep(delay time.Duration) error {
	_, err := c.Timer(delay).Await()
	return err
}

// SetStatus shows a value as the custom status of the instance, to clients and
// operators; nil clears it. It is visible when the turn is committed. The error
// says that the value cannot be encoded or is too large.
func (c *Context) SetStatus(v any) error {
	if v == nil {
		c.r.SetStatus(nil)
		return nil
	}
	p, err := c.env.Codec.Encode(v)
	if err != nil {
		return fmt.Errorf("custom status: %w", err)
	}
	if len(p) > history.MaxStatusBytes {
		return &history.LimitError{What: "the custom status", Size: len(p), Limit: history.MaxStatusBytes, Unit: "bytes", Hint: "show a summary"}
	}
	c.r.SetStatus(p)
	return nil
}

// Status decodes the custom status, as it was last set, into what v points to,
// which stays as it is if none is set. It carries over continue-as-new.
func (c *Context) Status(v any) error {
	if err := c.env.Codec.Decode(c.r.Status(), v); err != nil {
		return fmt.Errorf("custom status: %w", err)
	}
	return nil
}

// Cancelled reports whether cancellation has reached this context: of the
// instance, or of the branch it belongs to. Blocking calls then return
// [ErrCancelled], except in a shield.
func (c *Context) Cancelled() bool { return c.r.Cancelled() }

// Shield runs fn out of reach of cancellation: for cleanup and compensation.
//
//	defer ctx.Shield(func(ctx *orchestration.Context) error {
//		_, err := Refund.Call(ctx, receipt).Await()
//		return err
//	})
func (c *Context) Shield(fn func(*Context) error) error {
	return c.r.Shield(func(r *replay.Context) error { return fn(c.with(r)) })
}

// Go runs fn as a branch beside the code that called it, starting when that
// next blocks. The future completes with what fn returns; cancelling it cancels
// everything that fn waits for. A panic in a branch fails the orchestration.
// Branches that still run when the orchestration returns are cancelled.
func Go[T any](c *Context, fn func(*Context) (T, error)) *Future[T] {
	task := c.r.Go(func(r *replay.Context) (any, error) { return fn(c.with(r)) })
	return NewFuture(task, func(t *replay.Task) (T, error) {
		_, _, err := t.Result()
		value, _ := t.Value.(T)
		return value, err
	})
}

// SideEffect runs fn once and records what it returns; a replay returns the
// record without running fn. fn runs inside the turn: it must be quick, and if
// the process dies before the turn is committed it runs again. A panic in fn, and a
// value that cannot be encoded or is too large, fails the orchestration at once.
func SideEffect[T any](c *Context, fn func() T) T {
	var value T
	ran := false
	d := c.r.Record(&history.ValueRecorded{}, func() history.Data {
		value, ran = fn(), true
		p, err := encode(c, "value of a side effect", value)
		if err != nil {
			// panic: it fails the orchestration, as documented
			panic(fmt.Sprintf("side effect: %v", err))
		}
		return &history.ValueRecorded{Value: p}
	})
	if !ran {
		if err := c.env.Codec.Decode(d.(*history.ValueRecorded).Value, &value); err != nil {
			// panic: it fails the orchestration, as documented
			panic(fmt.Sprintf("side effect: %v", err))
		}
	}
	return value
}
