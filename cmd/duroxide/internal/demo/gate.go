package demo

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/forward"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

// gate stands between one host and the emulator. It counts the host's requests,
// and takes note of what became of its commits: what the demo says of a host
// that was paused does not depend on that host's own words.
type gate struct {
	*tally.Counter

	pool    *http.Transport
	servers *forward.Servers

	mu      sync.Mutex
	commits []commitSeen
}

// commitSeen is a transaction that carried the head of a partition: a commit, a
// claim or a release.
type commitSeen struct {
	sent    time.Time
	owner   string // the incarnation that signs
	applied bool
}

// openGate opens a gate to an emulator. Close closes it.
func openGate(target azurite.Endpoints, pool *http.Transport) (*gate, error) {
	g := &gate{Counter: tally.New(pool, target), pool: pool}
	var err error
	if g.servers, err = forward.Open(target, forward.Config{Transport: g}); err != nil {
		return nil, err
	}
	return g, nil
}

// Close breaks all connections.
func (g *gate) Close() error {
	err := g.servers.Close()
	g.pool.CloseIdleConnections()
	return err
}

// RoundTrip passes a request on, and remembers it if it is signed by an owner.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/$batch") {
		return g.Counter.RoundTrip(r)
	}
	sent := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	owner, signed := signature(body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer, err := g.Counter.RoundTrip(r)
	if err != nil || !signed {
		return answer, err
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.commits = append(g.commits, commitSeen{sent, owner, answer.StatusCode == http.StatusAccepted && !bytes.Contains(text, []byte("HTTP/1.1 4"))})
	return answer, nil
}

// signature finds the owner in a transaction with the head of a partition, which
// is its first row.
func signature(body []byte) (owner string, ok bool) {
	for line := range bytes.Lines(body) {
		if !bytes.HasPrefix(line, []byte("{")) {
			continue
		}
		var row struct {
			RowKey string `json:"RowKey"`
			Head   string `json:"Head"`
			Type   string `json:"Head@odata.type"`
		}
		if json.Unmarshal(line, &row) != nil || row.RowKey != "head" {
			return "", false
		}
		text := []byte(row.Head)
		if row.Type == "Edm.Binary" {
			text, _ = base64.StdEncoding.DecodeString(row.Head)
		}
		var head struct {
			Owner string `json:"owner"`
		}
		return head.Owner, json.Unmarshal(text, &head) == nil && head.Owner != ""
	}
	return "", false
}

// incarnations are those that have signed something so far.
func (g *gate) incarnations() map[string]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := map[string]bool{}
	for _, c := range g.commits {
		all[c.owner] = true
	}
	return all
}

// since counts what incarnations have tried to commit since a moment.
func (g *gate) since(from time.Time, incarnations map[string]bool) (applied, refused int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.commits {
		switch {
		case c.sent.Before(from) || !incarnations[c.owner]:
		case c.applied:
			applied++
		default:
			refused++
		}
	}
	return applied, refused
}
