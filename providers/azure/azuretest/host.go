package azuretest

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Host is one process that has the hub open.
type Host struct {
	provider.Store
	store   *hub.Store
	client  *simulated.Client
	reached storage.Account // through the client
	account *simulated.Account
}

var _ provider.Named = (*Host)(nil)

// Hub implements [provider.Named].
func (h *Host) Hub() string { return h.store.Hub() }

// Audit holds all that the hub has stored against the invariants of the provider,
// as azure.Store.Audit does.
func (h *Host) Audit(ctx context.Context, tell func(rule string, instance history.InstanceID, what, next string)) error {
	return h.audit(ctx, audit.Options{}, tell)
}

// AuditServed is Audit of a hub with hosts among which nothing changes hands: every
// partition must have an owner, which lists it in its epoch (Z12).
func (h *Host) AuditServed(ctx context.Context, tell func(rule string, instance history.InstanceID, what, next string)) error {
	return h.audit(ctx, audit.Options{Served: true}, tell)
}

func (h *Host) audit(ctx context.Context, o audit.Options, tell func(rule string, instance history.InstanceID, what, next string)) error {
	r, err := audit.Run(ctx, h.reached, h.store.Hub(), o)
	if err == nil {
		r.Tell(tell)
	}
	return err
}

// Kill ends the process, as kill -9 does. Close it afterwards, so that its
// goroutines end.
func (h *Host) Kill() { h.client.Kill() }

// Killed is closed when the process was killed, by Kill or by a fault.
func (h *Host) Killed() <-chan struct{} { return h.client.Killed() }

// Pause stops the process, as SIGSTOP does.
func (h *Host) Pause() { h.client.Pause() }

// Resume ends a pause.
func (h *Host) Resume() { h.client.Resume() }

// Cut takes the network away.
func (h *Host) Cut() { h.client.Cut() }

// CutAnswers takes the way back away: requests are applied, answers lost.
func (h *Host) CutAnswers() { h.client.CutAnswers() }

// Heal ends a cut.
func (h *Host) Heal() { h.client.Heal() }

// Skew sets by how much the host's clock is ahead of the others.
func (h *Host) Skew(d time.Duration) { h.client.SetSkew(d) }

// Late makes the next write of this host fail at once and arrive after a while,
// and ends what faults were arranged before.
func (h *Host) Late(by time.Duration) {
	mine := func(c simulated.Call) bool { return c.Client == h.client.Name() && c.Kind == simulated.Transact }
	h.account.Decide(simulated.Nth(1, mine, simulated.Fault{Kind: simulated.Late, Delay: by}))
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // A hash takes everything.
	return h.Sum64()
}
