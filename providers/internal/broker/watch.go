package broker

import "github.com/duroxide/duroxide-go/core/history"

// Watchers tells callers of Store.Wait that an instance changed. It has a mutex
// of its own. The zero value is ready to use. The pattern:
//
//	for {
//		changed, stop := watchers.Watch(id)
//		// read the instance; return if the condition holds, after stop()
//		select {
//		case <-changed:
//		case <-ctx.Done():
//			stop()
//			return nil, ctx.Err()
//		}
//	}
type Watchers struct{}

// Watch returns a channel that is closed at the next change of the instance.
// Who does not wait for it any longer calls stop.
func (w *Watchers) Watch(id history.InstanceID) (changed <-chan struct{}, stop func())

// Notify tells that the instance changed. It costs one map lookup if nobody
// watches.
func (w *Watchers) Notify(id history.InstanceID)

// NotifyAll tells everyone: something changed, nobody knows where.
func (w *Watchers) NotifyAll()
