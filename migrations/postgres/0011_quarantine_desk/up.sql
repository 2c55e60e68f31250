-- What staff need to decide about changes that were refused or wait, one by one: an id by which to name each, the grid
-- whose staff decide (where the document is at home; where the phone said, if nobody knows the document), what the change
-- builds on (hashes, one after the other), its size in bytes, and by which contact its sender is judged.

-- decided_*: who discarded it, when and why. Its bytes stay, and no list shows it any more.

ALTER TABLE held ADD COLUMN id bytea;
ALTER TABLE held ADD COLUMN home bytea;
ALTER TABLE held ADD COLUMN depends_on bytea NOT NULL DEFAULT '';
ALTER TABLE held ADD COLUMN size bigint NOT NULL DEFAULT 0;
UPDATE held SET id = decode(md5(random()::text), 'hex'), home = scope, size = octet_length(bytes);
ALTER TABLE held ALTER COLUMN id SET NOT NULL, ADD CHECK (octet_length(id) = 16);
ALTER TABLE held ALTER COLUMN home SET NOT NULL, ADD CHECK (octet_length(home) = 16);
CREATE UNIQUE INDEX held_id ON held (id);
CREATE INDEX held_desk ON held (home, received_at, id);

ALTER TABLE quarantine ADD COLUMN id bytea;
ALTER TABLE quarantine ADD COLUMN home bytea;
ALTER TABLE quarantine ADD COLUMN depends_on bytea NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN size bigint NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN last_contact bigint NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN decided_at bigint;
ALTER TABLE quarantine ADD COLUMN decided_by bytea;
ALTER TABLE quarantine ADD COLUMN decided_why text COLLATE "C";
UPDATE quarantine SET id = decode(md5(random()::text), 'hex'), home = scope, size = octet_length(bytes),
    last_contact = received_at;
ALTER TABLE quarantine ALTER COLUMN id SET NOT NULL, ADD CHECK (octet_length(id) = 16);
ALTER TABLE quarantine ALTER COLUMN home SET NOT NULL, ADD CHECK (octet_length(home) = 16);
CREATE UNIQUE INDEX quarantine_id ON quarantine (id);
CREATE INDEX quarantine_desk ON quarantine (home, received_at, id) WHERE decided_at IS NULL;
