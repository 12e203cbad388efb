package azurite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

const (
	startLimit = time.Minute     // a second is usual, 20 were seen when the disk was busy
	stopLimit  = 5 * time.Second // a third of one is usual
)

// Config says how to run a server. The zero value is a server in memory that
// answers plain HTTP.
type Config struct {
	// Location is the folder to keep the data in, made if need be. Empty means
	// memory: the data is gone with the server.
	Location string

	// HTTPS makes the services answer HTTPS alone, with a certificate made for
	// this server, and accept tokens (see [Server.TLS] and [FakeToken]).
	HTTPS bool

	// Log receives what the server prints, nil nothing.
	Log io.Writer
}

// Server is a running Azurite. Its methods may be called from several goroutines
// at once.
type Server struct {
	cmd         *exec.Cmd
	stdin       io.Closer // the pipe that keeps it alive
	output      *output
	certificate *certificate  // nil for plain HTTP
	patience    time.Duration // with a server that is to stop

	ended chan struct{} // closed when the process has ended
	err   error         // of the process, once it has ended
}

// Start starts a server and waits until it answers. The context bounds the
// start alone; the server runs until [Server.Stop], or until this process ends.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("azurite: Node.js is needed to run it: install version 20 or later: %w", err)
	}
	installed, err := install(ctx)
	if err != nil {
		return nil, err
	}
	preload, err := installed.preload()
	if err != nil {
		return nil, err
	}
	args := []string{
		"-r", preload, installed.program(),
		"--blobPort", "0", "--queuePort", "0", "--tablePort", "0",
		"--skipApiVersionCheck", "--disableTelemetry", "--silent",
	}
	if cfg.Location == "" {
		args = append(args, "--inMemoryPersistence")
	} else {
		location, err := filepath.Abs(cfg.Location)
		if err != nil {
			return nil, fmt.Errorf("azurite: %w", err)
		}
		args = append(args, "--location", location)
	}
	s := &Server{output: newOutput(cfg.Log), patience: stopLimit, ended: make(chan struct{})}
	if cfg.HTTPS {
		if s.certificate, err = newCertificate(); err != nil {
			return nil, err
		}
		args = append(args, "--oauth", "basic", "--cert", s.certificate.certFile, "--key", s.certificate.keyFile)
	}
	s.cmd = exec.Command(node, args...) //nolint:gosec,noctx // It is node, wherever it lies; it outlives the context.
	s.cmd.Dir = installed.folder
	if err := s.run(); err != nil {
		return nil, errors.Join(err, s.certificate.remove())
	}
	if err := s.waitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// run starts the process, and the goroutine that owns it until its end.
func (s *Server) run() error {
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("azurite: %w", err)
	}
	s.stdin = stdin
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	s.cmd.SysProcAttr = attributes()
	s.cmd.WaitDelay = time.Second
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // See wakeWithoutParent; the thread ends with the goroutine.
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.err = s.cmd.Wait()
			close(s.ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("azurite: starting node: %w", err)
	}
	return nil
}

func (s *Server) waitReady(ctx context.Context) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-s.output.ready:
		return nil
	case <-s.ended:
		return fmt.Errorf("azurite: the server ended while starting: %w; it printed:\n%s", ended(s.err), s.output)
	case <-limit.C:
		return fmt.Errorf("azurite: the server does not answer after %v; it printed:\n%s", startLimit, s.output)
	case <-ctx.Done():
		return fmt.Errorf("azurite: waiting for the server to start: %w; it printed:\n%s", context.Cause(ctx), s.output)
	}
}

func ended(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Endpoints are where the services listen.
func (s *Server) Endpoints() Endpoints { return s.output.endpoints() }

// ConnectionString is that of the endpoints.
func (s *Server) ConnectionString() string { return s.Endpoints().ConnectionString() }

// PID is the id of the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Done is closed when the server has ended, stopped or not.
func (s *Server) Done() <-chan struct{} { return s.ended }

// Output is the end of what the server printed.
func (s *Server) Output() string { return s.output.String() }

// Pause stops the process where it stands, as a server does that is overloaded:
// connections are accepted by the system, and nothing answers.
func (s *Server) Pause() error { return pause(s.cmd.Process) }

// Resume lets a paused process go on.
func (s *Server) Resume() error { return resume(s.cmd.Process) }

// Stop asks the server to save its data and to end, ends it by force after five
// seconds, and waits for its end. Stopping again does nothing.
func (s *Server) Stop() error {
	err := s.stop()
	return errors.Join(err, s.certificate.remove())
}

func (s *Server) stop() error {
	select {
	case <-s.ended:
		return nil
	default:
	}
	_ = s.stdin.Close()
	_ = resume(s.cmd.Process) // a paused one cannot see that
	limit := time.NewTimer(s.patience)
	defer limit.Stop()
	select {
	case <-s.ended:
		return nil
	case <-limit.C:
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("azurite: %w", err)
	}
	<-s.ended
	return fmt.Errorf("azurite: the server did not stop within %v and was killed; it printed:\n%s", s.patience, s.output)
}
