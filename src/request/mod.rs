//! What is kept of the start request in order to poll.

pub(crate) mod headers;
pub(crate) mod template;
