package tally_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/operation"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

var emulator = azurite.Endpoints{Queue: "http://q:1/devstoreaccount1", Table: "http://t:1/devstoreaccount1"}

// statuses answers with one status after the other, 0 standing for an error.
type statuses struct{ left []int }

func (s *statuses) RoundTrip(*http.Request) (*http.Response, error) {
	status := s.left[0]
	s.left = s.left[1:]
	if status == 0 {
		return nil, errors.New("no connection")
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("12345"))}, nil
}

func send(t *testing.T, c *tally.Counter, method, url, body string) {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.RoundTrip(request)
	if err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRequestsForTokensAreNotCounted(t *testing.T) {
	c := tally.New(&statuses{[]int{200, 0}}, emulator)
	for range 2 {
		send(t, c, "POST", "https://login.microsoftonline.com/tenant/oauth2/v2.0/token", "abc")
	}
	if got := c.Total(); len(got) > 0 {
		t.Errorf("counted\n%s", got)
	}
}

func TestRequestsAreCountedAsTheyAreBilled(t *testing.T) {
	c := tally.New(&statuses{[]int{202, 412, 503, 429, 0, 200, 201}}, emulator)
	for range 5 {
		send(t, c, "POST", emulator.Table+"/$batch", "abc")
	}
	early := c.Total()
	send(t, c, "GET", emulator.Queue+"/q/messages", "")
	send(t, c, "POST", emulator.Queue+"/q/messages", "x")
	want := tally.Total{
		{operation.Table, operation.EntityGroupTransaction}: {Billed: 2, Refused: 2, Unanswered: 1, Sent: 15, Received: 20},
		{operation.Queue, operation.GetMessages}:            {Billed: 1, Received: 5},
		{operation.Queue, operation.PutMessage}:             {Billed: 1, Sent: 1, Received: 5},
	}
	if diff := cmp.Diff(want, c.Total()); diff != "" {
		t.Error(diff)
	}
	late := c.Total().Since(early)
	delete(want, tally.Key{Service: operation.Table, Kind: operation.EntityGroupTransaction})
	if diff := cmp.Diff(want, late); diff != "" {
		t.Error(diff)
	}
	if n := c.Total().Of("").Requests(); n != 7 {
		t.Errorf("%d requests, want 7", n)
	}
	if n := late.Of(operation.Queue, operation.PutMessage, operation.ClearMessages).Billed; n != 1 {
		t.Errorf("%d puts, want 1", n)
	}
	if text := c.Total().String(); !strings.Contains(text, "Entity Group Transaction          2 billed      2 refused") || strings.Count(text, "\n") != 4 {
		t.Errorf("printed as\n%s", text)
	}
}
