package azurite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite/faulty"
)

// Starts of one id: at once, and at any later time.

var (
	once = orchestration.Declare[string, string]("once")
	note = activity.Declare[string, string]("note")
)

// notes counts runs of an activity.
type notes struct{ n atomic.Int64 }

func (n *notes) handlers() []core.Handler {
	return []core.Handler{
		note.Func(func(_ context.Context, who string) (string, error) {
			n.n.Add(1)
			return who, nil
		}),
		once.Func(func(ctx *orchestration.Context, who string) (string, error) { return note.Call(ctx, who).Await() }),
	}
}

// TestOfTwoClientsThatStartOneIDAtOnceOneDoes: whichever it is, the instance runs
// once, the other learns that the id is taken, and both see the same outcome. The
// answers of some starts are lost.
func TestOfTwoClientsThatStartOneIDAtOnceOneDoes(t *testing.T) {
	t.Parallel()
	const ids = 20
	ran := &notes{}
	e := newEngine(t, newPlace(t), 2)
	e.work(e.open(), core.WorkerConfig{}, ran.handlers()...)
	lossy := e.user.cfg
	lossy.Transport = faulty.New(e.place.counter, faulty.Only(faulty.Kinds(e.place.endpoints, transactions...),
		faulty.Seeded(3, faulty.Share{Fault: faulty.Fault{Kind: faulty.LoseAnswer}, PerMille: 300})))
	users := []*process{e.open(), e.place.open(t, lossy)}
	defer func() {
		for _, u := range users {
			if err := u.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range ids {
		id := orchestration.InstanceID(fmt.Sprint("order-", i))
		var all sync.WaitGroup
		var errs, results [2]error
		var got [2]string
		for n, u := range users {
			all.Go(func() {
				client, who := core.NewClient(u.Store, core.ClientConfig{}), fmt.Sprint("client ", n)
				errs[n] = insist(e.ctx, func() error {
					_, err := once.Start(e.ctx, client, who, orchestration.StartOptions{ID: id, RequestID: who})
					return err
				})
				results[n] = insist(e.ctx, func() (err error) {
					got[n], err = once.Handle(client, id).Wait(e.ctx)
					return err
				})
			})
		}
		all.Wait()
		if results[0] != nil || results[1] != nil || got[0] != got[1] {
			t.Fatalf("%s gave %q, %v and %q, %v", id, got[0], results[0], got[1], results[1])
		}
		for n, err := range errs {
			won := got[n] == fmt.Sprint("client ", n)
			if won != (err == nil) || !won && !errors.Is(err, provider.ErrExists) {
				t.Errorf("%s ran for %q; client %d was told %v", id, got[n], n, err)
			}
		}
	}
	if n := ran.n.Load(); n != ids {
		t.Errorf("%d instances ran %d times", ids, n)
	}
	e.audit(true)
}

// TestAStartThatComesAfterAPurgeStartsNothing: the first copy of a start is held
// up in the network. The client, who cannot know, sends it again; the instance
// runs, ends and is purged; then the first copy comes.
func TestAStartThatComesAfterAPurgeStartsNothing(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]bool{"which the client repeated itself": true, "where another client's came first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ran := &notes{}
			e := newEngine(t, newPlace(t), 1)
			e.work(e.open(), core.WorkerConfig{}, ran.handlers()...)
			held, cfg := &heldUp{next: e.place.counter}, e.user.cfg
			cfg.Transport = held
			user := e.place.open(t, cfg)
			defer user.Close() //nolint:errcheck // it only sent
			client := core.NewClient(user.Store, core.ClientConfig{})

			ctx, giveUp := context.WithCancel(e.ctx)
			defer giveUp()
			held.arm(func() {
				if !own {
					giveUp()
				}
			})
			o := orchestration.StartOptions{ID: "order", RequestID: "first"}
			switch _, err := once.Start(ctx, client, "first", o); {
			case own && err != nil:
				t.Fatal(err)
			case !own && err == nil:
				t.Fatal("a client that gave up was told that it has started something")
			case !own:
				o.RequestID = "second"
				must(once.Start(e.ctx, e.client, "second", o))(t)
			}
			if _, err := once.Handle(e.client, "order").Wait(e.ctx); err != nil {
				t.Fatal(err)
			}
			if err := e.client.Purge(e.ctx, "order"); err != nil {
				t.Fatal(err)
			}
			held.release(t)

			// What comes after it in the same inbox is done: it would have been, too.
			other := must(once.Start(e.ctx, client, "other", orchestration.StartOptions{ID: "other"}))(t)
			if _, err := other.Wait(e.ctx); err != nil {
				t.Fatal(err)
			}
			if i, err := e.client.Status(e.ctx, "order"); !errors.Is(err, provider.ErrNotFound) {
				t.Errorf("after the late start the purged instance is %+v, %v", i, err)
			}
			if n := ran.n.Load(); n != 2 {
				t.Errorf("two instances ran %d times", n)
			}
			e.audit(false)
		})
	}
}

// heldUp holds one transaction up, tells its sender that the connection broke, and
// delivers it when it is released.
type heldUp struct {
	next http.RoundTripper
	mu   sync.Mutex
	then func() // armed
	kept *http.Request
	body []byte
}

// arm holds the next transaction up, and calls then.
func (h *heldUp) arm(then func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.then = then
}

func (h *heldUp) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.then == nil || r.Method != http.MethodPost {
		return h.pass(r)
	}
	body, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return nil, err
	}
	h.kept, h.body = r.Clone(context.WithoutCancel(r.Context())), body
	h.then()
	h.then = nil
	return nil, faulty.ErrLost
}

func (h *heldUp) pass(r *http.Request) (*http.Response, error) {
	h.mu.Unlock()
	defer h.mu.Lock()
	return h.next.RoundTrip(r)
}

func (h *heldUp) release(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kept == nil {
		t.Fatal("no request was held up: the test shows nothing")
	}
	h.kept.Body = io.NopCloser(bytes.NewReader(h.body))
	answer, err := h.next.RoundTrip(h.kept)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || !bytes.Contains(text, []byte("HTTP/1.1 409")) {
		t.Errorf("what came late was not refused: %v, %d, %s", err, answer.StatusCode, text)
	}
}
