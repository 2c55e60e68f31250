//! The limits of a file, each with its reason.
//!
//! **Invariant:** what a file can make the reader hold is bounded by these, whatever the file claims about itself.

/// Bytes of a file: 100,000 residents with every column filled are some 15 MB as CSV and 6 MB as XLSX.
pub const LARGEST_FILE_BYTES: usize = 16 * 1024 * 1024;

/// Rows with something in them: a subdistrict's residents. More are imported in several files.
pub const MOST_ROWS: usize = 100_000;

/// Columns with something in them: offices' rosters have some 30.
pub const MOST_COLUMNS: usize = 128;

/// Bytes of one cell: a remark of 2,000 Chinese characters has 6,000.
pub const LARGEST_CELL_BYTES: usize = 8 * 1024;

/// Bytes of the texts of all cells together, as one text can stand in every cell of an XLSX file and be stored once.
pub const LARGEST_TEXT_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of all parts of an XLSX file after unpacking: 100,000 rows of 40 cells. They are read as a stream.
pub const LARGEST_UNPACKED_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of the part of an XLSX file that holds its texts, which is read at once.
pub const LARGEST_STRINGS_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of any other part of an XLSX file but its sheets, such as its styles, which are read at once.
pub const LARGEST_PART_BYTES: u64 = 2 * 1024 * 1024;

/// Parts of an XLSX file: one of an office has some 20.
pub const MOST_PARTS: usize = 1_000;

/// Rows from the top among which the row of headers is looked for: above it stand titles and the office's name.
pub const MOST_TITLE_ROWS: usize = 10;

/// Persons in one household: more are a dormitory, which is no household.
pub const MOST_PERSONS: usize = 64;

/// Problems that are listed, and as many warnings: nobody mends more before the next trial. All are counted.
pub const MOST_LISTED: usize = 1_000;

/// Bytes of a mapping.
pub const LARGEST_MAPPING_BYTES: usize = 16 * 1024;

/// Characters of a header that a finding repeats.
pub const LONGEST_HEADER: usize = 32;
