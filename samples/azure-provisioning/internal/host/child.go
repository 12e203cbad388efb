package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Notes that children write. Everything else on their standard output is their
// log.
const (
	noteReady = "provisioning: ready"
	noteBegun = "provisioning: request begun"
	noteEnded = "provisioning: request ended"
)

// Note is a line that a child wrote.
type Note struct {
	Level    string `json:"level"`
	Msg      string `json:"msg"`
	Instance string `json:"instance"`
	Activity string `json:"activity"`
	What     string `json:"what"` // the resource that a request is about
	URL      string `json:"url"`
	Name     string `json:"name"`
	Reason   string `json:"reason"`
	Error    any    `json:"error"`

	Line []byte `json:"-"` // as it was written
}

// Begun reports whether a request to Azure has begun.
func (n *Note) Begun() bool { return n.Msg == noteBegun }

// Ended reports whether a request to Azure has ended.
func (n *Note) Ended() bool { return n.Msg == noteEnded }

// Child is a child process.
type Child struct {
	Name string
	PID  int

	cmd   *exec.Cmd
	life  io.Closer
	ready chan *Note    // one, when it works
	gone  chan struct{} // closed when it is reaped and all it wrote was read
	err   error         // how it ended, once gone

	mu     sync.Mutex
	stderr []byte
	meant  bool // to end
	early  bool // it ended before it was meant to
	worked bool // it has done a request
}

// How long a child may take to start, and to end.
const (
	startLimit = time.Minute
	stopLimit  = 20 * time.Second
	keptOutput = 4 << 10
)

// StartWorker starts a worker process and waits until it works.
func StartWorker(ctx context.Context, program string, w Worker, tell func(*Note)) (*Child, error) {
	args, environment := w.command()
	c, _, err := start(ctx, program, w.Name, args, environment, tell)
	return c, err
}

// StartEmulator starts the emulator process, waits until it serves, and returns
// its URL.
func StartEmulator(ctx context.Context, program string, e Emulator) (c *Child, url string, err error) {
	c, ready, err := start(ctx, program, "the emulator", e.command(), nil, func(*Note) {})
	if err != nil {
		return nil, "", err
	}
	return c, ready.URL, nil
}

func start(ctx context.Context, program, name string, args, environment []string, tell func(*Note)) (*Child, *Note, error) {
	cmd := exec.Command(program, args...) //nolint:noctx // It is killed on purpose, and ended by its standard input.
	cmd.Env = append(os.Environ(), environment...)
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	c := &Child{Name: name, cmd: cmd, life: life, ready: make(chan *Note, 1), gone: make(chan struct{})}
	cmd.Stderr = c
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting %s: %w", name, err)
	}
	c.PID = cmd.Process.Pid
	go func() { // ends with the process
		defer close(c.gone)
		c.listen(out, tell)
		c.err = cmd.Wait()
		c.mu.Lock()
		c.early = !c.meant
		c.mu.Unlock()
	}()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case ready := <-c.ready:
		return c, ready, nil
	case <-c.gone:
		return nil, nil, c.failure()
	case <-limit.C:
		err = fmt.Errorf("%s does not work %v after its start", name, startLimit)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	c.Kill()
	return nil, nil, err
}

func (c *Child) listen(out io.Reader, tell func(*Note)) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return // a last line without its end was cut by the kill
		}
		var n Note
		if json.Unmarshal(bytes.TrimSpace(line), &n) != nil {
			continue
		}
		n.Line = line
		if n.Msg == noteReady {
			select {
			case c.ready <- &n:
			default: // it has joined anew
			}
		}
		if n.Ended() {
			c.mu.Lock()
			c.worked = true
			c.mu.Unlock()
		}
		tell(&n)
	}
}

// Write keeps the end of what the child writes to its standard error.
func (c *Child) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stderr = append(c.stderr, b...)
	c.stderr = c.stderr[max(0, len(c.stderr)-keptOutput):]
	return len(b), nil
}

func (c *Child) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	cause := c.err
	if cause == nil {
		cause = errors.New("it reported no error")
	}
	err := fmt.Errorf("%s (process %d) ended by itself: %w", c.Name, c.PID, cause)
	if said := strings.TrimSpace(string(c.stderr)); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// Gone is closed when the process has ended.
func (c *Child) Gone() <-chan struct{} { return c.gone }

// Worked reports whether it has done a request.
func (c *Child) Worked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.worked
}

// Failure says how a process that is gone ended by itself; nil if it was killed or
// stopped.
func (c *Child) Failure() error {
	c.mu.Lock()
	early := c.early
	c.mu.Unlock()
	if !early {
		return nil
	}
	return c.failure()
}

// Kill ends the process as kill -9 does, and reaps it. It reports whether it was
// still there.
func (c *Child) Kill() bool {
	c.ending()
	_ = c.cmd.Process.Kill() // it fails only for a process that is gone
	<-c.gone
	_ = c.life.Close()
	return c.Failure() == nil
}

// Stop asks the process to end, and reaps it. One that had ended before is no
// error: [Child.Failure] has that.
func (c *Child) Stop() error {
	if c.ending() {
		return nil // it was killed
	}
	_ = c.life.Close()
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-c.gone:
	case <-limit.C:
		c.Kill()
		return fmt.Errorf("%s (process %d) did not end within %v and was killed", c.Name, c.PID, stopLimit)
	}
	if c.Failure() == nil && c.err != nil {
		return fmt.Errorf("%s (process %d), asked to end: %w", c.Name, c.PID, c.err)
	}
	return nil
}

// ending notes that the process is meant to end, and tells whether it was before.
func (c *Child) ending() (already bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	already, c.meant = c.meant, true
	return already
}
