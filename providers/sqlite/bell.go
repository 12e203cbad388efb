package sqlite

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

const (
	bellSuffix = ".bell"

	// maxSocketPath is what every system takes as the path of a socket.
	maxSocketPath = 100

	// acceptAgain is how long to wait after a client could not be let in. Who has
	// connected meanwhile waits for an answer: it would write by itself otherwise.
	acceptAgain = 50 * time.Millisecond

	// maxLine bounds a message on the socket: a payload with what is around it.
	maxLine = 2*history.MaxPayloadBytes + 1<<20
)

// call is what a client's process asks of the worker, one JSON object a line.
// The bell is a help, not a need: a client whose bell does not answer writes
// and reads the file itself.
type call struct {
	N int64 `json:"n"` // the answer carries it too
	// One of these.
	Send   json.RawMessage `json:"send,omitempty"`   // a wire.Message to be written
	Wait   *wireWait       `json:"wait,omitempty"`   // answer when it holds
	Cancel int64           `json:"cancel,omitempty"` // the wait with that N
	Ring   bool            `json:"ring,omitempty"`   // the file changed; not answered
}

type wireWait struct {
	ID       history.InstanceID `json:"id"`
	Final    bool               `json:"final,omitempty"`
	Started  bool               `json:"started,omitempty"`
	Revision int64              `json:"revision,omitempty"`
}

type answer struct {
	N     int64      `json:"n"`
	Error *wireError `json:"error,omitempty"`
}

// bell is the worker's end of the socket.
type bell struct {
	host     *host
	address  string // "" if there can be none
	listener net.Listener

	ctx    context.Context //nolint:containedctx // The life of the bell: close ends it.
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// newBell listens, if the system lets it. Clients poll otherwise.
func newBell(h *host) *bell {
	b := &bell{host: h, conns: map[net.Conn]bool{}}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	address := bellAddress(h.store.path)
	// A socket that is there was left by a worker that crashed: this process
	// holds the worker's lock. Anything else is somebody's file.
	if info, err := os.Lstat(address); err == nil && (info.Mode()&fs.ModeSocket == 0 || os.Remove(address) != nil) {
		return b
	}
	listener, err := new(net.ListenConfig).Listen(b.ctx, "unix", address)
	if err != nil {
		return b
	}
	if err := os.Chmod(address, 0o600); err != nil {
		_ = listener.Close() // no bell is better than one for everybody
		return b
	}
	b.address, b.listener = address, listener
	return b
}

// bellAddress is next to the file, or where its path is too long for a socket,
// among the temporary files.
func bellAddress(path string) string {
	if len(path)+len(bellSuffix) <= maxSocketPath {
		return path + bellSuffix
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(os.TempDir(), "duroxide-"+hex.EncodeToString(sum[:8])+bellSuffix)
}

// serve answers until close.
func (b *bell) serve() {
	if b.listener == nil {
		return
	}
	b.work.Go(func() {
		for {
			c, err := b.listener.Accept()
			if err != nil { // it was closed, or the process has too many files open just now
				select {
				case <-b.ctx.Done():
					return
				case <-time.After(acceptAgain):
				}
				continue
			}
			b.mu.Lock()
			if b.ctx.Err() != nil {
				b.mu.Unlock()
				_ = c.Close()
				return
			}
			b.conns[c] = true
			b.work.Go(func() { b.converse(c) })
			b.mu.Unlock()
		}
	})
}

func (b *bell) close() error {
	b.cancel()
	var err error
	if b.listener != nil {
		err = b.listener.Close()
	}
	b.mu.Lock()
	for c := range b.conns {
		_ = c.Close() // the other end notices
	}
	b.mu.Unlock()
	b.work.Wait()
	return err
}

// converse serves one client's process.
func (b *bell) converse(c net.Conn) {
	ctx, cancel := context.WithCancel(b.ctx)
	var calls sync.WaitGroup
	defer func() {
		cancel()
		_ = c.Close()
		calls.Wait()
		b.mu.Lock()
		delete(b.conns, c)
		b.mu.Unlock()
	}()
	var writing sync.Mutex
	reply := func(a answer) {
		writing.Lock()
		defer writing.Unlock()
		_, _ = c.Write(append(wire.MustJSON(a), '\n')) // a client that is gone does not mind
	}
	var waits waits
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var in call
		if json.Unmarshal(lines.Bytes(), &in) != nil {
			return // not one of ours
		}
		switch {
		case in.Ring:
			signal(b.host.store.writer.ring)
		case in.Cancel != 0:
			waits.cancel(in.Cancel)
		case in.Send != nil:
			calls.Go(func() { reply(answer{in.N, toWireError(b.send(ctx, in.Send))}) })
		case in.Wait != nil:
			ctx := waits.add(ctx, in.N)
			calls.Go(func() {
				defer waits.cancel(in.N)
				w := in.Wait
				_, err := b.host.store.Wait(ctx, w.ID, provider.Until{Final: w.Final, Started: w.Started, StatusRevision: w.Revision})
				if ctx.Err() == nil {
					reply(answer{in.N, toWireError(err)})
				}
			})
		}
	}
}

// send writes a message for a client, in a transaction with the turns.
func (b *bell) send(ctx context.Context, raw json.RawMessage) error {
	var w wire.Message
	if err := json.Unmarshal(raw, &w); err != nil {
		return provider.ErrInvalid
	}
	m, err := w.Message()
	if err != nil {
		return errors.Join(provider.ErrInvalid, err)
	}
	l, err := seal(&m)
	if err != nil {
		return err
	}
	return b.host.store.post(ctx, l)
}

// waits are those of one client that were not answered yet.
type waits struct {
	mu  sync.Mutex
	all map[int64]context.CancelFunc
}

func (w *waits) add(ctx context.Context, n int64) context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[int64]context.CancelFunc{}
	}
	ctx, w.all[n] = context.WithCancel(ctx)
	return ctx
}

func (w *waits) cancel(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cancel := w.all[n]; cancel != nil {
		cancel()
		delete(w.all, n)
	}
}

// wireError is an error of the contract on its way to another process.
type wireError struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Kinds travel between programs of different versions: they never change.
var errorKinds = map[string]error{
	"exists": provider.ErrExists, "invalid": provider.ErrInvalid, "unavailable": provider.ErrUnavailable,
	"unknown": provider.ErrUnknown, "corrupt": provider.ErrCorrupt, "not-found": provider.ErrNotFound,
	"schema": provider.ErrSchema, "read-only": provider.ErrReadOnly, "closed": provider.ErrClosed,
}

func toWireError(err error) *wireError {
	if err == nil {
		return nil
	}
	for kind, sentinel := range errorKinds {
		if errors.Is(err, sentinel) {
			return &wireError{kind, err.Error()}
		}
	}
	return &wireError{"", err.Error()}
}

// remoteError is the error that the worker gave.
type remoteError struct {
	text     string
	sentinel error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.sentinel }

func (w *wireError) err() error {
	if w == nil {
		return nil
	}
	sentinel := errorKinds[w.Kind]
	if sentinel == nil {
		sentinel = provider.ErrUnknown
	}
	return &remoteError{w.Text, sentinel}
}
