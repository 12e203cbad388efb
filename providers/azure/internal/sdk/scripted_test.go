package sdk

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

const (
	testKey    = "bm90IGEgcmVhbCBrZXksIGJ1dCBhcyBsb25nIGFzIG9uZQ=="
	testString = "AccountName=name;AccountKey=" + testKey
)

// script is a transport that answers by function and keeps what it was sent.
type script struct {
	answer func(r *http.Request) (*http.Response, error)
	mu     struct {
		sync.Mutex
		sent []sent
	}
}

type sent struct {
	method, url, body string
	header            http.Header
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	one := sent{method: r.Method, url: r.URL.String(), header: r.Header.Clone()}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		one.body = string(body)
	}
	s.mu.Lock()
	s.mu.sent = append(s.mu.sent, one)
	s.mu.Unlock()
	return s.answer(r)
}

func (s *script) sent() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.sent
}

// hosts are those that were sent something, sorted.
func (s *script) hosts() []string {
	var hosts []string
	for _, one := range s.sent() {
		if u, err := url.Parse(one.url); err == nil {
			hosts = append(hosts, u.Host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// reply makes an answer; headers are pairs.
func reply(r *http.Request, status int, body string, headers ...string) *http.Response {
	h := http.Header{"X-Ms-Request-Id": {"r-1"}}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)), Request: r,
	}
}

// always answers the same.
func always(status int, body string, headers ...string) *script {
	return &script{answer: func(r *http.Request) (*http.Response, error) { return reply(r, status, body, headers...), nil }}
}

// scripted opens an account over a script.
func scripted(t testing.TB, s *script, account string, credential ...azcore.TokenCredential) *Account {
	t.Helper()
	cfg := Config{Account: account, Transport: s}
	if len(credential) > 0 {
		cfg.Credential = credential[0]
	}
	a, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// tableError is the body of an error of the Table service.
func tableError(code, message string) string {
	return `{"odata.error":{"code":"` + code + `","message":{"lang":"en-US","value":"` + message + `"}}}`
}

// batchAnswer is the answer to a transaction: parts are HTTP answers.
func batchAnswer(r *http.Request, parts ...string) *http.Response {
	var b strings.Builder
	b.WriteString("--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n")
	for _, p := range parts {
		b.WriteString("--changesetresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" + p + "\r\n")
	}
	b.WriteString("--changesetresponse_1--\r\n--batchresponse_1--\r\n")
	return reply(r, http.StatusAccepted, b.String(), "Content-Type", "multipart/mixed; boundary=batchresponse_1")
}

func applied(etag string) string {
	return "HTTP/1.1 204 No Content\r\nX-Content-Type-Options: nosniff\r\nDataServiceVersion: 3.0;\r\nETag: " + etag + "\r\n\r\n"
}

func refused(status, code, message string) string {
	return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n\r\n" + tableError(code, message)
}
