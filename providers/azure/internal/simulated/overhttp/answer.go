package overhttp

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// answer is what the service says.
type answer struct {
	status int
	header map[string]string
	body   []byte
}

// refused is an error that the transport finds by itself, in the service's words.
type refused struct {
	status        int
	code, message string
}

func (r *refused) Error() string { return fmt.Sprintf("%d %s: %s", r.status, r.code, r.message) }

// strange refuses what package sdk never sends.
func (x *exchange) strange(why string) (answer, error) {
	return answer{}, &refused{http.StatusBadRequest, "InvalidInput", fmt.Sprintf("%s: %s %s", why, x.request.Method, x.request.URL.Path)}
}

// said is what the service says of an error; not ok if it says nothing.
func said(err error) (r *refused, ok bool) {
	if r, ok = errors.AsType[*refused](err); ok {
		return r, true
	}
	status, code, message, ok := simulated.Said(err)
	if message == "" {
		message = "This is refused."
	}
	return &refused{status, code, message}, ok
}

func answered(err error) bool {
	_, ok := said(err)
	return ok
}

// busy is how services, and what stands before them, say that they cannot do it now.
var busy = []*refused{
	{http.StatusServiceUnavailable, "ServerBusy", "The server is busy."},
	{http.StatusInternalServerError, "OperationTimedOut", "Operation could not be completed within the specified time."},
	{http.StatusInternalServerError, "InternalError", "The server encountered an internal error. Please retry the request."},
	{http.StatusTooManyRequests, "TooManyRequests", "There are too many requests."},
}

// refusal is the answer to a request that failed.
func (x *exchange) refusal(err error) answer {
	r, _ := said(err)
	if r.code == "ServerBusy" {
		r = busy[x.lot%uint64(len(busy))]
	}
	a := answer{status: r.status, header: map[string]string{"x-ms-error-code": r.code}}
	if x.Service == operation.Table {
		delete(a.header, "x-ms-error-code") // its code stands in the body alone
		a.header["Content-Type"] = "application/json;odata=minimalmetadata"
		a.body = tableError(r.code, r.message)
	} else {
		a = a.as(xmlError{Code: r.code, Message: r.message + "\nRequestId:0\nTime:now"})
	}
	if after := storage.RetryAfter(err, 0); after > 0 {
		a.header["Retry-After"] = strconv.Itoa(int((after + time.Second - 1) / time.Second))
	}
	return a
}

type xmlError struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
}

// tableError is the body of an error of the Table service.
func tableError(code, message string) []byte {
	type text struct {
		Lang  string `json:"lang"`
		Value string `json:"value"`
	}
	type inner struct {
		Code    string `json:"code"`
		Message text   `json:"message"`
	}
	return marshalled(map[string]inner{"odata.error": {code, text{"en-US", message + "\nRequestId:0\nTime:now"}}})
}

func marshalled(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("overhttp: %v", err)) // panic: only texts and maps of them come here, which can be written
	}
	return b
}

// as is the answer with a body of XML.
func (a answer) as(v any) answer {
	b, err := xml.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("overhttp: %v", err)) // panic: structs of texts and numbers can be written
	}
	if a.header == nil {
		a.header = map[string]string{}
	}
	a.header["Content-Type"] = "application/xml"
	a.body = append([]byte(xml.Header), b...)
	return a
}

// response is the answer on its way to the client.
func (x *exchange) response(a answer) *http.Response {
	h := http.Header{}
	for name, value := range a.header {
		h.Set(name, value)
	}
	h.Set("Date", x.account.Now().UTC().Format(http.TimeFormat))
	h.Set("x-ms-request-id", fmt.Sprintf("%016x", x.lot))
	h.Set("x-ms-version", x.request.Header.Get("x-ms-version"))
	if a.body != nil {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	return &http.Response{
		Status: fmt.Sprint(a.status, " ", http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Request: x.request,
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
}

// garbled is an answer that makes no sense: what a broken connection leaves of one, or
// what somebody in between says.
func (x *exchange) garbled() *http.Response {
	if x.lot%2 == 0 {
		a := answer{status: http.StatusOK, header: map[string]string{"Content-Type": "application/octet-stream"}, body: []byte("{")}
		r := x.response(a)
		r.Header.Set("Content-Length", "1000")
		r.Body, r.ContentLength = io.NopCloser(io.MultiReader(r.Body, failing{io.ErrUnexpectedEOF})), 1000
		return r
	}
	a := answer{status: http.StatusOK, header: map[string]string{"Content-Type": "text/html"}, body: []byte("<html><body>Please log in.</body></html>")}
	r := x.response(a)
	r.Header.Del("x-ms-request-id")
	r.Header.Del("x-ms-version")
	return r
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }
