//! `OperationError` and `Cause`: why an operation that was accepted did not complete.

use std::{error::Error as StdError, fmt, time::Duration};

use bytes::Bytes;
use http::Response;

use crate::{
    address::error::AddressError,
    error::{
        boxed::BoxError,
        failed::OperationFailed,
        status::{StatusError, StatusErrorKind},
    },
    operation::Operation,
    redact::{Escaped, Headless},
};

/// The error of an operation that did not complete. The service accepted the request; do not send it again.
///
/// [`operation`](Self::operation) has everything that is needed to [resume](Operation::resume) it. `Display` says why it did not
/// complete; the `Display` of the [`Error`](crate::Error) around it names the operation.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{Cause, Error, LroLayer, simulator::Simulator};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
/// let client = LroLayer::new().timeout(Duration::from_secs(20)).layer(Simulator::new());
/// let Err(Error::Operation(error)) = client.oneshot(request).await else { panic!("it has ended in time") };
/// assert!(matches!(error.cause(), Cause::Timeout));
/// assert_eq!(error.operation().polls(), 1);
///
/// let (operation, _cause) = error.into_parts();
/// let carries_on = operation.resume();
/// # let _ = carries_on;
/// # Ok(())
/// # }
/// ```
pub struct OperationError<E> {
    // Boxed, so that the `Result` of every response stays small.
    inner: Box<Inner<E>>,
}

struct Inner<E> {
    operation: Operation,
    cause: Cause<E>,
    /// How many requests had failed in a row when the deadline came.
    failures: u32,
}

impl<E> OperationError<E> {
    pub(crate) fn new(operation: Operation, cause: Cause<E>) -> Self {
        Self { inner: Box::new(Inner { operation, cause, failures: 0 }) }
    }

    pub(crate) fn after_failures(mut self, failures: u32) -> Self {
        self.inner.failures = failures;
        self
    }

    pub(crate) fn map_service<F>(self, map: impl FnOnce(E) -> F) -> OperationError<F> {
        let Inner { operation, cause, failures } = *self.inner;
        OperationError::new(operation, cause.map_service(map)).after_failures(failures)
    }

    /// Returns the operation, as far as it was seen.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.inner.operation
    }

    /// Returns the reason why it did not complete.
    #[must_use]
    pub fn cause(&self) -> &Cause<E> {
        &self.inner.cause
    }

    /// Returns the operation, and how long to wait before it is resumed; see [`Error::pending`](crate::Error::pending).
    #[must_use]
    pub fn pending(&self) -> Option<(&Operation, Duration)> {
        match self.cause() {
            Cause::Pending { delay } => Some((self.operation(), *delay)),
            _ => None,
        }
    }

    /// Returns the operation and what went wrong.
    #[must_use]
    pub fn into_parts(self) -> (Operation, Cause<E>) {
        (self.inner.operation, self.inner.cause)
    }
}

impl<E> fmt::Display for OperationError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, cause, failures } = &*self.inner;
        match cause {
            Cause::Timeout => {
                let status = Escaped(operation.status().unwrap_or("no status yet"));
                let polls = operation.polls();
                let plural = if polls == 1 { "" } else { "s" };
                let has_ended = operation.state().is_terminal();
                let what = if has_ended { "its result did not come" } else { "it did not end" };
                write!(f, "{what} in time ({status}, after {:.1?} and {polls} poll{plural}", operation.elapsed())?;
                match failures {
                    0 => {}
                    1 => f.write_str(", with one failure at last")?,
                    failures => write!(f, ", with {failures} failures in a row at last")?,
                }
                f.write_str(")")
            }
            Cause::Service(_) => f.write_str("polling failed"),
            Cause::Body(_) => f.write_str("a status response broke off"),
            Cause::Monitor(response) => {
                let what = if operation.result().is_some() { "result" } else { "monitor" };
                write!(f, "the {what} answered {}", response.status())
            }
            Cause::Address(error) => error.fmt(f),
            Cause::Status(error) => {
                error.fmt(f)?;
                let places: Vec<_> = operation.start_rule().monitor.status_places().collect();
                if error.kind() == StatusErrorKind::Missing && !places.is_empty() {
                    write!(f, " at {} (Protocol::builder describes other places)", places.join(" or "))?;
                }
                Ok(())
            }
            Cause::Protocol => {
                let name = operation.protocol().name();
                write!(f, "this layer does not speak its protocol {name:?} (LroLayer::protocol)")
            }
            Cause::Failed(failed) => failed.fmt(f),
            Cause::Pending { delay } => write!(f, "its next poll is due in {delay:.1?} (LroLayer::max_wait)"),
            Cause::NoTimer => f.write_str(
                "there is no timer to wait with: run in a tokio runtime with time enabled, or set LroLayer::timer",
            ),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for OperationError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationError").field("operation", self.operation()).field("cause", self.cause()).finish()
    }
}

impl<E: StdError + 'static> StdError for OperationError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.cause() {
            Cause::Service(error) => Some(error),
            Cause::Body(error) => Some(&**error),
            // Part of the message.
            Cause::Timeout
            | Cause::Monitor(_)
            | Cause::Address(_)
            | Cause::Status(_)
            | Cause::Protocol
            | Cause::Failed(_)
            | Cause::Pending { .. }
            | Cause::NoTimer => None,
        }
    }
}

/// Why an operation did not complete.
///
/// # Example
///
/// ```
/// use tower_lro::Cause;
///
/// /// Whether it is worthwhile to resume the operation later.
/// fn may_pass<E>(cause: &Cause<E>) -> bool {
///     match cause {
///         Cause::Timeout | Cause::Service(_) | Cause::Body(_) => true,
///         Cause::Monitor(response) => response.status().is_server_error() || response.status() == 401,
///         _ => false,
///     }
/// }
/// # let _ = may_pass::<()>;
/// ```
#[non_exhaustive]
pub enum Cause<E> {
    /// It took longer than [`LroLayer::timeout`](crate::LroLayer::timeout) allows.
    Timeout,
    /// The inner service failed more often in a row than [`LroLayer::max_consecutive_failures`](crate::LroLayer::max_consecutive_failures) allows,
    /// or permanently (its `poll_ready` failed).
    Service(E),
    /// The body of a status response broke off before its status was known, or where it might still have named the result, more often
    /// in a row than [`LroLayer::max_consecutive_failures`](crate::LroLayer::max_consecutive_failures) allows.
    Body(BoxError),
    /// The monitor answered with an HTTP error: this is the whole response, with up to 1 MiB of its body.
    Monitor(Response<Bytes>),
    /// The service named an address that cannot or must not be polled.
    Address(AddressError),
    /// A status response of the monitor has no status.
    Status(StatusError),
    /// The operation that was to be resumed was stored under the name of a protocol that is neither one of the layer's nor a
    /// [known](crate::Protocol::known) one. Nothing was sent.
    Protocol,
    /// The operation ended in failure; with [`LroLayer::error_on_failure`](crate::LroLayer::error_on_failure) only.
    Failed(OperationFailed),
    /// The next delay is longer than [`LroLayer::max_wait`](crate::LroLayer::max_wait). Nothing went wrong:
    /// [resume](Operation::resume) the operation after that delay.
    #[non_exhaustive]
    Pending {
        /// The time until the next poll is due, or the deadline passes.
        delay: Duration,
    },
    /// There is no timer to wait with; see [`Error::NoTimer`](crate::Error::NoTimer). The operation was accepted by a future that
    /// was moved to a runtime without time.
    NoTimer,
}

impl<E> Cause<E> {
    pub(super) fn map_service<F>(self, map: impl FnOnce(E) -> F) -> Cause<F> {
        match self {
            Self::Service(error) => Cause::Service(map(error)),
            Self::Timeout => Cause::Timeout,
            Self::Body(error) => Cause::Body(error),
            Self::Monitor(response) => Cause::Monitor(response),
            Self::Address(error) => Cause::Address(error),
            Self::Status(error) => Cause::Status(error),
            Self::Protocol => Cause::Protocol,
            Self::Failed(failed) => Cause::Failed(failed),
            Self::Pending { delay } => Cause::Pending { delay },
            Self::NoTimer => Cause::NoTimer,
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("Timeout"),
            Self::Service(error) => f.debug_tuple("Service").field(error).finish(),
            Self::Body(error) => f.debug_tuple("Body").field(error).finish(),
            Self::Monitor(response) => f.debug_tuple("Monitor").field(&Headless(response)).finish(),
            Self::Address(error) => f.debug_tuple("Address").field(error).finish(),
            Self::Status(error) => f.debug_tuple("Status").field(error).finish(),
            Self::Protocol => f.write_str("Protocol"),
            Self::Failed(failed) => f.debug_tuple("Failed").field(failed).finish(),
            Self::Pending { delay } => f.debug_struct("Pending").field("delay", delay).finish(),
            Self::NoTimer => f.write_str("NoTimer"),
        }
    }
}
