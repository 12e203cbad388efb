package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
)

// opening starts the hosts, and shows how they share the partitions.
func (c *cast) opening(ctx context.Context, ready chan struct{}) error {
	for range c.Hosts {
		if _, err := c.start(); err != nil {
			return notBegun(err)
		}
	}
	for _, h := range c.all {
		if err := h.awaitReady(ctx); err != nil {
			return notBegun(err)
		}
		c.say(screen.Green, "▶ %v at work: worker process %d", h, h.pid)
	}
	close(ready)
	c.cue()
	c.awaitShared(ctx, 2)
	c.say("", "The hub has %d partitions, each instance lives in one of them, and the hosts share them:", Partitions)
	return c.showOwners(ctx)
}

func anyHost(*host) bool { return true }

// kill kills a host in the middle of its work.
func (c *cast) kill(ctx context.Context) error {
	c.cue()
	h, err := c.busiest(ctx, anyHost)
	if err != nil {
		return err
	}
	served := c.owners.of(h.number)
	h.end()
	at := time.Now()
	h.process.kill()
	c.mu.Lock()
	c.kills = append(c.kills, at)
	c.mu.Unlock()
	c.say(screen.Red, "✗ kill -9 of %v (process %d), %s; it served %s", h, h.pid, middle(h.busy()), list(served))
	took, err := c.awaitMoved(ctx, served, h, at)
	if err != nil {
		return err
	}
	c.report.TakeOverSeconds = took.Seconds()
	c.say(screen.Green, "✓ taken over %.1f s after the kill (hosts may be silent for %v): %s", took.Seconds(), HostTTL, c.owners.goneTo(served))
	return nil
}

// join adds a host, to which partitions move.
func (c *cast) join(ctx context.Context) error {
	c.cue()
	at := time.Now()
	h, err := c.start()
	if err != nil {
		return err
	}
	if err := h.awaitReady(ctx); err != nil {
		return err
	}
	c.say(screen.Green, "▶ %v joins: worker process %d", h, h.pid)
	c.awaitShared(ctx, 2)
	served := c.owners.of(h.number)
	c.report.JoinHandOverMillis = millis(c.owners.handedOver(served, at))
	c.say(screen.Green, "✓ %s moved to it; none was without an owner for longer than %.0f ms:", plural(len(served), "partition"), c.report.JoinHandOverMillis)
	return c.showOwners(ctx)
}

// pause stops a host for so long that others take over, and wakes it.
func (c *cast) pause(ctx context.Context) error {
	c.cue()
	newest := c.all[len(c.all)-1]
	h, err := c.busiest(ctx, func(h *host) bool { return h != newest })
	if err != nil {
		return err
	}
	served := c.owners.of(h.number)
	at := time.Now()
	if err := pauseProcess(h.cmd.Process); err != nil {
		return fmt.Errorf("pausing %v: %w", h, err)
	}
	h.paused = at
	c.say(screen.Red, "‖ SIGSTOP of %v (process %d), %s; it served %s", h, h.pid, middle(h.busy()), list(served))
	took, err := c.awaitMoved(ctx, served, h, at)
	if err != nil {
		return err
	}
	c.say(screen.Green, "✓ taken over %.1f s after it fell silent: %s", took.Seconds(), c.owners.goneTo(served))
	if !pause(ctx, time.Until(at.Add(HostTTL+time.Second))) {
		return context.Cause(ctx)
	}
	return c.wake(ctx, h)
}

// wake wakes a host that others count as dead, and watches what it commits.
func (c *cast) wake(ctx context.Context, h *host) error {
	var old map[string]bool
	if h.gate != nil {
		old = h.gate.incarnations()
	}
	woken := time.Now()
	slept := woken.Sub(h.paused)
	if err := resumeProcess(h.cmd.Process); err != nil {
		return fmt.Errorf("waking %v: %w", h, err)
	}
	c.say(screen.Yellow, "▷ SIGCONT of %v after %.1f s: it goes on where it stood, and does not know that time has passed", h, slept.Seconds())
	// It finds out, and joins again under another name: its claims show it.
	limited, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	c.owners.await(limited, func() bool { return c.owners.claimedSince(h.number, woken) })
	if !pause(ctx, time.Second) {
		return context.Cause(ctx)
	}
	c.report.PauseSeconds = slept.Seconds()
	if h.gate == nil {
		return nil
	}
	applied, refused := h.gate.since(woken, old)
	c.report.PausedApplied, c.report.PausedRefused = applied, refused
	if applied > 0 {
		return fmt.Errorf("%v committed %d times after others had taken over: the fence of the partitions is broken", h, applied)
	}
	c.say(screen.Green, "✓ since it woke it has committed nothing under its old name (%s refused), and joined again under a new one", plural(refused, "attempt"))
	return nil
}

// leave asks a host to go.
func (c *cast) leave(ctx context.Context) error {
	c.cue()
	newest := c.all[len(c.all)-1]
	h, err := c.busiest(ctx, func(h *host) bool { return h != newest && h.paused.IsZero() || c.Hosts < 3 })
	if err != nil {
		return err
	}
	served := c.owners.of(h.number)
	c.say(screen.Yellow, "⇢ SIGTERM of %v (process %d), %s; it serves %s", h, h.pid, middle(h.busy()), list(served))
	h.end()
	at := time.Now()
	if err := askToLeave(h.cmd.Process); err != nil {
		return fmt.Errorf("asking %v to leave: %w", h, err)
	}
	select {
	case <-h.gone:
	case <-time.After(stopLimit):
		return fmt.Errorf("%v did not leave within %v", h, stopLimit)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if h.err != nil {
		return h.failure()
	}
	gone := time.Since(at)
	if _, err := c.awaitMoved(ctx, served, h, at); err != nil {
		return err
	}
	c.report.LeaveSeconds = gone.Seconds()
	c.report.LeaveHandOverMillis = millis(c.owners.handedOver(served, at))
	c.say(screen.Green, "✓ it finished what ran and was gone after %.1f s; no partition was without an owner for longer than %.0f ms: %s",
		gone.Seconds(), c.report.LeaveHandOverMillis, c.owners.goneTo(served))
	return nil
}

// ending lets everything finish, and everybody go home.
func (c *cast) ending(ctx context.Context) error {
	close(c.shares)
	select {
	case <-c.storyDone:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var errs []error
	for _, h := range c.living() {
		h.end()
		errs = append(errs, h.stop())
	}
	return errors.Join(errs...)
}

// cue lets the next share of the orders come in.
func (c *cast) cue() {
	n := len(c.Orders)
	c.shares <- c.Orders[n*c.cued/shares : n*(c.cued+1)/shares]
	c.cued++
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
