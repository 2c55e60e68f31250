-- How staff come in: sessions, each begun by signing in. They are rows, and every request looks at them, so that ending
-- one takes effect at once wherever the next request goes.

-- A session ends at ends_at, when its tokens have not been refreshed for a while, and when somebody revokes it.
-- second_factor says whether a one-time code was shown in it.
CREATE TABLE session (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    staff BLOB NOT NULL REFERENCES staff (id),
    begun_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    revoked_at INTEGER,
    revoked_by BLOB,
    second_factor INTEGER NOT NULL CHECK (second_factor IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX session_staff ON session (staff);

-- Every refresh token of a session, kept as its SHA-256 alone, also those that were used: one that comes again shows that
-- two have it. parent is the token for which it was given. A token is superseded when its parent came again because the
-- answer that held it was lost.
CREATE TABLE refresh_token (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    session BLOB NOT NULL REFERENCES session (id),
    parent BLOB CHECK (length(parent) = 32),
    issued_at INTEGER NOT NULL,
    used_at INTEGER,
    superseded INTEGER NOT NULL CHECK (superseded IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_token_issued ON refresh_token (issued_at);
CREATE INDEX refresh_token_parent ON refresh_token (parent);

-- Secrets of one-time codes by the clock (RFC 6238). One counts from confirmed_at on; last_step is that of the last code
-- that was taken, so that none is taken twice.
CREATE TABLE second_factor (
    staff BLOB NOT NULL PRIMARY KEY REFERENCES staff (id),
    secret BLOB NOT NULL CHECK (length(secret) = 20),
    made_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys of machine clients, which are staff without a password; kept as their SHA-256 alone. scopes are words of the
-- permission table with spaces between them.
CREATE TABLE api_key (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    staff BLOB NOT NULL REFERENCES staff (id),
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes TEXT NOT NULL,
    made_by BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_staff ON api_key (staff);

-- A revoked device's token is good for nothing, and what it pushes is refused before it is read.
ALTER TABLE device ADD COLUMN revoked_at INTEGER;
