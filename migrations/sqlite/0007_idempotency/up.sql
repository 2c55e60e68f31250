-- What was answered to a request that came with an idempotency key, so that the same request again does nothing again.
-- Rows go after 24 hours, some with each new one. key and request are SHA-256 over the caller's key among other things,
-- which is not stored itself: so nobody can guess from request what was in a body.

-- attempt is who does it now, and may until lease_until; status and what follows are of the answer, once it is done.
-- body is missing where it was too large to keep. persons is whom the answer shows, as in audit.
CREATE TABLE idempotency (
    key BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    request BLOB NOT NULL CHECK (length(request) = 32),
    attempt BLOB NOT NULL CHECK (length(attempt) = 16),
    lease_until INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    status INTEGER,
    content_type TEXT,
    location TEXT,
    etag TEXT,
    body BLOB,
    persons BLOB NOT NULL CHECK (length(persons) % 48 = 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_begun_at ON idempotency (begun_at);
