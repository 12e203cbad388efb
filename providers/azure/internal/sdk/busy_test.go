package sdk

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/duroxide/duroxide-go/providers/azure/internal/pace"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// TestAServiceThatIsBusyGetsFewerRequestsAtATime: whether it refuses to read or to write,
// and although it does not say when to come back, as Azure seldom does.
func TestAServiceThatIsBusyGetsFewerRequestsAtATime(t *testing.T) {
	calls := map[string]func(context.Context, storage.Account) error{
		"reading": func(ctx context.Context, a storage.Account) error { _, err := a.Get(ctx, "t", "p", "k"); return err },
		"writing": func(ctx context.Context, a storage.Account) error {
			_, err := a.Transact(ctx, "t", "p", []storage.Op{{Verb: storage.Insert, Row: storage.Row{Key: "k"}}})
			return err
		},
		"sending": func(ctx context.Context, a storage.Account) error { return a.Enqueue(ctx, "q", []byte("{}"), 0) },
	}
	for name, do := range calls {
		for status, busy := range map[int]bool{
			http.StatusServiceUnavailable: true, http.StatusTooManyRequests: true, http.StatusInternalServerError: true,
			http.StatusForbidden: false, http.StatusNotFound: false,
		} {
			account := &pace.Account{Account: scripted(t, always(status, tableError("ServerBusy", "The server is busy.")), testString)}
			err := do(t.Context(), account)
			if err == nil {
				t.Fatalf("%s succeeded with %d", name, status)
			}
			if limit := account.Limit(); (limit < pace.Most) != busy {
				t.Errorf("%s: after %d, which is %v, %d requests may be under way", name, status, err, limit)
			}
			if busy && !errors.Is(err, storage.ErrUnknown) && !errors.Is(err, storage.ErrBusy) {
				t.Errorf("%s: %d became %v", name, status, err)
			}
		}
	}
}
