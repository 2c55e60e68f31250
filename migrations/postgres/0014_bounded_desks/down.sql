ALTER TABLE idempotency DROP COLUMN sees;
DROP INDEX resident_citizen_number;
CREATE INDEX resident_citizen_number ON resident (citizen_number_hash) WHERE citizen_number_hash IS NOT NULL;
DROP INDEX resident_birth;
CREATE INDEX resident_birth ON resident (birth_date, name, id);
DROP INDEX household_dwelling;
CREATE INDEX household_dwelling ON household (dwelling_key, id);
