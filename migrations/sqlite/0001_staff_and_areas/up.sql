-- Who works where: areas with the names and codes they had, staff with their terms of office, their devices, and what
-- anybody did. These rows are administered; nothing of them can be rebuilt from the log of changes.
--
-- Ids are 16 random bytes, instants are milliseconds since 1970 UTC, dates are text YYYY-MM-DD: all of them portable.

-- One row: which database this is. Cursors of phones carry it, so that a restored backup is noticed. Each change of an
-- area raises areas_version: who keeps all areas in memory knows by it whether they are still as they were.
CREATE TABLE instance (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 8),
    made_at INTEGER NOT NULL,
    areas_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An area as it is now called.
CREATE TABLE area (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    parent BLOB REFERENCES area (id),
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    aliases TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_until TEXT,
    successor BLOB REFERENCES area (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX area_parent ON area (parent);

-- Every code and name that an area had, with the days from and until which it held.
CREATE TABLE area_naming (
    area BLOB NOT NULL REFERENCES area (id),
    valid_from TEXT NOT NULL,
    valid_until TEXT,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    aliases TEXT NOT NULL,
    PRIMARY KEY (area, valid_from)
) STRICT, WITHOUT ROWID;

-- Members of staff. The password is kept as an argon2id hash alone; server_actor signs what they do over REST.
CREATE TABLE staff (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL,
    sign_in TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    failures INTEGER NOT NULL,
    locked_until INTEGER,
    server_actor BLOB
) STRICT, WITHOUT ROWID;

-- Roles in areas for terms of office.
CREATE TABLE assignment (
    staff BLOB NOT NULL REFERENCES staff (id),
    role TEXT NOT NULL,
    area BLOB NOT NULL REFERENCES area (id),
    valid_from INTEGER NOT NULL,
    valid_until INTEGER,
    PRIMARY KEY (staff, role, area, valid_from)
) STRICT, WITHOUT ROWID;

-- Phones. A token is kept as its SHA-256 alone. skew_ms is the device's clock minus the server's at the last contact.
-- Requests that follow each other are one contact: contact_before is when the one before ended.
CREATE TABLE device (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    staff BLOB NOT NULL REFERENCES staff (id),
    public_key BLOB NOT NULL CHECK (length(public_key) = 32),
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    enrolled_at INTEGER NOT NULL,
    last_contact INTEGER,
    contact_before INTEGER,
    skew_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX device_staff ON device (staff);

-- One-time codes with which a phone is enrolled, kept as their SHA-256 alone.
CREATE TABLE enrolment (
    code_hash BLOB NOT NULL PRIMARY KEY CHECK (length(code_hash) = 32),
    staff BLOB NOT NULL REFERENCES staff (id),
    issued_by BLOB,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    device BLOB REFERENCES device (id)
) STRICT, WITHOUT ROWID;

-- Nonces of signed requests that were used: a captured request is refused even after the server was killed.
CREATE TABLE nonce (
    device BLOB NOT NULL,
    bytes BLOB NOT NULL CHECK (length(bytes) = 16),
    created_s INTEGER NOT NULL,
    PRIMARY KEY (device, bytes)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonce_created ON nonce (created_s);

-- Who did what, when, to what: opaque ids and counts, never anything about a person.
CREATE TABLE audit (
    id INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    staff BLOB,
    device BLOB,
    action TEXT NOT NULL,
    subject BLOB,
    detail TEXT NOT NULL
) STRICT;
