package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/duroxide/duroxide-go/core/provider"
)

// maxReaders is how many reads run at a time. They are short, and there is no
// gain in many more than cores.
const maxReaders = 4

// readers are the connections that read, opened when first needed.
type readers struct {
	open func() (*conn, error)

	mu     sync.Mutex
	idle   []*conn
	slots  chan struct{} // one token a connection in use
	closed bool
}

func (p *readers) get(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if p.slots == nil {
		p.slots = make(chan struct{}, maxReaders)
	}
	slots := p.slots
	p.mu.Unlock()
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, err := p.take()
	if err != nil {
		<-slots
	}
	return c, err
}

func (p *readers) take() (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, provider.ErrClosed
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	return p.open()
}

func (p *readers) put(c *conn) {
	p.mu.Lock()
	p.idle = append(p.idle, c)
	p.mu.Unlock()
	<-p.slots
}

// close waits for the reads that run and closes all connections.
func (p *readers) close() error {
	p.mu.Lock()
	p.closed = true
	slots := p.slots
	p.mu.Unlock()
	if slots == nil {
		return nil
	}
	for range maxReaders {
		slots <- struct{}{}
	}
	var errs []error
	for _, c := range p.idle {
		errs = append(errs, c.Close())
	}
	p.idle = nil
	for range maxReaders { // whoever still asks learns that it is closed
		<-slots
	}
	return errors.Join(errs...)
}

// read lends f a connection for reading.
func (s *Store) read(ctx context.Context, op string, f func(c *conn) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sqlite: %s: %w", op, err)
	}
	c, err := s.readers.get(ctx)
	if err != nil {
		if isContract(err) {
			return fmt.Errorf("sqlite: %s: %w", op, err)
		}
		return mapError(op, err)
	}
	defer s.readers.put(c)
	s.counters.reads.Add(1)
	return mapError(op, f(c))
}

// snapshot runs several queries on one state of the database.
func (c *conn) snapshot(f func() error) error {
	if err := c.run("BEGIN", nil); err != nil {
		return err
	}
	err := f()
	return errors.Join(err, c.run("ROLLBACK", nil))
}
