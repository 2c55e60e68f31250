-- What a phone keeps. Everything but `identity` and `grid` is a row of the replica and is replaced as a whole; documents
-- hold all changes of the phone's own that have no verdict yet, and `outbox` the edits of which they were made.
--
-- Ids are 16 bytes, documents 19, hashes 32, instants milliseconds since 1970 UTC by the clock that the column names.

-- One row: the server, the key that the phone made, and what the server gave it at enrolment. The sealing key is a public
-- one of the server, to which citizen numbers are sealed before they are saved.
CREATE TABLE identity (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    server TEXT NOT NULL,
    secret_key BLOB NOT NULL CHECK (length(secret_key) = 32),
    device BLOB CHECK (length(device) = 16),
    token TEXT,
    staff BLOB CHECK (length(staff) = 16),
    staff_name TEXT,
    sealing_key BLOB CHECK (length(sealing_key) = 32)
) STRICT;

-- The grids that the phone was enrolled for, by name.
CREATE TABLE grid (
    scope BLOB NOT NULL PRIMARY KEY CHECK (length(scope) = 16),
    name TEXT NOT NULL,
    code TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Where the news of a scope go on. The cursor is opaque.
CREATE TABLE scope (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    cursor BLOB,
    refetching INTEGER NOT NULL,
    refetched_at INTEGER
) STRICT, WITHOUT ROWID;

-- Documents: heads are their hashes one after the other, ascending; content is one uncompressed chunk.
CREATE TABLE document (
    id BLOB NOT NULL CHECK (length(id) = 19),
    epoch INTEGER NOT NULL,
    home BLOB NOT NULL CHECK (length(home) = 16),
    heads BLOB NOT NULL,
    content BLOB NOT NULL,
    damage TEXT,
    damaged_again INTEGER NOT NULL,
    PRIMARY KEY (id, epoch)
) STRICT;

-- Edits without a verdict, and refused ones; content is the edit in JSON. state: 0 waiting, 1 held, 2 set aside,
-- 3 refused. asked_at is of the device's clock;
-- a refused edit without it is not asked about again.
CREATE TABLE outbox (
    edit BLOB NOT NULL PRIMARY KEY CHECK (length(edit) = 16),
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    home BLOB NOT NULL CHECK (length(home) = 16),
    document BLOB NOT NULL CHECK (length(document) = 19),
    epoch INTEGER NOT NULL,
    change BLOB NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    code TEXT,
    detail TEXT,
    asked_at INTEGER,
    replays INTEGER NOT NULL
) STRICT;

-- The phone's own actors, and whether the registry knows that they are.
CREATE TABLE actor (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    declared INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who is behind an actor.
CREATE TABLE author (
    actor BLOB NOT NULL PRIMARY KEY CHECK (length(actor) = 16),
    staff BLOB CHECK (length(staff) = 16),
    name TEXT
) STRICT, WITHOUT ROWID;

-- One row: the actor in use, the server's clock minus the device's, and the server's clock at its last answer.
CREATE TABLE standing (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    actor BLOB CHECK (length(actor) = 16),
    skew_ms INTEGER,
    last_contact INTEGER
) STRICT;
