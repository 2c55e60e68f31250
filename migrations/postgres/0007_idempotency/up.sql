-- What was answered to a request that came with an idempotency key, so that the same request again does nothing again.
-- Rows go after 24 hours, some with each new one. key and request are SHA-256 over the caller's key among other things,
-- which is not stored itself: so nobody can guess from request what was in a body.

-- attempt is who does it now, and may until lease_until; status and what follows are of the answer, once it is done.
-- body is missing where it was too large to keep. persons is whom the answer shows, as in audit.
CREATE TABLE idempotency (
    key bytea NOT NULL PRIMARY KEY CHECK (octet_length(key) = 32),
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    attempt bytea NOT NULL CHECK (octet_length(attempt) = 16),
    lease_until bigint NOT NULL,
    begun_at bigint NOT NULL,
    status integer,
    content_type text COLLATE "C",
    location text COLLATE "C",
    etag text COLLATE "C",
    body bytea,
    persons bytea NOT NULL CHECK (octet_length(persons) % 48 = 0)
);
CREATE INDEX idempotency_begun_at ON idempotency (begun_at);
