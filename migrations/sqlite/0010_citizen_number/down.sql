DROP TABLE sealing_key;
DROP INDEX resident_unreadable_number;
DROP INDEX resident_citizen_number;
ALTER TABLE resident DROP COLUMN citizen_number_unreadable;
ALTER TABLE resident DROP COLUMN citizen_number_shown;
ALTER TABLE resident DROP COLUMN citizen_number_hash;
ALTER TABLE resident DROP COLUMN citizen_number;
