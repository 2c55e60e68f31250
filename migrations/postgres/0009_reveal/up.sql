-- Seeing in full what is shown masked, and reading beyond the own areas in an emergency.

-- Who broke the glass: reads an area, or one household that was in it then, from begun_at until ends_at. reason and note
-- are in people's words. Each row is reviewed once by somebody else.
CREATE TABLE break_glass (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    staff bytea NOT NULL REFERENCES staff (id),
    area bytea NOT NULL REFERENCES area (id),
    household bytea CHECK (octet_length(household) = 16),
    reason text COLLATE "C" NOT NULL,
    begun_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    reviewed_by bytea REFERENCES staff (id),
    reviewed_at bigint,
    verdict text COLLATE "C" CHECK (verdict IN ('justified', 'unjustified')),
    note text COLLATE "C",
    CHECK ((reviewed_at IS NULL) = (reviewed_by IS NULL) AND (reviewed_at IS NULL) = (verdict IS NULL))
);
CREATE INDEX break_glass_staff ON break_glass (staff, ends_at);
CREATE INDEX break_glass_area ON break_glass (area);

-- Values that somebody was shown in full during the last hour, one row for each request: so many an hour and no more.
CREATE TABLE reveal (
    id bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    staff bytea NOT NULL REFERENCES staff (id),
    at bigint NOT NULL
);
CREATE INDEX reveal_staff ON reveal (staff, at);
