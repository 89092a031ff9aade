//! `Settings`: the layer's settings and the start request, as the tape has them.

use std::time::Duration;

use http::{HeaderValue, Request, Version, header::AUTHORIZATION};
use tower_lro::{Backoff, Event, FinalResponse, LroLayer, Protocol};

use super::{
    payload::{Marker, Payload},
    tape::Tape,
};
use crate::origin::Origins;

/// In headers and in the query of the start request; nothing that the service could know of.
pub const SECRET: &str = "squeamish-ossifrage";

pub const PROTOCOLS: [&str; 11] = [
    "operation-location",
    "location",
    "azure-core",
    "azure-resource-manager",
    "fabric",
    "graph",
    "odata",
    "fhir",
    "async-request-reply",
    "key-vault",
    "aip-151",
];
/// How many protocols the layer speaks.
pub const COUNTS: [usize; 8] = [0, 1, 2, 1, 1, 3, 1, 11];
pub const TIMEOUTS: [Option<Duration>; 8] = [
    None,
    Some(Duration::from_secs(30)),
    None,
    Some(Duration::from_millis(1)),
    Some(Duration::from_secs(600)),
    None,
    Some(Duration::ZERO),
    Some(Duration::MAX),
];
pub const MAX_FAILURES: [u32; 5] = [10, 0, 1, 3, u32::MAX];
pub const MAX_STATUS_BYTES: [usize; 8] = [16 << 20, 64, 1024, 0, 1, 16, 70_000, 16 << 20];
pub const FINAL_RESPONSES: [Option<FinalResponse>; 6] = [
    None,
    Some(FinalResponse::Auto),
    Some(FinalResponse::Status),
    Some(FinalResponse::Resource),
    Some(FinalResponse::Location),
    Some(FinalResponse::OriginalUri),
];
pub const MIN_DELAYS: [Duration; 4] =
    [Duration::ZERO, Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(20)];
pub const MAX_DELAYS: [Duration; 5] =
    [Duration::from_secs(3600), Duration::from_secs(10), Duration::ZERO, Duration::MAX, Duration::from_millis(700)];
/// The first delay, the factor, and the longest.
pub const BACKOFFS: [(Duration, f64, Duration); 6] = [
    (Duration::from_secs(1), 1.5, Duration::from_secs(30)),
    (Duration::ZERO, 2.0, Duration::ZERO),
    (Duration::from_secs(1), 1.0, Duration::from_secs(1)),
    (Duration::from_secs(2), f64::NAN, Duration::from_secs(1)),
    (Duration::from_nanos(1), f64::INFINITY, Duration::MAX),
    (Duration::from_micros(1500), 0.1, Duration::from_secs(1)),
];
pub const ORIGINS: [&str; 8] = [
    "https://other.example",
    "https://*.trusted.example",
    "https://*",
    "http://example.com",
    "https://example.com:8443",
    "https://*.test",
    "https://[::1]:8443",
    "http://*:8080",
];
pub const CARRIED: [Option<&[&str]>; 4] = [None, None, Some(&[]), Some(&["sig", "API-VERSION"])];
pub const METHODS: [&str; 6] = ["POST", "PUT", "PATCH", "DELETE", "GET", "MERGE"];
pub const STARTS: [&str; 8] = [
    "https://example.com/v1/start?api-version=1&subscription-key=squeamish-ossifrage",
    "https://us.atlas.microsoft.com/mapData?api-version=2.0&subscription-key=squeamish-ossifrage",
    "https://api.fabric.microsoft.com/v1/items",
    "http://example.com:8080/start?Subscription-Key=squeamish-ossifrage",
    "/start?subscription-key=squeamish-ossifrage",
    "https://user:squeamish-ossifrage@example.com:443/a/b/../start",
    "https://[::1]:8443/start?sig=s",
    "https://EXAMPLE.com",
];
pub const HOST: &str = "example.com";

/// The base that a client puts before requests with a path alone.
pub const BASE: &str = "https://example.com/v1/";

pub const MAX_WAITS: [Option<Duration>; 6] = [
    None,
    Some(Duration::ZERO),
    None,
    Some(Duration::from_secs(5)),
    Some(Duration::from_nanos(1)),
    Some(Duration::MAX),
];

/// Bits of the byte of flags.
pub const ERROR_ON_FAILURE: u8 = 1;
/// The settings are those of the request.
pub const PER_REQUEST: u8 = 2;
/// An operation that was given up is resumed.
pub const RESUMES_LATER: u8 = 4;
/// The caller's request resumes an operation of which nothing is known.
pub const RESUMES: u8 = 8;
/// The resumed operation was changed in the store.
pub const FORGES: u8 = 16;
/// The layer asks for the service to work asynchronously.
pub const ASKS_FOR_ASYNC: u8 = 32;
/// The layer knows what a client puts before paths.
pub const HAS_BASE: u8 = 64;
/// Polls have no marker in their extensions.
pub const OMITS_MARKER: u8 = 128;

#[derive(Clone, Debug)]
pub struct Settings {
    pub protocols: Vec<&'static str>,
    pub timeout: Option<Duration>,
    pub max_consecutive_failures: u32,
    pub max_status_bytes: usize,
    pub final_response: Option<FinalResponse>,
    pub min_delay: Duration,
    pub max_delay: Duration,
    pub backoff: (Duration, f64, Duration),
    pub origins: Origins,
    pub carried: Option<&'static [&'static str]>,
    pub method: &'static str,
    pub start: &'static str,
    pub max_wait: Option<Duration>,
    flags: u8,
}

impl Settings {
    pub fn read(tape: &mut Tape) -> Self {
        let count = tape.pick(&COUNTS);
        Self {
            protocols: match count {
                11 => PROTOCOLS.to_vec(),
                _ => (0..count).map(|_| tape.pick(&PROTOCOLS)).collect(),
            },
            timeout: tape.pick(&TIMEOUTS),
            max_consecutive_failures: tape.pick(&MAX_FAILURES),
            max_status_bytes: tape.pick(&MAX_STATUS_BYTES),
            final_response: tape.pick(&FINAL_RESPONSES),
            min_delay: tape.pick(&MIN_DELAYS),
            max_delay: tape.pick(&MAX_DELAYS),
            backoff: tape.pick(&BACKOFFS),
            origins: Origins {
                allowed: tape.choose(&ORIGINS),
                trusted: tape.choose(&ORIGINS),
                protocol: String::new(),
            },
            carried: tape.pick(&CARRIED),
            method: tape.pick(&METHODS),
            start: tape.pick(&STARTS),
            max_wait: tape.pick(&MAX_WAITS),
            flags: tape.byte(),
        }
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub fn has_base(&self) -> bool {
        self.has(HAS_BASE)
    }

    pub fn omits_marker(&self) -> bool {
        self.has(OMITS_MARKER)
    }

    pub fn speaks(&self, protocol: &str) -> bool {
        let is_default = self.protocols.is_empty() && protocol == PROTOCOLS[0];
        is_default || self.protocols.contains(&protocol)
    }

    pub fn layer(&self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> LroLayer {
        let (first, factor, max) = self.backoff;
        let mut layer = LroLayer::new()
            .max_consecutive_failures(self.max_consecutive_failures)
            .max_status_bytes(self.max_status_bytes)
            .min_delay(self.min_delay)
            .max_delay(self.max_delay)
            .backoff(Backoff::exponential(first, factor, max))
            // The same tape must always do the same.
            .jitter(0.0)
            .error_on_failure(self.has(ERROR_ON_FAILURE))
            .ask_for_async(self.has(ASKS_FOR_ASYNC))
            .on_event(observer);
        if self.has_base() {
            layer = layer.base_uri(BASE.parse().expect("it is an address"));
        }
        if self.omits_marker() {
            layer = layer.omit_extension::<Marker>();
        }
        if let Some(max_wait) = self.max_wait {
            layer = layer.max_wait(max_wait);
        }
        if !self.protocols.is_empty() {
            let known = |name: &&str| Protocol::known().find(|known| known.name() == *name);
            layer = layer.protocols(self.protocols.iter().filter_map(known));
        }
        if let Some(timeout) = self.timeout {
            layer = layer.timeout(timeout);
        }
        if let Some(final_response) = self.final_response {
            layer = layer.final_response(final_response);
        }
        if let Some(names) = self.carried {
            layer = layer.propagate_query(names.iter().copied());
        }
        let parsed = |origin: &&str| origin.parse().expect("it is an origin");
        layer = self.origins.allowed.iter().map(parsed).fold(layer, LroLayer::allow_anonymous_origin);
        self.origins.trusted.iter().map(parsed).fold(layer, LroLayer::trust_origin)
    }

    /// A request of the caller's own.
    pub fn request(method: &str, uri: &str) -> Request<Payload> {
        let mut request = Request::builder().method(method).uri(uri).version(Version::HTTP_2);
        for (name, value) in PUBLIC.into_iter().chain(PRIVATE).chain(DROPPED) {
            request = request.header(name, value);
        }
        if uri.starts_with('/') {
            request = request.header("host", HOST);
        }
        let mut request = request.extension(Marker).body(Payload::Callers).expect("starts are requests");
        let mut secret = HeaderValue::from_static(SECRET);
        secret.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, secret);
        request
    }
}

/// Headers that may go anywhere.
pub const PUBLIC: [(&str, &str); 3] =
    [("accept", "application/json"), ("accept-language", "sv"), ("user-agent", "fuzz")];

const PRIVATE: [(&str, &str); 3] = [("cookie", SECRET), ("x-secret", SECRET), ("x-secret", "twice")];

/// Headers about the start request's own body, preconditions and connection, or that must not be sent twice.
pub const DROPPED: [(&str, &str); 19] = [
    ("accept-encoding", "gzip"),
    ("connection", "keep-alive, X-Hop"),
    ("content-length", "8"),
    ("content-type", "application/zip"),
    ("expect", "100-continue"),
    ("idempotency-key", "1"),
    ("if-match", "*"),
    ("content-digest", "sha-256=:1:"),
    ("digest", "1"),
    ("repr-digest", "sha-256=:1:"),
    ("x-http-method", "DELETE"),
    ("x-http-method-override", "DELETE"),
    ("x-idempotency-key", "1"),
    ("x-method-override", "DELETE"),
    ("prefer", "respond-async"),
    ("range", "bytes=0-1"),
    ("repeatability-request-id", "1"),
    ("te", "trailers"),
    ("x-hop", "1"),
];
