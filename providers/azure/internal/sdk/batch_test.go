package sdk

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// threeOps is a transaction with a verb of each kind of header.
var threeOps = []storage.Op{
	{Verb: storage.Merge, IfMatch: `W/"datetime'1'"`, Row: storage.Row{Key: "head", Cells: map[string][]byte{"Head": []byte("x")}}},
	{Verb: storage.Insert, Row: storage.Row{Key: "m:1", Cells: map[string][]byte{"B": {0}, "A": []byte("1")}}},
	{Verb: storage.Delete, Row: storage.Row{Key: "m:0"}},
}

func transact(t *testing.T, s *script, ops []storage.Op) ([]string, error) {
	t.Helper()
	return scripted(t, s, testString).Transact(t.Context(), "t", "p", ops)
}

func TestATransactionReturnsTheETagsOfItsAnswer(t *testing.T) {
	s := &script{answer: func(r *http.Request) (*http.Response, error) {
		return batchAnswer(r, applied(`W/"1"`), applied(`W/"2"`), "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), nil
	}}
	etags, err := transact(t, s, threeOps)
	if err != nil || !slices.Equal(etags, []string{`W/"1"`, `W/"2"`, ""}) {
		t.Errorf("got %q, %v", etags, err)
	}
}

func TestATransactionIsWrittenAsTheServiceWantsIt(t *testing.T) {
	s := &script{answer: func(r *http.Request) (*http.Response, error) { return nil, errors.New("not here") }}
	for range 3 {
		_, _ = transact(t, s, threeOps)
	}
	const want = `--batch_duroxide
Content-Type: multipart/mixed; boundary=changeset_duroxide

--changeset_duroxide
Content-Type: application/http
Content-Transfer-Encoding: binary

PATCH https://name.table.core.windows.net/t(PartitionKey=%27p%27,RowKey=%27head%27) HTTP/1.1
Accept: application/json;odata=minimalmetadata
Content-Type: application/json
DataServiceVersion: 3.0
If-Match: W/"datetime'1'"

{"PartitionKey":"p","RowKey":"head","Head":"x"}
--changeset_duroxide
Content-Type: application/http
Content-Transfer-Encoding: binary

POST https://name.table.core.windows.net/t HTTP/1.1
Accept: application/json;odata=minimalmetadata
Content-Type: application/json
DataServiceVersion: 3.0
Prefer: return-no-content

{"PartitionKey":"p","RowKey":"m:1","A":"1","B@odata.type":"Edm.Binary","B":"AA=="}
--changeset_duroxide
Content-Type: application/http
Content-Transfer-Encoding: binary

DELETE https://name.table.core.windows.net/t(PartitionKey=%27p%27,RowKey=%27m:0%27) HTTP/1.1
Accept: application/json;odata=minimalmetadata
Content-Type: application/json
DataServiceVersion: 3.0
If-Match: *


--changeset_duroxide--
--batch_duroxide--
`
	for _, sent := range s.sent() {
		if got := strings.ReplaceAll(sent.body, "\r\n", "\n"); got != want {
			t.Errorf("sent\n%s\nwant\n%s", got, want)
		}
		if sent.url != "https://name.table.core.windows.net/$batch" || sent.header.Get("Content-Type") != "multipart/mixed; boundary=batch_duroxide" {
			t.Errorf("sent to %s as %s", sent.url, sent.header.Get("Content-Type"))
		}
	}
}

func TestARejectedTransactionNamesItsRow(t *testing.T) {
	for _, test := range []struct {
		name, part string
		reason     storage.Reason
		index      int
	}{
		{"the first row stale", refused("412 Precondition Failed", "UpdateConditionNotSatisfied", `0:The update condition specified in the request was not satisfied.\nRequestId:r\nTime:now`), storage.Precondition, 0},
		{"the second there", refused("409 Conflict", "EntityAlreadyExists", `1:The specified entity already exists.`), storage.Exists, 1},
		{"the third missing", refused("404 Not Found", "ResourceNotFound", `2:The specified resource does not exist.`), storage.Missing, 2},
		{"the second too large", refused("400 Bad Request", "EntityTooLarge", `1:The entity is larger than allowed.`), storage.TooLarge, 1},
		{"a row that is not named", refused("400 Bad Request", "InvalidInput", `One of the request inputs is not valid.`), storage.Invalid, -1},
		{"a row that there is not", refused("400 Bad Request", "InvalidInput", `7:One of the request inputs is not valid.`), storage.Invalid, -1},
	} {
		s := &script{answer: func(r *http.Request) (*http.Response, error) { return batchAnswer(r, test.part), nil }}
		etags, err := transact(t, s, threeOps)
		r := storage.Rejected(err)
		if etags != nil || r == nil || r.Reason != test.reason || r.Index != test.index {
			t.Errorf("%s: got %q, %v (%+v)", test.name, etags, err, r)
			continue
		}
		if test.index >= 0 && !strings.Contains(err.Error(), "row "+threeOps[test.index].Row.Key+" ") {
			t.Errorf("%s: %v does not name the row", test.name, err)
		}
	}
}

func TestATransactionOfOneRowFailsAtThatRow(t *testing.T) {
	s := &script{answer: func(r *http.Request) (*http.Response, error) {
		return batchAnswer(r, refused("412 Precondition Failed", "UpdateConditionNotSatisfied", `The update condition was not satisfied.`)), nil
	}}
	_, err := transact(t, s, threeOps[:1])
	if r := storage.Rejected(err); r == nil || r.Index != 0 {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerThatMakesNoSenseIsUnknown(t *testing.T) {
	for name, answer := range map[string]func(r *http.Request) *http.Response{
		"too few parts": func(r *http.Request) *http.Response { return batchAnswer(r, applied("1"), applied("2")) },
		"too many parts": func(r *http.Request) *http.Response {
			return batchAnswer(r, applied("1"), applied("2"), applied("3"), applied("4"))
		},
		"no parts":            func(r *http.Request) *http.Response { return batchAnswer(r) },
		"a part without HTTP": func(r *http.Request) *http.Response { return batchAnswer(r, "hello", "you", "there") },
		"a server error inside": func(r *http.Request) *http.Response {
			return batchAnswer(r, refused("500 Internal Server Error", "InternalError", "0:Oops."))
		},
		"a busy server inside": func(r *http.Request) *http.Response {
			return batchAnswer(r, refused("503 Service Unavailable", "ServerBusy", "0:Busy."))
		},
		"JSON": func(r *http.Request) *http.Response {
			return reply(r, 202, tableError("InvalidInput", "x"), "Content-Type", "application/json")
		},
		"a web page": func(r *http.Request) *http.Response {
			return reply(r, 200, "<html>welcome</html>", "Content-Type", "text/html")
		},
		"half of it": func(r *http.Request) *http.Response {
			whole := batchAnswer(r, applied("1"), applied("2"), applied("3"))
			half := make([]byte, 300)
			_, _ = whole.Body.Read(half)
			return reply(r, 202, string(half), "Content-Type", whole.Header.Get("Content-Type"))
		},
	} {
		s := &script{answer: func(r *http.Request) (*http.Response, error) { return answer(r), nil }}
		etags, err := transact(t, s, threeOps)
		if etags != nil || !errors.Is(err, storage.ErrUnknown) {
			t.Errorf("%s: got %q, %v", name, etags, err)
		}
	}
}

func TestWhatTheServiceWouldRefuseIsNotSent(t *testing.T) {
	cells := func(n, size int) map[string][]byte {
		m := map[string][]byte{}
		for i := range n {
			m[fmt.Sprint("C", i)] = make([]byte, size)
		}
		return m
	}
	row := func(key string, cells map[string][]byte) storage.Op {
		return storage.Op{Verb: storage.Put, Row: storage.Row{Key: key, Cells: cells}}
	}
	many := func(n, size int) (ops []storage.Op) {
		for i := range n {
			ops = append(ops, row(fmt.Sprint(i), cells(1, size)))
		}
		return ops
	}
	fine := row("fine", nil)
	for _, test := range []struct {
		name   string
		ops    []storage.Op
		reason storage.Reason
		index  int
	}{
		{"nothing", nil, storage.Invalid, -1},
		{"101 rows", many(101, 1), storage.TooLarge, -1},
		{"too many bytes", many(10, 400<<10), storage.TooLarge, -1},
		{"a row twice", []storage.Op{fine, row("x", nil), fine}, storage.Invalid, 2},
		{"a slash", []storage.Op{fine, row("a/b", nil)}, storage.Invalid, 1},
		{"a line end", []storage.Op{fine, row("a\nb", nil)}, storage.Invalid, 1},
		{"bytes that are no text", []storage.Op{fine, row("a\xffb", nil)}, storage.Invalid, 1},
		{"a long key", []storage.Op{fine, row(strings.Repeat("k", 513), nil)}, storage.TooLarge, 1},
		{"a large row", []storage.Op{fine, row("x", cells(2, 360<<10))}, storage.TooLarge, 1},
		{"many properties", []storage.Op{fine, row("x", cells(253, 1))}, storage.TooLarge, 1},
		{"many parts", []storage.Op{fine, row("x", func() map[string][]byte { m := cells(249, 1); m["L"] = make([]byte, 200<<10); return m }())}, storage.TooLarge, 1},
		{"a name with a hyphen", []storage.Op{fine, row("x", map[string][]byte{"a-b": nil})}, storage.Invalid, 1},
		{"a name like a part's", []storage.Op{fine, row("x", map[string][]byte{"A_1": nil})}, storage.Invalid, 1},
		{"a name of the service's", []storage.Op{fine, row("x", map[string][]byte{"Timestamp": nil})}, storage.Invalid, 1},
		{"an ETag for an insert", []storage.Op{{Verb: storage.Insert, Row: storage.Row{Key: "x"}, IfMatch: `W/"1"`}}, storage.Invalid, 0},
		{"no ETag", []storage.Op{{Verb: storage.Merge, Row: storage.Row{Key: "x"}, IfMatch: "W/\"1\"\r\nHost: x"}}, storage.Invalid, 0},
		{"no verb", []storage.Op{{Row: storage.Row{Key: "x"}}}, storage.Invalid, 0},
	} {
		s := &script{answer: func(r *http.Request) (*http.Response, error) { return nil, errors.New("it was sent") }}
		_, err := transact(t, s, test.ops)
		r := storage.Rejected(err)
		if r == nil || r.Reason != test.reason || r.Index != test.index || len(s.sent()) != 0 {
			t.Errorf("%s: got %v (%+v) after %d requests", test.name, err, r, len(s.sent()))
		}
	}
}
