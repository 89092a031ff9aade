//! Every constant that bounds something, with its reason.
//!
//! The `limits` page of the guide has a table of those that a user can meet.

use std::time::Duration;

// ── Addresses ───────────────────────────────────────────────────────────────

/// How often a monitor may move, or a result redirect, between two statuses: as many redirects as browsers and reqwest follow.
pub(crate) const MAX_MOVES: u8 = 10;

/// How many addresses a header may name that a proxy has joined or repeated. Each is resolved, at a cost that grows with its base.
pub(crate) const MAX_REFERENCES: usize = 16;

/// The longest URI: what `http` takes.
pub(crate) const MAX_URI_BYTES: usize = u16::MAX as usize - 1;

/// How many origins a layer remembers of the addresses that it has resolved: more than most clients talk to.
pub(crate) const MAX_SEEN_ORIGINS: usize = 8;

// ── Reading status responses ────────────────────────────────────────────────

/// How much of a status word is kept. Longer ones are cut off and end in an ellipsis; no known service sends one as long.
pub(crate) const MAX_STATUS_WORD_BYTES: usize = 64;

/// How many keys a JSON pointer may have. Each costs the scanner 24 bytes.
pub(crate) const MAX_POINTER_DEPTH: usize = 8;

/// The longest key of a JSON pointer: the scanner keeps a key that comes in pieces in as much room as a status word.
pub(crate) const MAX_POINTER_KEY_BYTES: usize = MAX_STATUS_WORD_BYTES - 1;

/// How many members a scanner looks for at once: one bit each.
pub(crate) const MAX_SELECTORS: usize = 32;

/// How many unrecognized status words are remembered, so that each is reported once. Further ones are not reported.
pub(crate) const MAX_UNRECOGNIZED_WORDS: usize = 8;

/// Frames without data that a body may give in a row before it counts as stalled: a body that is always ready and never says
/// anything would keep the task busy without end.
pub(crate) const MAX_EMPTY_FRAMES: u32 = 1024;

// ── Reading other bodies ────────────────────────────────────────────────────

/// How much of a final response is read for details of the operation. Documents about an operation are smaller, and results
/// may be of any size.
pub(crate) const MAX_DETAILS_BYTES: usize = 64 * 1024;

/// The longest name of an operation that is kept.
pub(crate) const MAX_ID_BYTES: usize = 1024;

/// How deep error objects may be nested. Deeper ones are in the raw JSON.
pub(crate) const MAX_ERROR_DEPTH: usize = 16;

/// How much of the body of an error response is kept for the error.
pub(crate) const MAX_ERROR_BODY_BYTES: usize = 1 << 20;

/// How much of an unneeded body is read, so that its connection can be reused.
pub(crate) const MAX_DRAIN_BYTES: usize = 1 << 20;

/// How many headers the HTTP message in the body of an `application/http` response may have: more than any server sends.
pub(crate) const MAX_MESSAGE_HEADERS: usize = 128;

// ── Time ────────────────────────────────────────────────────────────────────

/// How long to read a start response in order to see whether it starts an operation. After that it passes through.
pub(crate) const START_BODY_TIME: Duration = Duration::from_secs(10);

/// How long to wait for the rest of a failed operation's last response, which may have its error object. (With `error_on_failure`,
/// where the error has the whole response: `DRAIN_TIME`.)
pub(crate) const ERROR_DETAILS_TIME: Duration = Duration::from_secs(1);

/// How long to read a body that is ready, for details that are not worth waiting for.
pub(crate) const READY_DETAILS_TIME: Duration = Duration::from_millis(10);

/// How long to read an unneeded body, or that of an error. A new connection costs less than this.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(5);

/// How long to read an unneeded body at least, even if the next poll is due, which would need a new connection otherwise.
pub(crate) const MIN_DRAIN_TIME: Duration = Duration::from_millis(250);

/// The difference between two readings of the wall clock that means nothing: stored times are in milliseconds.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_millis(2);

// ── Scheduling ──────────────────────────────────────────────────────────────

/// Steps that the future takes in one go while everything is ready. Then other tasks get their turn.
pub(crate) const MAX_STEPS_PER_WAKE: u32 = 128;

// ── Headers ─────────────────────────────────────────────────────────────────

/// The longest value of a header that polls repeat. No transport sends longer ones, and the length has to fit into 31 bits.
pub(crate) const MAX_VALUE_BYTES: usize = u32::MAX as usize >> 1;

/// How many lists of header names a layer keeps for its operations to share: more than a program has kinds of requests.
pub(crate) const MAX_NAME_LISTS: usize = 16;

/// The longest list that is shared, in bytes of its names. A longer one is kept by its operation.
pub(crate) const MAX_SHARED_NAME_BYTES: usize = 4 * 1024;

// ── Buffers ─────────────────────────────────────────────────────────────────

/// From this many frames on, small frames are merged, so that a body costs little more memory than its bytes, even if it arrives
/// byte by byte.
pub(crate) const MERGE_FRAMES_FROM: usize = 64;

/// The size up to which a frame is small.
pub(crate) const SMALL_FRAME_BYTES: usize = 512;

/// The size up to which small frames are merged into one.
pub(crate) const MERGED_FRAME_BYTES: usize = 16 * 1024;

/// How many events of a stream wait for its reader. Beyond that the oldest are dropped.
pub(crate) const MAX_QUEUED_EVENTS: usize = 256;
