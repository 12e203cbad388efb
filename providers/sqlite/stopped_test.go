//go:build unix

package sqlite

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// A worker that lives and does nothing (stopped by a debugger) does not hold up
// the clients of other processes: they run out of patience and write by
// themselves, also when what they send fills its socket.
func TestAStoppedWorkerHoldsUpNoClient(t *testing.T) {
	path := t.TempDir() + "/hub.db"
	worker := spawn(t, "worker", path)
	worker.says("opened")
	worker.says("joined")
	s := openAt(t, path, Config{})
	stop := func(*conn) error { // while this process has the lock of the file, so that the worker has not
		if err := worker.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(worker.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
			return fmt.Errorf("the worker is not stopped: %v, %w", status, err)
		}
		return nil
	}
	if err := s.write(t.Context(), &request{op: "stopping the worker", write: stop}); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), startMessage("order")); err != nil {
		t.Fatal(err)
	}
	large := history.Payload(`"` + strings.Repeat("x", 900<<10) + `"`)
	for _, id := range []string{"one", "two"} {
		m := eventMessage("order", "news")
		m.ID, m.Data = id, &history.EventRaised{Name: "news", Payload: large}
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	i, err := s.Instance(t.Context(), "order")
	if err != nil || i.Status != history.StatusPending {
		t.Fatal(i, err)
	}
	if i, err = s.Wait(t.Context(), "order", provider.Until{}); err != nil || i == nil {
		t.Fatal(i, err)
	}
	if err := worker.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	worker.leaves()
}
