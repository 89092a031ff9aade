//! `QueueClock`: the time of day as the queue has it, so that workers whose clocks differ agree on deadlines.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tower_lro::{Sleep, Timer};

/// A timer for the layer whose wall clock is that of the queue.
///
/// Due times and leases never meet a worker's clock: the queue computes them. Deadlines are stored in the operation and
/// judged by the layer, which asks this.
#[derive(Clone, Debug)]
pub struct QueueClock {
    began: Instant,
    /// How far the queue's clock is ahead of this machine's.
    ahead_ms: Arc<AtomicI64>,
}

impl QueueClock {
    /// This machine's time, until [`set`](Self::set) is called.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), ahead_ms: Arc::default() }
    }

    /// Takes the queue's time of day, as it was a moment ago.
    pub fn set(&self, queue: SystemTime) {
        self.ahead_ms.store(signed_ms(queue, SystemTime::now()), Ordering::Relaxed);
    }
}

impl Default for QueueClock {
    fn default() -> Self {
        Self::new()
    }
}

/// `a - b`
fn signed_ms(a: SystemTime, b: SystemTime) -> i64 {
    let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    a.duration_since(b).map_or_else(|error| -ms(error.duration()), ms)
}

impl Timer for QueueClock {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wall_clock(&self) -> SystemTime {
        let ahead = self.ahead_ms.load(Ordering::Relaxed);
        let (now, difference) = (SystemTime::now(), Duration::from_millis(ahead.unsigned_abs()));
        let moved = if ahead < 0 { now.checked_sub(difference) } else { now.checked_add(difference) };
        moved.unwrap_or(now)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wall_clock_is_the_queues() {
        let clock = QueueClock::new();
        for queue in [SystemTime::now() + Duration::from_secs(3600), SystemTime::now() - Duration::from_secs(3600)] {
            clock.set(queue);
            // The test itself takes less than a minute.
            assert!(signed_ms(clock.wall_clock(), queue).abs() < 60_000);
        }
    }
}
