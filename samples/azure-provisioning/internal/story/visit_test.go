package story

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/memory"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
)

// visiting makes a visit without hosts.
func visiting(t *testing.T, store provider.Store, in io.Reader) *visit {
	t.Helper()
	work, cancel := context.WithCancel(t.Context())
	v := &visit{tale: staffed(work, Config{Out: io.Discard}, subscription, nil, func(error) {}), work: work}
	v.cfg.In = in
	v.client = core.NewClient(store, core.ClientConfig{})
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(v.dismiss(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return v
}

// unreadable is a store with an instance that cannot be read.
type unreadable struct {
	provider.Store
	id history.InstanceID
}

var errUnreadable = errors.New("the disk is broken")

func (u unreadable) Instance(ctx context.Context, id history.InstanceID) (*provider.Instance, error) {
	if id == u.id {
		return nil, errUnreadable
	}
	return u.Store.Instance(ctx, id)
}

func TestNothingIsRemovedUnlessItIsKnownThatNothingIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := visiting(t, unreadable{memory.New(memory.Config{}), "alpha"}, nil)
		plan := environment.Plan{
			Spec:  environment.Spec{Subscription: subscription, Location: location, Hub: host.Hub},
			Owner: environment.Owner{Hub: host.Hub, Instance: "alpha"},
		}
		if err := v.remove(plan); !errors.Is(err, errUnreadable) {
			t.Errorf("it ended with %v", err)
		}
		if s, err := v.client.Status(t.Context(), "teardown-alpha"); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("the removal is %+v, %v", s, err)
		}
	})
}

func TestAnAnswerIsForTheQuestionThatWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, typed := io.Pipe()
		v := visiting(t, memory.New(memory.Config{}), in)
		t.Cleanup(func() { _ = typed.Close() })
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if v.saysYes(brief) {
			t.Error("nobody has said yes")
		}
		go func() { _, _ = io.WriteString(typed, "yes\n") }()
		long, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if !v.saysYes(long) {
			t.Error("the answer to the second question was not heard")
		}
	})
}

func TestAYesAfterTheEndIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := visiting(t, memory.New(memory.Config{}), strings.NewReader("no\nyes\n"))
		if v.saysYes(t.Context()) {
			t.Error("a no is no yes")
		}
		synctest.Wait() // the yes is there
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 {
			if v.saysYes(ended) {
				t.Fatal("it was over before the yes")
			}
		}
		synctest.Wait() // whoever reads has read
		if !v.saysYes(t.Context()) {
			t.Error("the yes is gone")
		}
	})
}
