//! The parts of the core that benches and fuzz targets look at by themselves. No public API.

use std::{
    borrow::Cow,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, Request, Uri};

use crate::{
    address::{
        error::AddressError,
        resolver::{Resolver, Trust},
    },
    json::scanner::{self, Watch},
    layer::LroLayer,
    protocol::{self, Protocol},
    request::template::Snapshot,
    timing::retry_after,
};

/// The status scanner, on a top-level `status`.
#[derive(Debug)]
pub struct Scanner(scanner::Scanner);

static STATUS: LazyLock<[Watch; 1]> = LazyLock::new(|| [Watch::text(["status"])]);

#[allow(missing_docs)]
impl Scanner {
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(scanner::Scanner::new())
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
    let own = Cow::Borrowed(start.uri());
    let start = Snapshot::of(start);
    let protocol = Protocol::operation_location();
    let (settings, spec) = (layer.settings(), protocol.spec());
    let resolver = Resolver { start: &start, own, settings, spec, first: None, is_anonymous: false };
    let address = resolver.resolve(&protocol::OPERATION_LOCATION, value, base)?;
    Ok((address.uri, address.trust == Trust::Anonymous))
}

/// The hint of a response.
#[must_use]
pub fn hint(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    retry_after::hint(headers, wall).map(|hint| hint.delay)
}
