package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// note is a line of the worker's log.
type note struct {
	Time      time.Time `json:"time"`
	Level     string    `json:"level"`
	Msg       string    `json:"msg"`
	Instance  string    `json:"instance"`
	Execution int64     `json:"execution"`
	Event     int64     `json:"event"`
	Attempt   int       `json:"attempt"`
	Activity  string    `json:"activity"`
	What      string    `json:"what"`
	Detail    string    `json:"detail"`
	Delivery  int       `json:"delivery"`
	Error     any       `json:"error"`
	Reason    string    `json:"reason"`
	Partition int       `json:"partition"`
	Epoch     int64     `json:"epoch"`
	Name      string    `json:"name"`
}

// order is the order that a line is about: that of the parent, for a child.
func (n *note) order() string {
	root, _, _ := strings.Cut(n.Instance, "::")
	return root
}

// running names an activity in progress.
type running struct {
	instance  string
	execution int64
	event     int64
}

// process is a worker process.
type process struct {
	pid   int
	cmd   *exec.Cmd
	life  io.Closer     // closing it asks the worker to end
	ready chan struct{} // closed when it has joined the store
	gone  chan struct{} // closed when it is reaped and its log is read
	err   error         // how it ended, once gone

	mu         sync.Mutex
	inProgress map[running]string // what, for people
	stderr     tail
}

// startProcess starts a worker with a command, in an environment (nil for this
// process's own). Every line of its log goes to tell, one at a time.
func startProcess(command, environment []string, tell func(*note)) (*process, error) {
	cmd := exec.Command(command[0], command[1:]...) //nolint:noctx // It is killed on purpose, and stopped by its standard input.
	cmd.Env, cmd.SysProcAttr = environment, attributes()
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, life: life, ready: make(chan struct{}), gone: make(chan struct{}), inProgress: map[running]string{}}
	cmd.Stderr = &p.stderr
	started := make(chan error)
	go func() { // ends with the process
		runtime.LockOSThread() // See attributes; the thread ends with the goroutine.
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		defer close(p.gone)
		p.listen(out, tell)
		p.err = cmd.Wait()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting the worker process: %w", err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// listen reads the log until the process is gone.
func (p *process) listen(out io.Reader, tell func(*note)) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return // a last line without its end was cut by the kill
		}
		var n note
		if json.Unmarshal(bytes.TrimSpace(line), &n) != nil {
			continue
		}
		p.follow(&n)
		tell(&n)
	}
}

// follow keeps track of what is in progress.
func (p *process) follow(n *note) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := running{n.Instance, n.Execution, n.Event}
	switch n.Msg {
	case noteReady:
		close(p.ready)
	case noteBegun:
		p.inProgress[at] = strings.TrimSpace(n.order() + " " + n.Activity + " " + n.What)
	case noteEnded, noteFailed:
		delete(p.inProgress, at)
	}
}

// busy lists the activities of orders that are in progress.
func (p *process) busy() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for at, what := range p.inProgress {
		if at.instance != reconcilerID {
			list = append(list, what)
		}
	}
	slices.Sort(list)
	return list
}

// awaitReady waits until the worker has joined the store.
func (p *process) awaitReady(ctx context.Context) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-p.ready:
		return nil
	case <-p.gone:
		return p.failure()
	case <-limit.C:
		return fmt.Errorf("the worker process %d is not ready after %v", p.pid, startLimit)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failure says why a worker ended that was not asked to.
func (p *process) failure() error {
	cause := errors.New("no error")
	if p.err != nil {
		cause = p.err
	}
	if said := p.stderr.String(); said != "" {
		return fmt.Errorf("the worker process %d ended by itself (%w): %s", p.pid, cause, said)
	}
	return fmt.Errorf("the worker process %d ended by itself: %w", p.pid, cause)
}

// kill ends the worker as kill -9 does, and reaps it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it fails only for a process that is gone
	<-p.gone
	_ = p.life.Close()
}

// stop asks the worker to finish what runs and leave, and reaps it.
func (p *process) stop() error {
	_ = p.life.Close()
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-p.gone:
	case <-limit.C:
		p.kill()
		return fmt.Errorf("the worker process %d did not stop within %v and was killed", p.pid, stopLimit)
	}
	if p.err != nil {
		return p.failure()
	}
	return nil
}

// How long a worker may take to join the store, and to leave it.
const (
	startLimit = 30 * time.Second
	stopLimit  = 20 * time.Second
)

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-tailBytes):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
