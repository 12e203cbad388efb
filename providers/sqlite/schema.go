package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/provider"
)

// applicationID marks the file as a hub of duroxide in the header of the
// database, so that no other file is ever mistaken for one: "Durx" in ASCII.
const applicationID = 0x44757278

// Versions of the schema, in the header's user_version. A number is never
// reused. A program opens every version up to schemaNewest and brings it there
// in one transaction; it refuses, and does not touch, later ones.
const (
	// schemaEmpty is a file that holds nothing yet.
	schemaEmpty = 0

	// schema1 is the first.
	//
	//   - instances: one row each, under an integer key that no other instance
	//     of the file ever had. It holds what is small and changes with every
	//     turn; activities are the open ones, as ranges of event ids;
	//     outstanding marks rows that a worker must load to go on after a
	//     crash; start is the message that starts the instance, until its first
	//     commit, and origin the id of that message.
	//   - history: one row a turn, in order of commit, so that commits append
	//     to the end of one b-tree instead of touching a page per instance. prev
	//     chains the rows of an instance; instances.tail is the newest. The
	//     first row of each execution is indexed: the row before it ends the
	//     execution before.
	//   - statuses: custom statuses, apart because they may be large and change
	//     seldom. state: the durable state.
	//   - inbox: messages. One that was consumed by an instance keeps its id for
	//     a while, so that the same message sent again is recognised.
	//   - timers, progress (of activities): what is open.
	//   - dead: dead letters.
	//   - notices: what processes other than the worker changed, for the worker
	//     to take note of. Empty while no worker has joined.
	//   - meta: the name of the hub, and who the worker is.
	schema1 = 1

	// schema2 has pruned in instances: the histories of executions up to it are
	// not to be read any more. Their rows go from the oldest on, so that the chain
	// from tail reaches all that are left; the prev of the oldest one names none.
	schema2 = 2

	schemaNewest = schema2
)

// migrations[v] brings version v to v+1.
var migrations = [schemaNewest]string{
	schemaEmpty: `
CREATE TABLE meta (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE instances (
	key         INTEGER PRIMARY KEY AUTOINCREMENT,
	id          TEXT    NOT NULL UNIQUE,
	status      TEXT    NOT NULL,
	execution   INTEGER NOT NULL DEFAULT 0,
	last        INTEGER NOT NULL DEFAULT 0,
	tail        INTEGER NOT NULL DEFAULT 0,
	updated     INTEGER NOT NULL,
	again       INTEGER NOT NULL DEFAULT 0,
	activities  TEXT,
	outstanding INTEGER NOT NULL DEFAULT 0,
	revision    INTEGER NOT NULL DEFAULT 0,
	name        TEXT    NOT NULL,
	version     TEXT    NOT NULL,
	request     TEXT    NOT NULL,
	origin      TEXT    NOT NULL,
	parent      TEXT,
	tags        TEXT,
	created     INTEGER NOT NULL,
	finished    INTEGER,
	parked      TEXT,
	parked_at   INTEGER,
	start       TEXT,
	output      BLOB,
	failure     TEXT
) STRICT;
CREATE INDEX instances_outstanding ON instances (key) WHERE outstanding;

CREATE TABLE history (
	seq       INTEGER PRIMARY KEY,
	prev      INTEGER NOT NULL,
	instance  INTEGER NOT NULL,
	execution INTEGER NOT NULL,
	first     INTEGER NOT NULL,
	last      INTEGER NOT NULL,
	events    BLOB    NOT NULL
) STRICT;
CREATE INDEX history_begins ON history (instance, execution) WHERE first = 1;

CREATE TABLE statuses (
	instance INTEGER PRIMARY KEY,
	custom   BLOB NOT NULL
) STRICT;

CREATE TABLE state (
	instance INTEGER NOT NULL,
	name     TEXT    NOT NULL,
	value    BLOB    NOT NULL,
	PRIMARY KEY (instance, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE timers (
	instance INTEGER NOT NULL,
	event    INTEGER NOT NULL,
	due      INTEGER NOT NULL,
	fire     BLOB    NOT NULL,
	PRIMARY KEY (instance, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE progress (
	instance INTEGER NOT NULL,
	event    INTEGER NOT NULL,
	detail   BLOB    NOT NULL,
	PRIMARY KEY (instance, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
	seq       INTEGER PRIMARY KEY AUTOINCREMENT,
	id        TEXT    NOT NULL UNIQUE,
	receiver  TEXT    NOT NULL,
	execution INTEGER NOT NULL,
	due       INTEGER NOT NULL,
	sent      INTEGER NOT NULL,
	start     TEXT,
	data      BLOB,
	consumed  INTEGER,
	consumer  INTEGER
) STRICT;
CREATE INDEX inbox_waiting ON inbox (receiver) WHERE consumed IS NULL;
CREATE INDEX inbox_consumed ON inbox (consumed) WHERE consumed IS NOT NULL;

CREATE TABLE dead (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	message TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	time    INTEGER NOT NULL
) STRICT;

CREATE TABLE notices (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	kind     TEXT    NOT NULL,
	receiver TEXT    NOT NULL,
	subject  INTEGER NOT NULL
) STRICT;
`,
	schema1: `ALTER TABLE instances ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;`,
}

// header is what the first page of a file says about it.
type header struct {
	application int64
	version     int64
	tables      int64
}

func readHeader(c *conn) (h header, err error) {
	if h.application, err = c.int64("PRAGMA application_id"); err != nil {
		return h, err
	}
	if h.version, err = c.int64("PRAGMA user_version"); err != nil {
		return h, err
	}
	h.tables, err = c.int64("SELECT count(*) FROM sqlite_schema")
	return h, err
}

func (h header) empty() bool { return h == header{} }

// check refuses what this program must not touch.
func (h header) check() error {
	switch {
	case h.empty():
		return nil
	case h.application != applicationID:
		return fmt.Errorf("%w: the file is a SQLite database, but not a hub of duroxide (application_id is %#x, not %#x): choose another path", provider.ErrSchema, h.application, applicationID)
	case h.version > schemaNewest:
		return fmt.Errorf("%w: the file has schema version %d and this program knows up to %d: it was written by a newer program; upgrade this one", provider.ErrSchema, h.version, schemaNewest)
	case h.version < 1:
		return fmt.Errorf("%w: the file claims schema version %d, which never existed", provider.ErrSchema, h.version)
	}
	return nil
}

// migrate brings the file to schemaNewest, in one transaction, and records the
// hub's name when it creates it. Another process that does the same at the same
// moment finds it done.
func migrate(c *conn, hub string) (err error) {
	if err := c.run("BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = c.run("COMMIT", nil)
		}
		if err != nil && !c.AutocommitEnabled() {
			_ = c.run("ROLLBACK", nil) // the first error is the one that tells
		}
	}()
	h, err := readHeader(c)
	if err != nil {
		return err
	}
	if err := h.check(); err != nil {
		return err
	}
	if h.version == schemaNewest {
		return nil
	}
	for v := h.version; v < schemaNewest; v++ {
		if err := c.script(migrations[v]); err != nil {
			return fmt.Errorf("migrating from schema version %d to %d: %w", v, v+1, err)
		}
	}
	if h.empty() {
		if err := c.run("INSERT INTO meta (name, value) VALUES ('hub', ?)", func(s *sqlite.Stmt) { s.BindText(1, hub) }); err != nil {
			return err
		}
	}
	return c.script(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, schemaNewest))
}

// checkHub compares the name that the file was created with.
func checkHub(c *conn, path, want string) (hub string, err error) {
	err = c.rows("SELECT value FROM meta WHERE name = 'hub'", nil, func(s *sqlite.Stmt) error {
		hub = s.ColumnText(0)
		return nil
	})
	if err == nil && want != "" && hub != want {
		err = fmt.Errorf("%w: the file %s holds the hub %q, not %q: one file is one hub", provider.ErrInvalid, path, hub, want)
	}
	return hub, err
}
