-- Who works where: areas with the names and codes they had, staff with their terms of office, their devices, and what
-- anybody did. These rows are administered; nothing of them can be rebuilt from the log of changes.
--
-- Ids are 16 random bytes, instants are milliseconds since 1970 UTC, dates are text YYYY-MM-DD: all of them portable.

-- One row: which database this is. Cursors of phones carry it, so that a restored backup is noticed. Each change of an
-- area raises areas_version: who keeps all areas in memory knows by it whether they are still as they were.
CREATE TABLE instance (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 8),
    made_at bigint NOT NULL,
    areas_version bigint NOT NULL
);

-- An area as it is now called.
CREATE TABLE area (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    parent bytea REFERENCES area (id),
    code text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    aliases text COLLATE "C" NOT NULL,
    valid_from text COLLATE "C" NOT NULL,
    valid_until text COLLATE "C",
    successor bytea REFERENCES area (id)
);
CREATE INDEX area_parent ON area (parent);

-- Every code and name that an area had, with the days from and until which it held.
CREATE TABLE area_naming (
    area bytea NOT NULL REFERENCES area (id),
    valid_from text COLLATE "C" NOT NULL,
    valid_until text COLLATE "C",
    code text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    aliases text COLLATE "C" NOT NULL,
    PRIMARY KEY (area, valid_from)
);

-- Members of staff. The password is kept as an argon2id hash alone; server_actor signs what they do over REST.
CREATE TABLE staff (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    name text COLLATE "C" NOT NULL,
    sign_in text COLLATE "C" NOT NULL UNIQUE,
    password_hash text COLLATE "C",
    failures integer NOT NULL,
    locked_until bigint,
    server_actor bytea
);

-- Roles in areas for terms of office.
CREATE TABLE assignment (
    staff bytea NOT NULL REFERENCES staff (id),
    role text COLLATE "C" NOT NULL,
    area bytea NOT NULL REFERENCES area (id),
    valid_from bigint NOT NULL,
    valid_until bigint,
    PRIMARY KEY (staff, role, area, valid_from)
);

-- Phones. A token is kept as its SHA-256 alone. skew_ms is the device's clock minus the server's at the last contact.
-- Requests that follow each other are one contact: contact_before is when the one before ended.
CREATE TABLE device (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    staff bytea NOT NULL REFERENCES staff (id),
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    enrolled_at bigint NOT NULL,
    last_contact bigint,
    contact_before bigint,
    skew_ms bigint
);
CREATE INDEX device_staff ON device (staff);

-- One-time codes with which a phone is enrolled, kept as their SHA-256 alone.
CREATE TABLE enrolment (
    code_hash bytea NOT NULL PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    staff bytea NOT NULL REFERENCES staff (id),
    issued_by bytea,
    issued_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    device bytea REFERENCES device (id)
);

-- Nonces of signed requests that were used: a captured request is refused even after the server was killed.
CREATE TABLE nonce (
    device bytea NOT NULL,
    bytes bytea NOT NULL CHECK (octet_length(bytes) = 16),
    created_s bigint NOT NULL,
    PRIMARY KEY (device, bytes)
);
CREATE INDEX nonce_created ON nonce (created_s);

-- Who did what, when, to what: opaque ids and counts, never anything about a person.
CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    staff bytea,
    device bytea,
    action text COLLATE "C" NOT NULL,
    subject bytea,
    detail text COLLATE "C" NOT NULL
);
