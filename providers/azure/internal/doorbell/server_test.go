package doorbell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// house is a server that notes what it hears.
type house struct {
	*Server
	heard []string
	log   bytes.Buffer
	n     byte // for nonces
}

func newHouse(t *testing.T, l Limits) *house {
	t.Helper()
	h := &house{}
	var err error
	h.Server, err = NewServer(ServerConfig{
		Secret: secret, Hub: "orders", Incarnation: func() string { return "me" }, Limits: l,
		Ring: func(p int, id history.InstanceID) { h.heard = append(h.heard, fmt.Sprintf("ring %d %q", p, id)) },
		Look: func() { h.heard = append(h.heard, "look") },
		Work: func() { h.heard = append(h.heard, "work") },
		Wait: func(ctx context.Context, _ int, id history.InstanceID, _ Until) (bool, error) {
			switch id {
			case "changed":
				return true, nil
			case "elsewhere":
				return false, errors.New("not here")
			}
			<-ctx.Done()
			return false, nil
		},
		Log: slog.New(slog.NewTextHandler(&h.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// asking is a signed request, to be spoiled.
func (h *house) asking(k kind, query string, at time.Time) *http.Request {
	h.n++
	r := httptest.NewRequest(kinds[k].method, kinds[k].path+"?"+query, http.NoBody)
	p := sign(secret, "orders", k, query, at, nonce{h.n})
	r.Header.Set("Authorization", p.header())
	return r
}

// answer is the status; the test fails if there is more.
func (h *house) answer(t *testing.T, r *http.Request) int {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Body.Len() > 0 {
		t.Errorf("%s %s was answered with a body: %q", r.Method, r.URL, w.Body)
	}
	return w.Code
}

func TestWhatIsSignedIsHeard(t *testing.T) {
	h := newHouse(t, Limits{})
	for _, c := range []struct {
		k      kind
		query  string
		status int
	}{
		{ring, "for=me&instance=order-1&partition=3", http.StatusNoContent},
		{ring, "for=me&partition=4", http.StatusNoContent},
		{look, "for=me", http.StatusNoContent},
		{work, "for=me", http.StatusNoContent},
		{wait, "for=me&instance=changed&partition=3", http.StatusOK},
		{wait, "for=me&instance=elsewhere&partition=3", http.StatusGone},
	} {
		if got := h.answer(t, h.asking(c.k, c.query, time.Now())); got != c.status {
			t.Errorf("%s was answered with %d, want %d", c.query, got, c.status)
		}
	}
	if got, want := strings.Join(h.heard, ", "), `ring 3 "order-1", ring 4 "", look, work`; got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
}

func TestWhatIsNotInOrderIsRefusedAndNotHeard(t *testing.T) {
	h := newHouse(t, Limits{})
	now := time.Now()
	const q = "for=me&partition=3"
	spoiled := func(f func(r *http.Request)) *http.Request {
		r := h.asking(ring, q, now)
		f(r)
		return r
	}
	strange := sign([]byte("another secret, as long as ours"), "orders", ring, q, now, nonce{77})
	deleted := sign(secret, "order", ring, q, now, nonce{78})
	for what, c := range map[string]struct {
		r      *http.Request
		status int
	}{
		"no signature":         {spoiled(func(r *http.Request) { r.Header.Del("Authorization") }), 401},
		"two signatures":       {spoiled(func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }), 401},
		"another secret":       {spoiled(func(r *http.Request) { r.Header.Set("Authorization", strange.header()) }), 401},
		"another hub":          {spoiled(func(r *http.Request) { r.Header.Set("Authorization", deleted.header()) }), 401},
		"another query":        {spoiled(func(r *http.Request) { r.URL.RawQuery = "for=me&partition=4" }), 401},
		"a query that is none": {h.asking(ring, "for=me&partition=x", now), 400},
		"another incarnation":  {h.asking(ring, "for=you&partition=3", now), 410},
		"too old":              {h.asking(ring, q, now.Add(-window-time.Second)), 401},
		"too new":              {h.asking(ring, q, now.Add(window+time.Minute)), 401},
		"a body":               {spoiled(func(r *http.Request) { r.ContentLength = 1 }), 413},
		"a body of any length": {spoiled(func(r *http.Request) { r.ContentLength, r.TransferEncoding = -1, []string{"chunked"} }), 413},
		"another method":       {spoiled(func(r *http.Request) { r.Method = http.MethodGet }), 405},
		"another path":         {spoiled(func(r *http.Request) { r.URL.Path = "/duroxide/v1/ring/" }), 404},
		"an escaped path":      {spoiled(func(r *http.Request) { r.URL.RawPath = "/duroxide/v1/%72ing" }), 404},
		"a long query":         {h.asking(ring, "for=me&instance="+strings.Repeat("a", maxQueryBytes)+"&partition=3", now), 414},
	} {
		if got := h.answer(t, c.r); got != c.status {
			t.Errorf("%s was answered with %d, want %d", what, got, c.status)
		}
	}
	if len(h.heard) > 0 {
		t.Errorf("heard %v", h.heard)
	}
	if h.log.Len() == 0 || bytes.Contains(h.log.Bytes(), secret) {
		t.Errorf("the log says %s", &h.log)
	}
}

func TestARequestCountsOnceUntilItIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Limits{})
		for _, ahead := range []time.Duration{-window, 0, window} {
			r := h.asking(look, "for=me", time.Now().Add(ahead))
			if got := h.answer(t, r); got != http.StatusNoContent {
				t.Fatalf("the first was answered with %d", got)
			}
			for range 30 {
				if got := h.answer(t, r); got != http.StatusUnauthorized {
					t.Errorf("a repetition was answered with %d", got)
				}
				<-time.After(window / 13)
			}
		}
		if len(h.heard) != 3 {
			t.Errorf("three requests were heard %d times", len(h.heard))
		}
		if slots := len(h.gate.nonces); slots > 3 {
			t.Errorf("nonces of %d slots are remembered", slots)
		}
	})
}

func TestNoncesAreNotForgottenWhenTheClockGoesBack(t *testing.T) {
	g := newGate(Limits{}.withDefaults())
	at := time.UnixMilli(1_700_000_000_000)
	p := sign(secret, "orders", look, "for=me", at, nonce{1})
	if v := g.admit(&p, at); v != admitted {
		t.Fatalf("the first: %d", v)
	}
	other := sign(secret, "orders", look, "for=me", at.Add(4*window), nonce{2})
	if v := g.admit(&other, at.Add(4*window)); v != admitted {
		t.Fatalf("much later: %d", v)
	}
	if v := g.admit(&p, at); v != stale {
		t.Errorf("the first again, after the clock went back: %d", v)
	}
}

func TestMoreThanTheRateIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Limits{Rate: 2, Burst: 3})
		ask := func() int { return h.answer(t, h.asking(look, "for=me", time.Now())) }
		for range 3 {
			if got := ask(); got != http.StatusNoContent {
				t.Fatalf("within the burst: %d", got)
			}
		}
		repeated := h.asking(look, "for=you", time.Now())
		for range 100 { // what is refused for another reason takes nothing away
			h.answer(t, repeated)
		}
		if got := ask(); got != http.StatusTooManyRequests {
			t.Errorf("beyond the burst: %d", got)
		}
		<-time.After(time.Second)
		if a, b, c := ask(), ask(), ask(); a != 204 || b != 204 || c != 429 {
			t.Errorf("after a second: %d, %d, %d", a, b, c)
		}
	})
}

func TestAWaitEndsByItselfAndSoManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Limits{Waits: 1, Wait: 3 * time.Second})
		first := make(chan int)
		r := h.asking(wait, "for=me&instance=a&partition=0", time.Now())
		begin := time.Now()
		go func() { first <- h.answer(t, r) }()
		synctest.Wait()
		if got := h.answer(t, h.asking(wait, "for=me&instance=b&partition=0", time.Now())); got != http.StatusTooManyRequests {
			t.Errorf("the second wait was answered with %d", got)
		}
		if got := <-first; got != http.StatusNoContent || time.Since(begin) != 3*time.Second {
			t.Errorf("the first wait was answered with %d after %v", got, time.Since(begin))
		}
	})
}

func TestCloseEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Limits{})
		first := make(chan int, 1)
		r := h.asking(wait, "for=me&instance=a&partition=0", time.Now())
		go func() { first <- h.answer(t, r) }()
		synctest.Wait()
		begin := time.Now()
		h.Close()
		if got := <-first; got != http.StatusServiceUnavailable || time.Since(begin) != 0 {
			t.Errorf("the wait was answered with %d after %v", got, time.Since(begin))
		}
		if got := h.answer(t, h.asking(look, "for=me", time.Now())); got != http.StatusServiceUnavailable {
			t.Errorf("after Close: %d", got)
		}
	})
}

func TestTheLogHearsOfATroubleOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Limits{})
		for range 1_000 {
			r := h.asking(look, "for=me", time.Now())
			r.URL.RawQuery = "for=you"
			h.answer(t, r)
			<-time.After(100 * time.Millisecond)
		}
		if lines := bytes.Count(h.log.Bytes(), []byte("\n")); lines != 2 {
			t.Errorf("%d lines about a thousand refusals in 100 s: %s", lines, &h.log)
		}
	})
}

func TestAShortSecretIsNoSecret(t *testing.T) {
	if _, err := NewServer(ServerConfig{Secret: secret[:8]}); err == nil {
		t.Error("a server takes it")
	}
	if _, err := NewClient(ClientConfig{Secret: secret[:8]}); err == nil {
		t.Error("a client takes it")
	}
}
