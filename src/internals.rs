//! The parts of the core that benches and fuzz targets use directly. Not a public API.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};

use crate::{
    address::{
        error::{AddressError, AddressErrorKind},
        policy::{CallerAddress, Credentials},
    },
    layer::LroLayer,
    poller::status_search::StatusSearch,
    protocol::{Protocol, status_rule::StatusRule},
    timing::retry_after::RetryAfter,
};

static STATUS: LazyLock<StatusRule> = LazyLock::new(|| StatusRule::new().status_at("/status"));

/// The search for a top-level `status`.
#[derive(Debug)]
pub struct Scanner(StatusSearch);

#[allow(missing_docs)]
impl Scanner {
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(StatusSearch::new(&STATUS))
    }

    /// Reads on until the status is known.
    pub fn scan(&mut self, bytes: &[u8]) -> Option<&str> {
        self.0.read_to_status(bytes, &STATUS);
        self.0.decided()
    }

    /// Reads all of the bytes.
    pub fn scan_all(&mut self, bytes: &[u8]) -> Option<&str> {
        self.0.read(bytes, &STATUS);
        self.0.decided()
    }

    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        self.0.percent()
    }
}

/// Resolves the address of a monitor; returns it, and whether its polls carry no credentials.
///
/// # Errors
///
/// The same as in the layer.
pub fn resolve(
    layer: &LroLayer,
    start: &Request<()>,
    base: &Uri,
    value: &HeaderValue,
) -> Result<(Uri, bool), AddressError> {
    const OPERATION_LOCATION: HeaderName = HeaderName::from_static("operation-location");
    let (config, protocol) = (layer.config(), Protocol::operation_location());
    let caller = CallerAddress::new(
        start.uri(),
        start.headers().get("host").map(http::HeaderValue::as_bytes),
        config.base_uri.as_ref(),
    );
    let resolver = config.resolver(&caller, &protocol);
    let mut headers = HeaderMap::new();
    headers.insert(OPERATION_LOCATION, value.clone());
    let missing = || Err(AddressError::new(AddressErrorKind::Missing, None, None));
    let address = resolver.resolve_header(&OPERATION_LOCATION, &headers, base).unwrap_or_else(missing)?;
    Ok((address.uri, address.credentials == Credentials::Withhold))
}

/// The delay that a response asks for.
#[must_use]
pub fn retry_after(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    RetryAfter::of(headers, || wall).map(|asked| asked.after(Duration::ZERO))
}
