package faulty_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/internal/azurite/faulty"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(azuritetest.Stopping(m)) }

// service applies every request: it remembers the body and answers with it.
type service struct {
	mu      sync.Mutex
	applied []string
}

func (s *service) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied = append(s.applied, string(body))
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("applied " + string(body)))}, nil
}

func (s *service) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.applied)
}

// send returns what the client sees: a status and the body, or an error.
func send(ctx context.Context, next http.RoundTripper, body string) (string, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://service/x", strings.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	answer, err := next.RoundTrip(request)
	if err != nil {
		return "", nil, err
	}
	text, err := io.ReadAll(answer.Body)
	return fmt.Sprint(answer.StatusCode, " ", string(text)), answer.Header, errors.Join(err, answer.Body.Close())
}

func TestEachFaultLeavesServiceAndClientAsItSays(t *testing.T) {
	const fine = "200 applied x"
	for _, test := range []struct {
		fault   faulty.Fault
		applied bool
		seen    string // by the client: a status, and a part of the body
		lost    bool
		took    time.Duration
	}{
		{faulty.Fault{}, true, fine, false, 0},
		{faulty.Fault{Delay: time.Second, AnswerDelay: 2 * time.Second}, true, fine, false, 3 * time.Second},
		{faulty.Fault{Kind: faulty.LoseRequest, AnswerDelay: time.Second}, false, "", true, time.Second},
		{faulty.Fault{Kind: faulty.LoseAnswer, AnswerDelay: time.Second}, true, "", true, time.Second},
		{faulty.Fault{Kind: faulty.Refuse}, false, "503 ServerBusy", false, 0},
		{faulty.Fault{Kind: faulty.Refuse, Status: 429}, false, "429 TooManyRequests", false, 0},
		{faulty.Fault{Kind: faulty.RefuseApplied, Status: 500}, true, "500 InternalError", false, 0},
		{faulty.Fault{Kind: faulty.CutAnswer}, true, "200 appl", true, 0},
	} {
		t.Run(fmt.Sprint(test.fault.Kind, test.fault.Status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, began := &service{}, time.Now()
				transport := faulty.New(s, faulty.Script(test.fault))
				seen, _, err := send(t.Context(), transport, "x")
				if took := time.Since(began); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
				if errors.Is(err, faulty.ErrLost) != test.lost || !test.lost && err != nil {
					t.Errorf("the client got the error %v", err)
				}
				if status, part, _ := strings.Cut(test.seen, " "); !strings.HasPrefix(seen, status) || !strings.Contains(seen, part) {
					t.Errorf("the client saw %q, want %q", seen, test.seen)
				}
				if applied := len(s.all()) == 1; applied != test.applied {
					t.Errorf("applied: %v, want %v", applied, test.applied)
				}
				if again, _, err := send(t.Context(), transport, "x"); again != fine || err != nil {
					t.Errorf("the next request got %q, %v", again, err)
				}
				want := map[faulty.Kind]int{}
				if test.fault != (faulty.Fault{}) {
					want[test.fault.Kind] = 1
				}
				if got := transport.Injected(); !maps.Equal(got, want) {
					t.Errorf("counted %v, want %v", got, want)
				}
			})
		})
	}
}

func TestALateRequestIsDeliveredAfterItsSenderGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		transport := faulty.New(s, faulty.Nth(1, faulty.Fault{Kind: faulty.Late, Delay: time.Minute, AnswerDelay: time.Second}))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, _, err := send(ctx, transport, "first")
		cancel()
		if !errors.Is(err, faulty.ErrLost) {
			t.Errorf("the client got %v", err)
		}
		if _, _, err := send(t.Context(), transport, "second"); err != nil {
			t.Error(err)
		}
		transport.Flush()
		if diff := cmp.Diff([]string{"second", "first"}, s.all()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAClientThatGivesUpDuringADelayHasNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		transport := faulty.New(s, faulty.Script(faulty.Fault{Delay: time.Minute}, faulty.Fault{Kind: faulty.LoseAnswer, AnswerDelay: time.Minute}))
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _, err := send(ctx, transport, "x")
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		if n := len(s.all()); n != 1 {
			t.Errorf("%d were applied, want the second alone", n)
		}
	})
}

func TestTheServiceAsksToComeBackInWholeSeconds(t *testing.T) {
	for after, want := range map[time.Duration]string{0: "", time.Millisecond: "1", 3 * time.Second: "3"} {
		transport := faulty.New(&service{}, faulty.Nth(1, faulty.Fault{Kind: faulty.Refuse, RetryAfter: after}))
		_, header, err := send(t.Context(), transport, "x")
		if got := header.Get("Retry-After"); got != want || err != nil {
			t.Errorf("after %v: %q, %v, want %q", after, got, err, want)
		}
	}
}

func TestTheSameSeedGivesTheSameFaults(t *testing.T) {
	shares := []faulty.Share{
		{Fault: faulty.Fault{Kind: faulty.LoseRequest}, PerMille: 100},
		{Fault: faulty.Fault{Kind: faulty.LoseAnswer}, PerMille: 200},
	}
	draw := func(seed uint64) (kinds []faulty.Kind, count map[faulty.Kind]int) {
		decide, count := faulty.Seeded(seed, shares...), map[faulty.Kind]int{}
		for range 5000 {
			k := decide(nil).Kind
			kinds = append(kinds, k)
			count[k]++
		}
		return kinds, count
	}
	one, count := draw(1)
	same, _ := draw(1)
	other, _ := draw(2)
	if !slices.Equal(one, same) || slices.Equal(one, other) {
		t.Error("faults do not follow from the seed")
	}
	for kind, want := range map[faulty.Kind]int{faulty.None: 3500, faulty.LoseRequest: 500, faulty.LoseAnswer: 1000} {
		if got := count[kind]; got < want*8/10 || got > want*12/10 {
			t.Errorf("%d of 5000 are %v, want about %d", got, kind, want)
		}
	}
}

func TestTheDeciderCanBeReplaced(t *testing.T) {
	transport := faulty.New(&service{}, nil)
	for i, lost := range []bool{false, true, false} {
		switch i {
		case 1:
			transport.Set(func(*http.Request) faulty.Fault { return faulty.Fault{Kind: faulty.LoseRequest} })
		case 2:
			transport.Set(nil)
		}
		if _, _, err := send(t.Context(), transport, "x"); errors.Is(err, faulty.ErrLost) != lost {
			t.Errorf("request %d got %v", i, err)
		}
	}
}
