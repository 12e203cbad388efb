package sdk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// The boundaries of a batch can be constant: JSON holds no line that begins with
// them.
const (
	batchBoundary = "batch_duroxide"
	setBoundary   = "changeset_duroxide"

	batchBegin = "--" + batchBoundary + "\r\nContent-Type: multipart/mixed; boundary=" + setBoundary + "\r\n\r\n"
	batchEnd   = "--" + setBoundary + "--\r\n--" + batchBoundary + "--\r\n"
	partBegin  = "--" + setBoundary + "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	partHead   = " HTTP/1.1\r\nAccept: " + jsonType + "\r\nContent-Type: application/json\r\nDataServiceVersion: 3.0\r\n"
)

// methods of verbs; Insert addresses the table, the others the row.
var methods = map[storage.Verb]string{
	storage.Insert:  http.MethodPost,
	storage.Put:     http.MethodPut,
	storage.Replace: http.MethodPut,
	storage.Merge:   http.MethodPatch,
	storage.Delete:  http.MethodDelete,
}

// Transact implements [storage.Tables].
func (a *Account) Transact(ctx context.Context, table, partition string, ops []storage.Op) (etags []string, err error) {
	c := call{service: tables, verb: "writing", what: fmt.Sprintf("%d rows of %s/%s", len(ops), table, partition)}
	body, err := a.tables.encodeBatch(c, table, partition, ops)
	if err != nil {
		return nil, err
	}
	err = a.write(ctx, c, len(body), func(ctx context.Context) error {
		answer, content, err := a.tables.do(ctx, http.MethodPost, "/$batch", "",
			map[string]string{"Content-Type": "multipart/mixed; boundary=" + batchBoundary}, body)
		if err != nil {
			return err
		}
		etags, err = parseBatch(answer.Get("Content-Type"), content, len(ops))
		if f, ok := errors.AsType[*failure](err); ok {
			f.id = answer.Get(requestID)
		} else if err != nil {
			c.write = true
			return c.corrupt(err)
		}
		return err
	})
	if err != nil {
		if r := storage.Rejected(err); r != nil && r.Index >= 0 && r.Index < len(ops) {
			r.What = "row " + ops[r.Index].Row.Key + " of " + table + "/" + partition
		}
		return nil, err
	}
	return etags, nil
}

// refuse is a rejection without asking the service.
func (c call) refuse(reason storage.Reason, index int, cause error) error {
	return &storage.Rejection{Reason: reason, Index: index, What: c.what, Cause: cause}
}

// encodeBatch writes a transaction as the service wants it, and refuses what the
// service would, and what Azurite takes and Azure does not.
func (t *tableService) encodeBatch(c call, table, partition string, ops []storage.Op) ([]byte, error) {
	if len(ops) == 0 {
		return nil, c.refuse(storage.Invalid, -1, errors.New("a transaction without rows"))
	}
	if len(ops) > storage.MaxOps {
		return nil, c.refuse(storage.TooLarge, -1, fmt.Errorf("%d rows, at most %d fit", len(ops), storage.MaxOps))
	}
	if reason, err := checkKey(partition); err != nil {
		return nil, c.refuse(reason, -1, fmt.Errorf("partition key: %w", err))
	}
	size := 0
	for i := range ops {
		size += ops[i].Row.Size()
	}
	if size > storage.MaxTransactBytes {
		return nil, c.refuse(storage.TooLarge, -1, fmt.Errorf("up to %d bytes, at most %d fit", size, storage.MaxTransactBytes))
	}
	body := append(make([]byte, 0, size), batchBegin...)
	seen := make(map[string]bool, len(ops))
	for i := range ops {
		op := &ops[i]
		row := c
		row.what = "row " + op.Row.Key + " of " + table + "/" + partition
		if seen[op.Row.Key] {
			return nil, row.refuse(storage.Invalid, i, errors.New("the row stands twice in one transaction"))
		}
		seen[op.Row.Key] = true
		if reason, err := checkOp(op); err != nil {
			return nil, row.refuse(reason, i, err)
		}
		body = t.appendOp(body, table, partition, op)
	}
	return append(body, batchEnd...), nil
}

func (t *tableService) appendOp(b []byte, table, partition string, op *storage.Op) []byte {
	b = append(b, partBegin...)
	b = append(append(b, methods[op.Verb]...), ' ')
	b = append(b, t.endpoint...)
	if op.Verb == storage.Insert {
		b = append(b, tablePath(table)...)
	} else {
		b = append(b, rowPath(table, partition, op.Row.Key)...)
	}
	if t.signature != "" {
		b = append(append(b, '?'), t.signature...)
	}
	b = append(b, partHead...)
	switch op.Verb {
	case storage.Insert:
		b = append(b, "Prefer: return-no-content\r\n"...)
	case storage.Replace, storage.Merge, storage.Delete:
		match := op.IfMatch
		if match == "" {
			match = "*"
		}
		b = append(append(append(b, "If-Match: "...), match...), "\r\n"...)
	case storage.Put:
	}
	b = append(b, "\r\n"...)
	if op.Verb != storage.Delete {
		b = appendRow(b, partition, &op.Row)
	}
	return append(b, "\r\n"...)
}

// parseBatch reads the answer to a transaction: one part per row, or one part in
// all if it was rejected, under the status 202 in both cases.
func parseBatch(contentType string, body []byte, ops int) ([]string, error) {
	outer, err := parts(contentType, body)
	if err != nil {
		return nil, err
	}
	if len(outer) != 1 {
		return nil, fmt.Errorf("a batch of %d parts, want one", len(outer))
	}
	inner, err := parts(outer[0].contentType, outer[0].body)
	if err != nil {
		return nil, err
	}
	etags := make([]string, 0, ops)
	for _, p := range inner {
		status, etag, content, err := parseAnswer(p.body)
		if err != nil {
			return nil, err
		}
		if status >= 300 && bug.Planted("accepted-is-applied") {
			return make([]string, ops), nil
		}
		if status >= 300 {
			f := describe(status, content)
			if f.index >= ops {
				f.index = -1
			} else if f.index < 0 && ops == 1 {
				f.index = 0
			}
			return nil, f
		}
		etags = append(etags, etag)
	}
	if len(etags) != ops {
		return nil, fmt.Errorf("answers to %d rows of %d", len(etags), ops)
	}
	return etags, nil
}

type part struct {
	contentType string
	body        []byte
}

func parts(contentType string, body []byte) (all []part, err error) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" {
		return nil, fmt.Errorf("an answer of type %q, want multipart/mixed", contentType)
	}
	reader := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
	for {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		all = append(all, part{p.Header.Get("Content-Type"), content})
	}
}

// parseAnswer reads an HTTP answer inside a part.
func parseAnswer(text []byte) (status int, etag string, content []byte, err error) {
	head, content, _ := bytes.Cut(text, []byte("\r\n\r\n"))
	first, rest, _ := strings.Cut(string(head), "\r\n")
	fields := strings.Fields(first)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/") {
		return 0, "", nil, fmt.Errorf("a part begins with %.40q, want HTTP/1.1 and a status", first)
	}
	if status, err = strconv.Atoi(fields[1]); err != nil {
		return 0, "", nil, fmt.Errorf("a part has the status %.10q", fields[1])
	}
	for line := range strings.SplitSeq(rest, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "ETag") {
			etag = strings.TrimSpace(value)
		}
	}
	return status, etag, content, nil
}
