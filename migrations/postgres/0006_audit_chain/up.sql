-- Who did or read what, about whom, why and from where, as a chain of hashes. Rows commit with what they tell of, in no
-- order; one sealer gives each its position and its hash within a second, so that the chain is no lock for everybody.
-- What the chain proves, and what it cannot, stands in crates/registry/AUDIT.md.

ALTER TABLE audit RENAME TO audit_before;
-- Or its primary key would keep the name that the new one gets.
ALTER TABLE audit_before DROP CONSTRAINT audit_pkey;

-- Opaque ids, names of fields and counts, and a reason in its author's words; never a value of a field about a person.
-- persons is what the row is about: 48 bytes each, grid, household and resident (16 zeros: the household as a whole).
CREATE TABLE audit (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    at bigint NOT NULL,
    staff bytea CHECK (octet_length(staff) = 16),
    device bytea CHECK (octet_length(device) = 16),
    action text COLLATE "C" NOT NULL,
    subject bytea,
    persons bytea NOT NULL CHECK (octet_length(persons) % 48 = 0),
    detail text COLLATE "C" NOT NULL,
    reason text COLLATE "C",
    source text COLLATE "C",
    request text COLLATE "C",
    position bigint UNIQUE,
    hash bytea CHECK (octet_length(hash) = 32),
    CHECK ((position IS NULL) = (hash IS NULL))
);
CREATE INDEX audit_unsealed ON audit (at, id) WHERE position IS NULL;
CREATE INDEX audit_staff ON audit (staff, position);
CREATE INDEX audit_at ON audit (at);

INSERT INTO audit (id, at, staff, device, action, subject, persons, detail)
SELECT uuid_send(gen_random_uuid()), at, staff, device, action, subject, '\x', detail FROM audit_before;
DROP TABLE audit_before;

-- The persons of sealed rows, so that "who read about me" is a walk along an index. The sealer writes it.
CREATE TABLE audit_person (
    position bigint NOT NULL,
    household bytea NOT NULL CHECK (octet_length(household) = 16),
    resident bytea NOT NULL CHECK (octet_length(resident) = 16),
    scope bytea NOT NULL CHECK (octet_length(scope) = 16),
    PRIMARY KEY (position, household, resident)
);
CREATE INDEX audit_person_household ON audit_person (household, position);
CREATE INDEX audit_person_resident ON audit_person (resident, position);
CREATE INDEX audit_person_scope ON audit_person (scope, position);

-- One row: how far the chain has come, and which node may lengthen it until when.
CREATE TABLE audit_chain (
    id integer NOT NULL PRIMARY KEY CHECK (id = 1),
    position bigint NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    holder bytea CHECK (octet_length(holder) = 16),
    lease_until bigint NOT NULL
);
INSERT INTO audit_chain (id, position, hash, lease_until) VALUES (1, 0, decode(repeat('00', 32), 'hex'), 0);

-- Who asks about a resident asks about the household as well.
CREATE INDEX resident_id ON resident (id);
