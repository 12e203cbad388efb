//go:build unix

package chaos

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/internal/azurite/strict"
	"github.com/duroxide/duroxide-go/internal/verify"
)

var soak = flag.Duration("soak", 0, "for how long hosts of a hub on Azurite are killed, paused, ended and replaced")

const (
	wantedHosts = 3
	mostHosts   = 5
	soakTTL     = 3 * time.Second
	// orderEvery is the pause between two orders: the emulator gets slower with
	// what it holds.
	orderEvery = 400 * time.Millisecond
)

// TestSoak lets worker processes share a hub on Azurite, and kills them with
// SIGKILL, pauses them for longer than they may be silent, asks them to leave,
// and starts others, at random, while orders come in. Now and then the emulator
// itself is paused. In the end everything finishes, and the audit reads the
// ledger of effects and all that is stored (Z1 to Z13): nothing lost, nothing
// doubled.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("takes as long as it is told: go test ./test/chaos -run TestSoak -soak 10m -timeout 30m -v")
	}
	runtime.LockOSThread() // the processes end with the thread that started them
	ctx, cancel := context.WithTimeout(t.Context(), *soak+10*time.Minute)
	defer cancel()
	server := azuritetest.Start(t, azurite.Config{})
	s := &soaking{
		t: t, ctx: ctx, server: server, path: filepath.Join(t.TempDir(), "soak"),
		r: rand.New(rand.NewPCG(*seed, 1)), deeds: map[string]int{}, hosts: map[int]*member{},
	}
	store, err := openHub(ctx, server.ConnectionString(), nil, func(v strict.Violation) { t.Errorf("Azure would have refused a request: %v", v) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range wantedHosts {
		s.join()
	}
	orders := &desk{t: t, client: core.NewClient(store, core.ClientConfig{}), r: rand.New(rand.NewPCG(*seed, 2))}
	enough, stop := context.WithTimeout(ctx, *soak)
	defer stop()
	var front sync.WaitGroup
	front.Go(func() { orders.open(ctx, enough) })
	s.torment(enough)
	s.heal()
	front.Wait()
	s.goHome()
	t.Logf("%d orders in %v, while this was done to hosts: %v", orders.n, *soak, s.deeds)
	if ctx.Err() != nil {
		t.Fatal("it did not come to its end: ", ctx.Err())
	}
	report, err := verify.Store(ctx, store, verify.Options{Complete: true, Effects: []string{"effect", "flaky"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Effects(report, verify.Ledger(s.path+".ledger")); err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Error(f)
	}
	if n := int(s.unsure.Load()); n > mostHosts*s.deeds["pause of the emulator"] {
		t.Errorf("%d hosts could not say whether others had heard of their leaving, more than the pauses of the emulator explain", n)
	}
	t.Logf("%d instances, %d activities completed, %d effects, %d of them run again",
		report.Instances, report.Counts.Activities.Completed, report.Effects.Effects, report.Effects.Repeats)
	if report.Effects.Effects == 0 {
		t.Error("the test did no work")
	}
}

// soaking is who does things to hosts.
type soaking struct {
	t      *testing.T
	ctx    context.Context
	server *azurite.Server
	path   string
	r      *rand.Rand
	deeds  map[string]int
	names  int
	hosts  map[int]*member // that run, by number
	paused sync.WaitGroup  // hosts that are to be woken
	unsure atomic.Int64    // hosts that could not say whether others had heard of their leaving
}

// member is a worker process.
type member struct {
	process
	number int
	ended  chan struct{} // closed when it was reaped
	err    error         // how it ended
	asleep chan struct{} // full while it is paused
}

// join starts a host. It must run on the goroutine of the test.
func (s *soaking) join() {
	s.t.Helper()
	s.names++
	m := &member{process: process{log: &bytes.Buffer{}}, number: s.names, ended: make(chan struct{}), asleep: make(chan struct{}, 1)}
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	m.cmd = exec.Command(exe)
	m.cmd.Env = append(os.Environ(), workerVariable+"="+s.path, accountVariable+"="+s.server.ConnectionString())
	m.cmd.Stderr, m.cmd.SysProcAttr = m.log, attributes()
	if m.input, err = m.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		m.err = m.cmd.Wait()
		close(m.ended)
	}()
	s.hosts[m.number] = m
	s.deeds["join"]++
}

// one draws a host.
func (s *soaking) one() *member {
	numbers := slices.Sorted(maps.Keys(s.hosts))
	return s.hosts[numbers[s.r.IntN(len(numbers))]]
}

// torment does things to hosts until ctx ends.
func (s *soaking) torment(ctx context.Context) {
	for wait(ctx, time.Duration(s.r.Int64N(int64(4*time.Second)))) {
		for number, m := range s.hosts {
			select {
			case <-m.ended:
				s.t.Errorf("host %d ended by itself: %v\n%s", number, m.err, tail(m.log))
				delete(s.hosts, number)
			default:
			}
		}
		switch n := s.r.IntN(100); {
		case len(s.hosts) < wantedHosts, n < 20 && len(s.hosts) < mostHosts:
			s.join()
		case n < 50:
			m := s.one()
			s.deeds["kill -9"]++
			delete(s.hosts, m.number)
			_ = m.cmd.Process.Kill() // it was there a moment ago
			<-m.ended
		case n < 75:
			s.pause(s.one(), time.Duration(s.r.Int64N(int64(3*soakTTL))))
		case n < 95:
			m := s.one()
			s.deeds["SIGTERM"]++
			delete(s.hosts, m.number)
			s.leave(m)
		default:
			s.deeds["pause of the emulator"]++
			s.check(s.server.Pause())
			wait(s.ctx, time.Duration(s.r.Int64N(int64(2*soakTTL))))
			s.check(s.server.Resume())
		}
	}
}

// pause stops a host for a while.
func (s *soaking) pause(m *member, d time.Duration) {
	select {
	case m.asleep <- struct{}{}:
	default:
		return // it is asleep
	}
	s.deeds["SIGSTOP"]++
	if d > soakTTL {
		s.deeds["SIGSTOP, longer than the TTL"]++
	}
	_ = m.cmd.Process.Signal(syscall.SIGSTOP)
	s.paused.Go(func() {
		wait(s.ctx, d)
		_ = m.cmd.Process.Signal(syscall.SIGCONT) // it may have been killed
		<-m.asleep
	})
}

// leave asks a host to go, and sees it off.
func (s *soaking) leave(m *member) {
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	s.paused.Go(func() {
		select {
		case <-m.ended:
			said := func(what string) bool { return bytes.Contains(m.log.Bytes(), []byte(what)) }
			switch {
			case m.err == nil, m.log.Len() == 0, said("worker not started"), said("worker: azure: opening hub"): // it had not joined
			case said("leaving the host: azure: leaving: outcome unknown"):
				s.unsure.Add(1)
			default:
				s.t.Errorf("host %d was asked to leave, and said %v\n%s", m.number, m.err, tail(m.log))
			}
		case <-time.After(2 * time.Minute):
			_ = m.cmd.Process.Kill()
			<-m.ended
			s.t.Errorf("host %d was asked to leave, and did not\n%s", m.number, tail(m.log))
		}
	})
}

// heal ends all trouble: nobody is paused, and some hosts run.
func (s *soaking) heal() {
	s.paused.Wait()
	for len(s.hosts) < wantedHosts {
		s.join()
	}
}

// goHome lets all hosts leave.
func (s *soaking) goHome() {
	for _, m := range s.hosts {
		s.leave(m)
	}
	s.paused.Wait()
}

func (s *soaking) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Error(err)
	}
}

// desk is who orders.
type desk struct {
	t      *testing.T
	client *core.Client
	r      *rand.Rand
	n      int
}

// open takes orders until the first of the contexts ends, and waits until all of
// them came to what they should.
func (d *desk) open(ctx, enough context.Context) {
	var all sync.WaitGroup
	for ; wait(enough, orderEvery); d.n++ {
		n, patience := d.n, time.Duration(d.r.Int64N(int64(5*time.Second)))
		all.Go(func() {
			o := orchestration.StartOptions{ID: orchestration.InstanceID(fmt.Sprint("order-", n)), RequestID: "first"}
			err := insist(ctx, func() error {
				_, err := order.Start(ctx, d.client, n, o)
				return err
			})
			wait(ctx, patience)
			if err == nil {
				err = insist(ctx, func() error { return confirm.Raise(ctx, d.client, o.ID, 1) })
			}
			var got int
			if err == nil {
				err = insist(ctx, func() (err error) {
					got, err = order.Handle(d.client, o.ID).Wait(ctx)
					return err
				})
			}
			if err != nil || got != want(n) {
				d.t.Errorf("%s: %d, %v; want %d", o.ID, got, err, want(n))
			}
		})
	}
	all.Wait()
}

// insist tries again for as long as that may help.
func insist(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || !provider.Retryable(err) && !errors.Is(err, provider.ErrUnavailable) || !wait(ctx, 50*time.Millisecond) {
			return err
		}
	}
}

// wait lets time pass, unless ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// tail is the end of a log.
func tail(log *bytes.Buffer) []byte {
	text := log.Bytes()
	return text[max(0, len(text)-4_000):]
}
