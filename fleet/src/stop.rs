//! `Stop`: the signal that ends a worker, and how long what is under way may take after it.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, timeout_at};

/// A signal, and when it came.
pub struct Stop<F> {
    signal: Pin<Box<F>>,
    came: Option<Instant>,
    patience: Duration,
}

impl<F: Future<Output = ()>> Stop<F> {
    pub fn new(signal: F, patience: Duration) -> Self {
        Self { signal: Box::pin(signal), came: None, patience }
    }

    /// Does work that the signal does not interrupt. `None` where it took longer than it may after that.
    pub async fn outlast<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        let came = match self.came {
            Some(came) => came,
            None => tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = &mut self.signal => *self.came.insert(Instant::now()),
            },
        };
        timeout_at(came + self.patience, work).await.ok()
    }

    pub const fn has_come(&self) -> bool {
        self.came.is_some()
    }

    /// Does work until the signal comes. When that was, if it came.
    pub async fn or(&mut self, work: impl Future<Output = ()>) -> Option<Instant> {
        if self.came.is_none() {
            tokio::select! {
                biased;
                () = &mut self.signal => self.came = Some(Instant::now()),
                () = work => {}
            }
        }
        self.came
    }
}
