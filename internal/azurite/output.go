package azurite

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"sync"
)

// maxKept bounds what is remembered of what the server prints.
const maxKept = 16 << 10

// listening is printed by each service, at an address with the port that it got.
var listening = regexp.MustCompile(`(?m)^Azurite (Blob|Queue|Table) service is successfully listening at (https?://\S+)\s*$`)

// output receives what the server prints: it hands it on, remembers the end of
// it, and finds the addresses of the services.
type output struct {
	next  io.Writer     // may be nil
	ready chan struct{} // closed when all services listen

	mu struct {
		sync.Mutex
		kept      []byte
		endpoints Endpoints
	}
}

func newOutput(next io.Writer) *output {
	return &output{next: next, ready: make(chan struct{})}
}

// Write is called by one goroutine, and never fails: the server is not to be
// stopped by a full disk under a log.
func (o *output) Write(text []byte) (int, error) {
	if o.next != nil {
		_, _ = o.next.Write(text)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.kept = append(o.mu.kept, text...)
	if !o.mu.endpoints.complete() {
		o.findLocked()
	}
	if extra := len(o.mu.kept) - maxKept; extra > 0 {
		o.mu.kept = append(o.mu.kept[:0], o.mu.kept[extra:]...)
	}
	return len(text), nil
}

func (o *output) findLocked() {
	end := bytes.LastIndexByte(o.mu.kept, '\n') + 1
	for _, found := range listening.FindAllStringSubmatch(string(o.mu.kept[:end]), -1) {
		url := found[2] + "/" + AccountName
		switch found[1] {
		case "Blob":
			o.mu.endpoints.Blob = url
		case "Queue":
			o.mu.endpoints.Queue = url
		case "Table":
			o.mu.endpoints.Table = url
		}
	}
	if o.mu.endpoints.complete() {
		close(o.ready)
	}
}

func (o *output) endpoints() Endpoints {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.endpoints
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.mu.kept))
}
