package doorbell

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// kind is what a request asks for.
type kind int

const (
	ring kind = iota
	look
	work
	wait
)

var kinds = [...]struct{ method, path string }{
	ring: {http.MethodPost, "/duroxide/v1/ring"},
	look: {http.MethodPost, "/duroxide/v1/look"},
	work: {http.MethodPost, "/duroxide/v1/work"},
	wait: {http.MethodGet, "/duroxide/v1/wait"},
}

// aimed reports whether requests of the kind are about a partition.
func (k kind) aimed() bool { return k == ring || k == wait }

// Until is what a client waits for.
type Until struct {
	provider.Until
	// Read says that the client has read the instance, and that it was not so.
	// If it has not, and the host does not have the instance in memory, the
	// client is told to read first: most such instances have ended.
	Read bool
}

// request is what stands in the query.
type request struct {
	kind        kind
	incarnation string
	partition   int
	instance    history.InstanceID // of a ring: empty for the whole inbox
	until       Until
}

// query is the only way to write the request.
func (r *request) query() string {
	v := url.Values{"for": {r.incarnation}}
	if !r.kind.aimed() {
		return v.Encode()
	}
	v.Set("partition", strconv.Itoa(r.partition))
	if r.instance != "" {
		v.Set("instance", string(r.instance))
	}
	if r.kind == wait {
		for name, set := range map[string]bool{"final": r.until.Final, "started": r.until.Started, "read": r.until.Read} {
			if set {
				v.Set(name, "1")
			}
		}
		if r.until.StatusRevision != 0 {
			v.Set("revision", strconv.FormatInt(r.until.StatusRevision, 10))
		}
	}
	return v.Encode()
}

var errMalformed = errors.New("doorbell: the query is not as it should be")

// parseQuery reads what [request.query] writes, and nothing else.
func parseQuery(k kind, raw string) (request, error) {
	if len(raw) > maxQueryBytes {
		return request{}, errMalformed
	}
	v, err := url.ParseQuery(raw)
	if err != nil {
		return request{}, errMalformed
	}
	r := request{kind: k, incarnation: v.Get("for"), instance: history.InstanceID(v.Get("instance"))}
	if k.aimed() {
		if r.partition, err = strconv.Atoi(v.Get("partition")); err != nil {
			return request{}, errMalformed
		}
	}
	if k == wait {
		r.until.Final, r.until.Started, r.until.Read = v.Has("final"), v.Has("started"), v.Has("read")
		r.until.StatusRevision, _ = strconv.ParseInt(v.Get("revision"), 10, 64) // what is no number is not written like that
	}
	if err := r.validate(); err != nil || r.query() != raw {
		return request{}, errMalformed
	}
	return r, nil
}

func (r *request) validate() error {
	switch {
	case r.incarnation == "" || len(r.incarnation) > maxIncarnationBytes:
		return fmt.Errorf("doorbell: the incarnation has %d bytes: from 1 to %d", len(r.incarnation), maxIncarnationBytes)
	case r.partition < 0 || r.partition > maxPartition:
		return fmt.Errorf("doorbell: partition %d: from 0 to %d", r.partition, maxPartition)
	case len(r.instance) > history.MaxInstanceIDLength:
		return fmt.Errorf("doorbell: the instance's id has %d bytes: at most %d", len(r.instance), history.MaxInstanceIDLength)
	case r.kind == wait && r.instance == "":
		return errors.New("doorbell: a wait is for an instance")
	case r.until.StatusRevision < 0:
		return fmt.Errorf("doorbell: status revision %d: it cannot be negative", r.until.StatusRevision)
	}
	return nil
}

// nonce is used by one request.
type nonce [16]byte

// proof is the signature of a request.
type proof struct {
	time  int64 // in milliseconds since 1970
	nonce nonce
	mac   [sha256.Size]byte
}

const scheme = "Duroxide-1 "

// sign makes the proof of a request.
func sign(secret []byte, hub string, k kind, query string, at time.Time, n nonce) proof {
	p := proof{time: at.UnixMilli(), nonce: n}
	m := hmac.New(sha256.New, secret)
	fmt.Fprintf(m, "duroxide doorbell 1\n%q\n%s %s\n%q\n%d\n%x\n", hub, kinds[k].method, kinds[k].path, query, p.time, n[:])
	m.Sum(p.mac[:0])
	return p
}

// proves reports whether the proof is of this request, in constant time.
func (p *proof) proves(secret []byte, hub string, k kind, query string) bool {
	want := sign(secret, hub, k, query, time.UnixMilli(p.time), p.nonce)
	return hmac.Equal(p.mac[:], want.mac[:])
}

// header is the only way to write the proof.
func (p *proof) header() string {
	return fmt.Sprintf("%s%d.%x.%x", scheme, p.time, p.nonce[:], p.mac[:])
}

// parseProof reads what [proof.header] writes, and nothing else.
func parseProof(header string) (p proof, ok bool) {
	rest, ok := strings.CutPrefix(header, scheme)
	at, rest, ok2 := strings.Cut(rest, ".")
	n, mac, ok3 := strings.Cut(rest, ".")
	if !ok || !ok2 || !ok3 || len(n) != hex.EncodedLen(len(p.nonce)) || len(mac) != hex.EncodedLen(len(p.mac)) {
		return proof{}, false
	}
	var err error
	if p.time, err = strconv.ParseInt(at, 10, 64); err != nil {
		return proof{}, false
	}
	if _, err := hex.Decode(p.nonce[:], []byte(n)); err != nil {
		return proof{}, false
	}
	if _, err := hex.Decode(p.mac[:], []byte(mac)); err != nil {
		return proof{}, false
	}
	return p, p.header() == header
}
