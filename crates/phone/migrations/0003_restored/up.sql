-- What the phone keeps while and after the registry was restored from a backup: whether a scope is being compared, the heads
-- of what came of its documents meanwhile, and the changes that the registry lost, until it has them again.
ALTER TABLE scope ADD COLUMN comparing INTEGER NOT NULL DEFAULT 0;

-- An actor is declared with each of its changes.
ALTER TABLE actor DROP COLUMN declared;

CREATE TABLE came (
    document BLOB NOT NULL CHECK (length(document) = 19),
    epoch INTEGER NOT NULL,
    heads BLOB NOT NULL,
    PRIMARY KEY (document, epoch)
) STRICT, WITHOUT ROWID;

-- state, code, detail and asked_at as in outbox; none is set aside.
CREATE TABLE lost (
    number INTEGER NOT NULL PRIMARY KEY,
    document BLOB NOT NULL CHECK (length(document) = 19),
    epoch INTEGER NOT NULL,
    change BLOB NOT NULL,
    state INTEGER NOT NULL CHECK (state IN (0, 1, 3)),
    code TEXT,
    detail TEXT,
    asked_at INTEGER
) STRICT;
