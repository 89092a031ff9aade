//! `LroLayer`: the settings, and the tower `Layer`.

use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use crate::{
    address::origin::Origin,
    config::Settings,
    event::Event,
    protocol::{FinalResponse, Protocol},
    service::Lro,
    timing::backoff::Backoff,
};

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
/// | [`jitter`](Self::jitter) | 0.1 |
/// | [`timeout`](Self::timeout) | none |
/// | [`max_consecutive_failures`](Self::max_consecutive_failures) in a row | 10 |
/// | [`max_status_bytes`](Self::max_status_bytes) | 16 MiB |
/// | [`allow_anonymous_origin`](Self::allow_anonymous_origin), [`trust_origin`](Self::trust_origin) | the start request's own |
/// | [`propagate_query`](Self::propagate_query) | `subscription-key`, `api-version` |
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

impl LroLayer {
    /// Sees any `202 Accepted` with `Operation-Location` through, on the start request's own origin.
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes everything through, a 202 included. For the extensions of a single request.
    ///
    /// # Example
    ///
    /// ```
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = LroLayer::new().layer(Simulator::new());
    /// let request = http::Request::post("https://atlas.microsoft.com/mapData")
    ///     .extension(LroLayer::disabled())
    ///     .body(String::new())?;
    /// assert_eq!(client.oneshot(request).await?.status(), 202);
    /// # Ok(())
    /// # }
    /// ```
    pub fn disabled() -> Self {
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
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{LroLayer, Protocol};
    ///
    /// // `Operation-Location` as by default, and where there is none `Location` on 202.
    /// let layer = LroLayer::new().protocol(Protocol::location());
    /// # let _ = layer;
    /// ```
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.with(|settings| {
            let protocols = std::mem::take(&mut settings.protocols);
            settings.set_protocols(protocols.into_iter().chain([protocol]).collect());
        })
    }

    /// Speaks exactly these protocols. The first that matches wins.
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{LroLayer, Protocol};
    ///
    /// // A client of Fabric alone.
    /// let layer = LroLayer::new().protocols([Protocol::fabric()]);
    /// # let _ = layer;
    /// ```
    pub fn protocols(self, protocols: impl IntoIterator<Item = Protocol>) -> Self {
        self.with(|settings| settings.set_protocols(protocols.into_iter().collect()))
    }

    /// The delays where the server gives no hint, which is most of the time. Default: 1 s × 1.5 up to 30 s.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
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
        self.with(|settings| settings.backoff = backoff)
    }

    /// The floor under every delay, hints included. Default: 0.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_lro::LroLayer;
    /// // Never more often than every two seconds, whatever the service asks for.
    /// let layer = LroLayer::new().min_delay(Duration::from_secs(2));
    /// # let _ = layer;
    /// ```
    pub fn min_delay(self, delay: Duration) -> Self {
        self.with(|settings| settings.min_delay = delay)
    }

    /// The ceiling over every hint. Default: 1 hour. The [`Backoff`] has its own.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use tokio::time::Instant;
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let layer = LroLayer::new().max_delay(Duration::from_secs(5)).jitter(0.0);
    ///
    /// // It gives no hint with its 202, and asks for 30 seconds with each of two polls.
    /// let start = Instant::now();
    /// layer.layer(Simulator::new()).oneshot(request).await?;
    /// assert_eq!(start.elapsed().as_secs(), 1 + 5 + 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_delay(self, delay: Duration) -> Self {
        self.with(|settings| settings.max_delay = delay)
    }

    /// Makes every delay longer by a random part of itself, from 0 up to `fraction`, so that operations that were started
    /// together are not polled together. Default: 0.1. Nothing is added for what is no positive, finite
    /// number. Comes on top of [`max_delay`](Self::max_delay) and of the backoff's own maximum.
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
        self.with(|settings| settings.jitter = fraction)
    }

    /// The time from acceptance to the head of the final response. Default: none; do set one, since a terminal word that the
    /// layer does not know is waited on for ever.
    ///
    /// It holds whatever the layer is doing then: waiting, polling, or reading. The outcome is
    /// [`Cause::Timeout`](crate::Cause::Timeout); the operation goes on at the service, and can be resumed.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{Cause, Error, LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// // It takes more than a minute.
    /// let client = LroLayer::new().timeout(Duration::from_secs(20)).layer(Simulator::new());
    /// let Err(Error::Operation(error)) = client.oneshot(request).await else { panic!("it has ended in time") };
    /// assert!(matches!(error.cause(), Cause::Timeout));
    /// assert_eq!(error.operation().status(), Some("NotStarted"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.timeout = Some(timeout))
    }

    /// How many failed polls in a row are survived. Default: 10.
    ///
    /// A poll fails by a 408, 429, 500, 502, 503 or 504, by an error of the inner service or of the body, and by a 404
    /// before the first status. It is repeated after the server's hint or the backoff. A status starts the count anew.
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
        self.with(|settings| settings.max_consecutive_failures = failures)
    }

    /// How many bytes of a status response are held at most while its status is being looked for. Default: 16 MiB.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// // The service writes its results, of many megabytes, before their status.
    /// let layer = LroLayer::new().max_status_bytes(256 << 20);
    /// # let _ = layer;
    /// ```
    pub fn max_status_bytes(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_status_bytes = bytes)
    }

    /// An origin, or a pattern of origins, that may be polled without credentials: of the start request's headers, a poll
    /// there has `Accept`, `Accept-Language` and `User-Agent`, and none of its extensions.
    ///
    /// What the service below adds by itself, such as the default headers of a `reqwest::Client`, it adds there too.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// let layer = LroLayer::new().allow_anonymous_origin("https://status.example.com".parse()?);
    /// # let _ = layer;
    /// # Ok::<_, tower_lro::OriginError>(())
    /// ```
    pub fn allow_anonymous_origin(self, origin: Origin) -> Self {
        self.with(|settings| settings.allowed.push(origin))
    }

    /// An origin, or a pattern of origins, that may be polled with the start request's credentials.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// // A front door, and the regional hosts behind it.
    /// let layer = LroLayer::new()
    ///     .trust_origin("https://api.example.com".parse()?)
    ///     .trust_origin("https://*.regions.example.com".parse()?);
    /// # let _ = layer;
    /// # Ok::<_, tower_lro::OriginError>(())
    /// ```
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
    ///
    /// # Example
    ///
    /// ```
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let simulator = Simulator::new().recording();
    /// let client = LroLayer::new().propagate_query(["sig"]).layer(simulator.clone());
    /// let request = http::Request::post("https://atlas.microsoft.com/mapData?sig=123&dryRun=no").body(String::new())?;
    /// client.oneshot(request).await?;
    /// assert_eq!(simulator.recorded()[1].uri.query(), Some("sig=123"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn propagate_query(self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|settings| settings.propagate_query = names.into_iter().map(Into::into).collect())
    }

    /// What is handed over when an operation has succeeded, whatever its protocol says. Default: as the protocol says, which
    /// is [`FinalResponse::Status`] for that of this layer.
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{FinalResponse, LroLayer};
    ///
    /// // What `Resource-Location` names, instead of the status response that names it.
    /// let layer = LroLayer::new().final_response(FinalResponse::Resource);
    /// # let _ = layer;
    /// ```
    pub fn final_response(self, final_response: FinalResponse) -> Self {
        self.with(|settings| settings.final_response = Some(final_response))
    }

    /// Whether operations that end in `Failed` or `Canceled` become errors,
    /// [`Cause::Failed`](crate::Cause::Failed). Default: no, their final response is handed over like any other, and
    /// [`ResponseExt::error_for_operation`](crate::ResponseExt::error_for_operation) makes an error of it.
    ///
    /// Say yes where a layer above retries HTTP errors: this error says that the request has happened, which a 500 that was
    /// handed over does not.
    ///
    /// # Example
    ///
    /// ```
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{Cause, Error, LroLayer, simulator::{Script, Simulator}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let simulator = Simulator::new().script(Script::azure_maps_failed());
    /// let client = LroLayer::new().error_on_failure(true).layer(simulator);
    /// let Err(Error::Operation(error)) = client.oneshot(request).await else { panic!("it has succeeded") };
    /// assert!(matches!(error.cause(), Cause::Failed(failed) if failed.error().is_some()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn error_on_failure(self, yes: bool) -> Self {
        self.with(|settings| settings.error_on_failure = yes)
    }

    /// Calls `observer` for everything that happens to an operation. May be called more than once; each is called, in order.
    ///
    /// The observer runs within the request's future, and what it takes of its time is missing there: hand events on if
    /// there is much to do with them. A panic in it is caught, and harms nothing.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{Event, LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let polls = Arc::new(AtomicU32::new(0));
    /// let layer = LroLayer::new().on_event({
    ///     let polls = polls.clone();
    ///     move |event| {
    ///         if let Event::Polled { .. } = event {
    ///             polls.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    /// });
    /// layer.layer(Simulator::new()).oneshot(request).await?;
    /// assert_eq!(polls.load(Ordering::Relaxed), 3);
    /// # Ok(())
    /// # }
    /// ```
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
            jitter,
            timeout,
            max_consecutive_failures,
            max_status_bytes,
            allowed,
            trusted,
            propagate_query,
            final_response,
            error_on_failure,
            observers,
        } = &*self.settings;
        f.debug_struct("LroLayer")
            .field("protocols", protocols)
            .field("backoff", backoff)
            .field("min_delay", min_delay)
            .field("max_delay", max_delay)
            .field("jitter", jitter)
            .field("timeout", timeout)
            .field("max_consecutive_failures", max_consecutive_failures)
            .field("max_status_bytes", max_status_bytes)
            .field("allow_anonymous_origin", allowed)
            .field("trust_origin", trusted)
            .field("propagate_query", propagate_query)
            .field("final_response", final_response)
            .field("error_on_failure", error_on_failure)
            .field("observers", &observers.len())
            .finish()
    }
}
