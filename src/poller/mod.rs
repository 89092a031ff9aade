//! The machine that polls one operation to completion. It does no I/O, reads no clock and starts no timer.
//!
//! The driver (`service/operating.rs`) holds the phase that the operation is in, and hands it back with what happened and the
//! time; it gets an [`Action`](phases::Action). A phase owns its data, so nothing can be asked in the wrong phase.
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
//! Most operations take that path. These are all the arrows; each is taken by a row of `chart/rows.rs`, whose test reads them
//! here:
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
//! Reading(MessageHead) ► Reading(Details), Reading(Drain), Waiting, Done, Reading(Error), Failed
//! Reading(Details) ► Reading(Drain), Waiting, Done, Failed
//! Reading(Error) ► Failed
//! ```
//!
//! If the head decides, or the body comes in one piece, the readings in between are skipped. A wait that is too long is `Pending`.
//! A refused address is `Failed`, and so is every phase of an operation that finds no timer to wait with.
//!
//! The deadline leads from `Waiting`, `Sending` and `Reading(Status)` to `Failed`, and ends every other `Reading`; from those of the
//! final response it leads to `Failed` too, if the result may be in what is missing.

mod addresses;
mod application_http;
pub(crate) mod canceling;
#[cfg(test)]
mod chart;
mod considered;
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
pub(crate) mod unmatched;
mod verdict;
mod waiting;
