package operation

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// Change is one operation of an entity group transaction.
type Change struct {
	Operation
	Header http.Header
	Body   []byte // the entity as JSON, empty for deletes and reads
}

// Changes reads the operations of an entity group transaction from the body of
// its request. They have the service and the account of the request.
func (r *Reader) Changes(request *http.Request, body []byte) ([]Change, error) {
	parts, err := multiparts(request.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, p := range parts {
		media, _, _ := mime.ParseMediaType(p.contentType)
		inner := []part{p} // a read stands alone, writes stand in a change set
		if media == "multipart/mixed" {
			if inner, err = multiparts(p.contentType, p.body); err != nil {
				return nil, err
			}
		}
		for _, p := range inner {
			c, err := r.change(request, p.body)
			if err != nil {
				return nil, fmt.Errorf("operation %d: %w", len(changes), err)
			}
			changes = append(changes, c)
		}
	}
	return changes, nil
}

type part struct {
	contentType string
	body        []byte
}

func multiparts(contentType string, body []byte) ([]part, error) {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, err
	}
	if media != "multipart/mixed" || parameters["boundary"] == "" {
		return nil, fmt.Errorf("the content type is %q, not multipart/mixed with a boundary", contentType)
	}
	var parts []part
	reader := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
	for {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{p.Header.Get("Content-Type"), text})
	}
}

// change reads a request that is written out within a part. It need not tell its
// length: it ends with its part.
func (r *Reader) change(outer *http.Request, text []byte) (Change, error) {
	buffered := bufio.NewReader(bytes.NewReader(text))
	head := textproto.NewReader(buffered)
	line, err := head.ReadLine()
	if err != nil {
		return Change{}, err
	}
	method, rest, _ := strings.Cut(line, " ")
	target, protocol, _ := strings.Cut(rest, " ")
	if protocol != "HTTP/1.1" {
		return Change{}, fmt.Errorf("%q is no request line", line)
	}
	u, err := url.Parse(target)
	if err != nil {
		return Change{}, err
	}
	u.Scheme, u.Host = outer.URL.Scheme, outer.URL.Host // proxies do not rewrite bodies
	header, err := head.ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return Change{}, err
	}
	body, err := io.ReadAll(buffered)
	if err != nil {
		return Change{}, err
	}
	request := &http.Request{Method: method, URL: u, Header: http.Header(header)}
	return Change{Operation: r.Read(request), Header: request.Header, Body: bytes.TrimSpace(body)}, nil
}
