package audit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

func TestAHubIsCleanWhileHostsDieAndRequestsFail(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { crash(t, seed) }) })
	}
}

func crash(t *testing.T, seed uint64) {
	l := newLab(t)
	one, two := l.account.Client("one"), l.account.Client("two")
	s, other := l.open(one), l.open(two)
	stop, stopOther := l.work(s, "one"), l.work(other, "two")
	reader := l.open(l.account.Client("reader"))
	handles := l.start(reader, 1, 2, 3, 4)
	swarm := simulated.NewSwarm(seed, simulated.LostRequest, simulated.LostAnswer, simulated.Late, simulated.Busy, simulated.ResetAfter, simulated.Slow)
	l.account.Decide(func(c simulated.Call) simulated.Fault {
		if c.Client == "one" || c.Client == "two" {
			return swarm.Decide(c)
		}
		return simulated.Fault{}
	})
	for i := range 25 {
		l.clean(fmt.Sprint("with faults ", i), audit.Options{})
	}
	one.Kill()
	died := make(chan struct{})
	go func() {
		_ = stop() // what a dead process is told is nothing
		_ = s.Close()
		close(died)
	}()
	l.clean("after a crash", audit.Options{})
	for i := range 25 {
		l.clean(fmt.Sprint("with one host ", i), audit.Options{})
	}
	l.account.Decide(nil)
	l.approve(reader, handles)
	for _, h := range handles {
		if _, err := h.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	rest(10 * time.Minute)
	r := l.clean("at rest with one host", audit.Options{Served: true})
	if r.OnTheirWay > 0 || r.Moving > 0 {
		t.Errorf("at rest the report is %+v", r)
	}
	if err := stopOther(); err != nil {
		t.Error(err)
	}
	l.clean("without a host", audit.Options{Since: r})
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	l.account.Close() // lets go of the dead one's calls
	<-died
}
