//! Limits of the protocol. `POST /clients` tells devices the ones they need.

/// Most intents in one batch.
pub const MUTATIONS_MAX: usize = 1_000;
/// Batch size that suits the server best.
pub const BATCH_RECOMMENDED: usize = 100;
/// Most bytes of a request body, as sent and after decompression.
pub const BODY_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Most bytes of a telemetry request body, as sent and after decompression.
pub const TELEMETRY_BYTES_MAX: usize = 1_024 * 1_024;
/// Most bytes of one intent as JSON text.
pub const RECORD_BYTES_MAX: usize = 256 * 1_024;
/// Decompressed bytes for each compressed byte.
pub const DECOMPRESSION_RATIO_MAX: usize = 100;
/// Answers above this many bytes are compressed when the client accepts it.
pub const COMPRESS_BYTES_MIN: usize = 1_024;
/// Most bytes of the result of a command, as JSON text.
pub const COMMAND_RESULT_BYTES_MAX: usize = 256 * 1_024;
/// Most bytes of one upload in escrow.
pub const ESCROW_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Bytes of one intent in escrow: whatever a push was read of can be handed over, however large it was refused for being.
pub const ESCROW_INTENT_BYTES_MAX: usize = BODY_BYTES_MAX;
/// Most intents of one upload in escrow.
pub const ESCROW_LINES_MAX: usize = 20_000;
/// Most bytes of an upload of log lines, as sent and after decompression.
pub const LOG_UPLOAD_BYTES_MAX: usize = tidewatch_domain::control::LOG_BYTES_MAX;
/// Most rows of a feed page.
pub const PAGE_MAX: u32 = 5_000;
/// Rows of a feed page when nobody asks.
pub const PAGE_DEFAULT: u32 = 500;
/// Most scopes, and most collections, that one feed request may name.
pub const FILTER_TERMS_MAX: usize = 200;
/// Most subscriptions of one feed request.
pub const SUBSCRIPTIONS_MAX: usize = 100;
/// Most operations in one status request.
pub const STATUS_OPERATIONS_MAX: usize = 1_000;
/// Most reports in one telemetry request.
pub const REPORTS_MAX: usize = 100;
/// Most entries of the outbox digest of one report.
pub const OUTBOX_ENTRIES_MAX: usize = 500;
/// Most dead letters in one request.
pub const DEAD_LETTERS_MAX: usize = 500;
/// Most labels of a device.
pub const LABELS_MAX: usize = 32;
/// Days that the answer to an operation is remembered.
pub const DEDUPE_DAYS: u32 = 45;
/// How far a device clock may run ahead before its stamps are clamped, seconds.
pub const SKEW_S_MAX: u32 = 300;
/// How long a device that would rather wait for a Wi-Fi does so, seconds: then a mobile network will do.
pub const CELLULAR_AFTER_S: u32 = 24 * 3_600;
/// How much may wait on a device until a mobile network will do, bytes.
pub const CELLULAR_AFTER_BYTES: u32 = 1024 * 1024;
/// Pause between two heartbeats of the event stream, seconds.
pub const EVENTS_HEARTBEAT_S: u32 = 20;
/// How long a ticket for the event stream is good, seconds.
pub const TICKET_S: u32 = 60;
/// Most fields that one backfill asks for.
pub const BACKFILL_FIELDS_MAX: usize = 64;
/// Most versions, and most conflicts, of one page.
pub const HISTORY_MAX: u32 = 100;
/// How long the event stream collects changes before it says so, milliseconds.
pub const EVENTS_COALESCE_MS: u64 = 250;
/// Longest wait of a long poll, seconds.
pub const WAIT_S_MAX: u32 = 25;
/// Deepest nesting of objects and arrays in an intent or a report.
pub const NESTING_MAX: usize = 64;
/// Largest integer that every JSON reader keeps exact: 2^53 − 1.
pub const INTEGER_MAX: i64 = 9_007_199_254_740_991;
