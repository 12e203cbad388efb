package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Samples of the field, as a newcomer would write them.

func TestSampleGabbarGreetings(t *testing.T) {
	gabbar := orchestration.Declare[none, []string]("gabbar greetings")
	sayHello := activity.Declare[string, string]("say hello")
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		w.run(
			gabbar.Func(func(ctx *octx, _ none) ([]string, error) {
				var greetings []*orchestration.Future[string]
				for _, name := range []string{"Gabbar", "Samba", "Kaalia"} {
					greetings = append(greetings, sayHello.Call(ctx, name))
				}
				return orchestration.All(greetings...).Await()
			}),
			sayHello.Func(func(_ context.Context, name string) (string, error) { return "Hello, " + name + "!", nil }),
		)
		got, err := begun(w, gabbar, none{}, start{}).Wait(w.ctx)
		if want := []string{"Hello, Gabbar!", "Hello, Samba!", "Hello, Kaalia!"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestSampleControlFlowAndLoops(t *testing.T) {
	flow := orchestration.Declare[int, string]("flow")
	odd := activity.Declare[int, bool]("odd")
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		w.run(
			flow.Func(func(ctx *octx, n int) (string, error) {
				path := ""
				for n > 1 {
					isOdd, err := odd.Call(ctx, n).Await()
					if err != nil {
						return "", err
					}
					if isOdd {
						n, path = 3*n+1, path+"u"
					} else {
						n, path = n/2, path+"d"
					}
				}
				return path, nil
			}),
			odd.Func(func(_ context.Context, n int) (bool, error) { return n%2 == 1, nil }),
		)
		gives(w, begun(w, flow, 6, start{}), "dududddd")
	})
}

func TestSampleApprovalWithEscalation(t *testing.T) {
	type decision struct {
		By string
		OK bool
	}
	approval := orchestration.Declare[time.Duration, string]("approval")
	decide := orchestration.DeclareEvent[decision]("decide")
	escalate := activity.Declare[string, string]("escalate")
	everywhere(t, func(t *testing.T, w *world) {
		w.run(
			approval.Func(func(ctx *octx, patience time.Duration) (string, error) {
				answer, late := decide.Wait(ctx, orchestration.WaitOptions{Description: "for the boss"}), ctx.Timer(patience)
				won, err := orchestration.Race(answer, late).Await()
				if err != nil {
					return "", err
				}
				switch won {
				case answer:
					d, err := answer.Await()
					return fmt.Sprintf("%s said %v", d.By, d.OK), err
				default:
					return escalate.Call(ctx, "no answer").Await()
				}
			}),
			escalate.Func(func(_ context.Context, why string) (string, error) { return "escalated: " + why, nil }),
		)
		gives(w, begun(w, approval, time.Millisecond, start{}), "escalated: no answer")
		h := begun(w, approval, time.Hour, start{ID: "a"})
		raise(w, decide, "a", decision{By: "ann", OK: true})
		gives(w, h, "ann said true")
	})
}

func TestSampleStatusPolling(t *testing.T) {
	job := orchestration.Declare[int, int]("job")
	everywhere(t, func(t *testing.T, w *world) {
		w.run(greet.Func(greeting), job.Func(func(ctx *octx, steps int) (int, error) {
			for i := range steps {
				if err := ctx.SetStatus(fmt.Sprintf("%d of %d", i+1, steps)); err != nil {
					return 0, err
				}
				if _, err := greet.Call(ctx, "x").Await(); err != nil {
					return 0, err
				}
			}
			return steps, nil
		}))
		h := begun(w, job, 5, start{ID: "j"})
		var seen []string
		for revision := int64(0); ; {
			i, err := w.client.Wait(w.ctx, h.ID(), provider.Until{StatusRevision: revision + 1})
			if err != nil {
				t.Fatal(err)
			}
			revision = i.StatusRevision
			if s := string(i.CustomStatus); len(seen) == 0 || seen[len(seen)-1] != s {
				seen = append(seen, s)
			}
			if i.Status.Final() {
				break
			}
		}
		if !slices.IsSorted(seen) || seen[len(seen)-1] != `"5 of 5"` {
			t.Errorf("saw %q", seen)
		}
		gives(w, h, 5)
	})
}

func TestSampleSubOrchestrations(t *testing.T) {
	type file struct{ Name, Text string }
	count := orchestration.Declare[[]file, map[string]int]("count words")
	countOne := orchestration.Declare[file, int]("count words of one")
	split := activity.Declare[string, []string]("split")
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		w.run(
			count.Func(func(ctx *octx, files []file) (map[string]int, error) {
				var counts []*orchestration.Future[int]
				for _, f := range files {
					counts = append(counts, countOne.Call(ctx, f, orchestration.ChildOptions{Description: f.Name}))
				}
				numbers, err := orchestration.All(counts...).Await()
				all := map[string]int{}
				for i, n := range numbers {
					all[files[i].Name] = n
				}
				return all, err
			}),
			countOne.Func(func(ctx *octx, f file) (int, error) {
				words, err := split.Call(ctx, f.Text).Await()
				return len(words), err
			}),
			split.Func(func(_ context.Context, text string) ([]string, error) { return strings.Fields(text), nil }),
		)
		got, err := begun(w, count, []file{{"a", "one"}, {"b", "one two"}, {"c", ""}}, start{}).Wait(w.ctx)
		if err != nil || fmt.Sprint(got) != "map[a:1 b:2 c:0]" {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestSampleMonitorThatPrunesItself(t *testing.T) {
	type reading struct{ Round, Max int }
	monitor := orchestration.Declare[reading, reading]("monitor")
	measure := activity.Declare[int, int]("measure")
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		w.run(
			monitor.Func(func(ctx *octx, r reading) (reading, error) {
				for ctx.Info().HistoryLength < 20 { // then it begins afresh
					value, err := measure.Call(ctx, r.Round).Await()
					if err != nil {
						return r, err
					}
					if r = (reading{r.Round + 1, max(r.Max, value)}); r.Round == 30 {
						return r, nil
					}
					if err := ctx.Sleep(time.Millisecond); err != nil {
						return r, err
					}
				}
				return monitor.ContinueAsNew(ctx, r, orchestration.ContinueOptions{Keep: 2})
			}),
			measure.Func(func(_ context.Context, round int) (int, error) { return round * 7 % 31, nil }),
		)
		gives(w, begun(w, monitor, reading{}, start{ID: "m"}), reading{30, 30})
		if i := w.instance("m"); i.Execution < 5 || i.LastEvent > 30 || i.Pruned != i.Execution-2 {
			t.Errorf("execution %d with %d events, pruned up to %d", i.Execution, i.LastEvent, i.Pruned)
		}
	})
}

func TestSampleRequestAndResponseOverState(t *testing.T) {
	requests := orchestration.DeclareQueue[string]("requests")
	account := orchestration.Declare[none, int]("account")
	balance := orchestration.DeclareState[int]("balance")
	everywhere(t, func(t *testing.T, w *world) {
		w.run(account.Func(func(ctx *octx, in none) (int, error) {
			for range 5 {
				r, err := requests.Receive(ctx).Await()
				if err != nil {
					return 0, err
				}
				b, err := balance.Get(ctx)
				if err != nil || r == "close" {
					return b, err
				}
				if err := balance.Set(ctx, b+len(r)); err != nil {
					return 0, err
				}
			}
			return account.ContinueAsNew(ctx, in)
		}))
		h := begun(w, account, none{}, start{ID: "acc"})
		want := 0
		for i := range 12 {
			put(w, requests, "acc", strings.Repeat("+", i))
			want += i
			w.until("the balance", func() bool {
				b, err := balance.Read(w.ctx, w.client, "acc")
				return err == nil && b == want
			})
		}
		put(w, requests, "acc", "close")
		gives(w, h, want)
	})
}

func TestSampleErrorRecovery(t *testing.T) {
	type attempt struct{ Provider string }
	pay := orchestration.Declare[[]string, string]("pay")
	charge := activity.Declare[attempt, string]("charge")
	alert := activity.Declare[string, none]("alert")
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		w.run(
			pay.Func(func(ctx *octx, providers []string) (string, error) {
				var failed []error
				for _, p := range providers {
					receipt, err := charge.Call(ctx, attempt{p}, activity.Retry{MaxAttempts: 3, First: time.Millisecond}).Await()
					if err == nil {
						return receipt, nil
					}
					failed = append(failed, err)
				}
				_, err := alert.Call(ctx, fmt.Sprintf("%d providers failed", len(failed))).Await()
				return "", errors.Join(append(failed, err)...)
			}),
			charge.Func(func(_ context.Context, a attempt) (string, error) {
				if a.Provider != "good" {
					return "", fmt.Errorf("%s: %w", a.Provider, &declined{a.Provider})
				}
				return "paid", nil
			}),
			alert.Func(func(context.Context, string) (none, error) { return none{}, nil }),
		)
		gives(w, begun(w, pay, []string{"bad", "good"}, start{ID: "p"}), "paid")
		if n := w.count("p", 1, history.KindActivityAttemptFailed); n != 2 {
			t.Errorf("%d attempts failed before the last, want 2", n)
		}
		err := fails(w, begun(w, pay, []string{"bad", "worse"}, start{}))
		if d, ok := errors.AsType[*declined](err); !ok || d.Code != "bad" {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestTheJourneyOnStoresThatFail(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		handlers, effects := travel()
		w.run(handlers...)
		var all []*orchestration.Handle[string]
		for range 20 {
			all = append(all, begun(w, journey, 0, start{}))
		}
		for _, h := range all {
			gives(w, h, "arrived in execution 2")
		}
		w.halt()
		if n := len(effects()); n != 4*len(all) {
			t.Errorf("%d effects, want four of each journey", n)
		}
	})
}
