DELETE FROM quarantine;
ALTER TABLE quarantine DROP COLUMN sealed;
ALTER TABLE quarantine ADD COLUMN bytes bytea NOT NULL;
DELETE FROM held;
ALTER TABLE held DROP COLUMN sealed;
ALTER TABLE held DROP COLUMN digest;
ALTER TABLE held ADD COLUMN bytes bytea NOT NULL;
DROP TABLE second_factor;
CREATE TABLE second_factor (
    staff bytea NOT NULL PRIMARY KEY REFERENCES staff (id),
    secret bytea NOT NULL CHECK (octet_length(secret) = 20),
    made_at bigint NOT NULL,
    confirmed_at bigint,
    last_step bigint NOT NULL
);
