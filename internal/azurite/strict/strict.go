package strict

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// Config says how strict to be. The zero value is as strict as Azure.
type Config struct {
	// Endpoints are those of the emulator, as clients see them.
	Endpoints azurite.Endpoints

	// Deleting is for how long the name of a deleted table, queue or container
	// stays taken. Zero means as Azure documents it: 40 s for tables, 30 s for
	// others. Negative means not at all.
	Deleting time.Duration

	// Now is the clock for that, nil that of the system.
	Now func() time.Time
}

// Violation is a request that broke a rule.
type Violation struct {
	Rule      string // as in the package comment
	Operation operation.Operation
	Status    int // of the answer, of the inner one for a transaction
	Code      string
	Message   string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s: %d %s: %s", v.Operation, v.Rule, v.Status, v.Code, v.Message)
}

// Checker checks the requests to one account. It may be used by several
// goroutines at once.
type Checker struct {
	reader  *operation.Reader
	deleted *deleted

	mu         sync.Mutex
	violations []Violation
}

// New makes a checker that has seen nothing.
func New(cfg Config) *Checker {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Checker{reader: operation.NewReader(cfg.Endpoints), deleted: newDeleted(cfg.Deleting, cfg.Now)}
}

// Violations are all so far, in the order in which they were seen.
func (c *Checker) Violations() []Violation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Violation(nil), c.violations...)
}

// Forgive forgets the violations so far and returns them: for a test that broke
// rules on purpose.
func (c *Checker) Forgive() []Violation {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.violations
	c.violations = nil
	return v
}

// Over makes a transport that hands on to next what breaks no rule.
func (c *Checker) Over(next http.RoundTripper) http.RoundTripper { return &transport{c, next} }

type transport struct {
	*Checker
	next http.RoundTripper
}

// refusal is what is wrong with a request, and how Azure says it.
type refusal struct {
	rule    string // empty for an answer that is no violation
	status  int
	code    string
	message string
}

// RoundTrip checks the request, and answers it or hands it on.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	o := t.reader.Read(request)
	sent, body, err := withBody(request, o)
	if err != nil {
		return nil, err
	}
	found := t.check(o, sent, body)
	if found != nil {
		if sent.Body != nil {
			_ = sent.Body.Close()
		}
		if found.rule != "" {
			t.record(o, found)
		}
		return found.answer(request), nil
	}
	answer, err := t.next.RoundTrip(sent)
	if err == nil && answer.StatusCode < http.StatusMultipleChoices {
		t.deleted.note(o)
	}
	return answer, err
}

func (c *Checker) record(o operation.Operation, r *finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.violations = append(c.violations, Violation{r.rule, o, r.status, r.code, r.message})
}

// withBody reads the body of what is checked by its content: all but blobs. The
// request that it returns is to be sent in place of the first.
func withBody(request *http.Request, o operation.Operation) (*http.Request, []byte, error) {
	if request.Body == nil || request.Body == http.NoBody || o.Service == operation.Blob {
		return request, nil, nil
	}
	body, err := io.ReadAll(request.Body)
	if closed := request.Body.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the request: %w", err)
	}
	sent := request.Clone(request.Context())
	sent.Body = io.NopCloser(bytes.NewReader(body))
	return sent, body, nil
}

// finding is a refusal, and of which part of a transaction.
type finding struct {
	refusal
	service operation.Service
	index   int // of the part of a transaction, -1 for the request as a whole
}

func (c *Checker) check(o operation.Operation, request *http.Request, body []byte) *finding {
	whole := func(r *refusal) *finding {
		if r == nil {
			return nil
		}
		return &finding{*r, o.Service, -1}
	}
	if o.Service == "" {
		return nil
	}
	if f := whole(checkHeaders(request)); f != nil {
		return f
	}
	switch o.Service {
	case operation.Queue:
		if f := whole(checkQueue(o, request, body)); f != nil {
			return f
		}
	case operation.Blob:
		if f := whole(checkBlob(o, request)); f != nil {
			return f
		}
	case operation.Table:
		if o.Kind == operation.EntityGroupTransaction {
			return c.checkTransaction(request, body)
		}
		if o.Kind == operation.CreateTable {
			o.Name = createdTable(body)
		}
		if f := whole(checkTable(o, request.Header, request.URL.Query(), body)); f != nil {
			return f
		}
	}
	return whole(c.deleted.check(o))
}

func checkHeaders(request *http.Request) *refusal {
	var missing string
	value := func(name string) string { return operation.Header(request.Header, name) }
	switch {
	case value("x-ms-version") == "":
		missing = "x-ms-version"
	case strings.HasPrefix(value("Authorization"), "SharedKey") && value("x-ms-date") == "" && value("Date") == "":
		missing = "x-ms-date"
	default:
		return nil
	}
	return &refusal{"header", http.StatusBadRequest, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified: " + missing}
}
