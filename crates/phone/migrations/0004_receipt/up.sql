-- What the registry attested, by which others' changes can be handed in when it has lost them: changes and authors as they
-- stand in the receipt, and when it came, by the registry's clock.
CREATE TABLE receipt (
    number INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    code BLOB NOT NULL CHECK (length(code) = 32),
    changes BLOB NOT NULL,
    authors BLOB NOT NULL
) STRICT;
