//! The parts of the caller's request that are kept in order to poll.

mod accept;
pub(crate) mod captured;
mod headers;
pub(crate) mod names;
pub(crate) mod template;
