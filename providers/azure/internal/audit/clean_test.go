package audit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
)

func rest(d time.Duration) { <-time.After(d) }

func TestAHubIsCleanAtWorkAtRestAndAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := l.open(l.account.Client("one"))
		stop := l.work(s, "one")
		handles := l.start(s, 1, 2, 3, 4, 5, 6)
		moving, suspects := 0, 0
		for i := range 30 {
			r := l.clean(fmt.Sprint("at work ", i), audit.Options{})
			moving += r.Moving
			suspects += r.Suspects
		}
		l.approve(s, handles)
		for i := range 10 {
			l.clean(fmt.Sprint("at its end ", i), audit.Options{})
		}
		for _, h := range handles {
			if _, err := h.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		rest(5 * time.Minute)
		r := l.clean("at rest", audit.Options{Served: true})
		t.Logf("%+v; moving %d, suspects %d", r, moving, suspects)
		if suspects == 0 || moving > suspects/10 {
			t.Errorf("of %d suspects %d did not hold still", suspects, moving)
		}
		if r.Instances < 80 || len(r.Notes) > 0 || r.Moving > 0 || r.Blobs == 0 || r.Suspects > 0 {
			t.Errorf("at rest the report is %+v", r)
		}
		client := core.NewClient(s, core.ClientConfig{})
		for _, h := range handles[:4] {
			if err := client.Purge(t.Context(), h.ID()); err != nil {
				t.Error(err)
			}
			l.clean("after a purge", audit.Options{Served: true})
		}
		if _, err := orderFunc.Start(t.Context(), client, 6, orchestration.StartOptions{ID: handles[5].ID(), Reuse: orchestration.ReuseFinal}); err != nil {
			t.Error(err)
		}
		l.clean("after a replacement", audit.Options{Served: true, Since: r})
		if err := stop(); err != nil {
			t.Error(err)
		}
		r = l.clean("without a host", audit.Options{Since: r})
		if r.Tombstones != 4 {
			t.Errorf("4 instances were purged, and there are %d tombstones", r.Tombstones)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
