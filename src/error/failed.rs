//! `OperationFailed`: the error made of an operation that failed.

use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::{
    operation::{Operation, error_object::ErrorObject},
    protocol::state::OperationState,
    redact::{Escaped, Headless},
};

/// An operation that ended, but not in success: `Failed` or `Canceled`.
///
/// Made by [`ResponseExt::error_for_operation`](crate::ResponseExt::error_for_operation). With
/// [`LroLayer::error_on_failure`](crate::LroLayer::error_on_failure) it is the cause of the error that the caller gets instead
/// of the final response.
///
/// # Example
///
/// ```
/// use tower_lro::{OperationFailed, OperationState};
///
/// fn is_worth_another_try(failed: &OperationFailed) -> bool {
///     let code = failed.error().and_then(|failure| failure.code());
///     failed.operation().state() == OperationState::Failed && code == Some("ServiceBusy")
/// }
/// # let _ = is_worth_another_try;
/// ```
pub struct OperationFailed {
    // Boxed, so that a `Result` of it stays small.
    inner: Box<Inner>,
}

struct Inner {
    operation: Operation,
    /// The HTTP status of the final response.
    http: StatusCode,
    response: Option<Response<Bytes>>,
}

impl OperationFailed {
    pub(crate) fn new(operation: Operation, http: StatusCode, response: Option<Response<Bytes>>) -> Self {
        Self { inner: Box::new(Inner { operation, http, response }) }
    }

    /// Returns the operation that failed.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.inner.operation
    }

    /// Returns the service's error object, if the final response had one.
    #[must_use]
    pub fn error(&self) -> Option<&ErrorObject> {
        self.operation().error()
    }

    /// Returns the final response, where the layer kept it: with
    /// [`LroLayer::error_on_failure`](crate::LroLayer::error_on_failure).
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::OperationFailed;
    /// fn body(failed: &OperationFailed) -> Option<&[u8]> {
    ///     Some(failed.response()?.body())
    /// }
    /// # let _ = body;
    /// ```
    #[must_use]
    pub fn response(&self) -> Option<&Response<Bytes>> {
        self.inner.response.as_ref()
    }
}

impl fmt::Display for OperationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation();
        let (what, own_word) = match operation.state() {
            OperationState::Canceled => ("the operation was canceled", "canceled"),
            _ => ("the operation failed", "failed"),
        };
        f.write_str(what)?;
        match operation.status() {
            Some(status) if status.trim().eq_ignore_ascii_case(own_word) => {}
            Some(status) => write!(f, " ({})", Escaped(status))?,
            // Only the HTTP status says so.
            None => write!(f, " ({})", self.inner.http)?,
        }
        self.error().map_or(Ok(()), |error| write!(f, ": {error}"))
    }
}

impl fmt::Debug for OperationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationFailed")
            .field("operation", self.operation())
            .field("response", &self.response().map(Headless))
            .finish()
    }
}

impl std::error::Error for OperationFailed {}
