DROP TABLE not_duplicate;
DROP TABLE household_merge;
DROP INDEX resident_birth;
DROP INDEX household_dwelling;
ALTER TABLE household DROP COLUMN dwelling_key;
DROP INDEX assignment_area;
ALTER TABLE device DROP COLUMN unsent_since;
ALTER TABLE device DROP COLUMN unsent;
ALTER TABLE device DROP COLUMN app;
