package sdk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// writes are all methods that change something.
var writes = map[string]func(context.Context, *Account) error{
	"CreateTable": func(ctx context.Context, a *Account) error { return a.CreateTable(ctx, "t") },
	"DeleteTable": func(ctx context.Context, a *Account) error { return a.DeleteTable(ctx, "t") },
	"Transact": func(ctx context.Context, a *Account) error {
		_, err := a.Transact(ctx, "t", "p", []storage.Op{{Verb: storage.Put, Row: storage.Row{Key: "k"}}})
		return err
	},
	"CreateQueue": func(ctx context.Context, a *Account) error { return a.CreateQueue(ctx, "q") },
	"DeleteQueue": func(ctx context.Context, a *Account) error { return a.DeleteQueue(ctx, "q") },
	"Enqueue":     func(ctx context.Context, a *Account) error { return a.Enqueue(ctx, "q", []byte("x"), 0) },
	"Take":        func(ctx context.Context, a *Account) error { _, err := a.Take(ctx, "q", 1, time.Second); return err },
	"Extend": func(ctx context.Context, a *Account) error {
		_, err := a.Extend(ctx, "q", storage.Message{ID: "m", Receipt: "r"}, 0, nil)
		return err
	},
	"Remove": func(ctx context.Context, a *Account) error {
		return a.Remove(ctx, "q", storage.Message{ID: "m", Receipt: "r"})
	},
	"CreateContainer": func(ctx context.Context, a *Account) error { return a.CreateContainer(ctx, "c") },
	"DeleteContainer": func(ctx context.Context, a *Account) error { return a.DeleteContainer(ctx, "c") },
	"PutBlob":         func(ctx context.Context, a *Account) error { return a.PutBlob(ctx, "c", "b", []byte("x")) },
	"DeleteBlob":      func(ctx context.Context, a *Account) error { return a.DeleteBlob(ctx, "c", "b") },
}

var reads = map[string]func(context.Context, *Account) error{
	"Get": func(ctx context.Context, a *Account) error { _, err := a.Get(ctx, "t", "p", "k"); return err },
	"Scan": func(ctx context.Context, a *Account) error {
		_, err := a.Scan(ctx, "t", "p", storage.Range{}, 0, nil)
		return err
	},
	"Empty":     func(ctx context.Context, a *Account) error { _, err := a.Empty(ctx, "t"); return err },
	"Peek":      func(ctx context.Context, a *Account) error { _, err := a.Peek(ctx, "q", 1); return err },
	"Queues":    func(ctx context.Context, a *Account) error { _, err := a.Queues(ctx, "q"); return err },
	"GetBlob":   func(ctx context.Context, a *Account) error { _, err := a.GetBlob(ctx, "c", "b"); return err },
	"ListBlobs": func(ctx context.Context, a *Account) error { _, err := a.ListBlobs(ctx, "c", "", ""); return err },
}

// failures are the ways in which no answer comes.
var failures = map[string]func(*http.Request) (*http.Response, error){
	"a broken connection":  func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
	"a busy server":        func(r *http.Request) (*http.Response, error) { return reply(r, 503, ""), nil },
	"too many requests":    func(r *http.Request) (*http.Response, error) { return reply(r, 429, ""), nil },
	"an internal error":    func(r *http.Request) (*http.Response, error) { return reply(r, 500, ""), nil },
	"a timeout upstream":   func(r *http.Request) (*http.Response, error) { return reply(r, 504, ""), nil },
	"nothing for too long": func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
	"a body cut off": func(r *http.Request) (*http.Response, error) {
		answer := reply(r, 200, "")
		answer.ContentLength = 10
		answer.Header.Set("Content-Length", "10")
		answer.Body = io.NopCloser(io.MultiReader(strings.NewReader("<x"), errReader{}))
		return answer, nil
	},
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAWriteIsSentOnce(t *testing.T) {
	for what, fail := range failures {
		for name, do := range writes {
			if what == "a body cut off" && name != "Transact" && name != "Take" {
				continue // They read no body.
			}
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: fail}
				err := do(t.Context(), scripted(t, s, testString))
				if !errors.Is(err, storage.ErrUnknown) || errors.Is(err, storage.ErrBusy) {
					t.Errorf("%s after %s: %v, want an unknown outcome", name, what, err)
				}
				if n := len(s.sent()); n != 1 {
					t.Errorf("%s after %s was sent %d times", name, what, n)
				}
				if t.Context().Err() == nil && errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s after %s: %v blames the caller's context", name, what, err)
				}
			})
		}
	}
}

func TestAReadIsTriedThreeTimes(t *testing.T) {
	for what, fail := range failures {
		for name, do := range reads {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: fail}
				began := time.Now()
				err := do(t.Context(), scripted(t, s, testString))
				if !errors.Is(err, storage.ErrBusy) || errors.Is(err, storage.ErrUnknown) {
					t.Errorf("%s after %s: %v, want busy", name, what, err)
				}
				if n := len(s.sent()); n != 3 {
					t.Errorf("%s after %s was sent %d times, want 3", name, what, n)
				}
				if took := time.Since(began); took > 3*defaultTryTimeout+time.Second {
					t.Errorf("%s after %s took %v", name, what, took)
				}
			})
		}
	}
}

func TestAReadWaitsNoLongerThanASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(http.StatusServiceUnavailable, "", "Retry-After", "30")
		began := time.Now()
		_, err := scripted(t, s, testString).Get(t.Context(), "t", "p", "k")
		if storage.RetryAfter(err, 0) != 30*time.Second || len(s.sent()) != 1 || time.Since(began) != 0 {
			t.Errorf("%d requests in %v, then %v", len(s.sent()), time.Since(began), err)
		}
	})
}

func TestACallerWhoLeavesIsNotKept(t *testing.T) {
	for name, do := range writes {
		synctest.Test(t, func(t *testing.T) {
			s := &script{answer: failures["nothing for too long"]}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			err := do(ctx, scripted(t, s, testString))
			if !errors.Is(err, storage.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%s returned %v after %v", name, err, time.Since(began))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := always(http.StatusServiceUnavailable, "")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		_, err := scripted(t, s, testString).Get(ctx, "t", "p", "k")
		if !errors.Is(err, storage.ErrBusy) || len(s.sent()) != 1 {
			t.Errorf("%d requests, then %v", len(s.sent()), err)
		}
	})
}

func TestALargeBlobMayTakeLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 64 << 20
		s := &script{answer: func(r *http.Request) (*http.Response, error) {
			answer := reply(r, http.StatusOK, "", "Content-Length", "67108864")
			answer.ContentLength = size
			answer.Body = io.NopCloser(io.LimitReader(slowly{r.Context()}, size))
			return answer, nil
		}}
		began := time.Now()
		data, err := scripted(t, s, testString).GetBlob(t.Context(), "c", "b")
		if err != nil || len(data) != size {
			t.Errorf("%d bytes after %v: %v", len(data), time.Since(began), err)
		}
		if time.Since(began) < 2*defaultTryTimeout {
			t.Error("the test is not slow enough to show anything")
		}
	})
}

// slowly gives 2 MiB a second.
type slowly struct{ ctx context.Context }

func (s slowly) Read(p []byte) (int, error) {
	n := min(len(p), 1<<20)
	select {
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case <-time.After(time.Duration(n) * time.Second / (2 << 20)):
		return n, nil
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	s := always(http.StatusTemporaryRedirect, "", "Location", "https://elsewhere.example/")
	if err := write(scripted(t, s, testString)); !errors.Is(err, storage.ErrUnknown) || len(s.sent()) != 1 {
		t.Errorf("%d requests, then %v", len(s.sent()), err)
	}
}
