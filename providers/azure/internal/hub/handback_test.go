package hub_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/provider"
)

// TestWhatALeaverGivesBackToAWorkQueueGoesOnSoon: hosts leave one after the other, as
// for a deploy, with activities that another offered.
func TestWhatALeaverGivesBackToAWorkQueueGoesOnSoon(t *testing.T) {
	for _, after := range []time.Duration{10 * time.Second, 30 * time.Second, 55 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			apart(t, 1, func(s *sites) {
				owner := s.host("owner", core.WorkerConfig{})
				gpu := core.WorkerConfig{Tags: []string{"GPU/8 "}}
				first := s.host("first", gpu)
				result := begin(s, owner, longTag, 4*time.Minute, "a") // longer than the grace
				<-time.After(5 * time.Second)
				s.host("second", gpu)
				<-time.After(after)
				s.leave(first)
				<-time.After(3 * time.Second)
				if got := s.starts(); fmt.Sprint(got) != "[first second]" {
					s.Errorf("3 s after its host left it has begun on %v, want second too", got)
				}
				if got := result(); got != "second" {
					s.Errorf("the result is from %s, want second", got)
				}
			})
		})
	}
}

// TestADelayIsKeptBySomebodyElse: who gives an activity back does not own its instance
// any more, or never did. It is not handed out before, nor long after.
func TestADelayIsKeptBySomebodyElse(t *testing.T) {
	const delay, most = 90*time.Second + 400*time.Millisecond, 5 * time.Second
	handsOver(t, 12, func(o *handedOver) {
		given := time.Now()
		for _, task := range o.tasks {
			if err := o.former.ReleaseActivity(o.Context(), task, provider.Release{Delay: delay}); err != nil {
				o.Fatal(err)
			}
		}
		moved := 0
		ctx, cancel := context.WithTimeout(o.Context(), delay+most)
		defer cancel()
		for task, err := o.next.NextActivity(ctx); err == nil; task, err = o.next.NextActivity(ctx) {
			if took := time.Since(given); took < delay {
				o.Errorf("%v is handed out %v after it was given back, want %v", task.ID, took, delay)
			}
			moved++
		}
		if moved < 2 {
			o.Errorf("%d activities of the former owner are handed out by the next one, want some", moved)
		}
	})
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
		given, task := time.Now(), w.next(w.away, nil)
		if err := w.away.ReleaseActivity(w.Context(), task, provider.Release{Delay: delay}); err != nil {
			w.Fatal(err)
		}
		w.next(w.away, nil)
		if took := time.Since(given); took < delay || took > delay+time.Minute+most { // it may be left to the host's next look
			w.Errorf("it is handed out %v after it was given back, want %v", took, delay)
		}
	})
}

// TestWhatHostsDiedWithStaysWithItsBusyOwner: it went back there, to be found out.
func TestWhatHostsDiedWithStaysWithItsBusyOwner(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{}, 100, func(w *two) {
		for n := 1; n <= 3; n++ {
			task := w.next(w.away, nil) // the owner has no slot for it
			if task.Delivery != n {
				w.Errorf("its delivery is the %d., want the %d.", task.Delivery, n)
			}
			if err := w.away.ReleaseActivity(w.Context(), task, provider.Release{Delay: 2 * time.Second}); err != nil {
				w.Fatal(err)
			}
		}
		w.nobodyTakes(w.away, 5*time.Minute, func() {})
		task := w.next(w.owner, nil)
		if task.Delivery < 4 {
			w.Errorf("its delivery is the %d., want the 4. at least", task.Delivery)
		}
		w.complete(w.owner, task)
	})
}
