package registry

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// ascending are versions in the order of precedence that semver.org gives.
var ascending = []string{
	"0.0.1", "0.1.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
	"1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0", "10.0.0",
}

func TestTheNewestVersionIsFoundWhateverTheOrderOfRegistration(t *testing.T) {
	for range 50 {
		versions := slices.Clone(ascending)
		rand.Shuffle(len(versions), func(i, j int) { versions[i], versions[j] = versions[j], versions[i] })
		r := New()
		newest := ""
		for _, v := range versions {
			r.AddOrchestration(Orchestration{Name: "order", Version: v})
			if slices.Index(ascending, v) > slices.Index(ascending, newest) {
				newest = v
			}
			if o, ok := r.Orchestration("order", ""); !ok || o.Version != newest {
				t.Fatalf("of %v the newest found is %q, want %q", versions, o.Version, newest)
			}
		}
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		for _, v := range versions {
			if o, ok := r.Orchestration("order", v); !ok || o.Version != v {
				t.Errorf("version %s is found as %q, %v", v, o.Version, ok)
			}
		}
	}
}

func TestWhatIsNotRegisteredIsNotFound(t *testing.T) {
	r := New()
	r.AddOrchestration(Orchestration{Name: "order", Version: "1.0.0"})
	r.AddActivity(Activity{Name: "charge"})
	for _, c := range []struct{ name, version string }{{"order", "1.0.1"}, {"order", "1.0"}, {"charge", ""}, {"", ""}} {
		if o, ok := r.Orchestration(c.name, c.version); ok {
			t.Errorf("orchestration %q %q is found as %+v", c.name, c.version, o)
		}
	}
	if _, ok := r.Activity("order"); ok {
		t.Error("an orchestration is found as an activity")
	}
	if _, ok := r.Activity("charge"); !ok {
		t.Error("the activity is not found")
	}
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	r := New()
	r.AddOrchestration(Orchestration{Name: "order", Version: "1.0.0"})
	r.AddActivity(Activity{Name: "charge"})
	if err := r.Err(); err != nil {
		t.Fatalf("nothing is wrong yet: %v", err)
	}
	r.AddOrchestration(Orchestration{Name: "order", Version: "1.0.0"})
	r.AddActivity(Activity{Name: "charge"})
	r.AddOrchestration(Orchestration{Name: "", Version: "1.0.0"})
	r.AddOrchestration(Orchestration{Name: Reserved + "x", Version: "1.0.0"})
	r.AddActivity(Activity{Name: Reserved + "y"})
	r.AddActivity(Activity{Name: strings.Repeat("x", history.MaxNameLength+1)})
	own := errors.New("input type chan int")
	r.Fail(own)
	bad := []string{"1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-a..b", "1.0.0-ä", "1.0.0+build", "-1.0.0", "", "1.0.0 ", strings.Repeat("1", 200) + ".0.0"}
	for _, v := range bad {
		r.AddOrchestration(Orchestration{Name: "refund", Version: v})
	}
	joined, ok := r.Err().(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("the error is %v, want joined ones", r.Err())
	}
	if got, want := len(joined.Unwrap()), 7+len(bad); got != want {
		t.Errorf("%d problems, want %d:\n%v", got, want, r.Err())
	}
	if !errors.Is(r.Err(), own) {
		t.Error("a problem of a handler's own is not among them")
	}
	if o, ok := r.Orchestration("refund", ""); ok {
		t.Errorf("a bad version was registered: %+v", o)
	}
}

func TestNamesAreListedInOrder(t *testing.T) {
	r := New()
	for _, v := range []string{"2.0.0", "1.0.0"} {
		r.AddOrchestration(Orchestration{Name: "order", Version: v})
	}
	r.AddActivity(Activity{Name: "ship"})
	r.AddActivity(Activity{Name: "charge"})
	orchestrations, activities := r.Names()
	if !slices.Equal(orchestrations, []string{"order@1.0.0", "order@2.0.0"}) || !slices.Equal(activities, []string{"charge", "ship"}) {
		t.Errorf("names are %v and %v", orchestrations, activities)
	}
}

func TestTheIdempotencyKeyIsThatOfTheCallNotOfTheAttempt(t *testing.T) {
	env := &Env{Hub: "hub", Codec: codec.JSON, Logger: slog.New(slog.DiscardHandler)}
	key := func(attempt, delivery int) string {
		task := &provider.ActivityTask{
			ID:       history.ActivityID{Instance: "order-7", Execution: 2, Event: 5},
			Activity: provider.Activity{Attempt: attempt, Scheduled: history.Event{Data: &history.ActivityScheduled{Name: "charge"}}},
			Delivery: delivery,
		}
		return InvocationFrom(WithInvocation(context.Background(), NewInvocation(task, env))).IdempotencyKey
	}
	if key(1, 1) != "hub/order-7/2/5" || key(3, 2) != key(1, 1) {
		t.Errorf("keys are %q and %q", key(1, 1), key(3, 2))
	}
}

func TestAnOrdinaryContextHasNoInvocation(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("InvocationFrom made one up")
		}
	}()
	InvocationFrom(context.Background())
}

func TestATimeoutIsADeadlineExceeded(t *testing.T) {
	if !errors.Is(ErrTimeout, context.DeadlineExceeded) {
		t.Error("ErrTimeout does not match context.DeadlineExceeded")
	}
}
