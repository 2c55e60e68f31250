ALTER TABLE device DROP COLUMN revoked_at;
DROP TABLE api_key;
DROP TABLE second_factor;
DROP TABLE refresh_token;
DROP TABLE session;
