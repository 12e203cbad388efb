package broker_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

func TestWatchersHearOfTheirInstanceOnly(t *testing.T) {
	var w broker.Watchers
	heard := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	a1, stopA1 := w.Watch("a")
	a2, stopA2 := w.Watch("a")
	b, stopB := w.Watch("b")
	stopA1()
	w.Notify("a")
	w.Notify("nobody")
	if !heard(a2) || heard(b) {
		t.Errorf("heard by the watcher of a: %t, of b: %t; want true, false", heard(a2), heard(b))
	}
	_ = a1 // whoever stopped does not look any more

	again, stopAgain := w.Watch("a")
	stopA2() // late, and without harm for those who came after
	w.NotifyAll()
	if !heard(again) || !heard(b) {
		t.Errorf("heard by all: %t, %t; want true, true", heard(again), heard(b))
	}
	stopAgain()
	stopB()
}
