package faulty_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/internal/azurite/faulty"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// table is one table of the shared emulator.
type table struct {
	t         *testing.T
	url, name string
	client    http.RoundTripper
}

// newTable makes a table, and a client for it that reaches the emulator by the
// transport.
func newTable(t *testing.T, e azurite.Endpoints, transport http.RoundTripper) table {
	t.Helper()
	tab := table{t, e.Table, azuritetest.Name(), azuritetest.Signed(transport, e)}
	if status, err := tab.send(http.MethodPost, "/Tables", fmt.Sprintf(`{"TableName":%q}`, tab.name)); status != http.StatusCreated || err != nil {
		t.Fatalf("creating a table: %d, %v", status, err)
	}
	return tab
}

func (tab table) send(method, path, body string) (int, error) {
	request, err := http.NewRequestWithContext(tab.t.Context(), method, tab.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := tab.client.RoundTrip(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, errors.Join(err, answer.Body.Close())
}

func (tab table) insert(key string) (int, error) {
	return tab.send(http.MethodPost, "/"+tab.name, fmt.Sprintf(`{"PartitionKey":"p","RowKey":%q}`, key))
}

func (tab table) has(key string) bool {
	tab.t.Helper()
	status, err := tab.send(http.MethodGet, "/"+tab.name+"(PartitionKey='p',RowKey='"+key+"')", "")
	if err != nil || status != http.StatusOK && status != http.StatusNotFound {
		tab.t.Fatalf("reading a row: %d, %v", status, err)
	}
	return status == http.StatusOK
}

func network(t *testing.T) *http.Transport {
	n := &http.Transport{}
	t.Cleanup(n.CloseIdleConnections)
	return n
}

func proxy(t *testing.T, target azurite.Endpoints, decide faulty.Decide) *faulty.Proxy {
	t.Helper()
	p, err := faulty.NewProxy(target, decide)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func inserts(e azurite.Endpoints, faults ...faulty.Fault) faulty.Decide {
	return faulty.Only(faulty.Kinds(e, operation.InsertEntity), faulty.Script(faults...))
}

// TestFaultsMeetTheEmulator holds for the transport and for the proxy alike.
func TestFaultsMeetTheEmulator(t *testing.T) {
	e := azuritetest.Shared(t).Endpoints()
	faults := []faulty.Fault{
		{Kind: faulty.LoseRequest}, {Kind: faulty.LoseAnswer}, {Kind: faulty.CutAnswer},
		{Kind: faulty.Refuse}, {Kind: faulty.RefuseApplied, Status: 500}, {Kind: faulty.Late, Delay: time.Millisecond},
	}
	for name, open := range map[string]func() (*faulty.Transport, table){
		"transport": func() (*faulty.Transport, table) {
			transport := faulty.New(network(t), inserts(e, faults...))
			return transport, newTable(t, e, transport)
		},
		"proxy": func() (*faulty.Transport, table) {
			p := proxy(t, e, inserts(e, faults...))
			return p.Transport, newTable(t, p.Endpoints(), network(t))
		},
	} {
		t.Run(name, func(t *testing.T) {
			transport, tab := open()
			for i, f := range faults {
				key := fmt.Sprint("row", i)
				status, err := tab.insert(key)
				answered := f.Kind == faulty.Refuse || f.Kind == faulty.RefuseApplied
				if answered != (err == nil) || answered && status < http.StatusInternalServerError {
					t.Errorf("%v: the client got %d, %v", f.Kind, status, err)
				}
				transport.Flush()
				if applied := f.Kind != faulty.LoseRequest && f.Kind != faulty.Refuse; tab.has(key) != applied {
					t.Errorf("%v: the row is there: %v, want %v", f.Kind, !applied, applied)
				}
			}
			if status, err := tab.insert("row"); status != http.StatusCreated || err != nil {
				t.Errorf("after all faults: %d, %v", status, err)
			}
			if n := len(transport.Injected()); n != len(faults) {
				t.Errorf("injected %v", transport.Injected())
			}
		})
	}
}

func TestACutProxyAnswersNothingUntilItIsHealed(t *testing.T) {
	e := azuritetest.Shared(t).Endpoints()
	p := proxy(t, e, nil)
	tab := newTable(t, p.Endpoints(), network(t)) // its connection stays open
	p.Cut()
	for range 3 {
		if status, err := tab.insert("row"); err == nil {
			t.Errorf("through a cut proxy: %d", status)
		}
	}
	p.Heal()
	if tab.has("row") {
		t.Error("a request went through a cut proxy")
	}
	if status, err := tab.insert("row"); status != http.StatusCreated || err != nil {
		t.Errorf("after healing: %d, %v", status, err)
	}
}

func TestAHungProxyKeepsRequestsUntilItIsHealedOrClosed(t *testing.T) {
	e := azuritetest.Shared(t).Endpoints()
	p := proxy(t, e, nil)
	tab := newTable(t, p.Endpoints(), network(t))
	answered := make(chan error, 1)
	insert := func(key string) {
		_, err := tab.insert(key)
		answered <- err
	}
	p.Hang()
	go insert("one")
	select {
	case err := <-answered:
		t.Errorf("a hung proxy answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	p.Heal()
	if err := <-answered; err != nil || !tab.has("one") {
		t.Errorf("after healing: %v", err)
	}
	p.Hang()
	go insert("two")
	p.Cut() // a cut ends what hangs
	if err := <-answered; err == nil {
		t.Error("a cut proxy answered")
	}
	p.Heal()
	p.Hang()
	go insert("three")
	select {
	case err := <-answered:
		t.Errorf("a hung proxy answered: %v", err)
	case <-time.After(100 * time.Millisecond): // it is there, as a rule
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("a closed proxy answered")
	}
}

func TestASlowProxyTakesItsTime(t *testing.T) {
	e := azuritetest.Shared(t).Endpoints()
	p := proxy(t, e, nil)
	tab := newTable(t, p.Endpoints(), network(t))
	const delay = 100 * time.Millisecond
	p.Slow(delay)
	began := time.Now()
	if _, err := tab.insert("row"); err != nil || time.Since(began) < delay {
		t.Errorf("answered after %v, %v", time.Since(began), err)
	}
}

func TestAProxyHandsOnQueriesAndKeysToTheLetter(t *testing.T) {
	e := azuritetest.Shared(t).Endpoints()
	p := proxy(t, e, nil)
	tab := newTable(t, p.Endpoints(), network(t))
	if status, err := tab.insert("it's 100% ü;x"); status != http.StatusCreated || err != nil {
		t.Fatalf("%d, %v", status, err)
	}
	if !tab.has("it%27%27s%20100%25%20%C3%BC;x") {
		t.Error("the row is not found by its key")
	}
	for path, want := range map[string]int{
		"()?$filter=RowKey%20eq%20'it%27%27s'&$top=1": http.StatusOK,
		"()?$filter=RowKey%20eq%20'a;b'":              http.StatusOK,
		"()?$filter=RowKey%20eq":                      http.StatusBadRequest,
	} {
		if status, err := tab.send(http.MethodGet, "/"+tab.name+path, ""); status != want || err != nil {
			t.Errorf("%s got %d, %v, want %d", path, status, err, want)
		}
	}
}

func TestAProxyNeedsATargetOfPlainHTTP(t *testing.T) {
	e := azurite.Endpoints{Blob: "https://a/b", Queue: "https://a/b", Table: "https://a/b"}
	if _, err := faulty.NewProxy(e, nil); err == nil || !strings.Contains(err.Error(), "plain HTTP") {
		t.Errorf("got %v", err)
	}
}
