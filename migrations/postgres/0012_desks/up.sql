-- What a phone said of itself at its last contact: the app that it runs, how many edits it had that it was not handing in
-- with that request, and when the oldest of them was made, by its own clock.
ALTER TABLE device ADD COLUMN app text COLLATE "C";
ALTER TABLE device ADD COLUMN unsent bigint;
ALTER TABLE device ADD COLUMN unsent_since bigint;

-- A list of the devices of an area begins with the staff who have an office there.
CREATE INDEX assignment_area ON assignment (area, staff);

-- One spelling of where a household lives, so that two who are registered at one dwelling are found; and the same for two
-- people of one name and birth date.
ALTER TABLE household ADD COLUMN dwelling_key text COLLATE "C";
CREATE INDEX household_dwelling ON household (dwelling_key, id);
CREATE INDEX resident_birth ON resident (birth_date, name, id);

-- Households that staff merged into another: duplicate is closed, survivor goes on. It counts as long as the duplicate stays
-- closed.
CREATE TABLE household_merge (
    duplicate bytea NOT NULL PRIMARY KEY CHECK (octet_length(duplicate) = 16),
    survivor bytea NOT NULL CHECK (octet_length(survivor) = 16),
    merged_at bigint NOT NULL,
    staff bytea NOT NULL CHECK (octet_length(staff) = 16),
    why text COLLATE "C" NOT NULL
);
CREATE INDEX household_merge_survivor ON household_merge (survivor);

-- Two households or two residents that look alike and of which somebody said that they are not the same; one < other.
CREATE TABLE not_duplicate (
    one bytea NOT NULL CHECK (octet_length(one) = 16),
    other bytea NOT NULL CHECK (octet_length(other) = 16),
    said_at bigint NOT NULL,
    staff bytea NOT NULL CHECK (octet_length(staff) = 16),
    why text COLLATE "C" NOT NULL,
    PRIMARY KEY (one, other)
);
