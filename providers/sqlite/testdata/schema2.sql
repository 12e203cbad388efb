CREATE TABLE dead (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	message TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	time    INTEGER NOT NULL
) STRICT;
CREATE TABLE history (
	seq       INTEGER PRIMARY KEY,
	prev      INTEGER NOT NULL,
	instance  INTEGER NOT NULL,
	execution INTEGER NOT NULL,
	first     INTEGER NOT NULL,
	last      INTEGER NOT NULL,
	events    BLOB    NOT NULL
) STRICT;
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
, pruned INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE meta (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE notices (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	kind     TEXT    NOT NULL,
	receiver TEXT    NOT NULL,
	subject  INTEGER NOT NULL
) STRICT;
CREATE TABLE progress (
	instance INTEGER NOT NULL,
	event    INTEGER NOT NULL,
	detail   BLOB    NOT NULL,
	PRIMARY KEY (instance, event)
) STRICT, WITHOUT ROWID;
CREATE TABLE state (
	instance INTEGER NOT NULL,
	name     TEXT    NOT NULL,
	value    BLOB    NOT NULL,
	PRIMARY KEY (instance, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE statuses (
	instance INTEGER PRIMARY KEY,
	custom   BLOB NOT NULL
) STRICT;
CREATE TABLE timers (
	instance INTEGER NOT NULL,
	event    INTEGER NOT NULL,
	due      INTEGER NOT NULL,
	fire     BLOB    NOT NULL,
	PRIMARY KEY (instance, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX history_begins ON history (instance, execution) WHERE first = 1;
CREATE INDEX inbox_consumed ON inbox (consumed) WHERE consumed IS NOT NULL;
CREATE INDEX inbox_waiting ON inbox (receiver) WHERE consumed IS NULL;
CREATE INDEX instances_outstanding ON instances (key) WHERE outstanding;
