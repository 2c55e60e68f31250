-- Lists of duplicates walk what is alike in its order, group after group and within a group by id: all that a step of that
-- needs to know stands in an index.
DROP INDEX household_dwelling;
CREATE INDEX household_dwelling ON household (dwelling_key, id, scope, status);
DROP INDEX resident_birth;
CREATE INDEX resident_birth ON resident (birth_date, name, id, household, scope);
DROP INDEX resident_citizen_number;
CREATE INDEX resident_citizen_number ON resident (citizen_number_hash, id, household, scope)
    WHERE citizen_number_hash IS NOT NULL;

-- By which rights an answer was kept: it is given again only to who sees as its author saw then.
ALTER TABLE idempotency ADD COLUMN sees bytea NOT NULL DEFAULT '';
