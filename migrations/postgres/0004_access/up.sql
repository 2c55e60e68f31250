-- How staff come in: sessions, each begun by signing in. They are rows, and every request looks at them, so that ending
-- one takes effect at once wherever the next request goes.

-- A session ends at ends_at, when its tokens have not been refreshed for a while, and when somebody revokes it.
-- second_factor says whether a one-time code was shown in it.
CREATE TABLE session (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    staff bytea NOT NULL REFERENCES staff (id),
    begun_at bigint NOT NULL,
    used_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    revoked_at bigint,
    revoked_by bytea,
    second_factor boolean NOT NULL
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

-- Secrets of one-time codes by the clock (RFC 6238). One counts from confirmed_at on; last_step is that of the last code
-- that was taken, so that none is taken twice.
CREATE TABLE second_factor (
    staff bytea NOT NULL PRIMARY KEY REFERENCES staff (id),
    secret bytea NOT NULL CHECK (octet_length(secret) = 20),
    made_at bigint NOT NULL,
    confirmed_at bigint,
    last_step bigint NOT NULL
);

-- Keys of machine clients, which are staff without a password; kept as their SHA-256 alone. scopes are words of the
-- permission table with spaces between them.
CREATE TABLE api_key (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    staff bytea NOT NULL REFERENCES staff (id),
    name text COLLATE "C" NOT NULL,
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    scopes text COLLATE "C" NOT NULL,
    made_by bytea NOT NULL,
    made_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint
);
CREATE INDEX api_key_staff ON api_key (staff);

-- A revoked device's token is good for nothing, and what it pushes is refused before it is read.
ALTER TABLE device ADD COLUMN revoked_at bigint;
