-- The lists that everybody works with, as the server gave them: one row. checked_at is when it was last asked whether they
-- are the newest, by the device's clock.
CREATE TABLE reference (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version TEXT NOT NULL,
    checked_at INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT;
