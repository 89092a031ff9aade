//! `Event`: what happens to an operation, as it happens.

pub(crate) mod stream;
pub(crate) mod tracing;

use std::{fmt, time::Duration};

use http::{StatusCode, Uri};

use crate::{operation::Operation, redact::Redacted, timing::backoff::DelayReason};

/// What happened to an operation, told to [`LroLayer::on_event`](crate::LroLayer::on_event).
///
/// ```text
/// Accepted ─► Waiting ─► Polled ─► Waiting ─► Polled ─► … ─► Finished
///                │         ▲
///                ▼         │
///             PollFailed / Moved
/// ```
///
/// Every operation has one `Accepted` and one `Finished`, also where its future is dropped. A poll that ends it at once with an
/// error (a 403, an answer without a status) is told of by `Finished` alone, and a redirect by `Moved`. `Debug` is safe to log: query
/// values are replaced, and neither headers nor bodies are part of it.
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
    /// A start response announced an operation, or a [`Resume`](crate::Resume) took it up. Comes before anything else can
    /// go wrong, the first delay included: what stores the operation here loses none.
    #[non_exhaustive]
    Accepted {
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
    },
    /// A poll failed. It is repeated as often as [`LroLayer::max_consecutive_failures`](crate::LroLayer::max_consecutive_failures) allows.
    #[non_exhaustive]
    PollFailed {
        /// The operation.
        operation: &'a Operation,
        /// What failed.
        failure: PollFailure,
        /// How many polls have failed in a row, this one included.
        failures: u32,
        /// The time until it is repeated; none if it is not.
        retry_in: Option<Duration>,
    },
    /// The monitor moved to another address.
    #[non_exhaustive]
    Moved {
        /// The operation, with its new monitor.
        operation: &'a Operation,
        /// Where the monitor was.
        from: &'a Uri,
    },
    /// The layer is done with the operation.
    #[non_exhaustive]
    Finished {
        /// The operation, as it is in the response's extensions or in the error.
        operation: &'a Operation,
        /// What comes out.
        outcome: Outcome,
    },
}

/// Why a poll failed; see [`Event::PollFailed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollFailure {
    /// An HTTP status that may pass: 408, 429, 500, 502, 503, 504, or 404 before the first status.
    Http(StatusCode),
    /// The inner service gave an error.
    Service,
    /// The body broke off before it had given a status.
    Body,
}

/// What the layer gives its caller for an operation; see [`Event::Finished`].
///
/// # Example
///
/// ```
/// use tower_lro::{Event, LroLayer, Outcome};
///
/// let layer = LroLayer::new().on_event(|event| match event {
///     Event::Finished { operation, outcome: Outcome::Response, .. } => println!("{:?}", operation.state()),
///     Event::Finished { outcome, .. } => println!("not seen through: {outcome:?}"),
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
    /// Nothing: the future was dropped. The operation goes on at the service.
    Dropped,
}

impl<'a> Event<'a> {
    /// The operation that it happened to.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// let layer = LroLayer::new().on_event(|event| println!("{:?}", event.operation().id()));
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn operation(&self) -> &'a Operation {
        match self {
            Self::Accepted { operation }
            | Self::Waiting { operation, .. }
            | Self::Polled { operation }
            | Self::PollFailed { operation, .. }
            | Self::Moved { operation, .. }
            | Self::Finished { operation, .. } => operation,
        }
    }
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, operation) = match self {
            Self::Accepted { operation } => ("Accepted", operation),
            Self::Waiting { operation, .. } => ("Waiting", operation),
            Self::Polled { operation } => ("Polled", operation),
            Self::PollFailed { operation, .. } => ("PollFailed", operation),
            Self::Moved { operation, .. } => ("Moved", operation),
            Self::Finished { operation, .. } => ("Finished", operation),
        };
        let mut event = f.debug_struct(name);
        event.field("operation", operation);
        match self {
            Self::Accepted { .. } | Self::Polled { .. } => &mut event,
            Self::Waiting { delay, reason, .. } => event.field("delay", delay).field("reason", reason),
            Self::PollFailed { failure, failures, retry_in, .. } => {
                event.field("failure", failure).field("failures", failures).field("retry_in", retry_in)
            }
            Self::Moved { from, .. } => event.field("from", &Redacted(from)),
            Self::Finished { outcome, .. } => event.field("outcome", outcome),
        }
        .finish()
    }
}
