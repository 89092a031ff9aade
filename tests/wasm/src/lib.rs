//! A timer of a browser or of Node.js.

use std::time::{Duration, SystemTime};

use tower_lro::{Sleep, Timer};
use web_time::{Instant, SystemTime as WebSystemTime, web::SystemTimeExt};

/// For `LroLayer::timer`.
#[derive(Clone, Copy, Debug)]
pub struct WebTimer {
    started: Instant,
}

impl WebTimer {
    /// Begins to count.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Timer for WebTimer {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall_clock(&self) -> SystemTime {
        WebSystemTime::now().to_std()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(gloo_timers::future::sleep(duration))
    }
}
