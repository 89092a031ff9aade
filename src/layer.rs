//! `LroLayer`: the settings, as a builder, and `LroOverrides`, which change them for one request.

use std::{fmt, sync::Arc, time::Duration};

use http::{Extensions, Uri};
use url::Url;

use crate::{
    address::{origin::Origin, uri::is_http},
    config::Config,
    event::{
        Event,
        stream::{self, Events},
    },
    operation::cancel::Canceller,
    protocol::{Protocol, final_response::FinalResponse},
    request::template::OmittedExtension,
    timing::{backoff::Backoff, timer::Timer},
};

/// Polls long-running operations to completion.
///
/// A tower [`Layer`](tower_layer::Layer), a `reqwest_middleware::Middleware` (feature `reqwest-middleware`), and, put into a
/// request's extensions, that request's own settings, which replace all of the client's, its observers and trusted origins
/// included. To change single settings for a request, use [`LroOverrides`]. Cheap to clone.
///
/// # Settings
///
/// | setting | default |
/// | --- | --- |
/// | [`protocols`](Self::protocols) | [`Protocol::operation_location`] |
/// | [`ask_for_async`](Self::ask_for_async) | `false` |
/// | [`backoff`](Self::backoff), where the service asks for no delay | 1 s × 1.5 up to 30 s |
/// | [`min_delay`](Self::min_delay) | 0 |
/// | [`max_delay`](Self::max_delay) of what the service asks for | 1 h |
/// | [`jitter`](Self::jitter) | 0.1 |
/// | [`max_wait`](Self::max_wait) | none |
/// | [`timeout`](Self::timeout) | none |
/// | [`max_consecutive_failures`](Self::max_consecutive_failures) | 10 |
/// | [`max_status_bytes`](Self::max_status_bytes) | 16 MiB |
/// | [`allow_anonymous_origin`](Self::allow_anonymous_origin), [`trust_origin`](Self::trust_origin) | the caller's request's own |
/// | [`base_uri`](Self::base_uri) of requests without a host | none |
/// | [`propagate_query`](Self::propagate_query) | `subscription-key`, `api-version` |
/// | [`omit_extension`](Self::omit_extension) | polls have all extensions of the caller's request |
/// | [`final_response`](Self::final_response) | as the protocol says: the final status response |
/// | [`error_on_failure`](Self::error_on_failure) | `false` |
/// | [`cancel_on_drop`](Self::cancel_on_drop), [`cancel_on_timeout`](Self::cancel_on_timeout) | the operation goes on |
/// | [`timer`](Self::timer) | tokio's |
/// | [`on_event`](Self::on_event) | nothing |
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_lro::{LroLayer, LroOverrides};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = service_fn(|request: Request<String>| async move {
/// #     Ok::<_, std::convert::Infallible>(match request.uri().path() {
/// #         "/start" => Response::builder().status(202).header("operation-location", "/operations/1").body(String::new()),
/// #         _ => Response::builder().body(r#"{"status": "Succeeded"}"#.to_owned()),
/// #     }.unwrap())
/// # });
/// let client = ServiceBuilder::new().layer(LroLayer::new().timeout(Duration::from_secs(600))).service(service);
///
/// // This request may take longer, and must not end in anything but success.
/// let patient = LroOverrides::new(|layer| layer.timeout(Duration::from_secs(3600)).error_on_failure(true));
/// let request = Request::post("https://example.com/start").extension(patient).body(String::new())?;
/// let response = client.oneshot(request).await?;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct LroLayer {
    config: Arc<Config>,
}

impl LroLayer {
    /// Polls the operations that any `202 Accepted` with `Operation-Location` announces, on the request's own origin.
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

    #[cfg(feature = "__internals")]
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// Speaks `protocol` too. The one that was added first wins where several match.
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{LroLayer, Protocol};
    ///
    /// // `Operation-Location` as by default, and `Location` on 202 where there is no such header.
    /// let layer = LroLayer::new().protocol(Protocol::location());
    /// # let _ = layer;
    /// ```
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.with(|config| config.protocols.push(protocol))
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
        self.with(|config| config.protocols = protocols.into_iter().collect())
    }

    /// Sets the delays for when the service asks for none, which is most of the time. Default: 1 s × 1.5 up to 30 s.
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
        self.with(|config| config.delays.backoff = backoff)
    }

    /// Sets the shortest delay, whatever the service asks for. Default: 0. Above [`max_delay`](Self::max_delay), it wins.
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
        self.with(|config| config.delays.min_delay = delay)
    }

    /// Sets the longest delay that the service can ask for. Default: 1 hour. The [`Backoff`] has a maximum of its own.
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
    /// It holds whatever the layer is doing then: waiting, polling, or reading. The outcome is
    /// [`Cause::Timeout`](crate::Cause::Timeout); the operation goes on at the service, and can be resumed. The deadline is part of
    /// the [`Operation`](crate::Operation::deadline): a request that resumes it before has the same.
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

    /// Bounds the bytes of a status response that are held while its status is being looked for. Default: 16 MiB.
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
        self.with(|config| config.max_status_bytes = bytes)
    }

    /// Names an origin, or a pattern of origins, that may be polled without credentials: polls there have `Accept`, `Accept-Language` and
    /// `User-Agent` of the caller's headers, and none of its extensions.
    ///
    /// The service below still adds there what it adds everywhere, such as the default headers of a `reqwest::Client`.
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
        self.with(|config| config.anonymous.push(origin))
    }

    /// Names an origin, or a pattern of origins, that may be polled with the start request's credentials.
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
        self.with(|config| config.trusted.push(origin))
    }

    /// Names the query parameters that are propagated from the address of the caller's request to those of its polls, where they are
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
        self.with(|config| config.propagate_query = names.into_iter().map(Into::into).collect())
    }

    /// Chooses the response that the caller gets when an operation has succeeded, whatever its protocol says. Default: as the protocol says, which
    /// is [`FinalResponse::Status`] for [`Protocol::operation_location`].
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
        self.with(|config| config.final_response = Some(final_response))
    }

    /// Makes operations that end in `Failed` or `Canceled` errors,
    /// [`Cause::Failed`](crate::Cause::Failed). Default: no, the caller gets their final response like any other, and
    /// [`ResponseExt::error_for_operation`](crate::ResponseExt::error_for_operation) makes an error of it.
    ///
    /// Set it where a layer above retries HTTP errors: this error says that the service accepted the request, which a 500 that is
    /// the final response does not. Set it behind typed clients, too, which know no failed operations.
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
        self.with(|config| config.error_on_failure = yes)
    }

    /// Calls `observer` for every [`Event`]. May be called more than once; each is called, in order.
    ///
    /// The observer runs within the request's future, and delays it: hand events on if there is much to do with them. A panic in
    /// it is caught, and does no harm.
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
        self.with(|config| config.observe(observer))
    }

    /// Makes start requests ask the service to work asynchronously (`Prefer: respond-async`, [RFC 7240]), where a protocol of
    /// the layer needs it: OData, FHIR, OGC API Processes, Dataverse. Default: no, the caller does. A service that answers at once
    /// nevertheless is passed through.
    ///
    /// [RFC 7240]: https://www.rfc-editor.org/rfc/rfc7240#section-4.1
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{LroLayer, Protocol};
    ///
    /// let layer = LroLayer::new().protocols([Protocol::fhir()]).ask_for_async(true);
    /// # let _ = layer;
    /// ```
    pub fn ask_for_async(self, yes: bool) -> Self {
        self.with(|config| config.ask_for_async = yes)
    }

    /// Sets the longest delay that is waited for. With a longer one the call ends with
    /// [`Cause::Pending`](crate::Cause::Pending), and the operation is to be [resumed](crate::Operation::resume) after the delay.
    /// Default: every delay is waited for.
    ///
    /// With zero each call polls once, as workers do that take operations from a queue. A chain of such steps makes
    /// the same polls at the same times as one call that waits, and comes to the same end.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
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

    /// Sets the address that a client below puts before requests with a path alone, as those of octocrab and kube do. An operation whose
    /// monitor is an absolute address of the same origin is then polled through the same client, by its path. Where the base has a
    /// path (`/k8s/clusters/c1`), that is taken off the monitor's, since the client below puts it there again.
    ///
    /// Without it, and without a `Host` header, such a monitor cannot be polled: nothing says that it is of the service that the
    /// request went to. With feature `tracing` the first request without a host is warned of before it is sent.
    ///
    /// # Panics
    ///
    /// If it is not an absolute `http` or `https` URI.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// let layer = LroLayer::new().base_uri(http::Uri::from_static("https://api.example.com/k8s/clusters/c1"));
    /// # let _ = layer;
    /// ```
    pub fn base_uri(self, uri: Uri) -> Self {
        let mut base = Url::parse(&uri.to_string()).ok().filter(is_http);
        if let Some(base) = &mut base {
            // Paths are resolved against it as against a folder.
            let folder = format!("{}/", base.path().trim_end_matches('/'));
            base.set_path(&folder);
        }
        assert!(base.is_some(), "the base URI is not an absolute http or https URI");
        self.with(|config| config.base_uri = base)
    }

    /// Leaves an extension of the caller's request out of polls. By default they have all of them. For what belongs to the
    /// start request alone, such as the name of its span (`reqwest_tracing::OtelName`).
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// #[derive(Clone)]
    /// struct SpanName(&'static str);
    ///
    /// let layer = LroLayer::new().omit_extension::<SpanName>();
    /// # let _ = (layer, SpanName("upload").0);
    /// ```
    pub fn omit_extension<T: Clone + Send + Sync + 'static>(self) -> Self {
        self.with(|config| config.omitted_extensions.push(OmittedExtension::of::<T>()))
    }

    /// Cancels operations at the service when their future is dropped, by the request that their protocol knows
    /// ([`Operation::cancel`](crate::Operation::cancel)). Default: the operation goes on.
    ///
    /// Nobody waits for a future that is dropped, so that the request is sent by the `canceller` in a task of its own, which needs a tokio
    /// runtime to be dropped in. [`Event::CancelSent`] says how it went. What it is sent by should add the credentials that
    /// are added below the layer; those of the caller's request it has.
    pub fn cancel_on_drop(self, canceller: Canceller) -> Self {
        self.with(|config| config.cancel_on_drop = Some(canceller))
    }

    /// Cancels operations at the service when their [`timeout`](Self::timeout) passes, in the same way as
    /// [`cancel_on_drop`](Self::cancel_on_drop). Default: the operation goes on.
    pub fn cancel_on_timeout(self, canceller: Canceller) -> Self {
        self.with(|config| config.cancel_on_timeout = Some(canceller))
    }

    /// Waits by another timer than tokio's: for other runtimes, and for WebAssembly.
    pub fn timer(self, timer: impl Timer) -> Self {
        self.with(|config| config.timer = Some(Arc::new(timer)))
    }

    /// Returns these settings, and a stream of the events of the operations that they are used for: for one request, if they go
    /// into its extensions, or for all of a client's.
    ///
    /// The stream holds up to 256 events. If they are read more slowly than they come, the oldest are
    /// [lost](Events::lost), and never the last; operations do not wait for a reader. It ends when the last copy of
    /// the settings is dropped, which a request holds until its response is there.
    ///
    /// # Example
    ///
    /// ```
    /// use futures_util::{StreamExt, future::join};
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{Event, LroLayer, simulator::{Simulator, SimulatorBody}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = LroLayer::new().layer(Simulator::new());
    ///
    /// let (settings, events) = LroLayer::new().events();
    /// let request = http::Request::post("https://atlas.microsoft.com/mapData")
    ///     .extension(settings)
    ///     .body(SimulatorBody::default())?;
    ///
    /// let statuses = events.filter_map(|event| async move {
    ///     match event.as_event() {
    ///         Event::Polled { operation, .. } => Some(operation.status()?.to_owned()),
    ///         _ => None,
    ///     }
    /// });
    /// let (response, statuses) = join(client.oneshot(request), statuses.collect::<Vec<_>>()).await;
    /// assert_eq!(response?.status(), 200);
    /// assert_eq!(statuses, ["NotStarted", "Running", "Succeeded"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(self) -> (Self, Events) {
        let (sender, events) = stream::channel();
        (self.on_event(move |event| sender.send(event)), events)
    }
}

impl fmt::Debug for LroLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

/// Changes single settings of the client's [`LroLayer`] for one request, from that request's extensions.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{LroLayer, LroOverrides, Protocol, simulator::{Script, Simulator}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = LroLayer::new().layer(Simulator::new().script(Script::azure_maps_v1()));
/// let overrides = LroOverrides::new(|layer| layer.protocol(Protocol::location()).timeout(Duration::from_secs(600)));
/// let request = http::Request::post("https://atlas.microsoft.com/mapData").extension(overrides).body(String::new())?;
/// assert_eq!(client.clone().oneshot(request).await?.status(), 201);
///
/// let off = LroOverrides::disabled();
/// let request = http::Request::post("https://atlas.microsoft.com/mapData").extension(off).body(String::new())?;
/// assert_eq!(client.oneshot(request).await?.status(), 202);
/// # Ok(())
/// # }
/// ```
///
/// A `reqwest_middleware::RequestBuilder` takes them by `with_extension`. A `reqwest::Request` has extensions, too, but shows them
/// in the form of `http` alone, into which it converts, and from which it converts back:
///
/// ```
/// use std::time::Duration;
/// use tower_lro::LroOverrides;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = reqwest::Client::new().post("https://atlas.microsoft.com/mapData").body("a drawing package").build()?;
///
/// let mut request: http::Request<reqwest::Body> = request.try_into()?;
/// request.extensions_mut().insert(LroOverrides::new(|layer| layer.timeout(Duration::from_secs(600))));
/// let request: reqwest::Request = request.try_into()?;
/// # let _ = request;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LroOverrides(Arc<dyn Fn(LroLayer) -> LroLayer + Send + Sync>);

impl LroOverrides {
    /// Uses the settings that `change` makes of those of the client's layer.
    pub fn new(change: impl Fn(LroLayer) -> LroLayer + Send + Sync + 'static) -> Self {
        Self(Arc::new(change))
    }

    /// Passes everything through, a 202 included.
    #[must_use]
    pub fn disabled() -> Self {
        Self::new(|layer| layer.protocols([]))
    }

    /// The settings for a request with these extensions.
    #[inline]
    pub(crate) fn config_for(extensions: &Extensions, layer: &LroLayer) -> Arc<Config> {
        if extensions.is_empty() {
            return layer.config.clone();
        }
        let layer = extensions.get::<LroLayer>().unwrap_or(layer);
        match extensions.get::<Self>() {
            Some(Self(change)) => change(layer.clone()).config,
            None => layer.config.clone(),
        }
    }
}

impl fmt::Debug for LroOverrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LroOverrides")
    }
}
