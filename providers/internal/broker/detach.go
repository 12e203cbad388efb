package broker

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// ErrDetached is wrapped by the errors of work that goes on after its instance
// left the broker ([Broker.Detach]): what the work has to say is for the
// instance's new owner.
var ErrDetached = errors.New("the instance left this broker")

// Detach forgets all instances and orphans that belong to another owner from now
// on. A provider calls it that keeps some instances and loses others, such as
// those of a partition. As after Drop, turns are lost. But activities that hosts
// hold are not cancelled: they go on, detached (B9). One that a caller is being
// handed at this moment is among them; see [Work.Detached].
//
// It returns what the new owner should hear of, ordered by instance: completions
// that no commit consumed, of work that is done, and work that goes on.
//
// Instances that come back are restored like any other. Detached work stays so.
func (b *Broker) Detach(belongs func(history.InstanceID) bool) (completions []provider.Message, working []history.ActivityID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, inst := range b.instances {
		if !belongs(id) {
			continue
		}
		for m := range inst.queue.all {
			if m.answer != nil {
				completions = append(completions, m.Message)
			}
		}
		for _, a := range inst.activities {
			if a.work != nil {
				a.work.detached = true
				a.work.host.keepLocked(a.work)
				working = append(working, a.work.ID)
				a.work = nil
			}
		}
		b.forgetLocked(inst)
	}
	for id, siblings := range b.orphans.of {
		if !belongs(id) {
			continue
		}
		for o := range siblings.all {
			m := o.message
			b.unorphanLocked(o)
			b.discardLocked(m)
		}
	}
	slices.SortStableFunc(completions, func(x, y provider.Message) int { return cmp.Compare(x.To, y.To) })
	slices.SortFunc(working, func(x, y history.ActivityID) int {
		return cmp.Or(cmp.Compare(x.Instance, y.Instance), cmp.Compare(x.Event, y.Event))
	})
	return completions, working
}

// Detached reports whether the instance left the broker while the work was held.
func (w *Work) Detached() bool {
	w.host.broker.mu.Lock()
	defer w.host.broker.mu.Unlock()
	return w.detached
}

func (h *Host) keepLocked(w *Work) {
	if h.detached == nil {
		h.detached = map[*Work]bool{}
	}
	h.detached[w] = true
}

// Ended says that a host does not hold the work any more. Of work that is not
// detached the broker knows.
func (w *Work) Ended() {
	w.host.broker.mu.Lock()
	defer w.host.broker.mu.Unlock()
	delete(w.host.detached, w)
}

// Detached is the work that goes on although its instances left, in the order in
// which it was handed out. When the host leaves it is for the provider to give back.
func (h *Host) Detached() []*Work {
	h.broker.mu.Lock()
	defer h.broker.mu.Unlock()
	return slices.SortedFunc(maps.Keys(h.detached), func(x, y *Work) int { return cmp.Compare(x.seq, y.seq) })
}

func (w *Work) detachedError() error {
	return fmt.Errorf("%w: activity %v belongs to its new owner", ErrDetached, w.ID)
}
