-- What queries read: the records of households and the facts about them, projected from the log in the transaction that
-- merges a change. `gridwork verify` rebuilds these rows and compares them.
-- Rows of a household are written anew together, so nothing references them: a foreign key would make each deletion keep
-- a journal of its own, which took an eighth of a bulk import.

-- A household with its dwelling.
CREATE TABLE household (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    scope bytea NOT NULL,
    status text COLLATE "C",
    contact_phone text COLLATE "C",
    remark text COLLATE "C",
    address text COLLATE "C",
    building text COLLATE "C",
    unit text COLLATE "C",
    floor bigint,
    door text COLLATE "C",
    dwelling_status text COLLATE "C",
    open_conflicts integer NOT NULL
);
CREATE INDEX household_scope ON household (scope, id);

-- A resident of a household, also one who has moved out.
CREATE TABLE resident (
    household bytea NOT NULL,
    id bytea NOT NULL CHECK (octet_length(id) = 16),
    scope bytea NOT NULL,
    name text COLLATE "C",
    sex text COLLATE "C",
    birth_date text COLLATE "C",
    phone text COLLATE "C",
    second_phone text COLLATE "C",
    occupation text COLLATE "C",
    employment text COLLATE "C",
    residence_kind text COLLATE "C",
    ethnicity text COLLATE "C",
    guardian text COLLATE "C",
    died_on text COLLATE "C",
    PRIMARY KEY (household, id)
);
CREATE INDEX resident_name ON resident (name);
CREATE INDEX resident_scope ON resident (scope, household, id);

-- A stay of a resident in a household.
CREATE TABLE membership (
    household bytea NOT NULL,
    id bytea NOT NULL CHECK (octet_length(id) = 16),
    resident text COLLATE "C",
    relation text COLLATE "C",
    since text COLLATE "C",
    until text COLLATE "C",
    PRIMARY KEY (household, id)
);

-- A need of a resident or of the household itself: the subject is the id of either, in its spelling.
CREATE TABLE need (
    household bytea NOT NULL,
    subject text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    affirmed_by bytea NOT NULL,
    purpose text COLLATE "C",
    basis text COLLATE "C",
    sensitivity bigint,
    expires text COLLATE "C",
    note text COLLATE "C",
    PRIMARY KEY (household, subject, kind)
);

-- The values of a field about which people disagree; ordinal 0 is the one that the record shows. A value is JSON.
CREATE TABLE conflict (
    household bytea NOT NULL,
    path text COLLATE "C" NOT NULL,
    ordinal integer NOT NULL,
    scope bytea NOT NULL,
    value text COLLATE "C",
    actor bytea NOT NULL,
    staff bytea NOT NULL,
    made_at bigint NOT NULL,
    PRIMARY KEY (household, path, ordinal)
);
CREATE INDEX conflict_scope ON conflict (scope, household, path);

-- Facts: visits, notes, corrections. bytes is the fact as its document holds it.
CREATE TABLE fact (
    document bytea NOT NULL,
    epoch bigint NOT NULL,
    id bytea NOT NULL CHECK (octet_length(id) = 16),
    household bytea NOT NULL,
    scope bytea NOT NULL,
    kind text COLLATE "C" NOT NULL,
    corrects bytea,
    mode text COLLATE "C",
    outcome text COLLATE "C",
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    note text COLLATE "C",
    change bytea NOT NULL,
    staff bytea NOT NULL,
    received_at bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (document, epoch, id)
);
CREATE INDEX fact_household ON fact (scope, household, started_at DESC, id DESC);
