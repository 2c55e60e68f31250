-- Seeing in full what is shown masked, and reading beyond the own areas in an emergency.

-- Who broke the glass: reads an area, or one household that was in it then, from begun_at until ends_at. reason and note
-- are in people's words. Each row is reviewed once by somebody else.
CREATE TABLE break_glass (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    staff BLOB NOT NULL REFERENCES staff (id),
    area BLOB NOT NULL REFERENCES area (id),
    household BLOB CHECK (length(household) = 16),
    reason TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    reviewed_by BLOB REFERENCES staff (id),
    reviewed_at INTEGER,
    verdict TEXT CHECK (verdict IN ('justified', 'unjustified')),
    note TEXT,
    CHECK ((reviewed_at IS NULL) = (reviewed_by IS NULL) AND (reviewed_at IS NULL) = (verdict IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX break_glass_staff ON break_glass (staff, ends_at);
CREATE INDEX break_glass_area ON break_glass (area);

-- Values that somebody was shown in full during the last hour, one row for each request: so many an hour and no more.
CREATE TABLE reveal (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    staff BLOB NOT NULL REFERENCES staff (id),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reveal_staff ON reveal (staff, at);
