-- The words by which households and their residents are found: names, pinyin, initials, runs of phone numbers, fragments
-- of addresses, kinds of needs. Projected with the household's other rows.
--
-- place is one byte of rank, then the grid, then the household: so one range of the one index is what a word finds,
-- the best first, grid by grid, and can be gone on with from anywhere. There is no second index, by household: which
-- words to take away is known from the household's rows before they are written anew.
-- A household of 2.4 residents has 49 of these rows, measured: 2.5 kB in SQLite, 6.5 kB with the index in PostgreSQL.
CREATE TABLE search (
    word text COLLATE "C" NOT NULL,
    place bytea NOT NULL CHECK (octet_length(place) = 33),
    PRIMARY KEY (word, place)
);
