package strict

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// requestID stands where the service puts an id by which its support finds a
// request.
const requestID = "00000000-0000-0000-0000-000000000000"

// answer is what Azure answers to a request that it refuses.
func (f *finding) answer(request *http.Request) *http.Response {
	header := http.Header{}
	header.Set("x-ms-request-id", requestID)
	header.Set("x-ms-version", operation.Header(request.Header, "x-ms-version"))
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	status := f.status
	var body []byte
	switch {
	case f.index >= 0:
		status = http.StatusAccepted
		header.Set("Content-Type", "multipart/mixed; boundary=batchresponse_"+requestID)
		body = f.batch()
	case f.service == operation.Table:
		header.Set("Content-Type", tableJSON)
		body = f.json(f.message)
	default:
		header.Set("Content-Type", "application/xml")
		header.Set("x-ms-error-code", f.code)
		body = f.xml()
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: request,
	}
}

const tableJSON = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"

func (f *finding) json(message string) []byte {
	text, err := json.Marshal(map[string]any{"odata.error": map[string]any{
		"code": f.code,
		"message": map[string]any{
			"lang":  "en-US",
			"value": fmt.Sprintf("%s\nRequestId:%s\nTime:%s", message, requestID, time.Now().UTC().Format(time.RFC3339Nano)),
		},
	}})
	if err != nil {
		panic(err) // panic: maps of strings always encode.
	}
	return text
}

func (f *finding) xml() []byte {
	text, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string   `xml:"Code"`
		Message string   `xml:"Message"`
	}{Code: f.code, Message: f.message + "\nRequestId:" + requestID})
	if err != nil {
		panic(err) // panic: a struct of strings always encodes.
	}
	return append([]byte(xml.Header), text...)
}

// batch is the answer to a transaction: accepted, with one part that says which
// operation failed and how.
func (f *finding) batch() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("--batchresponse_%s", requestID)
	line("Content-Type: multipart/mixed; boundary=changesetresponse_%s", requestID)
	line("")
	line("--changesetresponse_%s", requestID)
	line("Content-Type: application/http")
	line("Content-Transfer-Encoding: binary")
	line("")
	line("HTTP/1.1 %d %s", f.status, http.StatusText(f.status))
	line("X-Content-Type-Options: nosniff")
	line("Cache-Control: no-cache")
	line("DataServiceVersion: 3.0;")
	line("Content-Type: %s", tableJSON)
	line("")
	line("%s", f.json(fmt.Sprintf("%d:%s", f.index, f.message)))
	line("--changesetresponse_%s--", requestID)
	line("--batchresponse_%s--", requestID)
	return b.Bytes()
}
