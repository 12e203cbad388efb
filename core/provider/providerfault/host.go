package providerfault

import (
	"context"
	"iter"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Host is a [provider.Host] that fails on purpose.
type Host struct {
	host provider.Host
	s    *Store
}

var _ provider.Host = (*Host)(nil)

// Unwrap is the host below.
func (h *Host) Unwrap() provider.Host { return h.host }

// NextTurn implements [provider.Host].
func (h *Host) NextTurn(ctx context.Context) (*provider.Turn, error) {
	c, err := h.s.begin(ctx, NextTurn, "")
	if err != nil {
		return nil, err
	}
	t, err := h.host.NextTurn(c.ctx)
	if err == nil && t != nil {
		c.handedOut(t.Instance.ID)
	}
	if failed := c.finish(err); failed != nil {
		if err == nil && t != nil && !h.s.dead() {
			_ = h.host.ReleaseTurn(context.WithoutCancel(ctx), t, provider.Release{}) // The caller gets an error already.
		}
		return nil, failed
	}
	return t, nil
}

// History implements [provider.Host].
func (h *Host) History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	return h.s.stream(ctx, id, func(ctx context.Context) iter.Seq2[history.Event, error] {
		return h.host.History(ctx, id, execution, after)
	})
}

// CommitTurn implements [provider.Host].
func (h *Host) CommitTurn(ctx context.Context, t *provider.Turn, commit *provider.Commit) error {
	c, err := h.s.begin(ctx, CommitTurn, t.Instance.ID)
	if err != nil {
		return err
	}
	return c.finish(h.host.CommitTurn(c.ctx, t, commit))
}

// ReleaseTurn implements [provider.Host].
func (h *Host) ReleaseTurn(ctx context.Context, t *provider.Turn, r provider.Release) error {
	c, err := h.s.begin(ctx, ReleaseTurn, t.Instance.ID)
	if err != nil {
		return err
	}
	return c.finish(h.host.ReleaseTurn(c.ctx, t, r))
}

// NextActivity implements [provider.Host].
func (h *Host) NextActivity(ctx context.Context) (*provider.ActivityTask, error) {
	c, err := h.s.begin(ctx, NextActivity, "")
	if err != nil {
		return nil, err
	}
	t, err := h.host.NextActivity(c.ctx)
	if err == nil && t != nil {
		c.handedOut(t.ID.Instance)
	}
	if failed := c.finish(err); failed != nil {
		if err == nil && t != nil && !h.s.dead() {
			_ = h.host.ReleaseActivity(context.WithoutCancel(ctx), t, provider.Release{}) // The caller gets an error already.
		}
		return nil, failed
	}
	return t, nil
}

// CompleteActivity implements [provider.Host].
func (h *Host) CompleteActivity(ctx context.Context, t *provider.ActivityTask, completion provider.Message) error {
	c, err := h.s.begin(ctx, CompleteActivity, t.ID.Instance)
	if err != nil {
		return err
	}
	return c.finish(h.host.CompleteActivity(c.ctx, t, completion))
}

// ExtendActivity implements [provider.Host].
func (h *Host) ExtendActivity(ctx context.Context, t *provider.ActivityTask, progress history.Payload) (provider.Signals, error) {
	return ask(ctx, h.s, ExtendActivity, t.ID.Instance, func(ctx context.Context) (provider.Signals, error) {
		return h.host.ExtendActivity(ctx, t, progress)
	})
}

// ReleaseActivity implements [provider.Host].
func (h *Host) ReleaseActivity(ctx context.Context, t *provider.ActivityTask, r provider.Release) error {
	c, err := h.s.begin(ctx, ReleaseActivity, t.ID.Instance)
	if err != nil {
		return err
	}
	return c.finish(h.host.ReleaseActivity(c.ctx, t, r))
}

// Leave implements [provider.Host]. The host leaves even if it fails, unless
// the process is dead.
func (h *Host) Leave(ctx context.Context) error {
	c, err := h.s.begin(ctx, Leave, "")
	if err != nil {
		if !h.s.dead() {
			_ = h.host.Leave(context.WithoutCancel(ctx)) // The caller gets an error already.
		}
		return err
	}
	return c.finish(h.host.Leave(c.ctx))
}

// handedOut decides once more, now that it is known what was handed out.
func (c *call) handedOut(id history.InstanceID) {
	c.id = id
	if v := c.s.injector.judge(c.op, id, true); c.v.outcome == 0 {
		c.v = v
	}
}
