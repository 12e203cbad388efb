package doorbell_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell/doorbelltest"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

// door is a server on a network, and what it heard.
type door struct {
	server  *doorbell.Server
	address string
	heard   chan string
	changed chan struct{} // ends waits
}

func open(t *testing.T, n doorbell.Network, address string, l doorbell.Limits) *door {
	t.Helper()
	d := &door{heard: make(chan string, 1_000), changed: make(chan struct{})}
	var err error
	d.server, err = doorbell.NewServer(doorbell.ServerConfig{
		Secret: secret, Hub: "orders", Incarnation: func() string { return "me" }, Limits: l,
		Ring: func(p int, id history.InstanceID) { d.heard <- fmt.Sprintf("ring %d %s", p, id) },
		Look: func() { d.heard <- "look" },
		Work: func() { d.heard <- "work" },
		Wait: func(ctx context.Context, _ int, _ history.InstanceID, _ doorbell.Until) (bool, error) {
			select {
			case <-d.changed:
				return true, nil
			case <-ctx.Done():
				return false, nil
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := doorbell.Listen(n, address)
	if err != nil {
		t.Fatal(err)
	}
	if d.address, err = doorbell.Advertised(listener, ""); err != nil {
		t.Fatal(err)
	}
	d.server.Serve(listener)
	t.Cleanup(d.server.Close)
	return d
}

func client(t *testing.T, n doorbell.Network, change func(*doorbell.ClientConfig)) *doorbell.Client {
	t.Helper()
	cfg := doorbell.ClientConfig{Secret: secret, Hub: "orders", Network: n}
	if change != nil {
		change(&cfg)
	}
	c, err := doorbell.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAClientRingsAndWaitsOverOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n doorbelltest.Network
		d := open(t, &n, "10.0.0.1:7071", doorbell.Limits{})
		c := client(t, &n, nil)
		ctx := t.Context()
		for range 100 {
			if err := errors.Join(c.Ring(ctx, d.address, "me", 3, "order/1"), c.Look(ctx, d.address, "me"), c.Work(ctx, d.address, "me")); err != nil {
				t.Fatal(err)
			}
			if a, b, c := <-d.heard, <-d.heard, <-d.heard; a != "ring 3 order/1" || b != "look" || c != "work" {
				t.Fatalf("heard %s, %s, %s", a, b, c)
			}
		}
		go func() { d.changed <- struct{}{} }()
		if changed, err := c.Wait(ctx, d.address, "me", 3, "order/1", doorbell.Until{}); err != nil || !changed {
			t.Errorf("a wait that ended: %v, %v", changed, err)
		}
		begin := time.Now()
		if changed, err := c.Wait(ctx, d.address, "me", 3, "order/1", doorbell.Until{}); err != nil || changed || time.Since(begin) != 25*time.Second {
			t.Errorf("a wait in vain: %v, %v after %v", changed, err, time.Since(begin))
		}
		if n.Dials() != 1 {
			t.Errorf("%d connections for requests one after another", n.Dials())
		}
	})
}

func TestAClientIsToldThatTheHostHasMovedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n doorbelltest.Network
		d := open(t, &n, "10.0.0.1:7071", doorbell.Limits{})
		c := client(t, &n, nil)
		for range 3 { // and is not kept from asking again
			if err := c.Ring(t.Context(), d.address, "before", 3, ""); !errors.Is(err, doorbell.ErrGone) {
				t.Errorf("a ring for a former incarnation: %v", err)
			}
		}
	})
}

func TestAnAddressThatDoesNotAnswerCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n doorbelltest.Network
		n.Cut("10.0.0.1:7071")
		c := client(t, &n, nil)
		begin := time.Now()
		var longest, sum time.Duration
		for time.Since(begin) < time.Hour {
			at := time.Now()
			if err := c.Ring(t.Context(), "10.0.0.1:7071", "me", 1, ""); !errors.Is(err, doorbell.ErrUnreachable) {
				t.Fatal(err)
			}
			took := time.Since(at)
			longest, sum = max(longest, took), sum+took
			<-time.After(100 * time.Millisecond)
		}
		if longest > time.Second || sum > 70*time.Second || n.Dials() > 70 {
			t.Errorf("in an hour %d tries took %v, the longest %v", n.Dials(), sum, longest)
		}
		n.Heal("10.0.0.1:7071")
		d := open(t, &n, "10.0.0.1:7071", doorbell.Limits{})
		<-time.After(time.Minute)
		for range 2 {
			if err := c.Ring(t.Context(), d.address, "me", 1, ""); err != nil {
				t.Errorf("it answers by now: %v", err)
			}
		}
	})
}

func TestACallerThatGivesUpSaysNothingOfTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n doorbelltest.Network
		d := open(t, &n, "10.0.0.1:7071", doorbell.Limits{})
		c := client(t, &n, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Wait(ctx, d.address, "me", 1, "a", doorbell.Until{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that was given up: %v", err)
		}
		synctest.Wait() // the server has noticed
		go func() { d.changed <- struct{}{} }()
		if changed, err := c.Wait(t.Context(), d.address, "me", 1, "a", doorbell.Until{}); err != nil || !changed {
			t.Errorf("the next wait: %v, %v", changed, err)
		}
	})
}

func TestWhoeverHasAnotherSecretOrClockIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n doorbelltest.Network
		d := open(t, &n, "10.0.0.1:7071", doorbell.Limits{})
		for what, change := range map[string]func(*doorbell.ClientConfig){
			"another secret": func(c *doorbell.ClientConfig) { c.Secret = []byte(strings.Repeat("x", 32)) },
			"another hub":    func(c *doorbell.ClientConfig) { c.Hub = "other" },
			"another clock": func(c *doorbell.ClientConfig) {
				c.Now = func() time.Time { return time.Now().Add(6 * time.Minute) }
			},
		} {
			c := client(t, &n, change)
			if err := c.Ring(t.Context(), d.address, "me", 1, ""); !errors.Is(err, doorbell.ErrUnreachable) || strings.Contains(err.Error(), string(secret)) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if len(d.heard) > 0 {
			t.Errorf("heard %s", <-d.heard)
		}
	})
}

func TestOnlyAddressesAreDialled(t *testing.T) {
	var n doorbelltest.Network
	c := client(t, &n, nil)
	for _, address := range []string{"", "queue", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:http", ":7071", "a/b:1", "me@host:1", "a b:1", "http://a:1", "a?b:1", "a:70000"} {
		if err := c.Ring(t.Context(), address, "me", 1, ""); !errors.Is(err, doorbell.ErrUnreachable) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if n.Dials() > 0 {
		t.Errorf("%d dials", n.Dials())
	}
	for _, address := range []string{"10.0.0.1:7071", "[::1]:7071", "host-1.example:1"} {
		if !doorbell.Dialable(address) {
			t.Errorf("%q is an address", address)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n doorbelltest.Network
		l, err := n.Listen("10.0.0.1:7071")
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		s := &http.Server{Protocols: &http.Protocols{}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			http.Redirect(w, r, "http://10.0.0.1:7071/elsewhere", http.StatusTemporaryRedirect)
		})}
		s.Protocols.SetUnencryptedHTTP2(true)
		go s.Serve(l)   //nolint:errcheck // It ends with Close.
		defer s.Close() //nolint:errcheck // Nothing is lost.
		if err := client(t, &n, nil).Look(t.Context(), "10.0.0.1:7071", "me"); !errors.Is(err, doorbell.ErrUnreachable) || asked != 1 {
			t.Errorf("%v after %d requests", err, asked)
		}
	})
}

func TestSlowHeadersAndIdleStrangersAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n doorbelltest.Network
		d := open(t, &n, "10.0.0.1:7071", doorbell.Limits{Connections: 1})
		stranger, err := n.Dial(t.Context(), d.address)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := io.WriteString(stranger, "POST /duroxide/v1/look HTTP/1.1\r\nX: "); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, stranger); err != nil || time.Since(begin) > 3*time.Second {
			t.Errorf("a stranger that says nothing held its connection for %v: %v", time.Since(begin), err)
		}
		_ = stranger.Close()
		// The only connection is free again, and a refusal does not hold it.
		stranger, err = n.Dial(t.Context(), d.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(stranger, "POST /duroxide/v1/look HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(stranger), nil)
		if err != nil || answer.StatusCode != http.StatusUnauthorized || !answer.Close {
			t.Errorf("a stranger was answered with %v, %v", answer, err)
		}
		_ = answer.Body.Close()
		_ = stranger.Close()
		if err := client(t, &n, nil).Look(t.Context(), d.address, "me"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestItWorksOverTCPAndListensOnLoopbackUnlessTold(t *testing.T) {
	d := open(t, doorbell.TCP{}, ":0", doorbell.Limits{})
	if host, _, _ := net.SplitHostPort(d.address); host != "127.0.0.1" {
		t.Errorf("it listens on %s", d.address)
	}
	c := client(t, nil, nil)
	if err := c.Ring(t.Context(), d.address, "me", 7, "a"); err != nil {
		t.Fatal(err)
	}
	if got := <-d.heard; got != "ring 7 a" {
		t.Errorf("heard %s", got)
	}
}

func TestWhatIsAdvertised(t *testing.T) {
	var n doorbelltest.Network
	for _, c := range []struct{ listen, advertise, want string }{
		{"10.0.0.5:7071", "", "10.0.0.5:7071"},
		{":7071", "", "127.0.0.1:7071"},
		{"0.0.0.0:7072", "", ""},
		{"[::]:7072", "", ""},
		{"0.0.0.0:7072", "web-1.example", "web-1.example:7072"},
		{"0.0.0.0:7072", "web-1.example:80", "web-1.example:80"},
		{"0.0.0.0:7072", "10.0.0.5:0", "10.0.0.5:7072"},
		{"0.0.0.0:7072", "[::1]", "[::1]:7072"},
		{"0.0.0.0:7072", "0.0.0.0", ""},
		{"0.0.0.0:7072", "http://web-1", ""},
	} {
		l, err := doorbell.Listen(&n, c.listen)
		if err != nil {
			t.Fatal(err)
		}
		got, err := doorbell.Advertised(l, c.advertise)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("listening on %s and advertising %q: %q, %v, want %q", c.listen, c.advertise, got, err, c.want)
		}
		_ = l.Close()
	}
	if _, err := doorbell.Listen(&n, "7071"); err == nil {
		t.Error("an address without a colon was taken")
	}
}
