package sqlite

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata/schema*.sql")

// raw opens a connection beside the store's.
func raw(t testing.TB, path string) *conn {
	t.Helper()
	c, err := openConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate, &counters{})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// script runs statements on a file that nobody else has open.
func script(t testing.TB, path, sql string) {
	t.Helper()
	c, err := openConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate, &counters{})
	must(t, err)
	must(t, c.script(sql))
	must(t, c.Close())
}

func TestEachVersionOfTheSchemaStaysAsItWasReleased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	c := raw(t, path)
	for version := 1; version <= schemaNewest; version++ {
		must(t, c.script(migrations[version-1]))
		var dump strings.Builder
		must(t, c.rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name", nil, func(s *sqlite.Stmt) error {
			fmt.Fprintf(&dump, "%s;\n", s.ColumnText(0))
			return nil
		}))
		golden := filepath.Join("testdata", fmt.Sprintf("schema%d.sql", version))
		if *rewrite {
			must(t, os.WriteFile(golden, []byte(dump.String()), 0o644))
		}
		want, err := os.ReadFile(golden)
		must(t, err)
		if dump.String() != string(want) {
			t.Errorf("version %d of the schema changed: files of that version exist. Add a version instead.\n%s", version, dump.String())
		}
	}
}

func TestANewFileIsMarkedAsAHub(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := openAt(t, path, Config{Hub: "orders"})
	h, err := readHeader(raw(t, path))
	must(t, err)
	if h.application != applicationID || h.version != schemaNewest {
		t.Errorf("the header is %+v", h)
	}
	if s.Hub() != "orders" {
		t.Errorf("the hub is %q", s.Hub())
	}
}

func TestOpeningAgainChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	for range 3 {
		s, err := Open(t.Context(), path, Config{})
		must(t, err)
		if s.Hub() != DefaultHub {
			t.Errorf("the hub is %q", s.Hub())
		}
		must(t, s.Close())
	}
}

func TestManyMayCreateTheFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			s, err := Open(t.Context(), path, Config{})
			if err != nil {
				t.Errorf("opening: %v", err)
				return
			}
			if err := s.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
	}
	all.Wait()
}

// TestFilesThatAreNotOursAreLeftAlone covers files of newer programs, of other
// programs, and of no database at all.
func TestFilesThatAreNotOursAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	ours := func(name string) string {
		path := filepath.Join(dir, name)
		s, err := Open(t.Context(), path, Config{})
		must(t, err)
		must(t, s.Close())
		return path
	}
	future := ours("future.db")
	script(t, future, fmt.Sprintf("PRAGMA user_version = %d", schemaNewest+1))
	never := ours("never.db")
	script(t, never, "PRAGMA user_version = 0")
	foreign := filepath.Join(dir, "foreign.db")
	script(t, foreign, "CREATE TABLE notes (text)")
	text := filepath.Join(dir, "text.db")
	must(t, os.WriteFile(text, bytes.Repeat([]byte("this is no database\n"), 100), 0o600))
	for _, test := range []struct{ path, hint string }{
		{future, "upgrade"},
		{never, "never existed"},
		{foreign, "another path"},
		{text, "not a SQLite database"},
	} {
		before, err := os.ReadFile(test.path)
		must(t, err)
		for _, cfg := range []Config{{}, {ReadOnly: true}} {
			s, err := Open(t.Context(), test.path, cfg)
			if !errors.Is(err, provider.ErrSchema) || !strings.Contains(err.Error(), test.hint) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("opening %s: %v, want an error of the schema that names the file and says %q", test.path, err, test.hint)
			}
			if err == nil {
				must(t, s.Close())
			}
		}
		after, err := os.ReadFile(test.path)
		must(t, err)
		if !bytes.Equal(before, after) {
			t.Errorf("%s was changed", test.path)
		}
	}
}

func TestAnotherHubsFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	openAt(t, path, Config{Hub: "orders"})
	_, err := Open(t.Context(), path, Config{Hub: "invoices"})
	if !errors.Is(err, provider.ErrInvalid) || !strings.Contains(err.Error(), `"orders"`) || !strings.Contains(err.Error(), `"invoices"`) {
		t.Errorf("opening the hub under another name: %v", err)
	}
	if s := openAt(t, path, Config{}); s.Hub() != "orders" {
		t.Errorf("without a name the hub is %q", s.Hub())
	}
}

func TestBadConfigurationsNameTheField(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	for field, cfg := range map[string]Config{
		"Config.Synchronous": {Synchronous: "OFF"},
		"Config.Hub":         {Hub: "a\nb"},
		"Config.OrphanAfter": {OrphanAfter: -1},
	} {
		if _, err := Open(t.Context(), path, cfg); !errors.Is(err, provider.ErrInvalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a bad configuration made a file: %v", err)
	}
}

func TestPathsThatCannotBeAFileSaySo(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]error{
		"":                                      provider.ErrInvalid,
		dir:                                     provider.ErrInvalid,
		filepath.Join(dir, "missing", "hub.db"): provider.ErrInvalid,
	} {
		if _, err := Open(t.Context(), path, Config{}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", path, err, want)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "hub.db"), Config{ReadOnly: true}); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("opening a missing file for reading: %v", err)
	}
}

func TestAReadOnlyStoreReadsAndRefusesToWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	w := openAt(t, path, Config{})
	must(t, w.Send(soon(t), startMessage("a")))
	s := openAt(t, path, Config{ReadOnly: true})
	i, err := s.Instance(soon(t), "a")
	must(t, err)
	if i.Status != history.StatusPending || i.Name != "story" {
		t.Errorf("read %+v", i)
	}
	_, joined := s.Join(soon(t), provider.HostInfo{})
	for what, err := range map[string]error{
		"sending": s.Send(soon(t), startMessage("b")),
		"purging": s.Purge(soon(t), "a", true),
		"joining": joined,
	} {
		if !errors.Is(err, provider.ErrReadOnly) {
			t.Errorf("%s: %v, want %v", what, err, provider.ErrReadOnly)
		}
	}
}

func TestAFileWithoutWritePermissionIsReadOnly(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write to every file: run this as another user, or .ci/run unprivileged")
	}
	path := filepath.Join(t.TempDir(), "hub.db")
	w := openAt(t, path, Config{})
	must(t, w.Send(soon(t), startMessage("a")))
	must(t, os.Chmod(path, 0o400))
	s := openAt(t, path, Config{})
	if _, err := s.Instance(soon(t), "a"); err != nil {
		t.Errorf("reading: %v", err)
	}
	if err := s.Send(soon(t), startMessage("b")); !errors.Is(err, provider.ErrReadOnly) {
		t.Errorf("sending: %v, want %v", err, provider.ErrReadOnly)
	}
}

// TestQueriesUseTheirIndexes keeps what runs often, or over everything, from
// walking whole tables.
func TestQueriesUseTheirIndexes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	openAt(t, path, Config{})
	c := raw(t, path)
	list, _ := listQuery(&provider.Query{Prefix: "a", Name: "story", Statuses: []history.Status{history.StatusRunning}})
	for sql, want := range map[string]string{
		updateSteady + updateWhere:                                                                            "SEARCH instances USING INTEGER PRIMARY KEY",
		updateWide + updateWhere:                                                                              "SEARCH instances USING INTEGER PRIMARY KEY",
		"SELECT key FROM instances WHERE outstanding":                                                         "USING INDEX instances_outstanding|USING COVERING INDEX instances_outstanding",
		"SELECT " + instanceColumns + fromInstances + " WHERE i.id = ?":                                       "SEARCH i USING INDEX sqlite_autoindex_instances_1 (id=?)",
		"DELETE FROM inbox WHERE receiver = ? AND consumed IS NULL":                                           "USING INDEX inbox_waiting (receiver=?)|USING COVERING INDEX inbox_waiting (receiver=?)",
		"SELECT " + inboxColumns + " FROM inbox WHERE receiver = ? AND consumed IS NULL ORDER BY seq":         "USING INDEX inbox_waiting (receiver=?)",
		"DELETE FROM inbox WHERE seq IN (SELECT seq FROM inbox WHERE consumed < ? ORDER BY consumed LIMIT ?)": "inbox_consumed (consumed<?)|inbox_consumed (consumed>? AND consumed<?)",
		selectOldest: "USING INDEX history_begins (instance=?)|USING COVERING INDEX history_begins (instance=?)",
		deletePruned: "history_begins (instance=? AND execution>?)",
		list:         "SEARCH i USING INDEX sqlite_autoindex_instances_1 (id>",
	} {
		var plan []string
		must(t, c.rows("EXPLAIN QUERY PLAN "+sql, nil, func(s *sqlite.Stmt) error {
			plan = append(plan, s.ColumnText(3))
			return nil
		}))
		joined := strings.Join(plan, "\n")
		found := false
		for alternative := range strings.SplitSeq(want, "|") {
			found = found || strings.Contains(joined, alternative)
		}
		if !found || strings.Contains(joined, "USE TEMP B-TREE") && !strings.Contains(sql, "inbox") {
			t.Errorf("%s\nis planned as\n%s\nwant %s", sql, joined, want)
		}
	}
}
