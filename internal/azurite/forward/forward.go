package forward

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
)

// Config says what is done to requests on their way.
type Config struct {
	// Transport sends the requests. One that fails breaks off the connection
	// that its request came by, without an answer.
	Transport http.RoundTripper
	// Before, if not nil, is called first of all; the connection is broken off
	// if it fails.
	Before func(*http.Request) error
	// After, if not nil, is called with each answer, likewise.
	After func(*http.Response) error
	// Connections, if not nil, is told of them.
	Connections func(net.Conn, http.ConnState)
}

// Servers forward to the services of one emulator.
type Servers struct {
	config    Config
	endpoints azurite.Endpoints
	servers   []*http.Server
	running   sync.WaitGroup
}

// Open starts a server on a free port of this machine for each service of the
// target. Close ends them.
func Open(target azurite.Endpoints, config Config) (*Servers, error) {
	s := &Servers{config: config}
	for _, service := range []struct{ target, here *string }{
		{&target.Blob, &s.endpoints.Blob}, {&target.Queue, &s.endpoints.Queue}, {&target.Table, &s.endpoints.Table},
	} {
		address, err := s.serve(*service.target)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("forwarding to the emulator: %w", err), s.Close())
		}
		*service.here = address
	}
	return s, nil
}

// serve starts the server of one service, and returns its address.
func (s *Servers) serve(target string) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" {
		return "", fmt.Errorf("the target %s does not speak plain HTTP", target)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // It is at once.
	if err != nil {
		return "", err
	}
	silent := log.New(io.Discard, "", 0)
	reverse := &httputil.ReverseProxy{
		Transport: s.config.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: u.Scheme, Host: u.Host})
			r.Out.URL.RawQuery = r.In.URL.RawQuery // to the letter, it is signed
		},
		ModifyResponse: s.config.After,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // panic: the server knows no other way to break off without an answer.
		},
		ErrorLog: silent,
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s.config.Before != nil && s.config.Before(r) != nil {
				panic(http.ErrAbortHandler) // panic: as above.
			}
			reverse.ServeHTTP(w, r)
		}),
		ConnState:         s.config.Connections,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          silent,
	}
	s.servers = append(s.servers, server)
	s.running.Go(func() { _ = server.Serve(listener) }) // ends with an error when it is closed
	return "http://" + listener.Addr().String() + u.Path, nil
}

// Endpoints are where the servers listen.
func (s *Servers) Endpoints() azurite.Endpoints { return s.endpoints }

// Close breaks all connections, and waits for the servers to end.
func (s *Servers) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	s.running.Wait()
	return errors.Join(errs...)
}
