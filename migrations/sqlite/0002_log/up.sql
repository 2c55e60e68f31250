-- The log of changes: the truth of which all records are a projection. A change is identified by document, epoch and
-- hash. Documents are 19 bytes, hashes 32 (SHA-256), actors 16.

-- Who is behind an actor. Bound once, for ever; the device is none for what was done over REST.
CREATE TABLE actor (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    staff BLOB NOT NULL REFERENCES staff (id),
    device BLOB REFERENCES device (id),
    registered_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX actor_device ON actor (device);

-- How far each scope's feed has come. A counter row and no sequence: positions then become visible only in order.
CREATE TABLE scope (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Documents with their heads: hashes, one after the other, ascending. kind, household and year stand in the id as well.
-- A frozen document could not be loaded: what is pushed to it is held.
CREATE TABLE document (
    id BLOB NOT NULL CHECK (length(id) = 19),
    epoch INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    home BLOB NOT NULL,
    household BLOB NOT NULL,
    year INTEGER NOT NULL,
    heads BLOB NOT NULL,
    frozen INTEGER NOT NULL,
    PRIMARY KEY (id, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_home ON document (home, id, epoch);

-- Saved documents under zstd, with the SHA-256 of the stored bytes. One holds the document's changes up to that position
-- of its home's feed, and may lag. Apart from the document's row, since that is rewritten with each change.
CREATE TABLE snapshot (
    document BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    bytes BLOB NOT NULL,
    PRIMARY KEY (document, epoch)
) STRICT;

-- Every merged change. made_at is the author's clock, received_at the server's.
CREATE TABLE change (
    document BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    actor BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    largest_op INTEGER NOT NULL,
    scope BLOB NOT NULL,
    position INTEGER NOT NULL,
    staff BLOB NOT NULL,
    device BLOB,
    made_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (document, epoch, hash),
    UNIQUE (document, epoch, actor, sequence)
) STRICT;

-- What a scope's phones are sent, in this order. Positions begin at 1 and have no gap.
CREATE TABLE feed (
    scope BLOB NOT NULL,
    position INTEGER NOT NULL,
    document BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    change BLOB NOT NULL,
    kind INTEGER NOT NULL,
    PRIMARY KEY (scope, position)
) STRICT, WITHOUT ROWID;

-- Changes that wait for what has not arrived: a change (its hash), an actor's previous change (the actor), a household
-- (its id), or that a frozen document is repaired (the document).
CREATE TABLE held (
    document BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    waits_for BLOB NOT NULL,
    code TEXT NOT NULL,
    scope BLOB NOT NULL,
    staff BLOB NOT NULL,
    device BLOB,
    received_at INTEGER NOT NULL,
    last_contact INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (document, epoch, hash)
) STRICT;
CREATE INDEX held_waits_for ON held (waits_for);
CREATE INDEX held_device ON held (device);
CREATE INDEX held_expires ON held (expires_at);

-- Changes that were refused, until staff decide. digest is the SHA-256 of the bytes; change is its hash if it has one.
CREATE TABLE quarantine (
    document BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    change BLOB,
    code TEXT NOT NULL,
    step INTEGER NOT NULL,
    detail TEXT NOT NULL,
    scope BLOB NOT NULL,
    staff BLOB NOT NULL,
    device BLOB,
    received_at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (document, epoch, digest)
) STRICT;
CREATE INDEX quarantine_change ON quarantine (document, epoch, change);
CREATE INDEX quarantine_device ON quarantine (device);
