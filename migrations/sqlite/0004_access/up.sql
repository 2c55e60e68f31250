-- How staff come in: sessions, each begun by signing in. They are rows, and every request looks at them, so that ending
-- one takes effect at once wherever the next request goes.

-- A session ends at ends_at, when its tokens have not been refreshed for a while, and when somebody revokes it.
CREATE TABLE session (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    staff BLOB NOT NULL REFERENCES staff (id),
    begun_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    revoked_at INTEGER,
    revoked_by BLOB
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
