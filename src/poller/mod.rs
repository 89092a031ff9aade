//! The machine that polls one operation to completion. It does no I/O, reads no clock and starts no timer.
//!
//! The driver (`service/operating.rs`) holds the phase that the operation is in, and gives it back with what happened and what
//! time it is; it gets an [`Action`](phases::Action). A phase owns its data, so that there is nothing to ask in the wrong phase.
//! Times are durations since the operation was accepted, or resumed.
//!
//! ```text
//!   Response: it may start an operation             Request: it resumes one
//!        │                                                │
//!        ▼                                                │
//!   Starting ──► NotAnOperation: it passes through        │
//!        │ accepted                                       │
//!        ▼                                                │
//!   Reading(Drain) ◄────────────────────────────┐         │
//!        │ end, enough, or due                  │         │
//!        ▼                                      │         │
//!   Waiting ◄── service error, broken body      │         │
//!        │ due                                  │         │
//!        ▼                                      │         │
//!   Sending ◄───────────────────────────────────┼─────────┘
//!        │ head                                 │
//!        ├─ transient error, redirect ──────────┤
//!        ├─ an error of the monitor, not of the operation ──► Reading(Error) ──► Failed
//!        ├─ the result ──► Done                 │
//!        ▼                                      │
//!   Reading(Status) ── running ──► Reading(DrainStatus) ──► Waiting
//!        │ terminal       no status: Reading(Drain), or Reading(Error) ──► Failed
//!        ▼                                      │
//!   Reading(MessageHead), Reading(Details)      │
//!        │ end, enough, or due                  │
//!        ├─ the result is elsewhere ────────────┘
//!        ▼
//!      Done, or with `error_on_failure` Reading(Error) ──► Failed
//! ```
//!
//! That is the way of most operations. These are all the arrows, each of which a row of `chart/rows.rs` takes; the test reads
//! them here:
//!
//! ```text
//! Response ► Starting, Reading(Drain), NotAnOperation, Failed
//! Request ► Sending, Failed
//! Starting ► Reading(Drain), NotAnOperation, Failed
//! Reading(Drain) ► Waiting, Pending, Failed
//! Reading(DrainStatus) ► Waiting, Pending, Failed
//! Waiting ► Sending, Failed
//! Sending ► Reading(Status), Reading(DrainStatus), Reading(MessageHead), Reading(Details), Done
//! Sending ► Reading(Drain), Waiting, Pending, Reading(Error), Failed
//! Reading(Status) ► Reading(DrainStatus), Reading(MessageHead), Reading(Details), Done
//! Reading(Status) ► Reading(Drain), Waiting, Pending, Reading(Error), Failed
//! Reading(MessageHead) ► Reading(Details), Reading(Drain), Done, Reading(Error), Failed
//! Reading(Details) ► Reading(Drain), Done, Failed
//! Reading(Error) ► Failed
//! ```
//!
//! What the head has decided, or a body in one piece, skips the readings in between. A wait that is too long is `Pending`. An
//! address that is refused is `Failed`, and so is every phase of an operation that finds no timer to wait with.
//!
//! The deadline leads from `Waiting`, `Sending` and `Reading(Status)` to `Failed`, and ends every other `Reading`.

mod application_http;
pub(crate) mod canceling;
#[cfg(test)]
mod chart;
mod finishing;
pub(crate) mod frame_buffer;
mod moving;
pub(crate) mod phases;
mod polling;
mod reading;
pub(crate) mod reason;
pub(crate) mod response;
mod result;
pub(crate) mod resuming;
mod schedule;
pub(crate) mod starting;
pub(crate) mod status_search;
mod verdict;
mod waiting;
