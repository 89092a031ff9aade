//! `Events`: what happens to operations, as a stream.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;

use crate::{
    event::{Event, owned::OwnedEvent},
    limits::MAX_QUEUED_EVENTS,
};

/// The stream of [`LroLayer::events`](crate::LroLayer::events).
#[must_use = "streams do nothing unless polled"]
pub struct Events {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<OwnedEvent>,
    lost: u64,
    reader: Option<Waker>,
    /// There are no more senders, or no reader.
    is_closed: bool,
}

/// Sends the events of an observer to the stream.
pub(crate) struct Sender(Arc<Mutex<Queue>>);

pub(crate) fn channel() -> (Sender, Events) {
    let queue = Arc::new(Mutex::new(Queue::default()));
    (Sender(queue.clone()), Events { queue })
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sender {
    pub(crate) fn send(&self, event: &Event<'_>) {
        let mut queue = lock(&self.0);
        if queue.is_closed {
            return;
        }
        if queue.events.len() == MAX_QUEUED_EVENTS {
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
    /// Returns how many events were lost so far, because they were not read in time.
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
