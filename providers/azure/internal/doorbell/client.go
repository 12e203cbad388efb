package doorbell

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// What a [Client] says in its errors.
var (
	// ErrGone: the host that is meant is not there any more, or does not serve
	// the partition. Find out anew who does.
	ErrGone = errors.New("doorbell: the host has moved on")
	// ErrUnreachable: nobody answered, or not as a doorbell does. Until some
	// time has passed calls end with this error without any try.
	ErrUnreachable = errors.New("doorbell: the host cannot be reached")
)

// ClientConfig of a [Client]. Secret and Hub are required.
type ClientConfig struct {
	Secret []byte
	Hub    string
	// Network is how hosts are reached; nil for [TCP].
	Network Network
	// Now is the clock by which requests are dated; nil for this machine's.
	Now func() time.Time
	// Nonce draws bytes that nobody used before; nil for random ones.
	Nonce func() [16]byte
}

// Client rings hosts and waits at them. Its methods may be called concurrently.
type Client struct {
	cfg   ClientConfig
	http  *http.Client
	reach reach
}

// NewClient makes a client. [Client.Close] ends it.
func NewClient(cfg ClientConfig) (*Client, error) {
	if len(cfg.Secret) < minSecretBytes {
		return nil, fmt.Errorf("doorbell: the secret has %d bytes: at least %d", len(cfg.Secret), minSecretBytes)
	}
	if cfg.Network == nil {
		cfg.Network = TCP{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Nonce == nil {
		cfg.Nonce = func() (n [16]byte) {
			_, _ = rand.Read(n[:]) // it never fails
			return n
		}
	}
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, ringTimeout)
		defer cancel()
		return cfg.Network.Dial(ctx, address)
	}
	return &Client{cfg: cfg, http: &http.Client{
		Transport: &http.Transport{ // no proxy: addresses are those of hosts
			DialContext:            dial,
			Protocols:              protocols(false),
			DisableCompression:     true,
			MaxIdleConns:           256,
			IdleConnTimeout:        clientIdle,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// protocols is HTTP/2 without encryption, so that however many wait at a host
// share a connection; for a server, HTTP/1 too, which anything speaks.
func protocols(both bool) *http.Protocols {
	p := &http.Protocols{}
	p.SetUnencryptedHTTP2(true)
	p.SetHTTP1(both)
	return p
}

// Close closes connections that are idle. Calls under way end with their
// contexts.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ring makes the host look into an instance's inbox, or if that is empty into
// that of the partition.
func (c *Client) Ring(ctx context.Context, address, incarnation string, partition int, instance history.InstanceID) error {
	_, err := c.do(ctx, address, &request{kind: ring, incarnation: incarnation, partition: partition, instance: instance}, ringTimeout)
	return err
}

// Look makes the host look at the host rows.
func (c *Client) Look(ctx context.Context, address, incarnation string) error {
	_, err := c.do(ctx, address, &request{kind: look, incarnation: incarnation}, ringTimeout)
	return err
}

// Work makes the host look into the work queues.
func (c *Client) Work(ctx context.Context, address, incarnation string) error {
	_, err := c.do(ctx, address, &request{kind: work, incarnation: incarnation}, ringTimeout)
	return err
}

// Wait waits until the client should read the instance. It returns false when
// that is not so after about 25 s: ask again.
func (c *Client) Wait(ctx context.Context, address, incarnation string, partition int, instance history.InstanceID, until Until) (changed bool, err error) {
	return c.do(ctx, address, &request{kind: wait, incarnation: incarnation, partition: partition, instance: instance, until: until}, waitTimeout)
}

// do sends a request and reports whether the answer was that of a wait that
// ended.
func (c *Client) do(ctx context.Context, address string, r *request, timeout time.Duration) (changed bool, err error) {
	if err := r.validate(); err != nil {
		return false, err
	}
	if !Dialable(address) || !c.reach.begin(address, r.kind, time.Now()) {
		return false, ErrUnreachable
	}
	status, err := c.send(ctx, address, r, timeout)
	reached := err == nil && (status == http.StatusOK || status == http.StatusNoContent || status == http.StatusGone)
	given := err != nil && ctx.Err() != nil // the caller gave up: that says nothing of the address
	c.reach.end(address, r.kind, time.Now(), reached, given)
	switch {
	case err != nil && given:
		return false, ctx.Err()
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case status == http.StatusGone:
		return false, ErrGone
	case !reached:
		return false, fmt.Errorf("%w: %s answers %d", ErrUnreachable, address, status)
	}
	return status == http.StatusOK, nil
}

func (c *Client) send(ctx context.Context, address string, r *request, timeout time.Duration) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	u := url.URL{Scheme: "http", Host: address, Path: kinds[r.kind].path, RawQuery: r.query()}
	q, err := http.NewRequestWithContext(ctx, kinds[r.kind].method, u.String(), http.NoBody)
	if err != nil {
		return 0, err
	}
	p := sign(c.cfg.Secret, c.cfg.Hub, r.kind, u.RawQuery, c.cfg.Now(), c.cfg.Nonce())
	q.Header.Set("Authorization", p.header())
	q.Header.Set("User-Agent", "duroxide")
	answer, err := c.http.Do(q)
	if err != nil {
		return 0, err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 1) // there is none: the connection can be used again
	return answer.StatusCode, answer.Body.Close()
}
