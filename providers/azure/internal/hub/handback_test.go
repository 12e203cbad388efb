package hub_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
)

// TestWhatALeaverGivesBackToAWorkQueueGoesOnSoon: hosts leave one after the other, as
// for a deploy, with activities that another offered.
func TestWhatALeaverGivesBackToAWorkQueueGoesOnSoon(t *testing.T) {
	for _, after := range []time.Duration{10 * time.Second, 30 * time.Second, 55 * time.Second} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
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
