package tally

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// Key is what is counted apart.
type Key struct {
	Service operation.Service
	Kind    operation.Kind
}

// Count is what is known of the requests of one key.
type Count struct {
	Billed     int   // answered, with success or a client's error
	Refused    int   // answered with 429 or 5xx
	Unanswered int   // ended with an error of the transport
	Sent       int64 // bytes of the requests' bodies
	Received   int64 // bytes of the answers' bodies, as far as they were read
}

// Requests is how many requests were sent.
func (c Count) Requests() int { return c.Billed + c.Refused + c.Unanswered }

// Plus adds up two counts.
func (c Count) Plus(d Count) Count {
	return Count{c.Billed + d.Billed, c.Refused + d.Refused, c.Unanswered + d.Unanswered, c.Sent + d.Sent, c.Received + d.Received}
}

func (c Count) minus(d Count) Count {
	return c.Plus(Count{-d.Billed, -d.Refused, -d.Unanswered, -d.Sent, -d.Received})
}

// Total is the counts of all keys at one moment.
type Total map[Key]Count

// Since is what was counted between an earlier total and this one.
func (t Total) Since(earlier Total) Total {
	d := Total{}
	for key, count := range t {
		if count = count.minus(earlier[key]); count != (Count{}) {
			d[key] = count
		}
	}
	return d
}

// Of adds up the counts of a service, or of all if it is empty; and of these
// kinds, or of all if there are none.
func (t Total) Of(service operation.Service, kinds ...operation.Kind) Count {
	var sum Count
	for key, count := range t {
		if (service == "" || key.Service == service) && (len(kinds) == 0 || slices.Contains(kinds, key.Kind)) {
			sum = sum.Plus(count)
		}
	}
	return sum
}

// String is a table with a line a key, sorted, and a last line with the sum.
func (t Total) String() string {
	keys := slices.SortedFunc(maps.Keys(t), func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Kind, b.Kind))
	})
	var b strings.Builder
	line := func(service, kind string, c Count) {
		fmt.Fprintf(&b, "%-6s %-26s %8d billed %6d refused %6d unanswered %10d B sent %10d B received\n",
			service, kind, c.Billed, c.Refused, c.Unanswered, c.Sent, c.Received)
	}
	for _, key := range keys {
		line(string(key.Service), string(key.Kind), t[key])
	}
	line("all", "", t.Of(""))
	return b.String()
}

// Counter is a transport that counts what it hands on.
type Counter struct {
	next   http.RoundTripper
	reader *operation.Reader

	mu    sync.Mutex
	total Total
}

// New makes a counter over a transport. The endpoints are those of emulators;
// real accounts are known by their host names.
func New(next http.RoundTripper, endpoints ...azurite.Endpoints) *Counter {
	return &Counter{next: next, reader: operation.NewReader(endpoints...), total: Total{}}
}

// RoundTrip hands the request on and counts it, if it is one to the account.
func (c *Counter) RoundTrip(request *http.Request) (*http.Response, error) {
	o := c.reader.Read(request)
	if o.Service == "" {
		return c.next.RoundTrip(request)
	}
	key := Key{o.Service, o.Kind}
	answer, err := c.next.RoundTrip(request)
	count := Count{Sent: max(request.ContentLength, 0)}
	switch {
	case err != nil:
		count.Unanswered = 1
	case answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests:
		count.Refused = 1
	default:
		count.Billed = 1
	}
	c.add(key, count)
	if err != nil {
		return nil, err
	}
	answer.Body = &body{answer.Body, func(n int) { c.add(key, Count{Received: int64(n)}) }}
	return answer, nil
}

func (c *Counter) add(key Key, count Count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total[key] = c.total[key].Plus(count)
}

// Total is what was counted so far.
func (c *Counter) Total() Total {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.total)
}

// body counts what is read of an answer.
type body struct {
	io.ReadCloser
	read func(int)
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read(n)
	return n, err
}
