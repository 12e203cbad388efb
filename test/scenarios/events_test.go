package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestTheNthWaitReceivesTheNthEvent(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		word := orchestration.DeclareEvent[string]("word")
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			a, b := word.Wait(ctx), word.Wait(ctx) // two before, one after
			second, err := b.Await()
			if err != nil {
				return "", err
			}
			first, err := a.Await()
			if err != nil {
				return "", err
			}
			third, err := word.Wait(ctx).Await()
			return fmt.Sprint(first, second, third), err
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		for _, s := range []string{"1", "2", "3", "4"} {
			raise(w, word, "f", s)
		}
		gives(w, h, "123")
	})
}

func TestTheSameEventRaisedTwiceIsTwoEvents(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			all, err := orchestration.All(goOn.Wait(ctx), goOn.Wait(ctx)).Await()
			return strings.Join(all, ""), err
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		raise(w, goOn, "f", "x")
		raise(w, goOn, "f", "x")
		gives(w, h, "xx")
	})
}

func TestAnEventWaitsForItsInstanceAndForItsWait(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		raise(w, goOn, "f", "early") // nobody is there
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			if err := ctx.Sleep(time.Millisecond); err != nil {
				return "", err
			}
			return goOn.Wait(ctx).Await()
		}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "early")
	})
}

func TestAnEventForWhatHasEndedIsDropped(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.run(waiter.Func(waits))
		h := begun(w, waiter, none{}, start{ID: "w"})
		raise(w, goOn, "w", "1")
		gives(w, h, "1")
		raise(w, goOn, "w", "2")
		w.until("it is gone", func() bool {
			out, err := w.store.Outstanding(w.ctx, "w")
			return err == nil && len(out.Messages) == 0
		})
		gives(w, h, "1")
		if dead, err := w.store.DeadLetters(w.ctx, 10); err != nil || len(dead) > 0 {
			t.Errorf("dead letters %v, %v", dead, err)
		}
	})
}

func TestACancelledWaitDoesNotTakeTheNextEvent(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		word := orchestration.DeclareEvent[string]("word")
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			lost := word.Wait(ctx)
			if won, err := orchestration.Race(lost, ctx.Timer(0)).Await(); err != nil || won == lost {
				return "", fmt.Errorf("the wait won: %w", err)
			}
			if _, err := goOn.Wait(ctx).Await(); err != nil {
				return "", err
			}
			return word.Wait(ctx).Await()
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		w.reaches("f", history.KindWaitCancelled, 1)
		raise(w, word, "f", "mine")
		raise(w, goOn, "f", "")
		gives(w, h, "mine")
	})
}

func TestTheLoserOfFirstKeepsItsPlaceInLine(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		word := orchestration.DeclareEvent[string]("word")
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			one := word.Wait(ctx)
			if _, err := orchestration.First(one, ctx.Timer(0)); err != nil {
				return "", err
			}
			two := word.Wait(ctx)
			b, err := two.Await()
			if err != nil {
				return "", err
			}
			a, err := one.Await()
			return a + b, err
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		w.reaches("f", history.KindEventAwaited, 2)
		raise(w, word, "f", "1")
		raise(w, word, "f", "2")
		gives(w, h, "12")
	})
}

func TestAQueueIsReadInOrderByManyReceivers(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		const messages, receivers = 60, 4
		job := orchestration.DeclareQueue[int]("job")
		f := orchestration.Declare[none, int]("f")
		w.run(f.Func(func(ctx *octx, _ none) (int, error) {
			var all []int
			var branches []orchestration.Awaitable
			for range receivers {
				branches = append(branches, orchestration.Go(ctx, func(ctx *octx) (none, error) {
					for range messages / receivers {
						n, err := job.Receive(ctx).Await()
						if err != nil {
							return none{}, err
						}
						all = append(all, n)
					}
					return none{}, nil
				}))
			}
			_, err := orchestration.Join(branches...).Await()
			if !slices.IsSorted(all) {
				err = fmt.Errorf("out of order: %v", all)
			}
			return len(all), err
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		for i := range messages {
			put(w, job, "f", i)
		}
		gives(w, h, messages)
	})
}

func TestEventsAndQueuesOfOneNameAreTwoThings(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		event, queue := orchestration.DeclareEvent[string]("x"), orchestration.DeclareQueue[string]("x")
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			a, err := event.Wait(ctx).Await()
			if err != nil {
				return "", err
			}
			b, err := queue.Receive(ctx).Await()
			return a + b, err
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		put(w, queue, "f", "Q")
		raise(w, event, "f", "E")
		gives(w, h, "EQ")
	})
}

func TestInstancesTalkToEachOther(t *testing.T) {
	type ask struct {
		From history.InstanceID
		N    int
	}
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		asks := orchestration.DeclareQueue[ask]("asks")
		answer := orchestration.DeclareEvent[int]("answer")
		server := orchestration.Declare[none, int]("server")
		client := orchestration.Declare[int, int]("client")
		w.run(
			server.Func(func(ctx *octx, _ none) (int, error) {
				n := 0
				for a, err := range asks.All(ctx) {
					if err != nil {
						return n, err
					}
					if a.N < 0 {
						return n, nil
					}
					n++
					if err := answer.Send(ctx, a.From, 2*a.N); err != nil {
						return n, err
					}
				}
				return n, nil
			}),
			client.Func(func(ctx *octx, n int) (int, error) {
				sum := 0
				for i := range n {
					if err := asks.Send(ctx, "server", ask{From: ctx.Info().ID, N: i}); err != nil {
						return 0, err
					}
					got, err := answer.Wait(ctx).Await()
					if err != nil {
						return 0, err
					}
					sum += got
				}
				return sum, nil
			}),
		)
		s := begun(w, server, none{}, start{ID: "server"})
		var clients []*orchestration.Handle[int]
		for i := range 5 {
			clients = append(clients, begun(w, client, 5, start{ID: history.InstanceID(fmt.Sprint("client", i))}))
		}
		for _, c := range clients {
			gives(w, c, 20)
		}
		put(w, asks, "server", ask{N: -1})
		gives(w, s, 25)
	})
}

func TestAnInstanceMaySendToItself(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, string]("f")
		w.run(f.Func(func(ctx *octx, n int) (string, error) {
			if n < 3 {
				if err := goOn.Send(ctx, ctx.Info().ID, fmt.Sprint(n)); err != nil {
					return "", err
				}
				return f.ContinueAsNew(ctx, n+1) // the events overtake nothing and are not lost
			}
			all, err := orchestration.All(goOn.Wait(ctx), goOn.Wait(ctx), goOn.Wait(ctx)).Await()
			return strings.Join(all, ""), err
		}))
		gives(w, begun(w, f, 0, start{ID: "f"}), "012")
	})
}

func TestConfigurationIsReplacedWhileItRuns(t *testing.T) {
	type config struct {
		Limit int
		Stop  bool
	}
	everywhere(t, func(t *testing.T, w *world) {
		changes := orchestration.DeclareQueue[config]("config")
		current := orchestration.DeclareState[config]("current")
		f := orchestration.Declare[config, int]("f")
		w.run(f.Func(func(ctx *octx, c config) (int, error) {
			if err := current.Set(ctx, c); err != nil || c.Stop {
				return c.Limit, err
			}
			change, tick := changes.Receive(ctx), ctx.Timer(2*time.Millisecond)
			won, err := orchestration.Race(change, tick).Await()
			if err != nil {
				return 0, err
			}
			if won == change {
				if c, err = change.Await(); err != nil {
					return 0, err
				}
			}
			return f.ContinueAsNew(ctx, c)
		}))
		h := begun(w, f, config{Limit: 1}, start{ID: "f"})
		for i := range 5 {
			put(w, changes, "f", config{Limit: i})
			w.until("it is in force", func() bool {
				c, err := current.Read(w.ctx, w.client, "f")
				return err == nil && c.Limit == i
			})
		}
		put(w, changes, "f", config{Limit: 7, Stop: true})
		gives(w, h, 7)
	})
}

func TestWaitsAndTimersShowWhatTheyAreFor(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			ctx.Timer(time.Hour, orchestration.WaitOptions{Description: "until the deadline"})
			return goOn.Wait(ctx, orchestration.WaitOptions{Description: "for the boss"}).Await()
		}))
		begun(w, f, none{}, start{ID: "f"})
		if _, err := w.client.Wait(w.ctx, "f", provider.Until{Started: true}); err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, e := range w.events("f", 1) {
			switch d := e.Data.(type) {
			case *history.TimerCreated:
				text += d.Description + ", "
			case *history.EventAwaited:
				text += d.Description
			}
		}
		if text != "until the deadline, for the boss" {
			t.Errorf("the history says %q", text)
		}
		w.cancel("f", "")
		w.ended("f")
	})
}
