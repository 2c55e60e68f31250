-- Who did or read what, about whom, why and from where, as a chain of hashes. Rows commit with what they tell of, in no
-- order; one sealer gives each its position and its hash within a second, so that the chain is no lock for everybody.
-- What the chain proves, and what it cannot, stands in crates/registry/AUDIT.md.

ALTER TABLE audit RENAME TO audit_before;

-- Opaque ids, names of fields and counts, and a reason in its author's words; never a value of a field about a person.
-- persons is what the row is about: 48 bytes each, grid, household and resident (16 zeros: the household as a whole).
CREATE TABLE audit (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    at INTEGER NOT NULL,
    staff BLOB CHECK (length(staff) = 16),
    device BLOB CHECK (length(device) = 16),
    action TEXT NOT NULL,
    subject BLOB,
    persons BLOB NOT NULL CHECK (length(persons) % 48 = 0),
    detail TEXT NOT NULL,
    reason TEXT,
    source TEXT,
    request TEXT,
    position INTEGER UNIQUE,
    hash BLOB CHECK (length(hash) = 32),
    CHECK ((position IS NULL) = (hash IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_unsealed ON audit (at, id) WHERE position IS NULL;
CREATE INDEX audit_staff ON audit (staff, position);
CREATE INDEX audit_at ON audit (at);

INSERT INTO audit (id, at, staff, device, action, subject, persons, detail)
SELECT randomblob(16), at, staff, device, action, subject, x'', detail FROM audit_before;
DROP TABLE audit_before;

-- The persons of sealed rows, so that "who read about me" is a walk along an index. The sealer writes it.
CREATE TABLE audit_person (
    position INTEGER NOT NULL,
    household BLOB NOT NULL CHECK (length(household) = 16),
    resident BLOB NOT NULL CHECK (length(resident) = 16),
    scope BLOB NOT NULL CHECK (length(scope) = 16),
    PRIMARY KEY (position, household, resident)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_person_household ON audit_person (household, position);
CREATE INDEX audit_person_resident ON audit_person (resident, position);
CREATE INDEX audit_person_scope ON audit_person (scope, position);

-- One row: how far the chain has come, and which node may lengthen it until when.
CREATE TABLE audit_chain (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    holder BLOB CHECK (length(holder) = 16),
    lease_until INTEGER NOT NULL
) STRICT;
INSERT INTO audit_chain (id, position, hash, lease_until) VALUES (1, 0, zeroblob(32), 0);

-- Who asks about a resident asks about the household as well.
CREATE INDEX resident_id ON resident (id);
