package doorbelltest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell"
)

// Network is a network in memory. The zero value is ready to use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	cut       map[string]bool
	dials     int
	ports     int
}

var _ doorbell.Network = (*Network)(nil)

type addr string

func (a addr) Network() string { return "memory" }
func (a addr) String() string  { return string(a) }

// Listen implements [doorbell.Network]. Port 0 is one that is free.
func (n *Network) Listen(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		n.ports++
		address = net.JoinHostPort(host, fmt.Sprint(10_000+n.ports))
	}
	if n.listeners[address] != nil {
		return nil, fmt.Errorf("%s is taken", address)
	}
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	l := &listener{network: n, address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

// Dial implements [doorbell.Network].
func (n *Network) Dial(ctx context.Context, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	l, cut := n.listeners[address], n.cut[address]
	n.mu.Unlock()
	if cut {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if l == nil {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Cut makes an address swallow what is dialled from now on, until Heal.
func (n *Network) Cut(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut == nil {
		n.cut = map[string]bool{}
	}
	n.cut[address] = true
}

// Heal ends a cut.
func (n *Network) Heal(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cut, address)
}

// Dials is how often anything was dialled.
func (n *Network) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

type listener struct {
	network *Network
	address string
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		delete(l.network.listeners, l.address)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return addr(l.address) }
