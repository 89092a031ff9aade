//! `LroLayer`: the settings, and the tower `Layer`.

use std::{
    fmt,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode};
use tower_layer::Layer;

use crate::{Backoff, Event, FinalResponse, Lro, Origin, Protocol, protocol::Candidate};

/// Sees long-running operations through: settings and door at once.
///
/// A tower [`Layer`], a `reqwest_middleware::Middleware` (feature `reqwest-middleware`), and, put into a request's
/// extensions, that request's own settings, which replace all of the layer's, its observers and trusted origins included: to
/// change one thing, change a clone. Cheap to clone.
///
/// # Settings
///
/// | setting | default |
/// | --- | --- |
/// | [`protocols`](Self::protocols) | [`Protocol::operation_location`] |
/// | [`backoff`](Self::backoff), where the server gives no hint | 1 s × 1.5 up to 30 s |
/// | [`min_delay`](Self::min_delay) | 0 |
/// | [`max_delay`](Self::max_delay) of hints | 1 h |
/// | [`spread`](Self::spread) | 0.1 |
/// | [`timeout`](Self::timeout) | none |
/// | [`max_failures`](Self::max_failures) in a row | 10 |
/// | [`max_status_bytes`](Self::max_status_bytes) | 16 MiB |
/// | [`allow_origin`](Self::allow_origin), [`trust_origin`](Self::trust_origin) | the start request's own |
/// | [`carry_query`](Self::carry_query) | `subscription-key`, `api-version` |
/// | [`final_response`](Self::final_response) | as the protocol says: the final status response |
/// | [`error_on_failure`](Self::error_on_failure) | `false` |
/// | [`on_event`](Self::on_event) | nothing |
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_lro::LroLayer;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = service_fn(|request: Request<String>| async move {
/// #     Ok::<_, std::convert::Infallible>(match request.uri().path() {
/// #         "/start" => Response::builder().status(202).header("operation-location", "/operations/1").body(String::new()),
/// #         _ => Response::builder().body(r#"{"status": "Succeeded"}"#.to_owned()),
/// #     }.unwrap())
/// # });
/// let layer = LroLayer::new().timeout(Duration::from_secs(600));
/// let client = ServiceBuilder::new().layer(layer.clone()).service(service);
///
/// // This request may take longer, and must not end in anything but success.
/// let patient = layer.timeout(Duration::from_secs(3600)).error_on_failure(true);
/// let request = Request::post("https://example.com/start").extension(patient).body(String::new())?;
/// let response = client.oneshot(request).await?;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct LroLayer {
    settings: Arc<Settings>,
}

#[derive(Clone)]
pub(crate) struct Settings {
    protocols: Vec<Protocol>,
    starts: StatusSet,
    pub(crate) backoff: Backoff,
    pub(crate) min_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) spread: f64,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_failures: u32,
    pub(crate) max_status_bytes: usize,
    pub(crate) allowed: Vec<Origin>,
    pub(crate) trusted: Vec<Origin>,
    pub(crate) carry_query: Vec<String>,
    pub(crate) final_response: Option<FinalResponse>,
    pub(crate) error_on_failure: bool,
    observers: Vec<Observer>,
}

type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

impl Default for Settings {
    fn default() -> Self {
        let protocols = vec![Protocol::operation_location()];
        Self {
            starts: StatusSet::of(&protocols),
            protocols,
            backoff: Backoff::default(),
            min_delay: Duration::ZERO,
            max_delay: Duration::from_secs(3600),
            spread: 0.1,
            timeout: None,
            max_failures: 10,
            max_status_bytes: 16 << 20,
            allowed: Vec::new(),
            trusted: Vec::new(),
            carry_query: vec!["subscription-key".to_owned(), "api-version".to_owned()],
            final_response: None,
            error_on_failure: false,
            observers: Vec::new(),
        }
    }
}

/// The statuses of start responses, as bits from 200 on, because every response is asked for its own.
#[derive(Clone, Copy)]
struct StatusSet(u64);

impl StatusSet {
    fn of(protocols: &[Protocol]) -> Self {
        let announcements = protocols.iter().flat_map(Protocol::announcements);
        let statuses = announcements.flat_map(|announcement| &announcement.statuses);
        Self(statuses.filter_map(|&status| Self::bit(status)).fold(0, |set, bit| set | bit))
    }

    #[inline]
    fn bit(status: StatusCode) -> Option<u64> {
        1_u64.checked_shl(u32::from(status.as_u16()).wrapping_sub(200))
    }

    #[inline]
    fn has(self, status: StatusCode) -> bool {
        Self::bit(status).is_some_and(|bit| self.0 & bit != 0)
    }
}

impl Settings {
    pub(crate) fn protocols(&self) -> &[Protocol] {
        &self.protocols
    }

    fn set_protocols(&mut self, protocols: Vec<Protocol>) {
        self.starts = StatusSet::of(&protocols);
        self.protocols = protocols;
    }

    /// The ways in which a response may announce an operation.
    pub(crate) fn candidates<'a>(
        &'a self,
        method: &'a Method,
        status: StatusCode,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = Candidate> + 'a {
        self.protocols.iter().flat_map(move |protocol| {
            let places = protocol.matches(method, status, headers);
            places.map(|announcement| Candidate { protocol: protocol.clone(), announcement })
        })
    }

    /// Whether there are any.
    #[inline]
    pub(crate) fn may_be_announced(&self, method: &Method, status: StatusCode, headers: &HeaderMap) -> bool {
        self.starts.has(status) && self.candidates(method, status, headers).next().is_some()
    }

    /// Tells the observers. One that panics harms nothing but itself.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        for observer in &self.observers {
            let Err(panic) = catch_unwind(AssertUnwindSafe(|| observer(event))) else { continue };
            // What it panicked with may panic itself when it is dropped.
            _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(ManuallyDrop::new);
        }
    }
}

impl LroLayer {
    /// Sees any `202 Accepted` with `Operation-Location` through, on the start request's own origin.
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes everything through, a 202 included. For the extensions of a single request.
    pub fn off() -> Self {
        Self::new().protocols([])
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn is_off(&self) -> bool {
        self.settings.protocols.is_empty()
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Speaks `protocol` too. The one that was added first wins where several match.
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.with(|settings| {
            let protocols = std::mem::take(&mut settings.protocols);
            settings.set_protocols(protocols.into_iter().chain([protocol]).collect());
        })
    }

    /// Speaks exactly these protocols. The first that matches wins.
    pub fn protocols(self, protocols: impl IntoIterator<Item = Protocol>) -> Self {
        self.with(|settings| settings.set_protocols(protocols.into_iter().collect()))
    }

    /// The delays where the server gives no hint, which is most of the time. Default: 1 s × 1.5 up to 30 s.
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.with(|settings| settings.backoff = backoff)
    }

    /// The floor under every delay, hints included. Default: 0.
    pub fn min_delay(self, delay: Duration) -> Self {
        self.with(|settings| settings.min_delay = delay)
    }

    /// The ceiling over every hint. Default: 1 hour. The [`Backoff`] has its own.
    pub fn max_delay(self, delay: Duration) -> Self {
        self.with(|settings| settings.max_delay = delay)
    }

    /// Makes every delay longer by a random part of itself, from 0 up to `fraction`, so that operations that were started
    /// together are not polled together. Default: 0.1. Nothing is added for what is no positive, finite
    /// number. Comes on top of [`max_delay`](Self::max_delay) and of the backoff's own maximum.
    pub fn spread(self, fraction: f64) -> Self {
        self.with(|settings| settings.spread = fraction)
    }

    /// The time from acceptance to the head of the final response. Default: none; do set one, since a terminal word that the
    /// layer does not know is waited on for ever.
    ///
    /// It holds whatever the layer is doing then: waiting, polling, or reading. The outcome is
    /// [`Cause::Timeout`](crate::Cause::Timeout); the operation goes on at the service, and can be resumed.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.timeout = Some(timeout))
    }

    /// How many failed polls in a row are survived. Default: 10.
    ///
    /// A poll fails by a 408, 429, 500, 502, 503 or 504, by an error of the inner service or of the body, and by a 404
    /// before the first status. It is repeated after the server's hint or the backoff. A status starts the count anew.
    pub fn max_failures(self, failures: u32) -> Self {
        self.with(|settings| settings.max_failures = failures)
    }

    /// How many bytes of a status response are held at most while its status is being looked for. Default: 16 MiB.
    pub fn max_status_bytes(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_status_bytes = bytes)
    }

    /// An origin, or a pattern of origins, that may be polled without credentials: of the start request's headers, a poll
    /// there has `Accept`, `Accept-Language` and `User-Agent`, and none of its extensions.
    ///
    /// What the service below adds by itself, such as the default headers of a `reqwest::Client`, it adds there too.
    pub fn allow_origin(self, origin: Origin) -> Self {
        self.with(|settings| settings.allowed.push(origin))
    }

    /// An origin, or a pattern of origins, that may be polled with the start request's credentials.
    pub fn trust_origin(self, origin: Origin) -> Self {
        self.with(|settings| settings.trusted.push(origin))
    }

    /// The query parameters that are carried over from the start request's address to those of its polls, where they are
    /// missing and the origin is the same or trusted. Default: `subscription-key` and `api-version`. Names compare
    /// case-insensitively.
    ///
    /// Azure Maps authenticates by `?subscription-key=`, and its `Operation-Location` does not repeat it. Send keys in a header
    /// where you can: errors of reqwest itself, such as that of `error_for_status`, name the whole address of a response that
    /// passed through.
    pub fn carry_query(self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|settings| settings.carry_query = names.into_iter().map(Into::into).collect())
    }

    /// What is handed over when an operation has succeeded, whatever its protocol says. Default: as the protocol says, which
    /// is [`FinalResponse::Status`] for that of this layer.
    pub fn final_response(self, final_response: FinalResponse) -> Self {
        self.with(|settings| settings.final_response = Some(final_response))
    }

    /// Whether operations that end in `Failed` or `Canceled` become errors,
    /// [`Cause::Failed`](crate::Cause::Failed). Default: no, their final response is handed over like any other, and
    /// [`ResponseExt::error_for_operation`](crate::ResponseExt::error_for_operation) makes an error of it.
    ///
    /// Say yes where a layer above retries HTTP errors: this error says that the request has happened, which a 500 that was
    /// handed over does not.
    pub fn error_on_failure(self, yes: bool) -> Self {
        self.with(|settings| settings.error_on_failure = yes)
    }

    /// Calls `observer` for everything that happens to an operation. May be called more than once; each is called, in order.
    ///
    /// The observer runs within the request's future, and what it takes of its time is missing there: hand events on if
    /// there is much to do with them. A panic in it is caught, and harms nothing.
    pub fn on_event(self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.observers.push(Arc::new(observer)))
    }
}

impl<S> Layer<S> for LroLayer {
    type Service = Lro<S>;

    fn layer(&self, inner: S) -> Lro<S> {
        Lro::new(inner, self.clone())
    }
}

impl fmt::Debug for LroLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings {
            protocols,
            starts: _,
            backoff,
            min_delay,
            max_delay,
            spread,
            timeout,
            max_failures,
            max_status_bytes,
            allowed,
            trusted,
            carry_query,
            final_response,
            error_on_failure,
            observers,
        } = &*self.settings;
        f.debug_struct("LroLayer")
            .field("protocols", protocols)
            .field("backoff", backoff)
            .field("min_delay", min_delay)
            .field("max_delay", max_delay)
            .field("spread", spread)
            .field("timeout", timeout)
            .field("max_failures", max_failures)
            .field("max_status_bytes", max_status_bytes)
            .field("allow_origin", allowed)
            .field("trust_origin", trusted)
            .field("carry_query", carry_query)
            .field("final_response", final_response)
            .field("error_on_failure", error_on_failure)
            .field("observers", &observers.len())
            .finish()
    }
}
