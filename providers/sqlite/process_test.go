package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// The tests of this file run this very program again, in a role.
const (
	roleVariable = "DUROXIDE_SQLITE_TEST_ROLE"
	hubVariable  = "DUROXIDE_SQLITE_TEST_HUB"
)

// playRole is main in the other process. It prints a line a step, and goes on
// until its standard input ends.
func playRole(role string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := playIn(ctx, role, os.Getenv(hubVariable)); err != nil {
		fmt.Fprintln(os.Stdout, "failed:", err)
		return 1
	}
	return 0
}

func playIn(ctx context.Context, role, path string) error {
	s, err := Open(ctx, path, Config{})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "opened")
	switch role {
	case "worker":
		err = playWorker(ctx, s)
	case "client":
		err = playClient(ctx, s)
	case "committer":
		err = playCommitter(ctx, s)
	}
	return errors.Join(err, s.Close())
}

func playWorker(ctx context.Context, s *Store) error {
	h, err := s.Join(ctx, provider.HostInfo{Name: "the other one"})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "joined")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return h.Leave(ctx)
}

// playClient starts an instance, sends it an event and waits for its end.
func playClient(ctx context.Context, s *Store) error {
	if err := s.Send(ctx, startMessage("from afar")); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "started")
	if _, err := s.Wait(ctx, "from afar", provider.Until{Started: true}); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "runs")
	if err := s.Send(ctx, eventMessage("from afar", "news")); err != nil {
		return err
	}
	i, err := s.Wait(ctx, "from afar", provider.Until{Final: true})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "ended %s %s\n", i.Status, i.Output)
	return nil
}

// playCommitter starts instances and commits turns, some of both at once, and
// prints what was acknowledged, until it is killed.
func playCommitter(ctx context.Context, s *Store) error {
	h, err := s.Join(ctx, provider.HostInfo{Name: "committer"})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "joined")
	acknowledged := make(chan string)
	for range 8 {
		go func() {
			for ctx.Err() == nil {
				t, err := h.NextTurn(ctx)
				if err != nil {
					return
				}
				c := takeIn(t)
				c.Again = true
				c.add(&history.ValueRecorded{})
				if err := h.CommitTurn(ctx, t, &c.Commit); err != nil {
					acknowledged <- "failed: " + err.Error()
					return
				}
				acknowledged <- fmt.Sprintf("event %d of %s", c.last, t.Instance.ID)
			}
		}()
	}
	go func() {
		for n := 0; ctx.Err() == nil; n++ {
			id := history.InstanceID(fmt.Sprintf("p%d-%d", os.Getpid(), n))
			if err := s.Send(ctx, startMessage(id)); err != nil {
				acknowledged <- "failed: " + err.Error()
				return
			}
			acknowledged <- fmt.Sprintf("event 0 of %s", id)
		}
	}()
	out := bufio.NewWriter(os.Stdout)
	for line := range acknowledged {
		fmt.Fprintln(out, line)
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// process is another process that plays a role.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines *bufio.Scanner
	stdin io.Closer
}

func spawn(t testing.TB, role, path string) *process {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	ctx := soon(t)
	p := &process{t: t, cmd: exec.CommandContext(ctx, program)}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+role, hubVariable+"="+path)
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	p.stdin, err = p.cmd.StdinPipe()
	must(t, err)
	p.cmd.Stderr = os.Stderr
	p.lines = bufio.NewScanner(out)
	must(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it has ended long ago, or else the test failed
	return p
}

// says waits for the line.
func (p *process) says(want string) {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("the other process ended, and did not say %q", want)
	}
	if got := p.lines.Text(); got != want {
		p.t.Fatalf("the other process said %q, want %q", got, want)
	}
}

// leaves ends the other process in good order.
func (p *process) leaves() {
	p.t.Helper()
	must(p.t, p.stdin.Close())
	for p.lines.Scan() {
		p.t.Errorf("the other process said %q at its end", p.lines.Text())
	}
	must(p.t, p.cmd.Wait())
}

// kill is kill -9. What it had said until then is read on.
func (p *process) kill(each func(line string)) {
	p.t.Helper()
	must(p.t, p.cmd.Process.Kill())
	for p.lines.Scan() {
		each(p.lines.Text())
	}
	_ = p.cmd.Wait() // it was killed
}

func TestASecondWorkerIsRefusedAndLearnsWhoIsFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := openAt(t, path, Config{})
	p := spawn(t, "worker", path)
	p.says("opened")
	p.says("joined")
	_, err := s.Join(soon(t), provider.HostInfo{Name: "the second"})
	if !errors.Is(err, provider.ErrHostTaken) || !strings.Contains(err.Error(), strconv.Itoa(p.cmd.Process.Pid)) || !strings.Contains(err.Error(), "the other one") {
		t.Fatalf("joining as the second: %v, want %v that names process %d", err, provider.ErrHostTaken, p.cmd.Process.Pid)
	}
	p.leaves()
	join(t, s) // now there is room
}

func TestASecondWorkerInTheSameProcessIsRefused(t *testing.T) {
	s := open(t)
	join(t, s)
	for what, second := range map[string]*Store{"the same store": s, "another store": openAt(t, s.Path(), Config{})} {
		if _, err := second.Join(soon(t), provider.HostInfo{}); !errors.Is(err, provider.ErrHostTaken) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
			t.Errorf("joining through %s: %v", what, err)
		}
	}
}

func TestTheLockOfAKilledWorkerIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	p := spawn(t, "worker", path)
	p.says("opened")
	p.says("joined")
	p.kill(func(string) {})
	s := openAt(t, path, Config{})
	must(t, s.Send(soon(t), startMessage("a"))) // nobody answers at the socket it left
	h := join(t, s)
	next(t, h, "a", nil)
	if n, err := raw(t, path).int64("SELECT count(*) FROM notices"); n != 0 || err != nil {
		t.Errorf("%d notices are left (%v)", n, err)
	}
}

func TestAClientInAnotherProcessWakesTheWorkerAndIsWoken(t *testing.T) {
	s := open(t)
	h := join(t, s)
	p := spawn(t, "client", s.Path())
	p.says("opened")
	p.says("started")
	for range 2 {
		turn, err := h.NextTurn(soon(t))
		must(t, err)
		c := takeIn(turn)
		if _, ok := turn.Messages[0].Data.(*history.EventRaised); ok {
			c.finish()
		}
		must(t, h.CommitTurn(soon(t), turn, &c.Commit))
	}
	p.says("runs")
	p.says(`ended completed "out"`)
	p.leaves()
}

// TestWhatWasAcknowledgedSurvivesKill9 kills a process in the middle of its
// commits, again and again, on one file.
func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	path := filepath.Join(t.TempDir(), "hub.db")
	last := map[history.InstanceID]int64{} // by instance: the last event that was acknowledged
	for round := range rounds {
		p := spawn(t, "committer", path)
		p.says("opened")
		p.says("joined")
		note := func(line string) {
			var event int64
			var id string
			if _, err := fmt.Sscanf(line, "event %d of %s", &event, &id); err != nil {
				t.Fatalf("the committer said %q", line)
			}
			last[history.InstanceID(id)] = max(event, last[history.InstanceID(id)])
		}
		for range 20 + 37*round { // another moment each time
			if !p.lines.Scan() {
				t.Fatal("the committer ended by itself")
			}
			note(p.lines.Text())
		}
		p.kill(note)
		s, err := Open(t.Context(), path, Config{})
		must(t, err)
		for id, event := range last {
			checkSurvived(t, s, id, event)
		}
		must(t, s.Close())
	}
	c := raw(t, path)
	if n, err := c.int64("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); n != 0 || err != nil {
		t.Errorf("the file has %d defects (%v)", n, err)
	}
}

// checkSurvived wants an instance to be at least at an event, and its history
// to be whole: a turn that was not acknowledged may be there, never half of it.
func checkSurvived(t *testing.T, s *Store, id history.InstanceID, event int64) {
	t.Helper()
	i, err := s.Instance(soon(t), id)
	if err != nil {
		t.Fatalf("%s was acknowledged: %v", id, err)
	}
	if i.LastEvent < event {
		t.Fatalf("%s is at event %d, and %d was acknowledged", id, i.LastEvent, event)
	}
	var v history.Validator
	for e, err := range s.History(soon(t), id, 0, 0) {
		must(t, err)
		must(t, v.Next(e))
		event = e.ID
	}
	if event != i.LastEvent {
		t.Fatalf("the history of %s ends with event %d, want %d", id, event, i.LastEvent)
	}
}

// TestALinkIsAnotherNameOfTheFile also if it was there before the file.
func TestALinkIsAnotherNameOfTheFile(t *testing.T) {
	for name, to := range map[string]func(path string) string{
		"an absolute link": func(path string) string { return path },
		"a relative link":  func(path string) string { return filepath.Join("..", "data", filepath.Base(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, link := filepath.Join(dir, "data", "hub.db"), filepath.Join(dir, "app", "hub.db")
			must(t, os.Mkdir(filepath.Dir(path), 0o700))
			must(t, os.Mkdir(filepath.Dir(link), 0o700))
			if err := os.Symlink(to(path), link); err != nil {
				t.Skip("this user may make no links here (on Windows, turn on developer mode): ", err)
			}
			join(t, openAt(t, link, Config{}))
			for _, other := range []string{path, link} {
				if _, err := openAt(t, other, Config{}).Join(soon(t), provider.HostInfo{}); !errors.Is(err, provider.ErrHostTaken) {
					t.Errorf("joining as the second through %s: %v, want %v", other, err, provider.ErrHostTaken)
				}
			}
		})
	}
}
