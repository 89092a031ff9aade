//! `Events`: what happens to operations, as a stream.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_core::Stream;
use http::Uri;

use crate::{
    event::{Event, Outcome, PollFailure},
    layer::LroLayer,
    operation::Operation,
    timing::backoff::DelayReason,
};

/// How many events wait for a reader at most.
const CAPACITY: usize = 256;

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
/// let last = events.try_iter().last().expect("much has happened");
/// assert!(matches!(last.as_event(), Event::Finished { outcome: Outcome::Response, .. }));
/// assert_eq!(last.operation().polls(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OwnedEvent {
    operation: Operation,
    what: What,
}

#[derive(Clone)]
enum What {
    Accepted,
    Waiting { delay: Duration, reason: DelayReason },
    Polled,
    PollFailed { failure: PollFailure, failures: u32, retry_in: Option<Duration> },
    Moved { from: Uri },
    Finished { outcome: Outcome },
}

impl OwnedEvent {
    /// The event.
    #[must_use]
    pub fn as_event(&self) -> Event<'_> {
        let operation = &self.operation;
        match &self.what {
            What::Accepted => Event::Accepted { operation },
            &What::Waiting { delay, reason } => Event::Waiting { operation, delay, reason },
            What::Polled => Event::Polled { operation },
            &What::PollFailed { failure, failures, retry_in } => {
                Event::PollFailed { operation, failure, failures, retry_in }
            }
            What::Moved { from } => Event::Moved { operation, from },
            &What::Finished { outcome } => Event::Finished { operation, outcome },
        }
    }

    /// The operation that it happened to, as it was then.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.operation
    }
}

impl From<&Event<'_>> for OwnedEvent {
    fn from(event: &Event<'_>) -> Self {
        let what = match *event {
            Event::Accepted { .. } => What::Accepted,
            Event::Waiting { delay, reason, .. } => What::Waiting { delay, reason },
            Event::Polled { .. } => What::Polled,
            Event::PollFailed { failure, failures, retry_in, .. } => What::PollFailed { failure, failures, retry_in },
            Event::Moved { from, .. } => What::Moved { from: from.clone() },
            Event::Finished { outcome, .. } => What::Finished { outcome },
        };
        Self { operation: event.operation().clone(), what }
    }
}

impl fmt::Debug for OwnedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_event().fmt(f)
    }
}

impl LroLayer {
    /// These settings, and a stream of what happens to the operations that they are used for: for one request, if they go
    /// into its extensions, or for all of a client's.
    ///
    /// The stream holds up to 256 events. If they are read more slowly than they come, the oldest are
    /// [lost](Events::lost), and never the last; operations do not wait for a reader. It ends when the last copy of
    /// the settings is dropped, which a request holds until its response is there.
    ///
    /// # Example
    ///
    /// ```
    /// use futures_util::{StreamExt, future::join};
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{Event, LroLayer, simulator::{Simulator, SimulatorBody}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = LroLayer::new().layer(Simulator::new());
    ///
    /// let (settings, events) = LroLayer::new().events();
    /// let request = http::Request::post("https://atlas.microsoft.com/mapData")
    ///     .extension(settings)
    ///     .body(SimulatorBody::default())?;
    ///
    /// let told = events.filter_map(|event| async move {
    ///     match event.as_event() {
    ///         Event::Polled { operation, .. } => Some(operation.status()?.to_owned()),
    ///         _ => None,
    ///     }
    /// });
    /// let (response, statuses) = join(client.oneshot(request), told.collect::<Vec<_>>()).await;
    /// assert_eq!(response?.status(), 200);
    /// assert_eq!(statuses, ["NotStarted", "Running", "Succeeded"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(self) -> (Self, Events) {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let sender = Sender(queue.clone());
        (self.on_event(move |event| sender.send(event)), Events { queue })
    }
}

/// The stream of [`LroLayer::events`].
#[must_use = "streams do nothing unless polled"]
pub struct Events {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<OwnedEvent>,
    lost: u64,
    reader: Option<Waker>,
    /// Nobody is going to send any more, or to read any.
    is_closed: bool,
}

struct Sender(Arc<Mutex<Queue>>);

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sender {
    fn send(&self, event: &Event<'_>) {
        let mut queue = lock(&self.0);
        if queue.is_closed {
            return;
        }
        if queue.events.len() == CAPACITY {
            queue.events.pop_front();
            queue.lost += 1;
        }
        queue.events.push_back(event.into());
        let reader = queue.reader.take();
        drop(queue);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue.is_closed = true;
        let reader = queue.reader.take();
        drop(queue);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl Events {
    /// How many events were lost so far, because they were not read in time.
    ///
    /// # Example
    ///
    /// ```
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::{Reply, Script, Simulator}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let busy = (0..200).map(|_| Reply::status("Running")).chain([Reply::status("Succeeded")]);
    /// let (layer, events) = LroLayer::new().events();
    /// layer.layer(Simulator::new().script(Script::azure_maps().polls(busy))).oneshot(request).await?;
    /// // `Accepted`, 201 times `Waiting` and `Polled`, `Finished`: the last 256 are there.
    /// assert_eq!(events.lost(), 404 - 256);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn lost(&self) -> u64 {
        lock(&self.queue).lost
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.is_closed = true;
        let left = (std::mem::take(&mut queue.events), queue.reader.take());
        drop(queue);
        drop(left);
    }
}

impl Stream for Events {
    type Item = OwnedEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<OwnedEvent>> {
        let mut queue = lock(&self.queue);
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.is_closed => Poll::Ready(None),
            None => {
                let before = queue.reader.replace(cx.waker().clone());
                // Dropping a waker may do anything, and it must not find this locked.
                drop(queue);
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = lock(&self.queue);
        f.debug_struct("Events").field("waiting", &queue.events.len()).field("lost", &queue.lost).finish()
    }
}
