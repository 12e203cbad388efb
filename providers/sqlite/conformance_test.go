package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/core/provider/providerfault"
	"github.com/duroxide/duroxide-go/core/provider/providertest"
)

// harness opens hubs for the conformance suite.
func harness(cfg Config) providertest.Harness {
	start := func(t testing.TB, path string) provider.Store {
		s, err := Open(t.Context(), path, cfg)
		must(t, err)
		return s
	}
	startWith := func(t testing.TB, cfg Config) provider.Store {
		s, err := Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), cfg)
		must(t, err)
		return s
	}
	return providertest.Harness{
		Open:     func(t testing.TB) provider.Store { return start(t, filepath.Join(t.TempDir(), "hub.db")) },
		Persists: providertest.Yes,
		Reopen: func(t testing.TB, s provider.Store) provider.Store {
			must(t, s.Close())
			return start(t, s.(*Store).Path())
		},
		Crash: func(t testing.TB, s provider.Store) provider.Store {
			t.Cleanup(func() { must(t, s.Close()) }) // it goes on with files of its own
			return start(t, crash(t, s.(*Store)))
		},
		ManyHosts:     providertest.No,
		SharedClients: providertest.Yes,
		Attach:        func(t testing.TB, s provider.Store) provider.Store { return start(t, s.(*Store).Path()) },
		OpenImpatient: func(t testing.TB) provider.Store {
			impatient := cfg
			impatient.OrphanAfter = time.Millisecond
			return startWith(t, impatient)
		},
		OpenWithClock: func(t testing.TB, now func() time.Time) provider.Store {
			clocked := cfg
			clocked.Now = now
			return startWith(t, clocked)
		},
		Corrupt: func(t testing.TB, s provider.Store, id history.InstanceID) {
			damage(t, s.(*Store), "UPDATE history SET events = x'7b' WHERE seq = (SELECT tail FROM instances WHERE id = '"+string(id)+"')")
		},
	}
}

func TestSQLiteConforms(t *testing.T) { providertest.Run(t, harness(Config{})) }

// TestSQLiteKeepsItsPromisesUnderStress has errors and delays among the calls.
func TestSQLiteKeepsItsPromisesUnderStress(t *testing.T) {
	h := harness(Config{Synchronous: Normal})
	plain := h.Open
	h.Open = func(t testing.TB) provider.Store {
		return providerfault.Wrap(plain(t), providerfault.New(7, unreliable...))
	}
	h.Persists, h.SharedClients = providertest.No, providertest.No
	providertest.Stress(t, h, providertest.StressConfig{})
}

var unreliable = providerfault.MustParse(`
	send p=0.05 unknown
	send p=0.05 after
	commit p=0.05 before
	commit p=0.05 unknown
	commit p=0.05 after
	* p=0.05 delay=1ms
`)

func TestSQLiteConformsUnderFaults(t *testing.T) { providertest.RunUnderFaults(t, harness(Config{})) }
