package simulated_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

const latency = 10 * time.Millisecond

// faulty gives the fault to everything with the key x.
func faulty(f simulated.Fault) simulated.Decider {
	return simulated.When(func(c simulated.Call) bool {
		return c.Key == "x" || len(c.Ops) > 0 && c.Ops[0].Row.Key == "x"
	}, f)
}

func there(a *simulated.Account, key string) bool {
	_, ok := a.State().Row("ttt", "p", key)
	return ok
}

func TestFaultsDoWhatTheirNamesSay(t *testing.T) {
	const second = time.Second
	for kind, want := range map[simulated.FaultKind]struct {
		write, read error
		applied     bool          // by the end of the call
		later       bool          // an hour later
		takes       time.Duration // about
	}{
		simulated.None:        {nil, nil, true, true, latency},
		simulated.LostRequest: {storage.ErrUnknown, storage.ErrBusy, false, false, 3 * second},
		simulated.LostAnswer:  {storage.ErrUnknown, storage.ErrBusy, true, true, 3 * second},
		simulated.Late:        {storage.ErrUnknown, storage.ErrBusy, false, true, 0},
		simulated.Busy:        {storage.ErrUnknown, storage.ErrBusy, false, false, latency},
		simulated.Throttle:    {storage.ErrUnknown, storage.ErrBusy, false, false, latency},
		simulated.Slow:        {nil, nil, true, true, latency + second},
		simulated.Reset:       {storage.ErrUnknown, storage.ErrBusy, false, false, latency / 2},
		simulated.ResetAfter:  {storage.ErrUnknown, storage.ErrBusy, true, true, latency / 2},
		simulated.Garbled:     {storage.ErrUnknown, storage.ErrCorrupt, true, true, latency / 2},
		simulated.Denied:      {storage.ErrDenied, storage.ErrDenied, false, false, latency},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency)})
				a.Decide(faulty(simulated.Fault{Kind: kind, Delay: second}))
				begun := time.Now()
				_, err := c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("x", "1")})
				took := time.Since(begun)
				is(t, err, want.write)
				if applied := there(a, "x"); applied != want.applied {
					t.Errorf("applied: %v", applied)
				}
				if took < want.takes || took > want.takes+time.Millisecond {
					t.Errorf("took %v, want %v", took, want.takes)
				}
				if garbled := errors.Is(err, storage.ErrCorrupt); garbled != (kind == simulated.Garbled) {
					t.Errorf("corrupt: %v", garbled)
				}
				if kind == simulated.Throttle && storage.RetryAfter(err, 0) != second {
					t.Errorf("asks to wait for %v", storage.RetryAfter(err, 0))
				}
				<-time.After(time.Hour)
				if applied := there(a, "x"); applied != want.later {
					t.Errorf("applied an hour later: %v", applied)
				}

				a.Decide(nil)
				if !there(a, "x") {
					must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("x", "1")}))
				}
				a.Decide(faulty(simulated.Fault{Kind: kind, Delay: second}))
				_, err = c.Get(t.Context(), "ttt", "p", "x")
				is(t, err, want.read)
				if f := a.Faults(); kind != simulated.None && kind != simulated.Late && f.Of(kind) != 2 {
					t.Errorf("%d faults of the kind", f.Of(kind))
				}
			})
		})
	}
}

func TestALateCopyAndItsRepetitionHaveOneEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency)})
		etag := must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("x", "0")}))[0]
		replace := []storage.Op{{Verb: storage.Replace, Row: row("x", "1"), IfMatch: etag}, insert("y", "")}
		a.Decide(simulated.Nth(1, func(simulated.Call) bool { return true }, simulated.Fault{Kind: simulated.Late, Delay: latency}))
		_, err := c.Transact(t.Context(), "ttt", "p", replace)
		is(t, err, storage.ErrUnknown)
		must[[]string](t)(c.Transact(t.Context(), "ttt", "p", replace))
		after := fmt.Sprint(rows(a))
		<-time.After(time.Minute)
		if now := fmt.Sprint(rows(a)); now != after {
			t.Errorf("the late copy had an effect: %s, was %s", now, after)
		}
	})
}

func TestAnImpatientCallersRequestMayBeAppliedAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency)})
		applied := 0
		for i := range 40 {
			ctx, cancel := context.WithTimeout(t.Context(), latency/4)
			key := fmt.Sprint(i)
			_, err := c.Transact(ctx, "ttt", "p", []storage.Op{insert(key, "")})
			cancel()
			is(t, err, storage.ErrUnknown)
			is(t, err, context.DeadlineExceeded)
			if there(a, key) {
				t.Error("applied before it arrives")
			}
			<-time.After(latency)
			if there(a, key) {
				applied++
			}
		}
		if applied < 5 || applied > 35 {
			t.Errorf("%d of 40 were applied", applied)
		}
	})
}

func TestASlowRequestIsLostAndLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency), TryTimeout: time.Second})
		a.Decide(faulty(simulated.Fault{Kind: simulated.Slow, Delay: 5 * time.Second}))
		_, err := c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("x", "")})
		is(t, err, storage.ErrUnknown)
		if there(a, "x") {
			t.Error("applied too early")
		}
		<-time.After(5 * time.Second)
		if !there(a, "x") {
			t.Error("never applied")
		}
	})
}

func TestAKilledClientReachesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency)})
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 2)
		send := func(key string) {
			_, err := c.Transact(ctx, "ttt", "p", []storage.Op{insert(key, "")})
			results <- err
		}
		go send("under-way")
		<-time.After(latency / 4)
		c.Kill()
		go send("afterwards")
		<-time.After(time.Hour)
		select {
		case err := <-results:
			t.Errorf("a call returned %v", err)
		default:
		}
		cancel()
		for range 2 {
			is(t, <-results, storage.ErrUnknown)
		}
		if there(a, "under-way") || there(a, "afterwards") {
			t.Error("a request arrived")
		}
		next := a.Client("host")
		must[[]string](t)(next.Transact(t.Context(), "ttt", "p", []storage.Op{insert("next", "")}))
	})
}

func TestCrashesHappenBeforeOrAfterTheRequest(t *testing.T) {
	for kind, applied := range map[simulated.FaultKind]bool{simulated.CrashBefore: false, simulated.CrashAfter: true} {
		synctest.Test(t, func(t *testing.T) {
			a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency)})
			a.Decide(faulty(simulated.Fault{Kind: kind}))
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-c.Killed(); cancel() }()
			_, err := c.Transact(ctx, "ttt", "p", []storage.Op{insert("x", "")})
			is(t, err, storage.ErrUnknown)
			if there(a, "x") != applied {
				t.Errorf("%v: applied is not %v", kind, applied)
			}
		})
	}
}

func TestAPausedClientHearsNothingUntilItIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency)})
		var done []string
		results := make(chan string, 3)
		send := func(key string) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := c.Transact(ctx, "ttt", "p", []storage.Op{insert(key, "")})
			results <- fmt.Sprint(key, " ", err == nil)
		}
		go send("under-way")
		<-time.After(latency / 4)
		c.Pause()
		c.Pause()
		go send("short")
		<-time.After(latency)
		if !there(a, "under-way") || there(a, "short") {
			t.Error("what is under way arrives, and nothing leaves")
		}
		<-time.After(2 * time.Minute)
		go send("long")
		synctest.Wait()
		if len(results) > 0 {
			t.Errorf("a call returned: %s", <-results)
		}
		c.Resume()
		for range 3 {
			done = append(done, <-results)
		}
		slices.Sort(done)
		if want := "[long true short false under-way true]"; fmt.Sprint(done) != want {
			t.Errorf("got %v, want %s", done, want)
		}
	})
}

func TestACutLosesRequestsOrAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency)})
		try := func(key string) error {
			_, err := c.Transact(t.Context(), "ttt", "p", []storage.Op{insert(key, "")})
			return err
		}
		c.Cut()
		begun := time.Now()
		is(t, try("cut"), storage.ErrUnknown)
		c.Heal()
		result := make(chan error)
		go func() { result <- try("cut-under-way") }()
		<-time.After(latency / 4)
		c.Cut()
		is(t, <-result, storage.ErrUnknown)
		_, err := c.Get(t.Context(), "ttt", "p", "cut")
		is(t, err, storage.ErrBusy)
		if took := time.Since(begun); took < 9*time.Second {
			t.Errorf("three calls failed after %v", took)
		}
		c.CutAnswers()
		is(t, try("one-way"), storage.ErrUnknown)
		c.Heal()
		if err := try("healed"); err != nil {
			t.Error(err)
		}
		if there(a, "cut") || there(a, "cut-under-way") || !there(a, "one-way") || !there(a, "healed") {
			t.Errorf("rows %v", rows(a))
		}
	})
}

func TestClocksAreComparedByAnswers(t *testing.T) {
	a, _ := open(t, simulated.Config{MaxSkew: 15 * time.Minute})
	c := a.Client("new")
	c.SetSkew(10 * time.Minute)
	if now := c.Now(); now.Sub(a.Now()).Round(time.Minute) != 10*time.Minute {
		t.Errorf("before an answer tells it is %v, and the host's clock is 10 min ahead of %v", now, a.Now())
	}
	_, err := c.Peek(t.Context(), "q-q", 1)
	if now := c.Now(); err != nil || now.Sub(a.Now()).Abs() > time.Second {
		t.Errorf("after an answer it is %v, at the service %v; %v", now, a.Now(), err)
	}
	c.SetSkew(-5 * time.Minute)
	if now := c.Now(); now.Sub(a.Now()).Abs() > time.Second {
		t.Errorf("after the host's clock was set it is %v, at the service %v", now, a.Now())
	}
	c.SetSkew(-16 * time.Minute)
	_, err = c.Peek(t.Context(), "q-q", 1)
	is(t, err, storage.ErrDenied)
}

func TestWithoutLatencyNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, simulated.Config{})
		begun := time.Now()
		must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("a", "")}))
		a.Decide(faulty(simulated.Fault{Kind: simulated.LostAnswer}))
		_, err := c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("x", "")})
		is(t, err, storage.ErrUnknown)
		if took := time.Since(begun); took != 0 || !there(a, "x") {
			t.Errorf("took %v", took)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency)})
		dead, paused := a.Client("dead"), a.Client("paused")
		dead.Kill()
		paused.Pause()
		a.Decide(faulty(simulated.Fault{Kind: simulated.Late, Delay: time.Hour}))
		_, err := c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("x", "")})
		is(t, err, storage.ErrUnknown)
		results := make(chan error)
		for _, c := range []*simulated.Client{c, dead, paused} {
			go func() {
				_, err := c.Get(context.Background(), "ttt", "p", "a")
				results <- err
			}()
		}
		synctest.Wait()
		a.Close()
		for range 3 {
			is(t, <-results, storage.ErrBusy)
		}
		if there(a, "x") {
			t.Error("applied after the end")
		}
		is(t, errors.Join(c.CreateQueue(context.Background(), "another")), storage.ErrUnknown)
	})
}

func TestDecidersSayWhichRequestAndWhichFault(t *testing.T) {
	reset, busy := simulated.Fault{Kind: simulated.Reset}, simulated.Fault{Kind: simulated.Busy}
	takes := func(c simulated.Call) bool { return c.Kind == simulated.Take }
	d := simulated.First(simulated.At(2, busy), simulated.Nth(2, takes, reset))
	var got []string
	for n, kind := range []simulated.Kind{simulated.Take, simulated.Take, simulated.Get, simulated.Take} {
		got = append(got, d(simulated.Call{N: n + 1, Kind: kind}).String())
	}
	if want := "[none busy none none]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s: the second take is also the second request", got, want)
	}
	if f := (simulated.Fault{Kind: simulated.Slow, Delay: time.Second}); f.String() != "slow 1s" {
		t.Errorf("%v", f)
	}
}
