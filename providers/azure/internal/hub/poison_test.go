package hub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
)

// TestWhatIsNoOfferBecomesADeadLetter: somebody puts something into a work queue.
func TestWhatIsNoOfferBecomesADeadLetter(t *testing.T) {
	apart(t, 2, func(s *sites) {
		x := s.host("host", core.WorkerConfig{})
		put := s.account.Client("somebody")
		for _, body := range []string{"<html>", `{"format":99,"of":"a newer program"}`} {
			if err := put.Enqueue(s.Context(), s.cfg.Name+"-work", []byte(body), 0); err != nil {
				s.Fatal(err)
			}
		}
		if got := begin(s, x, longOne, time.Second, "a")(); got != "host" {
			s.Errorf("an activity beside it ran on %q", got)
		}
		<-time.After(10 * time.Minute)
		letters, err := x.store.DeadLetters(s.Context(), 10)
		if err != nil || len(letters) != 1 {
			s.Fatalf("dead letters are %+v, %v; want one", letters, err)
		}
		if r := letters[0].Reason; !strings.Contains(r, "<html>") || !strings.Contains(r, "hub-work") || letters[0].Time.IsZero() {
			s.Errorf("the dead letter is %+v: it should say where it was, and what", letters[0])
		}
		<-time.After(time.Minute)
		left, err := put.Peek(s.Context(), s.cfg.Name+"-work", 10)
		for _, m := range left {
			if !strings.Contains(string(m.Body), "newer") {
				s.Errorf("%q is still in the queue", m.Body)
			}
		}
		if again, err2 := x.store.DeadLetters(s.Context(), 10); err != nil || err2 != nil || len(again) != 1 {
			s.Errorf("later the dead letters are %+v, %v, %v", again, err, err2)
		}
	})
}
