-- What queries read: the records of households and the facts about them, projected from the log in the transaction that
-- merges a change. `gridwork verify` rebuilds these rows and compares them.
-- Rows of a household are written anew together, so nothing references them: a foreign key would make each deletion keep
-- a journal of its own, which took an eighth of a bulk import.

-- A household with its dwelling.
CREATE TABLE household (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    scope BLOB NOT NULL,
    status TEXT,
    contact_phone TEXT,
    remark TEXT,
    address TEXT,
    building TEXT,
    unit TEXT,
    floor INTEGER,
    door TEXT,
    dwelling_status TEXT,
    open_conflicts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX household_scope ON household (scope, id);

-- A resident of a household, also one who has moved out.
CREATE TABLE resident (
    household BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    scope BLOB NOT NULL,
    name TEXT,
    sex TEXT,
    birth_date TEXT,
    phone TEXT,
    second_phone TEXT,
    occupation TEXT,
    employment TEXT,
    residence_kind TEXT,
    ethnicity TEXT,
    guardian TEXT,
    died_on TEXT,
    PRIMARY KEY (household, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX resident_name ON resident (name);
CREATE INDEX resident_scope ON resident (scope, household, id);

-- A stay of a resident in a household.
CREATE TABLE membership (
    household BLOB NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    resident TEXT,
    relation TEXT,
    since TEXT,
    until TEXT,
    PRIMARY KEY (household, id)
) STRICT, WITHOUT ROWID;

-- A need of a resident or of the household itself: the subject is the id of either, in its spelling.
CREATE TABLE need (
    household BLOB NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    affirmed_by BLOB NOT NULL,
    purpose TEXT,
    basis TEXT,
    sensitivity INTEGER,
    expires TEXT,
    note TEXT,
    PRIMARY KEY (household, subject, kind)
) STRICT, WITHOUT ROWID;

-- The values of a field about which people disagree; ordinal 0 is the one that the record shows. A value is JSON.
CREATE TABLE conflict (
    household BLOB NOT NULL,
    path TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    scope BLOB NOT NULL,
    value TEXT,
    actor BLOB NOT NULL,
    staff BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (household, path, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX conflict_scope ON conflict (scope, household, path);

-- Facts: visits, notes, corrections. bytes is the fact as its document holds it.
CREATE TABLE fact (
    document BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    household BLOB NOT NULL,
    scope BLOB NOT NULL,
    kind TEXT NOT NULL,
    corrects BLOB,
    mode TEXT,
    outcome TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    note TEXT,
    change BLOB NOT NULL,
    staff BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (document, epoch, id)
) STRICT;
CREATE INDEX fact_household ON fact (scope, household, started_at DESC, id DESC);
