//! What is kept of the caller's request in order to poll.

mod headers;
pub(crate) mod names;
pub(crate) mod template;
