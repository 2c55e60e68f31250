-- Takes back the chain: what it sealed stays as plain rows.
DROP INDEX resident_id;
DROP TABLE audit_chain;
DROP TABLE audit_person;
ALTER TABLE audit RENAME TO audit_sealed;
ALTER TABLE audit_sealed DROP CONSTRAINT audit_pkey;
CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    staff bytea,
    device bytea,
    action text COLLATE "C" NOT NULL,
    subject bytea,
    detail text COLLATE "C" NOT NULL
);
INSERT INTO audit (at, staff, device, action, subject, detail)
SELECT at, staff, device, action, subject, detail FROM audit_sealed ORDER BY at, id;
DROP TABLE audit_sealed;
