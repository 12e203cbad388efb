package overhttp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

const jsonType = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"

func (x *exchange) table(ctx context.Context) (answer, error) {
	switch x.Kind {
	case operation.CreateTable:
		var asked struct {
			Name string `json:"TableName"`
		}
		if err := json.Unmarshal(x.body, &asked); err != nil {
			return x.strange(err.Error())
		}
		return answer{status: http.StatusNoContent}, x.client.CreateTable(ctx, asked.Name)
	case operation.DeleteTable:
		return answer{status: http.StatusNoContent}, x.client.DeleteTable(ctx, x.Name)
	case operation.GetEntity:
		return x.entity(ctx)
	case operation.QueryEntities:
		return x.query(ctx)
	case operation.EntityGroupTransaction:
		return x.batch(ctx)
	default:
		return x.strange("an operation of tables that is not in use")
	}
}

func (x *exchange) entity(ctx context.Context) (answer, error) {
	row, err := x.client.Get(ctx, x.Name, x.Row.Partition, x.Row.Key)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, map[string]string{"Content-Type": jsonType, "ETag": row.ETag}, appendEntity(nil, x.Row.Partition, &row, nil)}, nil
}

// query answers with a page. What a continuation says is nobody's but the service's.
func (x *exchange) query(ctx context.Context) (answer, error) {
	q := x.request.URL.Query()
	names := selected(q.Get("$select"))
	limit, err := strconv.Atoi(q.Get("$top"))
	if q.Has("$top") && (err != nil || limit < 1 || limit > storage.MaxPageRows) {
		return x.strange("$top is " + q.Get("$top"))
	}
	if !q.Has("$filter") {
		return x.any(ctx, names, limit)
	}
	partition, r, err := parseFilter(q.Get("$filter"))
	if err != nil {
		return x.strange(err.Error())
	}
	if next := q.Get("NextRowKey"); next != "" {
		from, err := base64.RawURLEncoding.DecodeString(next)
		if err != nil || q.Get("NextPartitionKey") != token(partition) {
			return x.strange("a continuation of another query")
		}
		r.From = string(from)
	}
	page, err := x.client.Scan(ctx, x.Name, partition, r, limit, cellsOf(names))
	if err != nil {
		return answer{}, err
	}
	if x.lot%16 == 0 && !q.Has("NextRowKey") && r.From != "" {
		page = storage.Page{Next: r.From} // what was found comes with the next page
	}
	a := answer{status: http.StatusOK, header: map[string]string{"Content-Type": jsonType}}
	if page.Next != "" {
		a.header["x-ms-continuation-NextPartitionKey"] = token(partition)
		a.header["x-ms-continuation-NextRowKey"] = token(page.Next)
	}
	a.body = x.page(partition, page.Rows, names)
	return a, nil
}

// any answers a query for one row of the table, whichever. The client tells no more
// than whether there is one.
func (x *exchange) any(ctx context.Context, names []string, limit int) (answer, error) {
	if limit != 1 || len(cellsOf(names)) > 0 || names == nil {
		return x.strange("a query over partitions")
	}
	empty, err := x.client.Empty(ctx, x.Name)
	var rows []storage.Row
	if !empty && err == nil {
		rows = []storage.Row{{Key: "row", ETag: `W/"datetime'any'"`, Changed: x.account.Now()}}
	}
	return answer{http.StatusOK, map[string]string{"Content-Type": jsonType}, x.page("partition", rows, names)}, err
}

func (x *exchange) page(partition string, rows []storage.Row, names []string) []byte {
	b := fmt.Appendf(nil, `{"odata.metadata":"https://%s/$metadata#%s","value":[`, x.request.URL.Host, x.Name)
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEntity(b, partition, &rows[i], names)
	}
	return append(b, "]}"...)
}

func token(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// parseFilter reads the filters that package sdk writes: a partition key, and perhaps
// bounds of the row key.
func parseFilter(filter string) (partition string, r storage.Range, err error) {
	rest := filter
	for rest != "" {
		words := strings.SplitN(rest, " ", 3)
		if len(words) < 3 {
			return "", r, fmt.Errorf("the filter %q", filter)
		}
		value, after, ok := unquote(words[2])
		if !ok {
			return "", r, fmt.Errorf("no literal at %q", words[2])
		}
		switch words[0] + " " + words[1] {
		case "PartitionKey eq":
			partition = value
		case "RowKey ge":
			r.From = value
		case "RowKey gt":
			r.From = value + "\x00"
		case "RowKey lt":
			r.To = value
		case "RowKey le":
			r.To = value + "\x00"
		default:
			return "", r, fmt.Errorf("a filter by %s %s", words[0], words[1])
		}
		if rest, ok = strings.CutPrefix(after, " and "); !ok && after != "" {
			return "", r, fmt.Errorf("the filter goes on with %q", after)
		}
	}
	return partition, r, nil
}

// unquote reads a literal, in which quotes are doubled, and tells what follows.
func unquote(text string) (value, rest string, ok bool) {
	rest, ok = strings.CutPrefix(text, "'")
	for ok {
		before, after, found := strings.Cut(rest, "'")
		if !found {
			return "", "", false
		}
		value += before
		if rest, ok = strings.CutPrefix(after, "'"); !ok {
			return value, after, true
		}
		value += "'"
	}
	return "", "", false
}
