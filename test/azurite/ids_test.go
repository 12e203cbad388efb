package azurite

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// awkwardIDs are easily mistaken for one another, or for a part of a key, a
// filter, a path or a header.
func awkwardIDs() []history.InstanceID {
	long := strings.Repeat("x", history.MaxInstanceIDLength)
	return []history.InstanceID{
		"order-1", "order-10", "order-1/", "order-1/2", "Order-1", "ORDER-1", "order-1%", "order-1_", "order-1 ", " order-1",
		"'", "''", "' or RowKey ne '", "o'order-1", "/", "//", "%2F", "%252F", "%", "?", "?a=b&c", "#", "#order-1", `\`, `"`, "&", "+", "*", ".", "..", "~", "~hub", ":", "i:order-1",
		"<id>", "{id}", "e\u0301", "\u00e9", "ß", "ss", "日本語", "😀",
		history.InstanceID(strings.Repeat("y", 2_000)), history.InstanceID(strings.Repeat("y", 1_999) + "z"), history.InstanceID(strings.Repeat("日", 600)),
		history.InstanceID(long), history.InstanceID(long[1:]),
	}
}

// noIDs are refused: nobody could tell them from others by looking.
var noIDs = []history.InstanceID{"a\x00b", "a\nb", "a\u0085b", "a\u200bb", "\u202eabc", "\u00a0", "a\xffb", "order::1"}

func TestInstancesWithAwkwardIDsAreThemselvesAlone(t *testing.T) {
	t.Parallel()
	ids := awkwardIDs()
	var (
		parent = orchestration.Declare[string, string]("parent")
		child  = orchestration.Declare[string, string]("child")
		word   = orchestration.DeclareEvent[string]("word")
	)
	e := newEngine(t, newPlace(t), 2)
	e.work(e.open(), core.WorkerConfig{},
		// Each waits for a word, and has a child whose id is as awkward.
		parent.Func(func(ctx *orchestration.Context, childID string) (string, error) {
			heard, err := word.Wait(ctx).Await()
			if err != nil {
				return "", err
			}
			said, err := child.Call(ctx, heard, orchestration.ChildOptions{ID: history.InstanceID(childID)}).Await()
			return fmt.Sprintf("%s: %s", ctx.Info().ID, said), err
		}),
		child.Func(func(ctx *orchestration.Context, heard string) (string, error) { return heard + "!", nil }))
	childOf := func(id history.InstanceID) history.InstanceID {
		if len(id) < history.MaxInstanceIDLength-10 {
			return id + "^child"
		}
		return history.InstanceID(fmt.Sprintf("%s^%02d", id[:history.MaxInstanceIDLength-10], slices.Index(ids, id)))
	}

	for _, id := range noIDs {
		if _, err := parent.Start(e.ctx, e.client, "", orchestration.StartOptions{ID: id}); err == nil {
			t.Errorf("%q was started, and cannot be told from others", id)
		}
	}
	handles := map[history.InstanceID]*orchestration.Handle[string]{}
	for _, id := range ids {
		handles[id] = must(parent.Start(e.ctx, e.client, string(childOf(id)), orchestration.StartOptions{ID: id}))(t)
	}
	for i, id := range ids {
		if err := word.Raise(e.ctx, e.client, id, fmt.Sprint("word ", i)); err != nil {
			t.Fatalf("%.60q: %v", id, err)
		}
	}
	for i, id := range ids {
		want := fmt.Sprintf("%s: word %d!", id, i)
		if got, err := handles[id].Wait(e.ctx); err != nil || got != want {
			t.Fatalf("%.60q gave %.80q, %.300v, want %.80q", id, got, err, want)
		}
	}
	list := func() map[history.InstanceID]bool {
		all := map[history.InstanceID]bool{}
		for _, i := range must(e.user.List(e.ctx, provider.Query{Limit: 10 * len(ids)}))(t) {
			all[i.ID] = true
		}
		return all
	}
	listed := list()
	for _, id := range ids {
		if !listed[id] || !listed[childOf(id)] {
			t.Errorf("%.60q or its child is not listed", id)
		}
		if prefixed := must(e.user.List(e.ctx, provider.Query{Prefix: string(id), Limit: 10 * len(ids)}))(t); !slices.ContainsFunc(prefixed, func(i provider.Instance) bool { return i.ID == id }) {
			t.Errorf("%.60q is not listed by its own prefix", id)
		}
		var events []string
		for event, err := range e.user.History(e.ctx, id, 0, 0) {
			if err != nil {
				t.Fatalf("the history of %.60q: %v", id, err)
			}
			events = append(events, string(event.Data.Kind()))
		}
		if len(events) != 6 {
			t.Errorf("%.60q has the history %v", id, events)
		}
	}

	// Every second one is purged, and no other is touched.
	var all sync.WaitGroup
	for i := 0; i < len(ids); i += 2 {
		all.Go(func() {
			if err := e.client.Purge(e.ctx, ids[i]); err != nil {
				t.Errorf("purging %.60q: %v", ids[i], err)
			}
		})
	}
	all.Wait()
	listed = list()
	for i, id := range ids {
		got, err := e.client.Status(e.ctx, id)
		switch gone := i%2 == 0; {
		case gone && (!errors.Is(err, provider.ErrNotFound) || listed[id]):
			t.Errorf("%.60q was purged, and is %+v, %v", id, got, err)
		case !gone && (err != nil || got.ID != id || !listed[id] || !strings.HasPrefix(string(got.Output), `"`)):
			t.Errorf("%.60q was not purged, and is %+v, %v", id, got, err)
		}
		if !listed[childOf(id)] {
			t.Errorf("the child of %.60q went with another", id)
		}
	}
	e.audit(false)
}
