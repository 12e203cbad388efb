package doorbell

import (
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

func TestAQueryIsReadAsItWasWritten(t *testing.T) {
	for _, r := range []request{
		{kind: look, incarnation: "0191a"},
		{kind: work, incarnation: "0191a"},
		{kind: ring, incarnation: "0191a", partition: 3},
		{kind: ring, incarnation: "0191a", partition: 255, instance: "order/1 & 2=3?#%\n\xff"},
		{kind: wait, incarnation: "0191a", instance: "a", until: Until{Until: provider.Until{Final: true, Started: true, StatusRevision: 7}, Read: true}},
		{kind: wait, incarnation: "x", instance: history.InstanceID(strings.Repeat("\x00", history.MaxInstanceIDLength))},
	} {
		got, err := parseQuery(r.kind, r.query())
		if err != nil || got != r {
			t.Errorf("%+v was read as %+v, %v", r, got, err)
		}
	}
}

func TestAQueryIsReadInOneSpellingOnly(t *testing.T) {
	for _, c := range []struct {
		k   kind
		raw string
	}{
		{ring, ""},
		{ring, "for=a"},
		{ring, "partition=1&for=a"},
		{ring, "for=a&partition=01"},
		{ring, "for=a&partition=-1"},
		{ring, "for=a&partition=10000"},
		{ring, "for=a&instance=&partition=1"},
		{ring, "for=a&for=b&partition=1"},
		{ring, "for=a&partition=1&x=1"},
		{ring, "for=%61&partition=1"},
		{ring, "for=a;partition=1"},
		{ring, "for=a&instance=" + strings.Repeat("x", history.MaxInstanceIDLength+1) + "&partition=1"},
		{ring, "for=a&partition=1" + strings.Repeat("&", maxQueryBytes)},
		{look, "for=a&partition=1"},
		{look, "for=" + strings.Repeat("a", maxIncarnationBytes+1)},
		{wait, "for=a&partition=1"},
		{wait, "final=0&for=a&instance=a&partition=1"},
		{wait, "for=a&instance=a&partition=1&revision=x"},
		{wait, "for=a&instance=a&partition=1&revision=-1"},
	} {
		if r, err := parseQuery(c.k, c.raw); err == nil {
			t.Errorf("%q was read as %+v", c.raw, r)
		}
	}
}

func TestASignatureHoldsForItsRequestAlone(t *testing.T) {
	at, n := time.UnixMilli(1_700_000_000_000), nonce{1, 2, 3}
	p := sign(secret, "orders", ring, "for=a&partition=1", at, n)
	if !p.proves(secret, "orders", ring, "for=a&partition=1") {
		t.Fatal("a signature does not hold for what was signed")
	}
	later, other, cut := p, p, p
	later.time++
	other.nonce[15]++
	cut.mac[0] ^= 1
	for what, held := range map[string]bool{
		"another secret":    p.proves([]byte("0123456789abcdef0123456789abcdeX"), "orders", ring, "for=a&partition=1"),
		"another hub":       p.proves(secret, "order", ring, "for=a&partition=1"),
		"another kind":      p.proves(secret, "orders", wait, "for=a&partition=1"),
		"another partition": p.proves(secret, "orders", ring, "for=a&partition=2"),
		"another host":      p.proves(secret, "orders", ring, "for=b&partition=1"),
		"another time":      later.proves(secret, "orders", ring, "for=a&partition=1"),
		"another nonce":     other.proves(secret, "orders", ring, "for=a&partition=1"),
		"another mac":       cut.proves(secret, "orders", ring, "for=a&partition=1"),
	} {
		if held {
			t.Errorf("the signature holds for %s", what)
		}
	}
}

func TestAHeaderIsReadInOneSpellingOnly(t *testing.T) {
	p := sign(secret, "orders", look, "for=a", time.UnixMilli(5), nonce{9})
	if got, ok := parseProof(p.header()); !ok || got != p {
		t.Errorf("%s was read as %+v, %v", p.header(), got, ok)
	}
	h := p.header()
	for _, bad := range []string{
		"", "Duroxide-1 ", "Duroxide-1 5", "Duroxide-1 5.00", strings.ToUpper(h), h + "0", h[:len(h)-1], " " + h,
		strings.Replace(h, " 5.", " 05.", 1), strings.Replace(h, " 5.", " +5.", 1), strings.Replace(h, " 5.", " x.", 1),
		strings.Replace(h, "Duroxide-1", "Bearer", 1), h[:len(h)-2] + "zz",
	} {
		if _, ok := parseProof(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzQuery(f *testing.F) {
	f.Add(0, "for=a&instance=order-1&partition=1")
	f.Add(1, "for=a")
	f.Add(2, "final=1&for=a&instance=%2F&partition=1&read=1&revision=3")
	f.Fuzz(func(t *testing.T, k int, raw string) {
		r, err := parseQuery(kind(uint(k)%uint(len(kinds))), raw)
		if err == nil && r.query() != raw {
			t.Errorf("%q was read as %+v, which is written %q", raw, r, r.query())
		}
	})
}

func FuzzHeader(f *testing.F) {
	p := sign(secret, "orders", look, "for=a", time.UnixMilli(5), nonce{9})
	f.Add(p.header())
	f.Add("Duroxide-1 1..")
	f.Fuzz(func(t *testing.T, header string) {
		if p, ok := parseProof(header); ok && p.header() != header {
			t.Errorf("%q was read as %q", header, p.header())
		}
	})
}
