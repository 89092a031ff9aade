//! The machine that polls one operation to completion. It does no I/O, reads no clock and starts no timer.
//!
//! The driver (`service/future.rs`) holds the phase that the operation is in, and gives it back with what happened and what
//! time it is; it gets an [`Action`](phases::Action). A phase owns its data, so that there is nothing to ask in the wrong phase.
//! Times are durations since the operation was accepted, or resumed.
//!
//! ```text
//!   a response that may start an operation          a request that resumes one
//!        │                                                │
//!        ▼              NotAnOperation                    │ address refused: Failed
//!   Starting ─────────► the response, unchanged           │
//!        │ accepted                                       │
//!        │ address refused: Failed                        │
//!        ▼                                                │
//!   Reading (Drain) ◄───────────────────────────┐         │
//!        │ end, enough, or due                  │         │
//!        ▼                                      │         │
//!   Waiting ──► Pending, if that is too long    │         │
//!        │ due                                  │         │
//!        ▼                                      │         ▼
//!   Sending ◄───────────────────────────────────┼─────────┘
//!        │ head            service error: Waiting, or Failed
//!        ├─ transient error, redirect ──────────┤
//!        ├─ an error of the monitor, not of the operation ──► Reading (Error) ──► Failed
//!        ├─ the result ──► Done                 │
//!        ▼                                      │
//!   Reading (Status) ── running ──► (DrainStatus)
//!        │ terminal       no status: Drain, or Reading (Error) ──► Failed
//!        ▼                                      │
//!   Reading (MessageHead, Details)              │
//!        │ end, enough, or due                  │
//!        ├─ the result is elsewhere ────────────┘
//!        ▼
//!      Done, or with `error_on_failure` Reading (Error) ──► Failed
//! ```
//!
//! The deadline leads from `Waiting`, `Sending` and `Reading (Status)` to `Failed`, and ends every other `Reading`.

mod application_http;
pub(crate) mod canceling;
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
