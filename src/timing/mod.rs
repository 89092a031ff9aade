//! When to poll: the delays that services ask for, and the backoff if they ask for none.

pub(crate) mod backoff;
pub(crate) mod retry_after;
pub(crate) mod timer;
