package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// How many turns and activities run at once: what a worker does by default.
const (
	rawTurns      = 256
	rawActivities = 100
)

// rawLoop drives a store through its contract, without an engine.
func rawLoop(ctx context.Context, c Config, prefix string, store provider.Store) (*LoadResult, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	host, err := store.Join(ctx, provider.HostInfo{Name: "raw loop"})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(payload(c.Payload))
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(input{N: c.N, Bytes: c.Payload})
	if err != nil {
		return nil, err
	}
	run := fnv.New64a()
	_, _ = run.Write([]byte(prefix)) // never fails
	r := &raw{Config: c, store: store, host: host, run: run.Sum64(), text: text, input: in, scripts: map[history.InstanceID]*script{}}
	work, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	keep := func(count int, step func(context.Context) error) {
		for range count {
			group.Go(func() {
				for {
					if err := step(work); work.Err() != nil {
						return
					} else if err != nil {
						cancel(err)
						return
					}
				}
			})
		}
	}
	keep(rawTurns, r.turn)
	keep(rawActivities, r.activity)
	result, err := runLoad(ctx, c, prefix, r)
	stop()
	group.Wait()
	return result, errors.Join(err, host.Leave(context.WithoutCancel(ctx)))
}

// raw is a load's driver and its worker in one, on the bare store.
type raw struct {
	Config
	store provider.Store
	host  provider.Host
	text  history.Payload // of every step
	input history.Payload
	run   uint64 // of this loop: a message with the id of an earlier one is that one
	sent  atomic.Int64

	mu      sync.Mutex
	scripts map[history.InstanceID]*script
}

// id makes the id of a message, as long as a drawn one.
func (r *raw) id() string { return fmt.Sprintf("%016x%016x", r.run, r.sent.Add(1)) }

func (r *raw) start(ctx context.Context, id history.InstanceID) error {
	request, name := r.id(), r.Workload.function.Name()
	return r.store.Send(ctx, provider.Message{
		ID: request, To: id, Sent: time.Now().UTC(),
		Start: &provider.Start{Name: name, RequestID: request},
		Data:  &history.ExecutionStarted{Name: name, Input: r.input, RequestID: request, Seed: r.id()},
	})
}

func (r *raw) raise(ctx context.Context, id history.InstanceID) error {
	return r.store.Send(ctx, provider.Message{ID: r.id(), To: id, Sent: time.Now().UTC(), Data: &history.EventRaised{Name: tick.Name(), Payload: r.text}})
}

func (r *raw) wait(ctx context.Context, id history.InstanceID) error {
	i, err := r.store.Wait(ctx, id, provider.Until{Final: true})
	if err == nil && i.Status != history.StatusCompleted {
		err = fmt.Errorf("instance %s is %s", id, i.Status)
	}
	return err
}

// turn takes one turn and commits what the script of its instance says.
func (r *raw) turn(ctx context.Context) error {
	t, err := r.host.NextTurn(ctx)
	if err != nil {
		return err
	}
	c := r.script(t.Instance.ID).next(t, time.Now().UTC())
	if err := r.host.CommitTurn(ctx, t, c); err != nil {
		return err
	}
	if c.Status.Final() {
		r.mu.Lock()
		delete(r.scripts, t.Instance.ID)
		r.mu.Unlock()
	}
	return nil
}

// script is that of an instance, which its turns alone use.
func (r *raw) script(id history.InstanceID) *script {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.scripts[id]
	if s == nil {
		s = &script{raw: r, id: id}
		r.scripts[id] = s
	}
	return s
}

// activity takes one activity and hands in its result at once, with the calls
// that a worker makes.
func (r *raw) activity(ctx context.Context) error {
	t, err := r.host.NextActivity(ctx)
	if err != nil {
		return err
	}
	started := time.Now().UTC()
	if t.Lease == 0 {
		if _, err := r.host.ExtendActivity(ctx, t, nil); err != nil {
			return err
		}
	}
	return r.host.CompleteActivity(ctx, t, provider.Message{
		ID: t.ID.String() + "/completed/" + strconv.Itoa(t.Delivery), To: t.ID.Instance, Execution: t.ID.Execution, Sent: started,
		Data: &history.ActivityCompleted{Source: t.ID.Event, Attempt: t.Activity.Attempt, Output: r.text, Started: &started, Worker: "raw loop"},
	})
}
