package azurite

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/internal/azurite/faulty"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// site is a place in the protocol: what a request is for.
type site string

const (
	atClaim  site = "a claim"
	atCommit site = "a commit"
	atInbox  site = "an insert into an inbox"
	atBlob   site = "a blob"
	atQueue  site = "a message of a queue"
)

// mishaps are what a request suffers at each of them.
var mishaps = []struct {
	name  string
	fault faulty.Fault
}{
	{"is lost", faulty.Fault{Kind: faulty.LoseRequest}},
	{"is applied, and nobody learns it", faulty.Fault{Kind: faulty.LoseAnswer}},
	{"comes after its sender gave up", faulty.Fault{Kind: faulty.Late, Delay: 100 * time.Millisecond}},
	{"meets a busy service", faulty.Fault{Kind: faulty.Refuse}},
	{"meets a service that fails after it has applied", faulty.Fault{Kind: faulty.RefuseApplied, Status: http.StatusInternalServerError}},
}

// TestEachPlaceOfTheProtocolSurvives gives each mishap to one request at each
// place, one after the other: nothing is lost, and nothing counts twice. The
// simulation gives every fault to every request.
func TestEachPlaceOfTheProtocolSurvives(t *testing.T) {
	t.Parallel()
	var runs atomic.Int64
	large := activity.Declare[string, string]("large")
	work := orchestration.Declare[string, string]("work")
	more := orchestration.DeclareEvent[string]("more")
	handlers := []core.Handler{
		large.Func(func(_ context.Context, s string) (string, error) {
			runs.Add(1)
			return s, nil
		}),
		work.Func(func(ctx *orchestration.Context, s string) (string, error) {
			got, err := more.Wait(ctx).Await()
			if err != nil {
				return "", err
			}
			return large.Call(ctx, s+got, activity.Options{Tag: "far"}).Await()
		}),
	}
	const blob = 300_000 // bytes, too many for a row
	place := newPlace(t)
	for _, at := range []site{atClaim, atCommit, atInbox, atBlob, atQueue} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			sites := &armed{next: place.counter, reader: operation.NewReader(place.endpoints)}
			e := newEngine(t, place, 1)
			cfg := e.user.cfg
			cfg.Transport = sites
			user := place.open(t, cfg)
			defer user.Close() //nolint:errcheck // it only sent and read
			client := core.NewClient(user.Store, core.ClientConfig{})
			if at == atQueue { // what has the tag is offered to another host than the owner
				e.work(place.open(t, cfg), core.WorkerConfig{}, handlers...)
				until(e.ctx, t, "the first host serves the partition", func() bool {
					hosts, err := user.Hosts(e.ctx)
					return err == nil && len(hosts) == 1 && len(hosts[0].Serves) == 1
				})
			}
			e.work(place.open(t, cfg), core.WorkerConfig{Tags: []string{"far"}}, handlers...)
			for n, m := range mishaps {
				id := orchestration.InstanceID(fmt.Sprintf("order-%d", n))
				if at == atClaim { // the partition is free, and the next claim suffers
					e.end()
					sites.arm(at, m.fault)
					e.work(place.open(t, cfg), core.WorkerConfig{Tags: []string{"far"}}, handlers...)
				}
				input := "hello"
				if at == atBlob {
					input = noise(blob, n)
				}
				h := must(work.Start(e.ctx, client, input, orchestration.StartOptions{ID: id, RequestID: "first"}))(t)
				if at != atClaim {
					sites.arm(at, m.fault)
				}
				if err := insist(e.ctx, func() error { return more.Raise(e.ctx, client, id, "!") }); err != nil {
					t.Fatal(err)
				}
				if got, err := h.Wait(e.ctx); err != nil || got != input+"!" {
					t.Fatalf("when %s %s: %.60q, %v", at, m.name, got, err)
				}
				if !sites.fired() {
					t.Errorf("when %s %s: nothing suffered, the test shows nothing", at, m.name)
				}
			}
			sites.flush()
			e.audit(true)
		})
	}
}

// noise is text that does not get shorter when it is compressed.
func noise(n, seed int) string {
	var b strings.Builder
	for x := uint64(seed)*2 + 1; b.Len() < n; {
		x = x*6364136223846793005 + 1442695040888963407
		b.WriteByte(' ' + byte(x>>56)%95)
	}
	return b.String()
}

// armed gives a fault to the next request at a place.
type armed struct {
	next   http.RoundTripper
	reader *operation.Reader

	mu     sync.Mutex
	at     site
	faults []*faulty.Transport // those that were armed
}

func (a *armed) arm(at site, f faulty.Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = at
	a.faults = append(a.faults, faulty.New(a.next, faulty.Nth(1, f)))
}

// fired reports whether the latest fault has happened.
func (a *armed) fired() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at == ""
}

// flush waits for requests that are late.
func (a *armed) flush() {
	for _, f := range a.faults {
		f.Flush()
	}
}

func (a *armed) RoundTrip(r *http.Request) (*http.Response, error) {
	at, err := a.place(r)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	next := a.next
	if at != "" && at == a.at {
		next = a.faults[len(a.faults)-1]
		a.at = ""
	}
	a.mu.Unlock()
	return next.RoundTrip(r)
}

// place tells what a request is for; empty for anything else.
func (a *armed) place(r *http.Request) (site, error) {
	op := a.reader.Read(r)
	switch {
	case op.Service == operation.Blob && r.Method == http.MethodPut && op.Item != "":
		return atBlob, nil
	case op.Kind == operation.PutMessage:
		return atQueue, nil
	case op.Kind != operation.EntityGroupTransaction:
		return "", nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(body))
	changes, err := a.reader.Changes(r, body)
	if err != nil {
		return "", err
	}
	head, inbox := false, false
	for _, c := range changes {
		head = head || bytes.Contains(c.Body, []byte(`"RowKey":"head"`)) || c.Row.Key == "head"
		inbox = inbox || bytes.Contains(c.Body, []byte(`"RowKey":"m:`))
	}
	switch {
	case head && len(changes) == 1:
		return atClaim, nil
	case head:
		return atCommit, nil
	case inbox:
		return atInbox, nil
	}
	return "", nil
}
