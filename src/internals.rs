//! The parts of the core that benches and fuzz targets look at by themselves. No public API.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, Request, Uri};

use crate::{AddressError, LroLayer, poller};

/// The status scanner, on a top-level `status`.
#[derive(Debug)]
pub struct Scanner(poller::StatusScanner);

static STATUS: LazyLock<[poller::Watch; 1]> = LazyLock::new(|| [poller::Watch::text(["status"])]);

#[allow(missing_docs)]
impl Scanner {
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(poller::StatusScanner::new())
    }

    /// The status word, and how much was read to find it.
    pub fn scan<'a>(&'a mut self, bytes: &'a [u8]) -> Option<(&'a str, usize)> {
        self.0.scan(bytes, &*STATUS)
    }

    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        self.0.percent()
    }
}

/// Where a monitor is, and whether its polls are anonymous.
///
/// # Errors
///
/// As the layer.
pub fn resolve(
    layer: &LroLayer,
    start: &Request<()>,
    base: &Uri,
    value: &HeaderValue,
) -> Result<(Uri, bool), AddressError> {
    poller::resolve(layer, start, base, value)
}

/// The hint of a response.
#[must_use]
pub fn hint(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    poller::hint(headers, wall).map(|hint| hint.delay)
}
