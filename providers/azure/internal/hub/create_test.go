package hub_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// TestWhatIsOfOthersInAnAccountIsLeftAlone: a hub is made of nothing that was there
// before it, and takes nothing along that is not its own.
func TestWhatIsOfOthersInAnAccountIsLeftAlone(t *testing.T) {
	for name, test := range map[string]struct {
		table, container bool // others have one of the hub's name
		open, delete     error
	}{
		"neither":      {},
		"a table":      {table: true, open: provider.ErrSchema, delete: provider.ErrSchema},
		"a container":  {container: true, open: provider.ErrSchema},
		"both of them": {table: true, container: true, open: provider.ErrSchema, delete: provider.ErrSchema},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := simulated.New(simulated.Config{})
				defer account.Close()
				a := account.Client("other")
				row := []storage.Op{{Verb: storage.Insert, Row: storage.Row{Key: "1"}}}
				if test.table {
					if err := a.CreateTable(t.Context(), "hub"); err != nil {
						t.Fatal(err)
					}
					if _, err := a.Transact(t.Context(), "hub", "customers", row); err != nil {
						t.Fatal(err)
					}
				}
				if test.container {
					if err := a.CreateContainer(t.Context(), "hub"); err != nil {
						t.Fatal(err)
					}
					if err := a.PutBlob(t.Context(), "hub", "payload/photo", []byte("x")); err != nil {
						t.Fatal(err)
					}
				}
				for _, queue := range []string{"hub-invoices", "hub-workers", "hubs-work"} {
					if err := a.CreateQueue(t.Context(), queue); err != nil {
						t.Fatal(err)
					}
				}
				s, err := hub.Open(t.Context(), account.Client("server"), hub.Config{Name: "hub"})
				if !errors.Is(err, test.open) {
					t.Errorf("opening it: %v, want %v", err, test.open)
				}
				if err == nil {
					if _, err := s.Join(t.Context(), provider.HostInfo{Tags: []string{"gpu"}}); err != nil {
						t.Error(err)
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}
				if err := hub.Delete(t.Context(), account.Client("operator"), "hub"); !errors.Is(err, test.delete) {
					t.Errorf("deleting it: %v, want %v", err, test.delete)
				}
				if queues, want := account.State().Queues(), []string{"hub-invoices", "hub-workers", "hubs-work"}; !slices.Equal(queues, want) {
					t.Errorf("the queues that are left are %v, want %v", queues, want)
				}
				if empty, err := a.Empty(t.Context(), "hub"); test.table && (err != nil || empty) {
					t.Errorf("the table of others is empty: %t, %v", empty, err)
				} else if !test.table && !errors.Is(err, storage.ErrGone) {
					t.Errorf("a table is left: %v", err)
				}
				if _, err := a.GetBlob(t.Context(), "hub", "payload/photo"); test.container && err != nil {
					t.Errorf("the blob of others: %v", err)
				}
			})
		})
	}
}

// TestAHubThatIsPartlyMadeOrDeletedCanBeDeleted: whatever request failed.
func TestAHubThatIsPartlyMadeOrDeletedCanBeDeleted(t *testing.T) {
	for n := 1; ; n++ {
		failed := false
		synctest.Test(t, func(t *testing.T) {
			account := simulated.New(simulated.Config{})
			defer account.Close()
			account.Decide(simulated.Nth(n, func(simulated.Call) bool { return true }, simulated.Fault{Kind: simulated.Denied}))
			s, err := hub.Open(t.Context(), account.Client("server"), hub.Config{Name: "hub"})
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			failed = err != nil
			if err := hub.Delete(t.Context(), account.Client("operator"), "hub"); err != nil {
				failed = true
				if err := hub.Delete(t.Context(), account.Client("operator"), "hub"); err != nil {
					t.Errorf("request %d was denied, and deleting fails: %v", n, err)
				}
			}
			if state := account.State(); len(state.Tables())+len(state.Queues()) > 0 {
				t.Errorf("request %d was denied, and this is left: %v, %v", n, state.Tables(), state.Queues())
			}
			if err := account.Client("other").CreateContainer(t.Context(), "hub"); storage.Is(err, storage.Exists) {
				t.Errorf("request %d was denied, and the container is left", n)
			}
		})
		if !failed {
			break
		}
	}
}
