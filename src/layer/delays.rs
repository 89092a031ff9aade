//! Settings of `LroLayer`: delays between polls, and bounds on the whole.

use std::{sync::Arc, time::Duration};

use crate::{
    layer::LroLayer,
    timing::{backoff::Backoff, timer::Timer},
};

impl LroLayer {
    /// Sets the delays that apply when the service asks for none, which is most of the time. Default: 1 s × 1.5 up to 30 s.
    ///
    /// # Example
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use tokio::time::Instant;
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{Backoff, LroLayer, simulator::{Reply, Script, Simulator}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let script = Script::azure_maps().polls([Reply::status("Running"), Reply::status("Succeeded")]);
    /// let layer = LroLayer::new().backoff(Backoff::constant(Duration::from_secs(5))).jitter(0.0);
    ///
    /// let start = Instant::now();
    /// layer.layer(Simulator::new().script(script)).oneshot(request).await?;
    /// assert_eq!(start.elapsed().as_secs(), 5 + 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.with(|config| config.delays.backoff = backoff)
    }

    /// Sets the shortest delay, whatever the service asks for. Default: 0. Above [`max_delay`](Self::max_delay), it wins.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use tower_lro::LroLayer;
    /// // Never more often than every two seconds, whatever the service asks for.
    /// let layer = LroLayer::new().min_delay(Duration::from_secs(2));
    /// # let _ = layer;
    /// ```
    pub fn min_delay(self, delay: Duration) -> Self {
        self.with(|config| config.delays.min_delay = delay)
    }

    /// Sets the longest delay that the service can ask for. Default: 1 hour. The [`Backoff`] has a maximum of its own.
    ///
    /// # Example
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use tokio::time::Instant;
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let layer = LroLayer::new().max_delay(Duration::from_secs(5)).jitter(0.0);
    ///
    /// // It asks for no delay with its 202, and for 30 seconds with each of two polls.
    /// let start = Instant::now();
    /// layer.layer(Simulator::new()).oneshot(request).await?;
    /// assert_eq!(start.elapsed().as_secs(), 1 + 5 + 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_delay(self, delay: Duration) -> Self {
        self.with(|config| config.delays.max_delay = delay)
    }

    /// Adds random jitter of up to `fraction` of each delay, so that operations that were started together are not polled
    /// together. Default: 0.1. Anything but a positive, finite number adds nothing. Comes on top of
    /// [`max_delay`](Self::max_delay) and of the backoff's own maximum.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// // Up to half as long again, for a job that starts a thousand operations at midnight.
    /// let nightly = LroLayer::new().jitter(0.5);
    /// // Exactly what was asked for, for tests that look at the time.
    /// let exact = LroLayer::new().jitter(0.0);
    /// # let _ = (nightly, exact);
    /// ```
    pub fn jitter(self, fraction: f64) -> Self {
        self.with(|config| config.delays.jitter = fraction)
    }

    /// Bounds the time from acceptance to the head of the final response. Default: none. An unrecognized terminal status is treated as
    /// running, so set a timeout.
    ///
    /// It applies whatever the layer is doing: waiting, polling, or reading. The outcome is
    /// [`Cause::Timeout`](crate::Cause::Timeout); the operation goes on at the service, and can be resumed. The deadline is part of
    /// the [`Operation`](crate::Operation::deadline): resumed before it passes, the operation keeps it.
    ///
    /// # Example
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{Cause, Error, LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// // It takes more than a minute.
    /// let client = LroLayer::new().timeout(Duration::from_secs(20)).layer(Simulator::new());
    /// let Err(Error::Operation(error)) = client.oneshot(request).await else { panic!("it ended in time") };
    /// assert!(matches!(error.cause(), Cause::Timeout));
    /// assert_eq!(error.operation().status(), Some("NotStarted"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|config| config.timeout = Some(timeout))
    }

    /// Sets how many failed polls in a row are repeated. Default: 10.
    ///
    /// A poll fails by a transient HTTP status ([`StatusRule::new`](crate::StatusRule::new) has the list), by an error of the inner
    /// service or of the body, by a 404 before the first status, and by a good response without a status after it. It is repeated
    /// after the delay that the service asks for, or the backoff. A status resets the count.
    ///
    /// # Example
    ///
    /// ```
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, Operation, simulator::{Reply, Script, Simulator}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let ever_busy = Simulator::new().script(Script::azure_maps().polls([Reply::http(503)]));
    /// let client = LroLayer::new().max_consecutive_failures(2).layer(ever_busy);
    /// let error = client.oneshot(request).await.unwrap_err();
    /// assert_eq!(error.operation().map(Operation::polls), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_consecutive_failures(self, failures: u32) -> Self {
        self.with(|config| config.max_consecutive_failures = failures)
    }

    /// Sets the longest delay that the call waits for. Before a longer one it ends with
    /// [`Cause::Pending`](crate::Cause::Pending); [resume](crate::Operation::resume) the operation after the delay.
    /// Default: the call waits for every delay.
    ///
    /// With zero, each call polls once; that suits workers that take operations from a queue. A chain of such steps makes
    /// the same polls at the same times as one call that waits, and ends the same way.
    ///
    /// # Example
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let client = LroLayer::new().max_wait(Duration::ZERO).layer(Simulator::new());
    /// let mut step = client.clone().oneshot(request).await;
    /// let finished = loop {
    ///     let (operation, delay) = match &step {
    ///         Ok(_) => break step?,
    ///         Err(error) => error.pending().ok_or("it failed")?,
    ///     };
    ///     // Stored in a queue, and taken from it by another process when the delay is over.
    ///     tokio::time::sleep(delay).await;
    ///     let request = http::Request::get("https://atlas.microsoft.com/").extension(operation.resume());
    ///     step = client.clone().oneshot(request.body(String::new())?).await;
    /// };
    /// assert_eq!(finished.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_wait(self, delay: Duration) -> Self {
        self.with(|config| config.max_wait = Some(delay))
    }

    /// Waits with another timer than tokio's: for other runtimes, and for WebAssembly.
    pub fn timer(self, timer: impl Timer) -> Self {
        self.with(|config| config.timer = Some(Arc::new(timer)))
    }
}
