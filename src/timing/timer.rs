//! `Timer`: the clock and the sleep that the layer uses.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};

/// A clock, and a sleep, for runtimes other than tokio's: see [`LroLayer::timer`](crate::LroLayer::timer).
///
/// # WebAssembly
///
/// The integration for services of `http` types works in a browser and under Node.js (`wasm32-unknown-unknown`), with a timer made
/// from the crates `web-time` and `gloo-timers`: `Instant::now`, `SystemTime::now`, and `gloo_timers::future::sleep`. `tests/wasm` of
/// the repository has one. Without a timer, calls fail at once with [`Error::NoTimer`](crate::Error::NoTimer).
///
/// A browser shows a page the headers `Operation-Location` and `Retry-After` of another origin only if the service allows it with
/// `Access-Control-Expose-Headers` (CORS); without the first header nothing starts. The integrations for reqwest do not build for
/// WebAssembly: there, reqwest's bodies and responses do not convert into those of `http`, and its futures are not `Send`.
///
/// # Example
///
/// ```
/// use std::time::{Duration, Instant, SystemTime};
/// use tower_lro::{LroLayer, Sleep, Timer};
///
/// /// Any runtime's sleep will do.
/// struct Threads { started: Instant }
///
/// impl Timer for Threads {
///     fn now(&self) -> Duration {
///         self.started.elapsed()
///     }
///
///     fn wall_clock(&self) -> SystemTime {
///         SystemTime::now()
///     }
///
///     fn sleep(&self, duration: Duration) -> Sleep {
///         let (done, slept) = futures_util::future::abortable(std::future::pending::<()>());
///         std::thread::spawn(move || {
///             std::thread::sleep(duration);
///             slept.abort();
///         });
///         Box::pin(async { _ = done.await })
///     }
/// }
///
/// let layer = LroLayer::new().timer(Threads { started: Instant::now() });
/// # let _ = layer;
/// ```
pub trait Timer: Send + Sync + 'static {
    /// Returns the monotonic time since a fixed but arbitrary moment.
    fn now(&self) -> Duration;

    /// Returns the time of day, for HTTP-dates and stored operations.
    fn wall_clock(&self) -> SystemTime;

    /// Returns a future that completes after `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The future of [`Timer::sleep`]. On WebAssembly it need not be `Send`.
#[cfg(not(target_family = "wasm"))]
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The future of [`Timer::sleep`]. On WebAssembly it need not be `Send`.
#[cfg(target_family = "wasm")]
pub type Sleep = Pin<Box<dyn Future<Output = ()>>>;
