package environment_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
	"github.com/duroxide/duroxide-go/providers/memory"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
)

// onAzure runs a test in virtual time, with two hosts on a storage account.
func onAzure(t *testing.T, seed uint64, cfg emulator.Config, test func(w *world, hosts *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		account := azuretest.New(azuretest.Config{Seed: seed, Latency: 5 * time.Millisecond, TTL: 3 * time.Second, Hub: hub})
		p := &pair{world: newWorld(t, cfg), account: account, processes: map[string]*azuretest.Host{}}
		t.Cleanup(p.close)
		for range 2 {
			p.join()
		}
		observer := p.open("client")
		p.client = core.NewClient(observer, core.ClientConfig{})
		test(p.world, p)
		if broken := account.Violations(); len(broken) > 0 {
			t.Error(strings.Join(broken, "\n"))
		}
	})
}

// pair is two hosts, of which one may be killed.
type pair struct {
	world   *world
	account *azuretest.Account
	client  *core.Client

	mu        sync.Mutex
	processes map[string]*azuretest.Host // by name of the host
	killed    string
}

func (p *pair) open(name string) *azuretest.Host {
	process, err := p.account.Open(p.world.ctx, name)
	if err != nil {
		p.world.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.processes[name] = process
	return process
}

func (p *pair) join() {
	p.world.run(p.open(fmt.Sprint("host-", len(p.processes)+1)))
}

// kill is kill -9 of a host.
func (p *pair) kill(h *host) {
	p.mu.Lock()
	process := p.processes[h.name]
	p.killed = h.name
	p.mu.Unlock()
	process.Kill()
	h.cancel()
}

func (p *pair) close() {
	for _, h := range p.world.hosts {
		if h.name != p.killed { // what is left of that one ends with the account
			h.stop()
		}
	}
	for name, process := range p.processes {
		if err := process.Close(); err != nil && name != p.killed {
			p.world.t.Errorf("closing %s: %v", name, err)
		}
	}
	p.account.Close()
}

// boundary counts the requests of an environment, and does something at one of
// them: before it arrives, or when it was served and nobody knows it yet.
type boundary struct {
	at     int
	served bool
	do     func(h *host)

	mu       sync.Mutex
	requests int
	the      *http.Request // at the boundary
	what     string
}

func (b *boundary) hear(h *host, r *http.Request, served bool) {
	b.mu.Lock()
	if !served {
		if b.requests++; b.requests == b.at {
			b.the, b.what = r, r.Method+" "+r.URL.Path
		}
	}
	now := b.the == r && served == b.served
	b.mu.Unlock()
	if now {
		b.do(h)
	}
}

// requestsOfOne is how many requests it takes to make an environment, at most: the
// boundaries below are tried until there are no more.
const requestsOfOne = 100

func TestAKillAtEveryRequestInTurnLeavesExactlyWhatIsWanted(t *testing.T) {
	for _, served := range []bool{false, true} {
		for at := 1; at <= requestsOfOne; at++ {
			b := &boundary{at: at, served: served}
			onAzure(t, uint64(at), emulator.Config{}, func(w *world, hosts *pair) {
				b.do, w.hear = hosts.kill, b.hear
				h := start(w, hosts.client, "alpha", spec())
				if _, err := h.Wait(w.ctx); err != nil {
					t.Errorf("kill at request %d (%s): %v", at, b.what, err)
				}
				for _, problem := range w.problems("alpha") {
					t.Errorf("kill at request %d (%s), served %v: %s", at, b.what, served, problem)
				}
			})
			if t.Failed() || b.what == "" { // there are no more
				t.Logf("%d boundaries", at-1)
				break
			}
			if at == requestsOfOne {
				t.Errorf("there are more than %d requests", at)
			}
		}
	}
}

func TestAKillAtEveryRequestOfATearDownLeavesNothing(t *testing.T) {
	for at := 1; at <= requestsOfOne; at++ {
		b := &boundary{at: at, served: true}
		onAzure(t, uint64(at), emulator.Config{Registered: true}, func(w *world, hosts *pair) {
			provision(w, hosts.client, "alpha", spec())
			b.do, w.hear = hosts.kill, b.hear
			if err := tearDown(w, hosts.client, "alpha"); err != nil {
				t.Errorf("kill at request %d (%s): %v", at, b.what, err)
			}
			w.nothing()
		})
		if t.Failed() || b.what == "" { // there are no more
			t.Logf("%d boundaries", at-1)
			break
		}
	}
}

func TestACancellationAtEveryRequestInTurnLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		served bool
		late   time.Duration // how long the request is on its way after the cancellation
	}{"before it": {}, "after it": {served: true}, "while it is on its way": {late: 20 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			for at := 1; at <= requestsOfOne; at++ {
				b := &boundary{at: at, served: c.served}
				inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
					w.hear, w.unstoppable = b.hear, true
					b.do = func(*host) {
						if err := client.Cancel(context.WithoutCancel(w.ctx), "alpha", "enough"); err != nil && !errors.Is(err, provider.ErrClosed) {
							t.Error(err)
						}
						if c.late > 0 {
							<-time.After(c.late)
						}
					}
					_, err := start(w, client, "alpha", spec()).Wait(w.ctx)
					<-time.After(2 * c.late) // whatever was on its way has arrived
					switch {
					case errors.Is(err, orchestration.ErrCancelled):
						w.nothing()
					case err == nil: // the end was nearer
						w.exactly("alpha")
					default:
						t.Errorf("%v", err)
					}
				})
				if t.Failed() {
					t.Fatalf("cancelled at request %d (%s)", at, b.what)
				}
				if b.what == "" {
					break
				}
			}
		})
	}
}

// An answer that is lost at each request in turn, of making and of removing.
func TestALostAnswerAtEveryRequestInTurnChangesNothing(t *testing.T) {
	for at := range requestsOfOne {
		more := false
		inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
			w.cloud.Inject(emulator.Fault{Skip: at, Times: 1, LoseAnswer: true})
			provision(w, client, "alpha", spec())
			w.exactly("alpha")
			if err := tearDown(w, client, "alpha"); err != nil {
				t.Error(err)
			}
			w.nothing()
			more = w.cloud.Ledger().Injected > 0
		})
		if t.Failed() {
			t.Fatalf("an answer was lost at request %d", at+1)
		}
		if !more {
			break
		}
	}
}

// An outage is no reason to undo anything, and keeps nothing from being undone.
func TestAnOutageOfHalfAnHourDelaysEverythingAndChangesNothing(t *testing.T) {
	for name, begins := range map[string]func(l emulator.Ledger, r *http.Request) bool{
		"making":     func(l emulator.Ledger, _ *http.Request) bool { return l.Polls >= 3 },
		"undoing":    func(l emulator.Ledger, _ *http.Request) bool { return l.Count(emulator.Failed, "") > 0 },
		"smoke test": func(_ emulator.Ledger, r *http.Request) bool { return strings.HasSuffix(r.Host, emulator.AppDomain) },
	} {
		fails := name == "undoing"
		t.Run(name, func(t *testing.T) {
			inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
				var mu sync.Mutex
				var from time.Time
				w.outage = func(r *http.Request) bool {
					mu.Lock()
					defer mu.Unlock()
					if from.IsZero() && begins(w.cloud.Ledger(), r) {
						from = time.Now()
					}
					return !from.IsZero() && time.Since(from) < 30*time.Minute
				}
				if fails {
					w.cloud.Inject(emulator.Fault{Method: http.MethodPut, ID: plan("alpha").AppEnv().ID, Operation: &emulator.OperationFailure{Code: "QuotaExceeded"}})
				}
				_, err := start(w, client, "alpha", spec()).Wait(w.ctx)
				switch {
				case from.IsZero():
					t.Error("there was no outage")
				case !fails && err != nil, fails && code(err) != "QuotaExceeded":
					t.Errorf("it ended with %v", err)
				case fails:
					w.nothing()
				default:
					w.exactly("alpha")
				}
			})
		})
	}
}

// Longer than any operation may take: what went on meanwhile is asked for first.
func TestWorkersThatAreAwayForHoursChangeNothing(t *testing.T) {
	polls := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "Emulator.Operations") }
	for name, c := range map[string]struct {
		at    func(r *http.Request) bool
		skip  int
		fails bool
	}{
		"making":     {at: polls, skip: 3},
		"smoke test": {at: func(r *http.Request) bool { return strings.HasSuffix(r.Host, emulator.AppDomain) }},
		"undoing":    {at: func(r *http.Request) bool { return r.Method == http.MethodDelete }, skip: 1, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, emulator.Config{Registered: true})
				store := memory.New(memory.Config{})
				defer func() {
					w.stop()
					if err := store.Close(); err != nil {
						t.Error(err)
					}
				}()
				h, client := w.run(store), core.NewClient(store, core.ClientConfig{})
				away := make(chan struct{})
				var seen atomic.Int32
				w.hear = func(h *host, r *http.Request, served bool) {
					if served || !c.at(r) || int(seen.Add(1)) != c.skip+1 {
						return
					}
					h.cancel() // in the middle of a request
					close(away)
					<-r.Context().Done()
				}
				if c.fails {
					w.cloud.Inject(emulator.Fault{Method: http.MethodPut, ID: plan("alpha").AppEnv().ID, Operation: &emulator.OperationFailure{Code: "QuotaExceeded"}})
				}
				making := start(w, client, "alpha", spec())
				<-away
				h.stop()
				<-time.After(3 * time.Hour)
				back := time.Now()
				w.outage = func(*http.Request) bool { return time.Since(back) < 10*time.Minute } // as a network may be, then
				w.run(store)
				_, err := making.Wait(w.ctx)
				switch {
				case c.fails && code(err) != "QuotaExceeded", !c.fails && err != nil:
					t.Errorf("it ended with %v", err)
				case c.fails:
					w.nothing()
				default:
					w.exactly("alpha")
				}
			})
		})
	}
}

// It went between the look at the group and the look at what is in it.
func TestAGroupThatOthersRemoveMeanwhileIsRemoved(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		provision(w, client, "alpha", spec())
		group := plan("alpha").Group().ID
		var once sync.Once
		w.hear = func(_ *host, r *http.Request, served bool) {
			if !served && r.Method == http.MethodGet && strings.EqualFold(r.URL.Path, group+"/resources") {
				once.Do(func() { w.cloud.Change(group, nil) })
			}
		}
		if err := tearDown(w, client, "alpha"); err != nil {
			t.Error(err)
		}
		w.nothing()
	})
}

func TestATearDownWaitsForWhatOthersDo(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		provision(w, client, "alpha", spec())
		network, others := plan("alpha").Network(), 0
		var mu sync.Mutex // nobody may wait for it while time has to go on
		next := func() bool {
			mu.Lock()
			defer mu.Unlock()
			if others == 5 || operating(w, network.ID) {
				return false
			}
			others++
			return true
		}
		w.hear = func(_ *host, r *http.Request, served bool) {
			if served || r.Method != http.MethodGet || !strings.EqualFold(r.URL.Path, network.ID) || !next() {
				return
			}
			// Somebody puts something into it, whenever it is at rest.
			body := fmt.Sprintf(`{"location":"westeurope","tags":{"durable-hub":%q,"durable-instance":"alpha"},"properties":{"addressSpace":{"addressPrefixes":["10.%d.0.0/16"]}}}`, hub, others)
			w.cloud.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(w.ctx, http.MethodPut, network.ID, strings.NewReader(body)))
		}
		if err := tearDown(w, client, "alpha"); err != nil || others != 5 {
			t.Errorf("after %d changes by others: %v", others, err)
		}
		w.nothing()
	})
}

// operating tells whether something is under way at a resource.
func operating(w *world, id string) bool {
	return slices.ContainsFunc(w.cloud.Resources(), func(r emulator.Resource) bool { return strings.EqualFold(r.ID, id) && r.Operating })
}

func TestNoTokenAndNoSignatureIsInHistoryStatusOrLog(t *testing.T) {
	inBubble(t, emulator.Config{}, func(w *world, client *core.Client) {
		w.cloud.Inject(emulator.Fault{Method: http.MethodGet, ID: "operations", LoseAnswer: true, Times: 2})
		w.cloud.Inject(emulator.Fault{Method: http.MethodGet, ID: "operations", Status: http.StatusForbidden, Code: "AuthenticationFailed", Skip: 2, Times: 1})
		w.cloud.Inject(emulator.Fault{Method: http.MethodGet, ID: "operations", Status: http.StatusConflict, Code: "Conflict", Skip: 3, Times: 1})
		_, err := start(w, client, "alpha", spec()).Wait(w.ctx)
		if code(err) != "Conflict" {
			t.Errorf("it ended with %v", err)
		}
		var all strings.Builder
		for e, err := range client.History(w.ctx, "alpha", 1) {
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := history.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(encoded)
		}
		var status any
		if err := client.CustomStatus(w.ctx, "alpha", &status); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(&all, status, err, w.log.String())
		for _, secret := range []string{"sig=", "emulator.operations", "asyncURL", "cloud.test/"} {
			if strings.Contains(strings.ToLower(all.String()), strings.ToLower(secret)) {
				t.Errorf("%q shows in what is stored or logged", secret)
			}
		}
		if !strings.Contains(all.String(), `"token"`) {
			t.Error("no token was stored: this test shows nothing")
		}
	})
}

func TestWorkersWithAnotherKeyGoOn(t *testing.T) {
	onAzure(t, 1, emulator.Config{}, func(w *world, hosts *pair) {
		b := &boundary{at: 30, do: func(h *host) {
			hosts.kill(h)
		}}
		w.hear = b.hear
		w.key = []byte(strings.Repeat("k", 32))
		hosts.join() // it does not accept the tokens of the others, nor they its own
		if _, err := start(w, hosts.client, "alpha", spec()).Wait(w.ctx); err != nil {
			t.Error(err)
		}
		w.exactly("alpha")
	})
}

func TestTwoHundredEnvironmentsAtOnceOnTwoHosts(t *testing.T) {
	const count = 200
	onAzure(t, 7, emulator.Config{WritesPerSecond: 40, Burst: 100, Registered: true}, func(w *world, hosts *pair) {
		id := environment.BudgetID(subscription)
		_, err := environment.Budget.Start(w.ctx, hosts.client, environment.BudgetSpec{PerMinute: 40 * 60, Burst: 100}, orchestration.StartOptions{ID: orchestration.InstanceID(id)})
		if err != nil {
			t.Fatal(err)
		}
		s := environment.FleetSpec{Each: spec(), Concurrent: count, Remove: true}
		s.Each.Budget = id
		for i := range count {
			s.Names = append(s.Names, fmt.Sprintf("env-%03d", i))
		}
		h, err := environment.Fleet.Start(w.ctx, hosts.client, s, orchestration.StartOptions{ID: "fleet"})
		if err != nil {
			t.Fatal(err)
		}
		report, err := h.Wait(w.ctx)
		if err != nil || report.Made != count || report.Failed > 0 {
			t.Errorf("%+v, %v", report, err)
		}
		w.nothing()
		ledger := w.cloud.Ledger()
		granted, err := environment.Granted.Read(w.ctx, hosts.client, orchestration.InstanceID(id))
		if created := ledger.Count(emulator.Created, ""); created != count*len(plan("x").Resources()) {
			t.Errorf("%d resources were created", created)
		}
		if want := 2 * count * len(plan("x").Resources()); err != nil || granted < want || ledger.Throttled > want/100 {
			t.Errorf("%d writes were granted for at least %d, and %d throttled: %v", granted, want, ledger.Throttled, err)
		}
		t.Logf("%d writes were throttled, %d polls answered, %d requests to storage", ledger.Throttled, ledger.Polls, hosts.account.Requests())
	})
}
