package doorbell

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Network is how hosts reach each other.
type Network interface {
	Listen(address string) (net.Listener, error)
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// TCP is the network of the machine, and the default.
type TCP struct{}

var _ Network = TCP{}

// Listen implements [Network].
func (TCP) Listen(address string) (net.Listener, error) {
	var c net.ListenConfig
	return c.Listen(context.Background(), "tcp", address)
}

// Dial implements [Network].
func (TCP) Dial(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: ringTimeout, KeepAlive: 15 * time.Second}
	return d.DialContext(ctx, "tcp", address)
}

// Listen listens on host:port. Without a host that is loopback: only who writes
// 0.0.0.0 or an address of the machine opens the door to others. Port 0 is any
// that is free.
func Listen(n Network, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("doorbell: Listen is %q: write host:port, such as 10.0.0.5:7071 or 0.0.0.0:7071: %w", address, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := n.Listen(net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("doorbell: cannot listen on %s: choose another address or port: %w", address, err)
	}
	return l, nil
}

// Advertised is what others are to dial. Advertise may be a host or host:port,
// for where the way in is not where the process listens, behind NAT or in a
// container; without a port, or with port 0, it gets the listener's.
func Advertised(l net.Listener, advertise string) (string, error) {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", fmt.Errorf("doorbell: a listener on %s cannot be advertised: %w", l.Addr(), err)
	}
	if advertise != "" {
		h, p, err := net.SplitHostPort(advertise)
		if err != nil {
			h, p = strings.Trim(advertise, "[]"), "0"
		}
		if host = h; p != "0" && p != "" {
			port = p
		}
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() || host == "" {
		return "", fmt.Errorf("doorbell: it listens on every address of this machine, %s: set Advertise to the one at which the other hosts and the clients reach it", l.Addr())
	}
	address := net.JoinHostPort(host, port)
	if !Dialable(address) {
		return "", fmt.Errorf("doorbell: Advertise is %q: write a host, or host:port", advertise)
	}
	return address, nil
}

// Dialable reports whether an address is host:port and nothing else.
func Dialable(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || len(address) > 300 {
		return false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return false
	}
	if net.ParseIP(host) != nil {
		return true
	}
	return !strings.ContainsFunc(host, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_'
	})
}

// limited is a listener that has so many connections open at most.
type limited struct {
	net.Listener
	free   chan struct{} // a token for each that is open
	closed chan struct{}
	once   sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: c, release: func() { <-l.free }}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
	once    sync.Once
}

func (c *limitedConn) Close() error {
	defer c.once.Do(c.release)
	return c.Conn.Close()
}
