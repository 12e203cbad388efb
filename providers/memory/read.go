package memory

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
)

// Instance implements [provider.Store].
func (s *Store) Instance(ctx context.Context, id history.InstanceID) (*provider.Instance, error) {
	if err := s.lock(ctx, "reading", id); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	rec := s.records[id]
	if rec == nil {
		return nil, failed("reading", id, provider.ErrNotFound)
	}
	at := rec.Instance
	return &at, nil
}

// Wait implements [provider.Store].
func (s *Store) Wait(ctx context.Context, id history.InstanceID, until provider.Until) (*provider.Instance, error) {
	for {
		// Watching begins before reading, so that no change falls between.
		changed, stop := s.watchers.Watch(id)
		at, err := s.Instance(ctx, id)
		if err != nil || until.Holds(at) {
			stop()
			return at, err
		}
		select {
		case <-changed:
		case <-s.done: // the next reading says so
		case <-ctx.Done():
		}
		stop()
	}
}

// History implements [provider.Store].
func (s *Store) History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		events, err := s.events(ctx, id, execution)
		if err != nil {
			yield(history.Event{}, err)
			return
		}
		for _, e := range events[min(max(0, after), int64(len(events))):] {
			if err := ctx.Err(); err != nil {
				yield(history.Event{}, failed("reading the history of", id, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (s *Store) events(ctx context.Context, id history.InstanceID, execution int64) ([]history.Event, error) {
	const operation = "reading the history of"
	if err := s.lock(ctx, operation, id); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	rec := s.records[id]
	if rec == nil {
		return nil, failed(operation, id, provider.ErrNotFound)
	}
	events, found := rec.events(execution)
	switch {
	case found:
		return events, nil
	case execution > 0 && execution <= rec.Pruned:
		return nil, failed(operation, id, admit.Pruned(execution, rec.Pruned))
	default:
		return nil, failed(operation, id, fmt.Errorf("%w: execution %d, its current one is %d", provider.ErrNotFound, execution, rec.Execution))
	}
}

// State implements [provider.Store].
func (s *Store) State(ctx context.Context, id history.InstanceID, key string) (history.Payload, error) {
	if err := s.lock(ctx, "reading the state of", id); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	rec := s.records[id]
	if rec == nil {
		return nil, failed("reading the state of", id, provider.ErrNotFound)
	}
	return rec.state[key], nil
}

const (
	defaultPage = 100
	maxPage     = 1_000
)

// List implements [provider.Store].
func (s *Store) List(ctx context.Context, q provider.Query) ([]provider.Instance, error) {
	if q.Limit < 0 || q.Limit > maxPage {
		return nil, fmt.Errorf("memory: listing instances: %w: Query.Limit is %d: ask for pages of 1 to %d, the next one with Query.After", provider.ErrInvalid, q.Limit, maxPage)
	}
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	if err := s.lock(ctx, "listing from", q.After); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var page []provider.Instance
	exists := func(id history.InstanceID) bool { return s.records[id] != nil }
	for _, id := range s.ids.from(max(q.After, history.InstanceID(q.Prefix)), exists) {
		if len(page) == q.Limit || !strings.HasPrefix(string(id), q.Prefix) {
			break
		}
		if rec := s.records[id]; rec != nil && (q.After == "" || id > q.After) && matches(rec, &q) {
			page = append(page, rec.Instance)
		}
	}
	return page, nil
}

func matches(rec *record, q *provider.Query) bool {
	return (q.Name == "" || rec.Name == q.Name) &&
		(len(q.Statuses) == 0 || slices.Contains(q.Statuses, rec.Status)) &&
		(!q.Parked || rec.Parked != nil)
}

// Outstanding implements [provider.Store].
func (s *Store) Outstanding(ctx context.Context, id history.InstanceID) (*provider.Outstanding, error) {
	if err := s.lock(ctx, "reading what is outstanding for", id); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if s.records[id] == nil {
		return nil, failed("reading what is outstanding for", id, provider.ErrNotFound)
	}
	return s.broker.Outstanding(id), nil
}
