-- What the registry keeps for itself is sealed to its own key (HPKE), so that whoever reads the database alone reads neither
-- the secrets of second factors, nor what changes say that wait or were refused: those may hold what nobody was to write
-- down, such as a citizen number in the clear. Rows from before, of which there are none outside of trials, are dropped.

DROP TABLE second_factor;
-- 20 bytes, sealed to the key of the registry and bound to staff.
CREATE TABLE second_factor (
    staff BLOB NOT NULL PRIMARY KEY REFERENCES staff (id),
    secret BLOB NOT NULL CHECK (length(secret) = 77),
    made_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

DELETE FROM held;
ALTER TABLE held DROP COLUMN bytes;
-- digest is the SHA-256 of the bytes, so that a change that waited is kept as refused without opening it.
ALTER TABLE held ADD COLUMN digest BLOB NOT NULL DEFAULT x'' CHECK (length(digest) = 32);
ALTER TABLE held ADD COLUMN sealed BLOB NOT NULL DEFAULT x'' CHECK (length(sealed) >= 57);

DELETE FROM quarantine;
ALTER TABLE quarantine DROP COLUMN bytes;
ALTER TABLE quarantine ADD COLUMN sealed BLOB NOT NULL DEFAULT x'' CHECK (length(sealed) >= 57);
