//! `StatusError`: status responses without a status.

use std::{error::Error as StdError, fmt};

use bytes::Bytes;
use http::Response;

use crate::redact::Headless;

/// A status response has no status: its head was good, but its body was not what the protocol requires.
///
/// # Example
///
/// ```
/// use tower_lro::{StatusError, StatusErrorKind};
///
/// fn show(error: &StatusError) {
///     println!("{error}: {}", String::from_utf8_lossy(error.response().body()));
///     if error.kind() == StatusErrorKind::TooLong {
///         println!("see `LroLayer::max_status_bytes`");
///     }
/// }
/// # let _ = show;
/// ```
#[derive(Clone)]
pub struct StatusError {
    kind: StatusErrorKind,
    response: Response<Bytes>,
    limit: usize,
}

/// Why no status was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusErrorKind {
    /// The body has none: it is empty, no JSON object, or an object without a status that is a string.
    Missing,
    /// There was none within [`LroLayer::max_status_bytes`](crate::LroLayer::max_status_bytes).
    TooLong,
}

impl StatusError {
    pub(crate) fn new(kind: StatusErrorKind, response: Response<Bytes>, limit: usize) -> Self {
        Self { kind, response, limit }
    }

    /// Why no status was found.
    #[must_use]
    pub fn kind(&self) -> StatusErrorKind {
        self.kind
    }

    /// Returns the response, with as much of its body as was read.
    #[must_use]
    pub fn response(&self) -> &Response<Bytes> {
        &self.response
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.response.status();
        match self.kind {
            StatusErrorKind::Missing => {
                let bytes = self.response.body().len();
                write!(f, "the monitor answered {status} with {bytes} bytes that give no status")
            }
            StatusErrorKind::TooLong => {
                let limit = self.limit;
                write!(f, "the monitor answered {status} and gave no status within max_status_bytes ({limit})")
            }
        }
    }
}

impl fmt::Debug for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusError").field("kind", &self.kind).field("response", &Headless(&self.response)).finish()
    }
}

impl StdError for StatusError {}
