//! `OwnedEvent`: an event that can be kept and sent.

use std::{fmt, time::Duration};

use http::{HeaderName, Method, StatusCode, Uri};

use crate::{
    event::{Event, Outcome, PollFailure},
    operation::Operation,
    timing::backoff::DelayReason,
};

/// An [`Event`] that can be kept and sent: it has a copy of its operation.
///
/// # Example
///
/// ```
/// use std::sync::mpsc;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{Event, LroLayer, Outcome, OwnedEvent, simulator::Simulator};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
/// let (sender, events) = mpsc::channel::<OwnedEvent>();
/// let layer = LroLayer::new().on_event(move |event| _ = sender.send(event.into()));
/// layer.layer(Simulator::new()).oneshot(request).await?;
///
/// let last = events.try_iter().last().expect("the last event");
/// assert!(matches!(last.as_event(), Event::Finished { outcome: Outcome::Response, .. }));
/// assert_eq!(last.operation().map(|operation| operation.polls()), Some(3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OwnedEvent(Kind);

#[derive(Clone)]
enum Kind {
    Accepted(Operation),
    Resumed(Operation),
    Waiting(Operation, Duration, DelayReason),
    Polled { operation: Operation, is_unrecognized: bool },
    PollFailed { operation: Operation, failure: PollFailure, failures: u32, retry_in: Option<Duration> },
    Moved { operation: Operation, from: Uri },
    Pending(Operation, Duration),
    Finished(Operation, Outcome),
    Unmatched { method: Method, uri: Uri, headers: Vec<HeaderName> },
    CancelSent(Operation, Option<StatusCode>),
}

impl OwnedEvent {
    /// Returns the event.
    #[must_use]
    pub fn as_event(&self) -> Event<'_> {
        match &self.0 {
            Kind::Accepted(operation) => Event::Accepted { operation },
            Kind::Resumed(operation) => Event::Resumed { operation },
            &Kind::Waiting(ref operation, delay, reason) => Event::Waiting { operation, delay, reason },
            &Kind::Polled { ref operation, is_unrecognized } => Event::Polled { operation, is_unrecognized },
            &Kind::PollFailed { ref operation, failure, failures, retry_in } => {
                Event::PollFailed { operation, failure, failures, retry_in }
            }
            Kind::Moved { operation, from } => Event::Moved { operation, from },
            &Kind::Pending(ref operation, delay) => Event::Pending { operation, delay },
            &Kind::Finished(ref operation, outcome) => Event::Finished { operation, outcome },
            Kind::Unmatched { method, uri, headers } => Event::Unmatched { method, uri, headers },
            &Kind::CancelSent(ref operation, status) => Event::CancelSent { operation, status },
        }
    }

    /// Returns the operation that the event is about, as it was then; `None` for a response that started none.
    #[must_use]
    pub fn operation(&self) -> Option<&Operation> {
        self.as_event().operation()
    }
}

impl From<&Event<'_>> for OwnedEvent {
    fn from(event: &Event<'_>) -> Self {
        Self(match *event {
            Event::Accepted { operation } => Kind::Accepted(operation.clone()),
            Event::Resumed { operation } => Kind::Resumed(operation.clone()),
            Event::Waiting { operation, delay, reason } => Kind::Waiting(operation.clone(), delay, reason),
            Event::Polled { operation, is_unrecognized } => {
                Kind::Polled { operation: operation.clone(), is_unrecognized }
            }
            Event::PollFailed { operation, failure, failures, retry_in } => {
                Kind::PollFailed { operation: operation.clone(), failure, failures, retry_in }
            }
            Event::Moved { operation, from } => Kind::Moved { operation: operation.clone(), from: from.clone() },
            Event::Pending { operation, delay } => Kind::Pending(operation.clone(), delay),
            Event::Finished { operation, outcome } => Kind::Finished(operation.clone(), outcome),
            Event::Unmatched { method, uri, headers } => {
                Kind::Unmatched { method: method.clone(), uri: uri.clone(), headers: headers.to_vec() }
            }
            Event::CancelSent { operation, status } => Kind::CancelSent(operation.clone(), status),
        })
    }
}

impl fmt::Debug for OwnedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_event().fmt(f)
    }
}
