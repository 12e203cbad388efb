package operation

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/duroxide/duroxide-go/internal/azurite"
)

// Service is one of the services of an account.
type Service string

// The services.
const (
	Blob  Service = "Blob"
	Queue Service = "Queue"
	Table Service = "Table"
)

// Operation is what a request asks for.
type Operation struct {
	Service Service // empty if the host is of no known service
	Kind    Kind
	Name    string // of the table, queue or container
	Item    string // of a blob or message; of an entity see Row
	Row     Row    // of an entity that the path names
}

func (o Operation) String() string {
	s := string(o.Kind)
	if o.Name != "" {
		s += " of " + o.Name
	}
	switch {
	case o.Row != Row{}:
		s += " " + o.Row.String()
	case o.Item != "":
		s += "/" + o.Item
	}
	return s
}

// Reader reads requests.
type Reader struct{ services map[string]Service }

// NewReader makes a reader that knows real accounts, and the emulators at these
// endpoints.
func NewReader(endpoints ...azurite.Endpoints) *Reader {
	services := map[string]Service{}
	for _, e := range endpoints {
		for service, address := range map[Service]string{Blob: e.Blob, Queue: e.Queue, Table: e.Table} {
			if u, err := url.Parse(address); err == nil && u.Host != "" {
				services[u.Host] = service
			}
		}
	}
	return &Reader{services}
}

// Read tells what the request is.
func (r *Reader) Read(request *http.Request) Operation {
	service, emulator := r.services[request.URL.Host]
	if !emulator {
		service = hosted(request.URL.Hostname())
	}
	path := strings.TrimPrefix(request.URL.Path, "/")
	if emulator {
		_, path, _ = strings.Cut(path, "/") // the account
	}
	q := query(request)
	switch service {
	case Blob:
		return blob(request, path, q)
	case Queue:
		return queue(request, path, q)
	case Table:
		return table(request, path, q)
	}
	return Operation{Kind: Unknown}
}

// hosted finds the service in a name such as account.table.core.windows.net.
func hosted(host string) Service {
	_, rest, _ := strings.Cut(host, ".")
	label, _, _ := strings.Cut(rest, ".")
	return map[string]Service{"blob": Blob, "queue": Queue, "table": Table}[label]
}

// Header is the value of a header. Unlike that of package http, it finds a name
// in any case: the SDK writes some in lower case, as Microsoft's reference does.
func Header(h http.Header, name string) string {
	if value := h.Get(name); value != "" {
		return value
	}
	for key, values := range h {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

func query(request *http.Request) url.Values {
	q, _ := url.ParseQuery(request.URL.RawQuery) // of a malformed query, what can be read
	return q
}
