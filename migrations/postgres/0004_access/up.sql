-- How staff come in: sessions, each begun by signing in. They are rows, and every request looks at them, so that ending
-- one takes effect at once wherever the next request goes.

-- A session ends at ends_at, when its tokens have not been refreshed for a while, and when somebody revokes it.
CREATE TABLE session (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    staff bytea NOT NULL REFERENCES staff (id),
    begun_at bigint NOT NULL,
    used_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    revoked_at bigint,
    revoked_by bytea
);
CREATE INDEX session_staff ON session (staff);

-- Every refresh token of a session, kept as its SHA-256 alone, also those that were used: one that comes again shows that
-- two have it. parent is the token for which it was given. A token is superseded when its parent came again because the
-- answer that held it was lost.
CREATE TABLE refresh_token (
    hash bytea NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    session bytea NOT NULL REFERENCES session (id),
    parent bytea CHECK (octet_length(parent) = 32),
    issued_at bigint NOT NULL,
    used_at bigint,
    superseded boolean NOT NULL
);
CREATE INDEX refresh_token_issued ON refresh_token (issued_at);
CREATE INDEX refresh_token_parent ON refresh_token (parent);
