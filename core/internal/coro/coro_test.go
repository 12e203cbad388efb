package coro_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/internal/coro"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var kinds = map[string]func(func(coro.Coroutine)) coro.Coroutine{
	"pull":    coro.NewPull,
	"channel": coro.NewChannel,
}

func each(t *testing.T, test func(t *testing.T, create func(func(coro.Coroutine)) coro.Coroutine)) {
	for name, create := range kinds {
		t.Run(name, func(t *testing.T) { test(t, create) })
	}
}

func TestResumeRunsUntilTheNextPark(t *testing.T) {
	each(t, func(t *testing.T, create func(func(coro.Coroutine)) coro.Coroutine) {
		var log []string
		c := create(func(c coro.Coroutine) {
			log = append(log, "a")
			c.Park()
			log = append(log, "b")
		})
		if !c.Resume() || strings.Join(log, "") != "a" {
			t.Fatalf("after the first resume: %q", log)
		}
		if c.Resume() || strings.Join(log, "") != "ab" {
			t.Fatalf("after the second resume: %q", log)
		}
		c.Stop()
	})
}

func TestStopRunsDeferredCallsAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, create func(func(coro.Coroutine)) coro.Coroutine) {
		var log []string
		c := create(func(c coro.Coroutine) {
			defer func() { log = append(log, "deferred") }()
			defer func() {
				if r := recover(); r != nil {
					log = append(log, fmt.Sprint("recovered ", r))
				}
				c.Park() // awaiting while stopping ends, too
				log = append(log, "went on in a deferred call")
			}()
			c.Park()
			log = append(log, "went on")
		})
		c.Resume()
		c.Stop()
		if got := strings.Join(log, ","); got != "deferred" {
			t.Fatalf("stopping ran %q", got)
		}
		if c.Panic() != nil {
			t.Fatalf("stopping looks like a panic: %v", c.Panic())
		}
	})
}

func TestStopOfANewCoroutineNeverRunsIt(t *testing.T) {
	each(t, func(t *testing.T, create func(func(coro.Coroutine)) coro.Coroutine) {
		c := create(func(coro.Coroutine) { t.Error("it ran") })
		c.Stop()
	})
}

func TestPanicIsKeptWithTheStackOfUserCode(t *testing.T) {
	each(t, func(t *testing.T, create func(func(coro.Coroutine)) coro.Coroutine) {
		c := create(func(c coro.Coroutine) { c.Park(); explode() })
		c.Resume()
		if c.Resume() {
			t.Fatal("it goes on after a panic")
		}
		p := c.Panic()
		if p == nil || p.Value != "boom" || !strings.Contains(string(p.Stack), "explode") {
			t.Fatalf("panic = %+v", p)
		}
	})
}

func explode() { panic("boom") }

func TestParkOutsideIsRefused(t *testing.T) {
	each(t, func(t *testing.T, create func(func(coro.Coroutine)) coro.Coroutine) {
		c := create(func(c coro.Coroutine) { c.Park() })
		c.Resume()
		defer c.Stop()
		defer func() {
			if r := fmt.Sprint(recover()); !strings.Contains(r, "outside the orchestration") {
				t.Fatalf("parking from outside gave %q", r)
			}
		}()
		c.Park()
	})
}

func TestDumpShowsWhereItIsParkedAndChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, create func(func(coro.Coroutine)) coro.Coroutine) {
		steps := 0
		c := create(func(c coro.Coroutine) { parkHere(c); steps++ })
		c.Resume()
		if !strings.Contains(string(c.Dump()), "parkHere") {
			t.Error("the dump does not show the parked function")
		}
		if steps != 0 || c.Resume() || steps != 1 {
			t.Errorf("after a dump and a resume: %d steps", steps)
		}
	})
}

func parkHere(c coro.Coroutine) { c.Park() }

func TestGoexitOfUserCodeEndsTheResumingGoroutine(t *testing.T) {
	each(t, func(t *testing.T, create func(func(coro.Coroutine)) coro.Coroutine) {
		c := create(func(coro.Coroutine) { runtime.Goexit() })
		returned := false
		done := newSignal()
		go func() {
			defer done.close()
			c.Resume()
			returned = true
		}()
		done.wait()
		if returned {
			t.Fatal("Resume returned after Goexit")
		}
	})
}

type signal chan struct{}

func newSignal() signal { return make(chan struct{}) }
func (s signal) close() { close(s) }
func (s signal) wait()  { <-s }

// TestBothImplementationsAgree drives random programs on both and compares
// what they do.
func TestBothImplementationsAgree(t *testing.T) {
	for seed := range uint64(200) {
		traces := map[string]string{}
		for name, create := range kinds {
			traces[name] = drive(seed, create)
		}
		if traces["pull"] != traces["channel"] {
			t.Fatalf("seed %d:\npull    %s\nchannel %s", seed, traces["pull"], traces["channel"])
		}
	}
}

func drive(seed uint64, create func(func(coro.Coroutine)) coro.Coroutine) string {
	r := rand.New(rand.NewPCG(seed, 1))
	var log strings.Builder
	var live []coro.Coroutine
	for i := range 5 {
		parks := r.IntN(4)
		explodes := r.IntN(4) == 0
		live = append(live, create(func(c coro.Coroutine) {
			defer fmt.Fprintf(&log, "end%d ", i)
			for p := range parks {
				fmt.Fprintf(&log, "%d.%d ", i, p)
				c.Park()
			}
			if explodes {
				panic(i)
			}
		}))
	}
	for range 20 {
		i := r.IntN(len(live))
		switch r.IntN(6) {
		case 0:
			live[i].Stop()
			fmt.Fprintf(&log, "stop%d ", i)
		case 1:
			live[i].Dump()
		default:
			fmt.Fprintf(&log, "resume%d=%v/%v ", i, live[i].Resume(), live[i].Panic() != nil)
		}
	}
	for _, c := range live {
		c.Stop()
	}
	return log.String()
}

func BenchmarkSwitch(b *testing.B) {
	for name, create := range kinds {
		b.Run(name, func(b *testing.B) {
			c := create(func(c coro.Coroutine) {
				for {
					c.Park()
				}
			})
			c.Resume()
			b.ReportAllocs()
			for b.Loop() {
				c.Resume()
			}
			c.Stop()
		})
	}
}
