-- Citizen numbers of residents: sealed as they were recorded, found by a keyed hash, shown by their first and last
-- characters. The number itself stands nowhere.

-- Either the hash and what is shown are there, or why the sealed value is unreadable.
ALTER TABLE resident ADD COLUMN citizen_number TEXT;
ALTER TABLE resident ADD COLUMN citizen_number_hash BLOB CHECK (length(citizen_number_hash) = 32);
ALTER TABLE resident ADD COLUMN citizen_number_shown TEXT;
ALTER TABLE resident ADD COLUMN citizen_number_unreadable TEXT;
CREATE INDEX resident_citizen_number ON resident (citizen_number_hash) WHERE citizen_number_hash IS NOT NULL;
CREATE INDEX resident_unreadable_number ON resident (citizen_number_unreadable)
    WHERE citizen_number_unreadable IS NOT NULL;

-- The keys that nodes of this registry have had: public ids alone. A node that lacks one does not begin.
CREATE TABLE sealing_key (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 8),
    finds INTEGER NOT NULL,
    noted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
