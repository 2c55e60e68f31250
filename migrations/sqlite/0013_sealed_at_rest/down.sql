DELETE FROM quarantine;
ALTER TABLE quarantine DROP COLUMN sealed;
ALTER TABLE quarantine ADD COLUMN bytes BLOB NOT NULL DEFAULT x'';
DELETE FROM held;
ALTER TABLE held DROP COLUMN sealed;
ALTER TABLE held DROP COLUMN digest;
ALTER TABLE held ADD COLUMN bytes BLOB NOT NULL DEFAULT x'';
DROP TABLE second_factor;
CREATE TABLE second_factor (
    staff BLOB NOT NULL PRIMARY KEY REFERENCES staff (id),
    secret BLOB NOT NULL CHECK (length(secret) = 20),
    made_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
