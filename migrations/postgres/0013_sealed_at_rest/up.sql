-- What the registry keeps for itself is sealed to its own key (HPKE), so that whoever reads the database alone reads neither
-- the secrets of second factors, nor what changes say that wait or were refused: those may hold what nobody was to write
-- down, such as a citizen number in the clear. Rows from before, of which there are none outside of trials, are dropped.

DROP TABLE second_factor;
-- 20 bytes, sealed to the key of the registry and bound to staff.
CREATE TABLE second_factor (
    staff bytea NOT NULL PRIMARY KEY REFERENCES staff (id),
    secret bytea NOT NULL CHECK (octet_length(secret) = 77),
    made_at bigint NOT NULL,
    confirmed_at bigint,
    last_step bigint NOT NULL
);

DELETE FROM held;
ALTER TABLE held DROP COLUMN bytes;
-- digest is the SHA-256 of the bytes, so that a change that waited is kept as refused without opening it.
ALTER TABLE held ADD COLUMN digest bytea NOT NULL CHECK (octet_length(digest) = 32);
ALTER TABLE held ADD COLUMN sealed bytea NOT NULL CHECK (octet_length(sealed) >= 57);

DELETE FROM quarantine;
ALTER TABLE quarantine DROP COLUMN bytes;
ALTER TABLE quarantine ADD COLUMN sealed bytea NOT NULL CHECK (octet_length(sealed) >= 57);
