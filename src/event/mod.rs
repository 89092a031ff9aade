//! `Event`: reports what happens to an operation, as it happens.

pub(crate) mod owned;
pub(crate) mod stream;
pub(crate) mod tracing;

use std::{fmt, time::Duration};

use http::{HeaderName, Method, StatusCode, Uri};

use crate::{operation::Operation, redact::Redacted, timing::backoff::DelayReason};

/// Something that happened to an operation, reported to [`LroLayer::on_event`](crate::LroLayer::on_event).
///
/// ```text
/// Accepted ─► Waiting ─► Polled ─► Waiting ─► Polled ─► … ─► Finished, or Pending
///                │         ▲
///                ▼         │
///             PollFailed / Moved
/// ```
///
/// Every operation has one `Accepted`, and a `Resumed` each time it is resumed. Each of these is followed by one `Pending` or
/// `Finished`, also where the future is dropped. A poll that ends the operation at once with an error (a 403, an answer without a
/// status) is reported by `Finished` alone, and a redirect by `Moved`; so is the way back from a page that gave no status, before an
/// error. A response that started nothing is `Unmatched`.
///
/// `Debug` is safe to log as far as the layer can know: query values are replaced, and there are no headers in it. From bodies it
/// shows the status, the time of creation and the reason of a failure, in the service's own words.
///
/// # Example
///
/// ```
/// use tower_lro::{Event, LroLayer};
///
/// let layer = LroLayer::new().on_event(|event| match event {
///     Event::Accepted { operation, .. } => println!("accepted: {:?}", operation.monitor().path()),
///     Event::Waiting { delay, .. } => println!("waiting {delay:?}"),
///     Event::Polled { operation, .. } => println!("polled: {:?}", operation.status()),
///     Event::Finished { operation, .. } => println!("finished after {} polls", operation.polls()),
///     _ => {}
/// });
/// # let _ = layer;
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A start response announced an operation. Comes before anything else can go wrong, the first delay included: an
    /// observer that stores the operation here loses none.
    #[non_exhaustive]
    Accepted {
        /// The operation.
        operation: &'a Operation,
    },
    /// A [`Resume`](crate::Resume) goes on with an operation.
    #[non_exhaustive]
    Resumed {
        /// The operation.
        operation: &'a Operation,
    },
    /// The next poll comes after a delay.
    #[non_exhaustive]
    Waiting {
        /// The operation.
        operation: &'a Operation,
        /// The time until the next poll.
        delay: Duration,
        /// Why it is that long.
        reason: DelayReason,
    },
    /// A poll gave a status.
    #[non_exhaustive]
    Polled {
        /// The operation, with its new status.
        operation: &'a Operation,
        /// Whether the status is neither known to be terminal nor to mean running. It is treated as running. Reported once
        /// for each status of an operation. If it is terminal, say so to the protocol
        /// ([`Protocol::builder`](crate::Protocol::builder)); a [timeout](crate::LroLayer::timeout) ends the operation otherwise.
        is_unrecognized: bool,
    },
    /// A poll failed. It is repeated as often as
    /// [`LroLayer::max_consecutive_failures`](crate::LroLayer::max_consecutive_failures) allows.
    #[non_exhaustive]
    PollFailed {
        /// The operation.
        operation: &'a Operation,
        /// The kind of failure.
        failure: PollFailure,
        /// How many polls have failed in a row, this one included.
        failures: u32,
        /// The time until it is repeated; `None` if it is not.
        retry_in: Option<Duration>,
    },
    /// The monitor moved to another address; or back, where redirects have led to a page without a status.
    #[non_exhaustive]
    Moved {
        /// The operation, with its new monitor.
        operation: &'a Operation,
        /// Where the monitor was.
        from: &'a Uri,
    },
    /// The next delay is longer than [`LroLayer::max_wait`](crate::LroLayer::max_wait): the caller gets
    /// [`Cause::Pending`](crate::Cause::Pending).
    #[non_exhaustive]
    Pending {
        /// The operation, as it is in the error.
        operation: &'a Operation,
        /// The time until it is to be resumed.
        delay: Duration,
    },
    /// The layer is done with the operation. (A call in which the inner service panics is not reported.)
    #[non_exhaustive]
    Finished {
        /// The operation, as it is in the response's extensions or in the error.
        operation: &'a Operation,
        /// The caller's result.
        outcome: Outcome,
    },
    /// A `202 Accepted` that no protocol of the layer matches passed through. Not reported by layers that are
    /// [disabled](crate::LroLayer::disabled).
    #[non_exhaustive]
    Unmatched {
        /// The method of the request.
        method: &'a Method,
        /// The address of the request.
        uri: &'a Uri,
        /// The response's headers that announce operations in other protocols, such as `location`; all of them if there are none of these.
        headers: &'a [HeaderName],
    },
    /// A request to cancel the operation at the service ([`LroLayer::cancel_on_drop`](crate::LroLayer::cancel_on_drop)) was answered, or
    /// came to nothing: it could not be sent, or its task ended before the answer.
    #[non_exhaustive]
    CancelSent {
        /// The operation.
        operation: &'a Operation,
        /// The HTTP status of the service's answer; `None` if there was none.
        status: Option<StatusCode>,
    },
}

/// Why a poll failed; see [`Event::PollFailed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollFailure {
    /// A transient HTTP status ([`StatusRule::retryable_statuses`](crate::StatusRule::retryable_statuses)), or 404 before the
    /// first status.
    Http(StatusCode),
    /// A good response without a status, after others that had one.
    NoStatus,
    /// The inner service gave an error.
    Service,
    /// The body broke off before its status was known, or where it might still have named the result.
    Body,
}

impl fmt::Display for PollFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(status) => write!(f, "HTTP {status}"),
            Self::NoStatus => f.write_str("no status in the response"),
            Self::Service => f.write_str("no response"),
            Self::Body => f.write_str("the response broke off"),
        }
    }
}

/// The kind of result that the caller gets for an operation; see [`Event::Finished`].
///
/// # Example
///
/// ```
/// use tower_lro::{Event, LroLayer, Outcome};
///
/// let layer = LroLayer::new().on_event(|event| match event {
///     Event::Finished { operation, outcome: Outcome::Response, .. } => println!("{:?}", operation.state()),
///     Event::Finished { outcome, .. } => println!("did not complete: {outcome:?}"),
///     _ => {}
/// });
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The final response; [`Operation::state`] says how the operation ended.
    Response,
    /// [`Cause::Timeout`](crate::Cause::Timeout)
    Timeout,
    /// [`Cause::Service`](crate::Cause::Service)
    Service,
    /// [`Cause::Body`](crate::Cause::Body)
    Body,
    /// [`Cause::Monitor`](crate::Cause::Monitor)
    Monitor,
    /// [`Cause::Address`](crate::Cause::Address)
    Address,
    /// [`Cause::Status`](crate::Cause::Status)
    Status,
    /// [`Cause::Protocol`](crate::Cause::Protocol)
    Protocol,
    /// [`Cause::Failed`](crate::Cause::Failed)
    Failed,
    /// [`Cause::NoTimer`](crate::Cause::NoTimer)
    NoTimer,
    /// Nothing: the future was dropped. The operation goes on at the service.
    Dropped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response => "final response",
            Self::Timeout => "timeout",
            Self::Service => "service error",
            Self::Body => "broken response",
            Self::Monitor => "error of the status monitor",
            Self::Address => "address not allowed",
            Self::Status => "no status",
            Self::Protocol => "unknown protocol",
            Self::Failed => "failed",
            Self::NoTimer => "no timer",
            Self::Dropped => "dropped",
        })
    }
}

impl<'a> Event<'a> {
    /// Returns the operation that the event is about; `None` for a response that started none.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// let layer = LroLayer::new().on_event(|event| println!("{:?}", event.operation().and_then(|it| it.id())));
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn operation(&self) -> Option<&'a Operation> {
        match self {
            Self::Accepted { operation }
            | Self::Resumed { operation }
            | Self::Waiting { operation, .. }
            | Self::Polled { operation, .. }
            | Self::PollFailed { operation, .. }
            | Self::Moved { operation, .. }
            | Self::Pending { operation, .. }
            | Self::Finished { operation, .. }
            | Self::CancelSent { operation, .. } => Some(operation),
            Self::Unmatched { .. } => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "Accepted",
            Self::Resumed { .. } => "Resumed",
            Self::Waiting { .. } => "Waiting",
            Self::Polled { .. } => "Polled",
            Self::PollFailed { .. } => "PollFailed",
            Self::Moved { .. } => "Moved",
            Self::Pending { .. } => "Pending",
            Self::Finished { .. } => "Finished",
            Self::Unmatched { .. } => "Unmatched",
            Self::CancelSent { .. } => "CancelSent",
        }
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut event = f.debug_struct(self.name());
        if let Some(operation) = self.operation() {
            event.field("operation", operation);
        }
        match self {
            Self::Accepted { .. } | Self::Resumed { .. } => &mut event,
            Self::Waiting { delay, reason, .. } => event.field("delay", delay).field("reason", reason),
            Self::Polled { is_unrecognized, .. } => event.field("is_unrecognized", is_unrecognized),
            Self::PollFailed { failure, failures, retry_in, .. } => {
                event.field("failure", failure).field("failures", failures).field("retry_in", retry_in)
            }
            Self::Moved { from, .. } => event.field("from", &Redacted(from)),
            Self::Pending { delay, .. } => event.field("delay", delay),
            Self::Finished { outcome, .. } => event.field("outcome", outcome),
            Self::Unmatched { method, uri, headers } => {
                event.field("method", method).field("uri", &Redacted(uri)).field("headers", headers)
            }
            Self::CancelSent { status, .. } => event.field("status", status),
        }
        .finish()
    }
}
