//! `LroLayer`: the settings, as a builder.

mod delays;
mod origins;
pub(crate) mod overrides;

use std::{fmt, sync::Arc};

use crate::{
    config::Config,
    event::{
        Event,
        stream::{self, Events},
    },
    operation::{
        Operation,
        cancel::{Cancel, Canceller},
    },
    protocol::{Protocol, final_response::FinalResponse},
};

/// Polls long-running operations to completion.
///
/// A tower [`Layer`](tower_layer::Layer), a `reqwest_middleware::Middleware` (feature `reqwest-middleware`), and, put into a
/// request's extensions, that request's own settings, which replace all of the client's, its observers and trusted origins
/// included. To change single settings for a request, use [`LroOverrides`](crate::LroOverrides). Cheap to clone.
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

    /// Passes everything through, a 202 included; for the extensions of a single request. Only a [`Cancel`] is an error, because such
    /// a request must not reach the address that it is sent to.
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

    /// Makes an operation that ends in `Failed` or `Canceled` an error,
    /// [`Cause::Failed`](crate::Cause::Failed). Default: no; the caller gets its final response like any other, and
    /// [`ResponseExt::error_for_operation`](crate::ResponseExt::error_for_operation) turns that into an error.
    ///
    /// Set it if a layer above retries HTTP errors: this error says that the service accepted the request, which a final response
    /// with status 500 does not. Set it behind typed clients as well, which know no failed operations.
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

    /// Calls `observer` for every [`Event`]. May be called more than once; all observers are called, in the order they were added.
    ///
    /// The observer runs within the request's future and delays it: hand events on if handling them takes long. A panic in the
    /// observer is caught (not with `panic = "abort"`), so an assertion in it fails no test.
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
    /// the layer needs it: OData, FHIR, OGC API Processes, Dataverse. Default: no, that is up to the caller. If a service answers
    /// at once all the same, its response passes through.
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

    /// Returns the extension that cancels an operation at the service, as [`Operation::cancel`](crate::Operation::cancel) does, by the rules of this
    /// layer's protocol: a stored operation knows only its name. `None` if the layer does not speak the protocol, or the protocol
    /// knows no way.
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{CancelRule, LroLayer, Operation, Protocol, StartRule, StatusRule};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let jobs = Protocol::builder("jobs")
    ///     .announced(StartRule::by_header("x-job").monitor(StatusRule::new().status_at("/status")))
    ///     .cancel(CancelRule::new("DELETE", "{monitor}"))
    ///     .build()?;
    /// let layer = LroLayer::new().protocol(jobs);
    /// # #[cfg(feature = "serde")] {
    /// let stored = r#"{"version": 1, "protocol": "jobs", "monitor": "https://example.com/jobs/1", "state": "Running"}"#;
    /// let operation: Operation = serde_json::from_str(stored)?;
    /// assert!(operation.cancel().is_none());
    /// assert_eq!(layer.cancel_for(&operation).expect("it says how").method(), "DELETE");
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cancel_for(&self, operation: &Operation) -> Option<Cancel> {
        let protocol = self.config.own_protocol(operation.protocol())?.clone();
        Operation { protocol, ..operation.clone() }.cancel()
    }

    /// Cancels operations at the service when their future is dropped, with the request that their protocol defines
    /// ([`Operation::cancel`](crate::Operation::cancel)), unless the operation has ended and only its result was being fetched.
    /// Default: the operation goes on.
    ///
    /// The `canceller` sends the request in a spawned task, so the future must be dropped inside a tokio runtime.
    /// [`Event::CancelSent`] reports the answer. The request carries the caller's credentials; the canceller must add those that
    /// layers below would add.
    pub fn cancel_on_drop(self, canceller: Canceller) -> Self {
        self.with(|config| config.cancel_on_drop = Some(canceller))
    }

    /// Cancels operations at the service when their [`timeout`](Self::timeout) passes, in the same way as
    /// [`cancel_on_drop`](Self::cancel_on_drop). Default: the operation goes on.
    pub fn cancel_on_timeout(self, canceller: Canceller) -> Self {
        self.with(|config| config.cancel_on_timeout = Some(canceller))
    }

    /// Returns these settings, and a stream of the events of all operations that use them: those of one request, if the settings go
    /// into its extensions, or those of a whole client.
    ///
    /// For one request start from the client's own settings (`layer.clone().events()`), because an `LroLayer` in a request's extensions
    /// replaces them: `LroLayer::new().events()` has neither the client's protocols nor its timeout.
    ///
    /// The stream holds up to 256 events. If it is read too slowly, the oldest events are [lost](Events::lost), never the last;
    /// operations do not wait for a reader. It ends when the last copy of the settings is dropped; a request holds one until its
    /// response has arrived.
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
