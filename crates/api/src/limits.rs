//! The limits of the HTTP side, each with its reason. What a message, a change or a document may hold is limited in
//! `sync`; here stands what one connection, one request and one process may take.
//!
//! **Invariant:** no number that bounds what a caller can make the server hold or wait for stands anywhere else in this
//! crate. Those that an installation may change are the defaults of a setting.

use gridwork_sync::message;

/// Bytes of a JSON body: sixteen new residents with every field full, each character spelled `\u0000`, are 190 kB.
pub const LARGEST_JSON_BODY_BYTES: usize = 256 * 1024;

/// Bytes of the body of a sign-in or an enrolment, which anybody may send.
pub const LARGEST_SIGN_IN_BODY_BYTES: usize = 4 * 1024;

/// Bytes of a sync body as transferred. What does not compress grows by a few bytes per block.
pub const LARGEST_SYNC_BODY_BYTES: usize = message::LARGEST_REQUEST + 16 * 1024;

/// Bytes of a sync body after decompression.
pub const LARGEST_SYNC_MESSAGE_BYTES: usize = message::LARGEST_REQUEST;

/// Base 2 logarithm of the window that a zstd frame may ask for: the 8 MB of RFC 9659, section 3. It bounds what 20
/// hostile bytes can allocate.
pub const LARGEST_ZSTD_WINDOW_LOG: u32 = 23;

/// Bytes from which on a body is hashed, unpacked and decoded on a blocking thread: below, the work takes less than the
/// hop to another thread costs, or, for a bomb, the millisecond in which a megabyte is unpacked.
pub const SMALLEST_BLOCKING_BODY_BYTES: usize = 8 * 1024;

/// Bytes from which on an answer is compressed: below, the frame costs what it saves.
pub const SMALLEST_COMPRESSED_BYTES: usize = 192;

/// Bytes of all header names and values of a request: a proof of a device takes some 600, a browser sends 2 kB.
pub const LARGEST_HEADERS_BYTES: usize = 16 * 1024;

/// Bytes of the path and query of a request: the longest lawful one names an area, a page, an address of 200 Chinese
/// characters and a name of 64, each nine bytes percent-encoded.
pub const LONGEST_TARGET_BYTES: usize = 4 * 1024;

/// Bytes of a bearer token: an access token takes some 300, a device's token 43.
pub const LONGEST_TOKEN_BYTES: usize = 1024;

/// Seconds until all headers of a request are there, which ends connections that only dribble.
pub const HEADERS_TIMEOUT_S: u64 = 15;

/// Seconds until all of a body is there: one sync body of the largest size over a link of 64 kbit/s, with some to spare.
pub const BODY_TIMEOUT_S: u64 = 180;

/// Seconds for which an idle connection stays open: a call centre's browser and a phone's next page both come sooner.
pub const KEEP_ALIVE_S: u64 = 60;

/// Seconds in which a client may go on sending a body that was refused, so that it reads the refusal and not a reset.
pub const DISCONNECT_TIMEOUT_S: u64 = 5;

/// Seconds in which requests under way may end after the server was told to stop.
pub const SHUTDOWN_TIMEOUT_S: u64 = 30;

/// Connections of one worker: each holds some 40 kB of buffers.
pub const MOST_CONNECTIONS: usize = 4_096;

/// Connections that wait in the kernel to be accepted: a district's phones after a network outage.
pub const LONGEST_BACKLOG: u32 = 2_048;

/// Bytes that sync bodies under way may hold together, as transferred. Beyond it a request is answered 503 before its
/// body is read.
pub const SYNC_MEMORY_BYTES: usize = 128 * 1024 * 1024;

/// Exchanges that are unpacked, judged or packed at once. The registry has one writer; more only hold memory: at most
/// 8 MB of window, 1 MB of request and 17 MB of answer each.
pub const CONCURRENT_EXCHANGES: usize = 8;

/// Exchanges that one device may have under way: a phone has one, and others whose connection it lost before we noticed.
/// So no stolen token fills the memory of sync bodies.
pub const EXCHANGES_PER_DEVICE: usize = 4;

/// Exchanges that wait for their turn; beyond it a request is answered 503.
pub const WAITING_EXCHANGES: usize = 512;

/// Enrolment codes that are tried at once. Anybody may try one, and each trial is a job of the registry's one writer.
pub const CONCURRENT_ENROLMENTS: usize = 2;

/// Enrolments that wait for their turn; beyond it one is answered 429.
pub const WAITING_ENROLMENTS: usize = 128;

/// Requests of one session, one machine client or one phone in a minute; more are answered 429. A screen that searches
/// with every key makes some 10 in a second.
pub const REQUESTS_PER_MINUTE: u32 = 3_000;

/// Requests to sign in, to refresh and to enrol, and those whose token does not hold, from one address in a minute; more are
/// answered 429. Behind one address is a whole office.
pub const SIGN_INS_PER_MINUTE: u32 = 600;

/// Searches by digits of a phone within an hour by somebody who sees phones masked; more are answered 429. Four digits that
/// a mask covers are one of ten thousand: who tries them needs days and is seen. A call agent takes some thirty calls an
/// hour, and a screen that searches with every key asks eight times for a number.
pub const PHONE_SEARCHES_PER_HOUR: u32 = 240;

/// Callers and addresses that a node counts one by one in a minute, 100 bytes each; all others count together.
pub const MOST_RATED: usize = 100_000;

/// Milliseconds in which Redis says how many requests all nodes counted; else the node's own count decides.
pub const RATE_ANSWERED_WITHIN_MS: u64 = 50;

/// Milliseconds in which Redis is not asked after it failed.
pub const RATE_SILENCE_MS: u64 = 1_000;

/// Milliseconds in which the database tells a scrape of the metrics what waits in it; else that is left out.
pub const SCRAPE_READ_WITHIN_MS: u64 = 2_000;

/// Streams of events that a node has open at once: each holds a connection and, at most, what its socket buffers.
pub const MOST_STREAMS: usize = 1_024;

/// Streams of events that one member of staff has open at once: some windows, and some whose loss we did not notice yet.
pub const STREAMS_PER_STAFF: usize = 8;

/// Streams of events that one device has open at once: one, and some whose loss we did not notice yet.
pub const STREAMS_PER_DEVICE: usize = 4;

/// Seconds after which a stream of events ends; its reader opens another where it ended.
pub const LONGEST_STREAM_S: u32 = 60 * 60;

/// Seconds after which a stream of events that is silent says so: proxies close what is silent for a minute.
pub const HEARTBEAT_S: u64 = 15;

/// Seconds after which a stream of events is checked again: whether its session goes on, and how far it reaches.
pub const CHECK_STREAM_S: u64 = 5;

/// Milliseconds after which a reader whose stream was cut off should open another.
pub const REOPEN_STREAM_MS: u32 = 2_000;

/// Documents that a stream of events begins with when it goes on where another ended; beyond, reading anew is cheaper.
pub const MOST_RESUMED: u32 = 1_000;

/// How old the end may be at which a stream of events goes on.
pub const OLDEST_RESUMED_MS: i64 = 24 * 60 * 60 * 1_000;

/// How much of what was told before that end is told again: what had been received by then and not committed, and how far
/// the clocks of two nodes may differ.
pub const RESUMED_OVERLAP_MS: i64 = 60 * 1_000;

/// Bytes that files to import hold together, as transferred: four of the largest.
pub const IMPORT_MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// Files that are read and imported at once. A hostile one takes some 500 MB while it is refused, and the registry has one
/// writer.
pub const CONCURRENT_IMPORTS: usize = 1;

/// Files that wait for their turn; beyond it one is answered 503.
pub const WAITING_IMPORTS: usize = 8;

/// Spreadsheets that are written at once: each takes a core. Lists in CSV are written as they are taken, and wait for
/// nobody.
pub const CONCURRENT_EXPORTS: usize = 2;

/// Spreadsheets that wait for their turn; beyond it one is answered 503.
pub const WAITING_EXPORTS: usize = 16;

/// Heads that an entity tag names: so many people would have to have changed one household without knowing of each other.
pub const MOST_HEADS: usize = 64;

/// Characters of a name to search for: those that a name has.
pub const LONGEST_NAME: usize = 64;

/// Characters of an address to search for: those that an address has.
pub const LONGEST_ADDRESS: usize = 200;

/// Characters of a need's kind to search for: those that a code of a kind has.
pub const LONGEST_NEED_KIND: usize = gridwork_domain::need::KIND_LENGTH;

/// Seconds after which a device or person that was refused for overload should come again.
pub const RETRY_AFTER_S: u32 = 2;

/// Seconds for which an access token holds. What it permits is read anew at each request.
pub const ACCESS_TOKEN_S: u64 = 15 * 60;

/// Characters of a request id that a caller brings along.
pub const LONGEST_REQUEST_ID: usize = 64;

/// Seconds for which somebody reads beyond the own areas in an emergency at most: an hour, then it is looked at anew.
pub const LONGEST_BREAK_GLASS_S: u32 = 3_600;

/// Names of fields in a request to reveal them: no record has more that are masked.
pub const MOST_REVEALED_FIELDS: usize = 16;

/// Characters of the reason that a caller gives for a request: a sentence or two.
pub const LONGEST_REASON: usize = 200;

/// Characters of an idempotency key: a UUID has 36, a hash in hexadecimal 64.
pub const LONGEST_IDEMPOTENCY_KEY: usize = 64;

/// Milliseconds for which a request with an idempotency key is taken to be under way, if its process was lost: the writer
/// does it in milliseconds. A slower one is not done twice either, since its claim is checked as it commits.
pub const IDEMPOTENT_LEASE_MS: i64 = 10_000;

/// The same for a file, which may wait for its turn and then takes a minute.
pub const IDEMPOTENT_FILE_LEASE_MS: i64 = 5 * 60 * 1_000;

/// Rows of a page unless the caller says otherwise.
pub const DEFAULT_PAGE_ROWS: u32 = 50;

/// Rows of a page at most: some 200 kB of JSON.
pub const LARGEST_PAGE_ROWS: u32 = 200;

/// Field errors that one problem lists.
pub const MOST_FIELD_ERRORS: usize = 32;

/// How long a list may be on its way: whoever reads it slower than that asks for less of it.
pub const LONGEST_EXPORT_MS: i64 = 10 * 60 * 1_000;
