-- Citizen numbers of residents: sealed as they were recorded, found by a keyed hash, shown by their first and last
-- characters. The number itself stands nowhere.

-- Either the hash and what is shown are there, or why the sealed value is unreadable.
ALTER TABLE resident ADD COLUMN citizen_number text COLLATE "C";
ALTER TABLE resident ADD COLUMN citizen_number_hash bytea CHECK (octet_length(citizen_number_hash) = 32);
ALTER TABLE resident ADD COLUMN citizen_number_shown text COLLATE "C";
ALTER TABLE resident ADD COLUMN citizen_number_unreadable text COLLATE "C";
CREATE INDEX resident_citizen_number ON resident (citizen_number_hash) WHERE citizen_number_hash IS NOT NULL;
CREATE INDEX resident_unreadable_number ON resident (citizen_number_unreadable)
    WHERE citizen_number_unreadable IS NOT NULL;

-- The keys that nodes of this registry have had: public ids alone. A node that lacks one does not begin.
CREATE TABLE sealing_key (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 8),
    finds boolean NOT NULL,
    noted_at bigint NOT NULL
);
