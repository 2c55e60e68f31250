-- What staff need to decide about changes that were refused or wait, one by one: an id by which to name each, the grid
-- whose staff decide (where the document is at home; where the phone said, if nobody knows the document), what the change
-- builds on (hashes, one after the other), its size in bytes, and by which contact its sender is judged.

-- decided_*: who discarded it, when and why. Its bytes stay, and no list shows it any more.

ALTER TABLE held ADD COLUMN id BLOB NOT NULL DEFAULT x'00000000000000000000000000000000' CHECK (length(id) = 16);
ALTER TABLE held ADD COLUMN home BLOB NOT NULL DEFAULT x'00000000000000000000000000000000' CHECK (length(home) = 16);
ALTER TABLE held ADD COLUMN depends_on BLOB NOT NULL DEFAULT x'';
ALTER TABLE held ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
UPDATE held SET id = randomblob(16), home = scope, size = length(bytes);
CREATE UNIQUE INDEX held_id ON held (id);
CREATE INDEX held_desk ON held (home, received_at, id);

ALTER TABLE quarantine ADD COLUMN id BLOB NOT NULL DEFAULT x'00000000000000000000000000000000' CHECK (length(id) = 16);
ALTER TABLE quarantine ADD COLUMN home BLOB NOT NULL DEFAULT x'00000000000000000000000000000000' CHECK (length(home) = 16);
ALTER TABLE quarantine ADD COLUMN depends_on BLOB NOT NULL DEFAULT x'';
ALTER TABLE quarantine ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN last_contact INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN decided_at INTEGER;
ALTER TABLE quarantine ADD COLUMN decided_by BLOB;
ALTER TABLE quarantine ADD COLUMN decided_why TEXT;
UPDATE quarantine SET id = randomblob(16), home = scope, size = length(bytes), last_contact = received_at;
CREATE UNIQUE INDEX quarantine_id ON quarantine (id);
CREATE INDEX quarantine_desk ON quarantine (home, received_at, id) WHERE decided_at IS NULL;
