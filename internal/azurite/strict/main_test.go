package strict_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/internal/azurite/strict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(azuritetest.Stopping(m)) }

// emulator has the endpoints of nobody: the requests go to a sink.
var emulator = azurite.Endpoints{
	Blob:  "http://127.0.0.1:1/devstoreaccount1",
	Queue: "http://127.0.0.1:2/devstoreaccount1",
	Table: "http://127.0.0.1:3/devstoreaccount1",
}

// sink accepts everything, and counts.
type sink struct{ requests int }

func (s *sink) RoundTrip(request *http.Request) (*http.Response, error) {
	s.requests++
	if request.Body != nil {
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: request}, nil
}

// call is a request in short: "POST table /hub", then headers, then a body.
type call struct {
	line   string
	header string // "Name: value" lines
	body   string
}

func (c call) request(t testing.TB, e azurite.Endpoints) *http.Request {
	t.Helper()
	var method, service, path string
	if n, err := fmt.Sscanf(c.line, "%s %s %s", &method, &service, &path); n != 3 {
		t.Fatalf("%q is no call: %v", c.line, err)
	}
	base := map[string]string{"blob": e.Blob, "queue": e.Queue, "table": e.Table}[service]
	r, err := http.NewRequest(method, base+path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-ms-version", azuritetest.Version)
	if service == "table" {
		r.Header.Set("Content-Type", "application/json")
	}
	for line := range strings.SplitSeq(c.header, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	return r
}

func entity(partition, key, more string) string {
	p, _ := json.Marshal(partition)
	k, _ := json.Marshal(key)
	if more != "" {
		more = "," + more
	}
	return fmt.Sprintf(`{"PartitionKey":%s,"RowKey":%s%s}`, p, k, more)
}

// batch writes a transaction; each change is "METHOD /path" and a body.
func batch(e azurite.Endpoints, changes ...[2]string) call {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("--batch_1\r\nContent-Type: multipart/mixed; boundary=changeset_1\r\n")
	for _, c := range changes {
		method, path, _ := strings.Cut(c[0], " ")
		line("--changeset_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n")
		line("%s %s%s HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nContent-Type: application/json", method, e.Table, path)
		if method == "DELETE" {
			line("If-Match: *")
		}
		line("\r\n%s", c[1])
	}
	line("--changeset_1--\r\n--batch_1--")
	return call{"POST table /$batch", "Content-Type: multipart/mixed; boundary=batch_1", b.String()}
}

func inserts(e azurite.Endpoints, table string, n int) call {
	changes := make([][2]string, n)
	for i := range changes {
		changes[i] = [2]string{"POST /" + table, entity("p", fmt.Sprint("r", i), "")}
	}
	return batch(e, changes...)
}

// message is a body of the Queue service.
func message(text string) string {
	return "<QueueMessage><MessageText>" + text + "</MessageText></QueueMessage>"
}

// do sends a request and returns the answer's status, body and header.
func do(t testing.TB, next http.RoundTripper, r *http.Request) (status int, body string, header http.Header) {
	t.Helper()
	answer, err := next.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, answer.Body); err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, b.String(), answer.Header
}

func properties(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"P%d":%d`, i, i)
	}
	return strings.Join(all, ",")
}

// strings64 are properties of 64 KiB each as the service counts them, of half
// as many bytes in JSON.
func strings64(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"S%d":%q`, i, strings.Repeat("x", 32<<10))
	}
	return strings.Join(all, ",")
}

func newChecker() *strict.Checker { return strict.New(strict.Config{Endpoints: emulator}) }
