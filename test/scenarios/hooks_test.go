package scenarios

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// lines is a log that counts its lines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func TestEachLineOfTheLogIsWrittenOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		log := &lines{}
		w.config.Logger = slog.New(slog.NewTextHandler(log, nil))
		f := orchestration.Declare[none, string]("f")
		body := f.Func(func(ctx *octx, _ none) (string, error) {
			defer ctx.Logger().Info("deferred")
			for i := range 4 {
				ctx.Logger().Info("before", "step", i)
				if _, err := goOn.Wait(ctx).Await(); err != nil {
					return "", err
				}
				ctx.Logger().With("step", i).WithGroup("g").Info("after")
			}
			_, err := work.Call(ctx, none{}).Await()
			return "", err
		})
		logged := work.Func(func(ctx context.Context, _ none) (string, error) {
			activity.Logger(ctx).Info("working")
			return "", nil
		})
		w.run(body, logged)
		h := begun(w, f, none{}, start{ID: "f"})
		for i := range 4 {
			w.reaches("f", history.KindEventAwaited, i+1)
			w.run(body, logged) // replays from the top
			raise(w, goOn, "f", "")
		}
		gives(w, h, "")
		w.halt()
		for text, want := range map[string]int{"msg=before": 4, "msg=after": 4, "msg=working": 1, "msg=deferred": 1, "instance=f": 10} {
			if got := log.count(text); got < want || got > want && text != "instance=f" {
				t.Errorf("%q was logged %d times, want %d", text, got, want)
			}
		}
	})
}

// Joined is called once a worker, before it runs anything.
func TestAWorkerSaysWhenItHasJoined(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		var joined atomic.Int32
		w.config.Joined = func() { joined.Add(1) }
		f := orchestration.Declare[none, int32]("f")
		for worker := range int32(2) {
			w.run(f.Func(func(*octx, none) (int32, error) { return joined.Load(), nil }))
			gives(w, begun(w, f, none{}, start{}), worker+1)
		}
	})
}

func TestTimeIdsAndRandomNumbersAreTheSameAfterARestart(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		draws := 0
		body := f.Func(func(ctx *octx, _ none) (string, error) {
			draw := func() string {
				return fmt.Sprint(ctx.Now().UnixNano(), ctx.NewGUID(), ctx.Rand().Uint64(), orchestration.SideEffect(ctx, func() int { draws++; return draws }))
			}
			seen := []string{draw(), draw()}
			first, err := greet.Call(ctx, seen[0]).Await()
			if err != nil {
				return "", err
			}
			if _, err := goOn.Wait(ctx).Await(); err != nil {
				return "", err
			}
			if first != "hi "+seen[0]+";" {
				return "", fmt.Errorf("it drew %q after the restart, %q before", seen[0], first)
			}
			seen = append(seen, draw())
			for i, a := range seen {
				if slices.Contains(seen[:i], a) {
					return "", errors.New("it drew the same twice")
				}
			}
			return "ok", nil
		})
		w.run(body, greet.Func(greeting))
		h := begun(w, f, none{}, start{ID: "f"})
		w.reaches("f", history.KindEventAwaited, 1)
		w.run(body, greet.Func(greeting))
		raise(w, goOn, "f", "")
		gives(w, h, "ok")
		w.halt()
		if draws != 3 {
			t.Errorf("side effects ran %d times", draws)
		}
	})
}

func TestDeferredCodeOfAStoppedWorkerHasNoEffect(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		var effects atomic.Int32
		w.run(work.Func(func(context.Context, none) (string, error) { effects.Add(1); return "", nil }), f.Func(func(ctx *octx, in none) (string, error) {
			defer func() {
				_ = ctx.Shield(func(ctx *octx) error {
					defer orchestration.SideEffect(ctx, func() int { effects.Add(1); return 1 })
					defer func() { _, _ = work.Call(ctx, in, activity.Options{Local: true}).Await() }()
					defer func() { _, _ = work.Call(ctx, in).Await() }()
					return ctx.SetStatus("cleaned up")
				})
			}()
			return goOn.Wait(ctx).Await()
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		w.reaches("f", history.KindEventAwaited, 1)
		w.halt()
		if n := effects.Load(); n != 0 || w.instance("f").CustomStatus != nil {
			t.Fatalf("stopping the worker had %d effects", n)
		}
		w.run(f.Func(waits), greet.Func(greeting))
		raise(w, goOn, "f", "1")
		gives(w, h, "1")
	})
}

func TestInterceptorsWrapEverythingAndHeadersTravel(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		var order lines
		w.client = core.NewClient(w.store, core.ClientConfig{Interceptors: []core.ClientInterceptor{
			func(ctx context.Context, m *provider.Message, next func(context.Context, *provider.Message) error) error {
				if s, ok := m.Data.(*history.ExecutionStarted); ok {
					s.Headers = map[string]string{"user": "ann"}
				}
				return next(ctx, m)
			},
		}})
		for _, name := range []string{"outer", "inner"} {
			w.config.OrchestrationInterceptors = append(w.config.OrchestrationInterceptors,
				func(c *octx, in history.Payload, next func(*octx, history.Payload) (history.Payload, error)) (history.Payload, error) {
					c.Logger().Info("") // an interceptor may use the context
					fmt.Fprintf(&order, "%s %s;", name, c.Info().Name)
					return next(c, in)
				})
			w.config.ActivityInterceptors = append(w.config.ActivityInterceptors,
				func(ctx context.Context, in history.Payload, next func(context.Context, history.Payload) (history.Payload, error)) (history.Payload, error) {
					fmt.Fprintf(&order, "%s %s;", name, activity.Info(ctx).Activity)
					if activity.Info(ctx).Headers["user"] != "ann" {
						return nil, activity.NonRetryable(errors.New("nobody is allowed this"))
					}
					return next(ctx, in)
				})
		}
		parent := orchestration.Declare[int, string]("parent")
		w.run(greet.Func(greeting), parent.Func(func(ctx *octx, n int) (string, error) {
			if n < 2 {
				return parent.Call(ctx, n+1).Await()
			}
			a, err := greet.Call(ctx, "x").Await()
			if err != nil {
				return "", err
			}
			b, err := greet.Call(ctx, "y", activity.Options{Local: true}).Await()
			return a + b, err
		}))
		gives(w, begun(w, parent, 1, start{ID: "p"}), "hi x;hi y;")
		if n := order.count("outer parent;inner parent;"); n != 2 {
			t.Errorf("orchestrations were wrapped %d times: %s", n, order.text.String())
		}
		if n := order.count("outer greet;inner greet;"); n != 2 {
			t.Errorf("activities were wrapped %d times: %s", n, order.text.String())
		}
	})
}

// sealed is a codec that encrypts, each time to other bytes.
type sealed struct{ aead cipher.AEAD }

func (s sealed) Encode(v any) (history.Payload, error) {
	plain, err := codec.JSON.Encode(v)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return json.Marshal(s.aead.Seal(nonce, nonce, plain, nil))
}

func (s sealed) Decode(p history.Payload, v any) error {
	if p == nil {
		return nil
	}
	var b []byte
	if err := json.Unmarshal(p, &b); err != nil || len(b) < s.aead.NonceSize() {
		return errors.New("not encrypted")
	}
	plain, err := s.aead.Open(nil, b[:s.aead.NonceSize()], b[s.aead.NonceSize():], nil)
	if err != nil {
		return err
	}
	return codec.JSON.Decode(plain, v)
}

func TestAnEncryptingCodecKeepsEverythingFromTheStore(t *testing.T) {
	block, err := aes.NewCipher([]byte("a key of 32 bytes from the vault"))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	secret := orchestration.DeclareState[string]("s")
	everywhere(t, func(t *testing.T, w *world) {
		w.config.Codec = sealed{aead}
		w.client = core.NewClient(w.store, core.ClientConfig{Codec: sealed{aead}})
		f := orchestration.Declare[string, string]("f")
		child := orchestration.Declare[string, string]("child")
		handlers := []core.Handler{
			f.Func(func(ctx *octx, s string) (string, error) {
				if err := errors.Join(secret.Set(ctx, s+"state"), ctx.SetStatus(s+"status")); err != nil {
					return "", err
				}
				a, err := greet.Call(ctx, s).Await()
				if err != nil {
					return "", err
				}
				b, err := greet.Call(ctx, s, activity.Options{Local: true}).Await()
				if err != nil {
					return "", err
				}
				c, err := goOn.Wait(ctx).Await()
				if err != nil {
					return "", err
				}
				kept, err := secret.Get(ctx)
				if err != nil || kept != s+"state" {
					return "", fmt.Errorf("state %q: %w", kept, err)
				}
				d, err := child.Call(ctx, s).Await()
				return a + b + c + d + orchestration.SideEffect(ctx, func() string { return s }), err
			}),
			child.Func(func(_ *octx, s string) (string, error) { return s, nil }), greet.Func(greeting),
		}
		w.run(handlers...)
		h := begun(w, f, "hush", start{ID: "f"})
		w.reaches("f", history.KindEventAwaited, 1)
		w.run(handlers...) // the replay encodes to other bytes
		raise(w, goOn, "f", "hush")
		gives(w, h, "hi hush;hi hush;hushhushhush")
		for _, e := range w.events("f", 1) {
			if b, err := history.Marshal(e); err != nil || bytes.Contains(b, []byte("hush")) {
				t.Errorf("the store can read %s, %v", b, err)
			}
		}
		if got, err := secret.Read(w.ctx, w.client, "f"); err != nil || got != "hushstate" {
			t.Errorf("the client reads %q, %v", got, err)
		}
		if got := customStatus(w, "f"); got != "hushstatus" {
			t.Errorf("the client reads the status %q", got)
		}
	})
}
