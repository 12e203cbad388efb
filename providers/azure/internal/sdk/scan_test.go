package sdk

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// pages answers queries with these pages, and says after all but the last that
// there is more.
func pages(bodies ...string) *script {
	n := 0
	return &script{answer: func(r *http.Request) (*http.Response, error) {
		body := bodies[n]
		if n++; n == len(bodies) {
			return reply(r, http.StatusOK, body), nil
		}
		return reply(r, http.StatusOK, body, "x-ms-continuation-NextPartitionKey", "1!4!cA==", "x-ms-continuation-NextRowKey", "1!8!a+b="), nil
	}}
}

const rowA = `{"odata.etag":"W/\"1\"","PartitionKey":"p","RowKey":"a","C":"x"}`

func TestAnEmptyPageIsNotTheEnd(t *testing.T) {
	s := pages(`{"value":[]}`, `{"value":[]}`, `{"value":[`+rowA+`]}`, `{"value":[]}`)
	page, err := scripted(t, s, testString).Scan(t.Context(), "t", "p", storage.Range{From: "a", To: "b\x00"}, 10, []string{"C"})
	if err != nil || len(page.Rows) != 1 || page.Next != "a\x00" {
		t.Fatalf("got %v, %v", page, err)
	}
	for i, sent := range s.sent() {
		u, err := url.Parse(sent.url)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if want := "PartitionKey eq 'p' and RowKey ge 'a' and RowKey le 'b'"; q.Get("$filter") != want || q.Get("$top") != "10" || q.Get("$select") != "RowKey,Timestamp,C" {
			t.Errorf("request %d asks for %v", i, q)
		}
		if more := q.Get("NextPartitionKey") == "1!4!cA==" && q.Get("NextRowKey") == "1!8!a+b="; more != (i > 0) {
			t.Errorf("request %d continues: %v", i, more)
		}
		if strings.Contains(u.RawQuery, "+") {
			t.Errorf("request %d has a plus in its query: %s", i, u.RawQuery)
		}
	}
	if n := len(s.sent()); n != 3 {
		t.Errorf("%d requests, want 3: the page had a row", n)
	}
}

func TestQuotesInARangeAreQuoted(t *testing.T) {
	s := pages(`{"value":[]}`)
	if _, err := scripted(t, s, testString).Scan(t.Context(), "t", "p' or '1' eq '1", storage.Range{From: "it's\x00"}, 0, nil); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.sent()[0].url)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := u.Query().Get("$filter"), "PartitionKey eq 'p'' or ''1'' eq ''1' and RowKey gt 'it''s'"; got != want {
		t.Errorf("the filter is %s, want %s", got, want)
	}
}

func TestAPageThatMakesNoSenseIsCorrupt(t *testing.T) {
	for body, class := range map[string]error{
		"": storage.ErrCorrupt, "{}": storage.ErrCorrupt, "<html>": storage.ErrCorrupt, `{"value":[` + rowA: storage.ErrCorrupt,
		`{"value":[{"RowKey":"a","C":70000}]}`: storage.ErrDamaged, `{"value":[{"RowKey":"a","C":true}]}`: storage.ErrDamaged,
	} {
		s := always(http.StatusOK, body)
		if page, err := scripted(t, s, testString).Scan(t.Context(), "t", "p", storage.Range{}, 0, nil); !errors.Is(err, class) {
			t.Errorf("%q became %v, %v; want %v", body, page, err, class)
		}
	}
	for body, class := range map[string]error{"<html>": storage.ErrCorrupt, `{"error":true}`: storage.ErrCorrupt, `{"RowKey":"a","C":true}`: storage.ErrDamaged} {
		s := always(http.StatusOK, body)
		if row, err := scripted(t, s, testString).Get(t.Context(), "t", "p", "a"); !errors.Is(err, class) {
			t.Errorf("%q became %v, %v; want %v", body, row, err, class)
		}
	}
	s := always(http.StatusOK, rowA)
	if _, err := scripted(t, s, testString).Get(t.Context(), "t", "p", "b"); !errors.Is(err, storage.ErrCorrupt) {
		t.Errorf("another row than was asked for gave %v", err)
	}
}
