package sdk

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// tableVersion is the version of the Table service's protocol, the same that the
// SDK's client speaks.
const tableVersion = "2019-02-02"

const jsonType = "application/json;odata=minimalmetadata"

// tableService sends requests to the Table service.
type tableService struct {
	endpoint  string
	signature string // shared access signature, or empty
	pipeline  runtime.Pipeline
}

// do sends one request and returns the header and body of a successful answer.
func (t *tableService) do(ctx context.Context, method, path, query string, header map[string]string, body []byte) (http.Header, []byte, error) {
	if t.signature != "" {
		query = strings.TrimPrefix(query+"&"+t.signature, "&")
	}
	address := t.endpoint + path
	if query != "" {
		address += "?" + query
	}
	request, err := runtime.NewRequest(ctx, method, address)
	if err != nil {
		return nil, nil, err
	}
	h := request.Raw().Header
	h.Set("x-ms-version", tableVersion)
	h.Set("DataServiceVersion", "3.0")
	h.Set("Accept", jsonType)
	if body != nil {
		if err := request.SetBody(streaming.NopCloser(bytes.NewReader(body)), header["Content-Type"]); err != nil {
			return nil, nil, err
		}
	}
	for name, value := range header {
		h.Set(name, value)
	}
	answer, err := t.pipeline.Do(request) //nolint:bodyclose // The pipeline has read and closed it.
	if err != nil {
		return nil, nil, err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return nil, nil, failureOf(answer)
	}
	content, err := runtime.Payload(answer)
	return answer.Header, content, err
}

// tableKey signs requests to the Table service with the account's key.
type tableKey struct {
	account string
	key     []byte
}

func newTableKey(account, key string) (*tableKey, error) {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return nil, errors.New("the account's key is not base64")
	}
	return &tableKey{account, raw}, nil
}

// Do implements the SDK's policy. What is signed is the date and the resource:
// learn.microsoft.com, "Authorize with Shared Key", Shared Key Lite.
func (k *tableKey) Do(request *policy.Request) (*http.Response, error) {
	raw := request.Raw()
	date := time.Now().UTC().Format(http.TimeFormat)
	resource := "/" + k.account + raw.URL.EscapedPath()
	if comp := raw.URL.Query().Get("comp"); comp != "" {
		resource += "?comp=" + comp
	}
	mac := hmac.New(sha256.New, k.key)
	mac.Write([]byte(date + "\n" + resource))
	raw.Header.Set("x-ms-date", date)
	raw.Header.Set("Authorization", "SharedKeyLite "+k.account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return request.Next()
}

// quote writes a text as a literal of a filter or of a key in a path.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func rowPath(table, partition, key string) string {
	return tablePath(table) + "(PartitionKey=" + url.PathEscape(quote(partition)) + ",RowKey=" + url.PathEscape(quote(key)) + ")"
}

func tablePath(table string) string { return "/" + url.PathEscape(table) }

func tableCall(verb, table string) call {
	return call{service: tables, verb: verb, what: "table " + table, whole: true}
}

// CreateTable implements [storage.Tables].
func (a *Account) CreateTable(ctx context.Context, table string) error {
	c := tableCall("creating", table)
	body := append(appendQuoted([]byte(`{"TableName":`), table), '}')
	return a.write(ctx, c, 0, func(ctx context.Context) error {
		_, _, err := a.tables.do(ctx, http.MethodPost, "/Tables", "", map[string]string{"Content-Type": "application/json", "Prefer": "return-no-content"}, body)
		return err
	})
}

// DeleteTable implements [storage.Tables].
func (a *Account) DeleteTable(ctx context.Context, table string) error {
	return a.write(ctx, tableCall("deleting", table), 0, func(ctx context.Context) error {
		_, _, err := a.tables.do(ctx, http.MethodDelete, "/Tables("+url.PathEscape(quote(table))+")", "", nil, nil)
		return err
	})
}

// Get implements [storage.Tables].
func (a *Account) Get(ctx context.Context, table, partition, key string) (row storage.Row, err error) {
	c := call{service: tables, verb: "reading", what: "row " + key + " of " + table + "/" + partition}
	for _, k := range []string{partition, key} {
		if reason, err := checkKey(k); err != nil {
			return row, c.refuse(reason, -1, err)
		}
	}
	err = a.read(ctx, c, func(ctx context.Context) error {
		answer, body, err := a.tables.do(ctx, http.MethodGet, rowPath(table, partition, key), "", nil, nil)
		if err != nil {
			return err
		}
		if row, err = decodeRow(body); err != nil {
			return c.corrupt(err)
		}
		if etag := answer.Get("ETag"); etag != "" {
			row.ETag = etag
		}
		if row.Key != key || row.ETag == "" {
			return c.corrupt(fmt.Errorf("the answer is row %q with ETag %q", row.Key, row.ETag))
		}
		return nil
	})
	return row, err
}

// after is the least key beyond another. It stands for "greater than" in ranges:
// no key holds a NUL.
func after(key string) string { return key + "\x00" }

func filter(partition string, r storage.Range) string {
	f := "PartitionKey eq " + quote(partition)
	if key, beyond := strings.CutSuffix(r.From, "\x00"); beyond {
		f += " and RowKey gt " + quote(key)
	} else if r.From != "" {
		f += " and RowKey ge " + quote(r.From)
	}
	if key, beyond := strings.CutSuffix(r.To, "\x00"); beyond {
		f += " and RowKey le " + quote(key)
	} else if r.To != "" {
		f += " and RowKey lt " + quote(r.To)
	}
	return f
}

// Scan implements [storage.Tables]. The service may answer with an empty page
// and a continuation, which is followed here.
func (a *Account) Scan(ctx context.Context, table, partition string, r storage.Range, limit int, cells []string) (storage.Page, error) {
	c := call{service: tables, verb: "scanning", what: fmt.Sprintf("%s/%s from %q to %q", table, partition, r.From, r.To)}
	query := "$filter=" + escapeQuery(filter(partition, r))
	if limit > 0 {
		query += "&$top=" + strconv.Itoa(min(limit, storage.MaxPageRows))
	}
	page, long, err := a.scan(ctx, c, table, query+selection(cells, false))
	if err == nil && long && cells != nil {
		// A cell in parts was asked for, which is rare. The page is read again
		// with all parts, because two requests are no snapshot.
		page, long, err = a.scan(ctx, c, table, query+selection(cells, true))
	}
	if err == nil && long {
		return storage.Page{}, c.corrupt(fmt.Errorf("%w: a cell lacks parts", storage.ErrDamaged))
	}
	return page, err
}

// Empty implements [storage.Tables].
func (a *Account) Empty(ctx context.Context, table string) (bool, error) {
	c := call{service: tables, verb: "scanning", what: table}
	page, _, err := a.scan(ctx, c, table, "$top=1"+selection([]string{}, false))
	return len(page.Rows) == 0, err
}

func (a *Account) scan(ctx context.Context, c call, table, query string) (page storage.Page, long bool, err error) {
	next := ""
	for {
		err = a.read(ctx, c, func(ctx context.Context) error {
			answer, body, err := a.tables.do(ctx, http.MethodGet, tablePath(table)+"()", query+next, nil, nil)
			if err != nil {
				return err
			}
			if page.Rows, long, err = decodePage(body); err != nil {
				return c.corrupt(err)
			}
			if next = continuation(answer); bug.Planted("continuation-ignored") {
				next = ""
			}
			return nil
		})
		if err != nil {
			return storage.Page{}, false, err
		}
		if len(page.Rows) > 0 || next == "" {
			break
		}
	}
	if next != "" {
		page.Next = after(page.Rows[len(page.Rows)-1].Key)
	}
	return page, long, nil
}

// continuation is the part of a query that asks for what follows an answer.
func continuation(h http.Header) string {
	var next strings.Builder
	for _, name := range []string{"NextPartitionKey", "NextRowKey"} {
		if value := h.Get("x-ms-continuation-" + name); value != "" {
			next.WriteString("&" + name + "=" + escapeQuery(value))
		}
	}
	return next.String()
}

// selection names the properties to read, besides keys and ETag.
func selection(cells []string, parts bool) string {
	if cells == nil {
		return ""
	}
	names := []string{"RowKey", "Timestamp"}
	for _, cell := range cells {
		names = append(names, cell)
		for i := 0; parts && i < maxParts; i++ {
			names = append(names, partName(cell, i))
		}
	}
	return "&$select=" + escapeQuery(strings.Join(names, ","))
}

// escapeQuery escapes for a query. The service takes no plus for a space.
func escapeQuery(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
