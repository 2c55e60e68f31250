-- Takes back the chain: what it sealed stays as plain rows.
DROP INDEX resident_id;
DROP TABLE audit_chain;
DROP TABLE audit_person;
ALTER TABLE audit RENAME TO audit_sealed;
CREATE TABLE audit (
    id INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    staff BLOB,
    device BLOB,
    action TEXT NOT NULL,
    subject BLOB,
    detail TEXT NOT NULL
) STRICT;
INSERT INTO audit (at, staff, device, action, subject, detail)
SELECT at, staff, device, action, subject, detail FROM audit_sealed ORDER BY at, id;
DROP TABLE audit_sealed;
