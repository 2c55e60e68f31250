-- The log of changes: the truth of which all records are a projection. A change is identified by document, epoch and
-- hash. Documents are 19 bytes, hashes 32 (SHA-256), actors 16.

-- Who is behind an actor. Bound once, for ever; the device is none for what was done over REST.
CREATE TABLE actor (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    staff bytea NOT NULL REFERENCES staff (id),
    device bytea REFERENCES device (id),
    registered_at bigint NOT NULL
);
CREATE INDEX actor_device ON actor (device);

-- How far each scope's feed has come. A counter row and no sequence: positions then become visible only in order.
CREATE TABLE scope (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    position bigint NOT NULL
);

-- Documents with their heads: hashes, one after the other, ascending. kind, household and year stand in the id as well.
-- A frozen document could not be loaded: what is pushed to it is held.
CREATE TABLE document (
    id bytea NOT NULL CHECK (octet_length(id) = 19),
    epoch bigint NOT NULL,
    kind integer NOT NULL,
    home bytea NOT NULL,
    household bytea NOT NULL,
    year integer NOT NULL,
    heads bytea NOT NULL,
    frozen boolean NOT NULL,
    PRIMARY KEY (id, epoch)
);
CREATE INDEX document_home ON document (home, id, epoch);

-- Saved documents under zstd, with the SHA-256 of the stored bytes. One holds the document's changes up to that position
-- of its home's feed, and may lag. Apart from the document's row, since that is rewritten with each change.
CREATE TABLE snapshot (
    document bytea NOT NULL,
    epoch bigint NOT NULL,
    position bigint NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    bytes bytea NOT NULL,
    PRIMARY KEY (document, epoch)
);

-- Every merged change. made_at is the author's clock, received_at the server's.
CREATE TABLE change (
    document bytea NOT NULL,
    epoch bigint NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    actor bytea NOT NULL,
    sequence bigint NOT NULL,
    largest_op bigint NOT NULL,
    scope bytea NOT NULL,
    position bigint NOT NULL,
    staff bytea NOT NULL,
    device bytea,
    made_at bigint NOT NULL,
    received_at bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (document, epoch, hash),
    UNIQUE (document, epoch, actor, sequence)
);

-- What a scope's phones are sent, in this order. Positions begin at 1 and have no gap.
CREATE TABLE feed (
    scope bytea NOT NULL,
    position bigint NOT NULL,
    document bytea NOT NULL,
    epoch bigint NOT NULL,
    change bytea NOT NULL,
    kind integer NOT NULL,
    PRIMARY KEY (scope, position)
);

-- Changes that wait for what has not arrived: a change (its hash), an actor's previous change (the actor), a household
-- (its id), or that a frozen document is repaired (the document).
CREATE TABLE held (
    document bytea NOT NULL,
    epoch bigint NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    waits_for bytea NOT NULL,
    code text COLLATE "C" NOT NULL,
    scope bytea NOT NULL,
    staff bytea NOT NULL,
    device bytea,
    received_at bigint NOT NULL,
    last_contact bigint NOT NULL,
    expires_at bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (document, epoch, hash)
);
CREATE INDEX held_waits_for ON held (waits_for);
CREATE INDEX held_device ON held (device);
CREATE INDEX held_expires ON held (expires_at);

-- Changes that were refused, until staff decide. digest is the SHA-256 of the bytes; change is its hash if it has one.
CREATE TABLE quarantine (
    document bytea NOT NULL,
    epoch bigint NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    change bytea,
    code text COLLATE "C" NOT NULL,
    step integer NOT NULL,
    detail text COLLATE "C" NOT NULL,
    scope bytea NOT NULL,
    staff bytea NOT NULL,
    device bytea,
    received_at bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (document, epoch, digest)
);
CREATE INDEX quarantine_change ON quarantine (document, epoch, change);
CREATE INDEX quarantine_device ON quarantine (device);
