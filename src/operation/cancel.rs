//! `Cancel`: the request that cancels an operation at the service, and `Canceller`, which sends it when no caller waits any more.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header::CONTENT_TYPE};

use crate::{
    operation::Operation,
    protocol::template::{Known, Variable},
};

/// Cancels an operation at the service: put into the extensions of a request to the service, it sends that request to the
/// address where the operation is canceled instead.
///
/// Get one from [`Operation::cancel`]. It says which [`method`](Self::method), [`content_type`](Self::content_type) and
/// [`body`](Self::body) the request needs; [`request`](Self::request) makes one. Address it to the service, as a
/// [resuming](crate::Resume) request: the layer judges the stored address from there by the same rules, sends credentials
/// nowhere else, and adds the `Content-Type` of the body if the request has none. The layer must speak the operation's protocol,
/// which a disabled layer does not; otherwise the error is [`Cause::Protocol`](crate::Cause::Protocol). The response is the
/// service's own, untouched, and says whether the service accepted the cancellation; the monitor then says how the operation ends.
///
/// # Example
///
/// ```
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{Error, LroLayer, Protocol, simulator::{Script, Simulator}};
/// # use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let request = http::Request::post("https://example.com/$export").body(String::new())?;
/// let simulator = Simulator::new().script(Script::fhir()).recording();
/// let layer = LroLayer::new().protocols([Protocol::fhir()]).timeout(Duration::from_secs(5));
/// let Err(Error::Operation(error)) = layer.layer(simulator.clone()).oneshot(request).await else { panic!() };
///
/// let cancel = error.operation().cancel().expect("FHIR says how");
/// let request = cancel.request::<String>("https://example.com/".parse()?);
/// layer.layer(simulator.clone()).oneshot(request).await?;
/// let sent = simulator.recorded().pop().expect("the cancel request");
/// assert_eq!((sent.method.as_str(), sent.uri.path()), ("DELETE", error.operation().monitor().path()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cancel {
    pub(crate) operation: Box<Operation>,
    method: Method,
    /// The reference to where the request goes, from the protocol and the operation.
    pub(crate) reference: String,
    /// The base of the reference, if that is not the monitor.
    start: Option<Uri>,
    body: Option<(HeaderValue, String)>,
}

impl Operation {
    /// Returns the extension that cancels the operation at the service; `None` if its [`protocol`](Self::protocol) knows no way, or if
    /// too little is known. A stored operation does not know a protocol of your own; use
    /// [`LroLayer::cancel_for`](crate::LroLayer::cancel_for) for it.
    #[must_use]
    pub fn cancel(&self) -> Option<Cancel> {
        self.cancel_at(self.redirected_from().unwrap_or(self.monitor()))
    }

    /// Like [`cancel`](Self::cancel), for a monitor whose whole address is more than the operation holds.
    pub(crate) fn cancel_at(&self, monitor: &Uri) -> Option<Cancel> {
        let rule = self.protocol().rules().cancel.as_ref()?;
        let start = self.start().map(|(_, start)| start);
        let known = Known { monitor: Some(monitor).filter(|_| self.has_monitor()), start, name: self.id() };
        let template = rule.template.as_ref()?;
        let is_of_start = template.needs_start() && !template.has(Variable::Monitor);
        Some(Cancel {
            operation: Box::new(self.clone()),
            method: rule.method.clone(),
            reference: template.expand(&known)?,
            start: start.filter(|_| is_of_start).cloned(),
            body: rule.body.clone(),
        })
    }
}

impl Cancel {
    /// Returns the method of the request.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the `Content-Type` of the request, if it needs a body.
    #[must_use]
    pub fn content_type(&self) -> Option<&HeaderValue> {
        self.body.as_ref().map(|(content_type, _)| content_type)
    }

    /// Returns the body of the request; empty if it needs none.
    #[must_use]
    pub fn body(&self) -> &str {
        self.body.as_ref().map_or("", |(_, body)| body)
    }

    /// The base of the reference.
    pub(crate) fn base(&self) -> &Uri {
        self.start.as_ref().unwrap_or(&self.operation.monitor)
    }

    /// Adds the content type of the body, unless the request has one.
    pub(crate) fn describe_body(&self, headers: &mut HeaderMap) {
        if let Some(content_type) = self.content_type() {
            headers.entry(CONTENT_TYPE).or_insert_with(|| content_type.clone());
        }
    }

    /// Returns the request, addressed to the service. Add the service's credentials.
    #[must_use]
    pub fn request<B: From<String>>(self, service: Uri) -> http::Request<B> {
        let mut request = http::Request::new(B::from(self.body().to_owned()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = service;
        self.describe_body(request.headers_mut());
        request.extensions_mut().insert(self);
        request
    }
}

/// Sends the requests that cancel operations when their future is dropped or their timeout passes; see
/// [`LroLayer::cancel_on_drop`](crate::LroLayer::cancel_on_drop).
///
/// # Example
///
/// ```
/// use tower::ServiceExt;
/// use tower_lro::{Canceller, LroLayer, Protocol, simulator::Simulator};
///
/// // Anything that sends a request. It runs in a task of its own.
/// let http_client = Simulator::new();
/// let canceller = Canceller::new(move |request: http::Request<String>| {
///     let http_client = http_client.clone();
///     async move { Ok(http_client.oneshot(request).await?.status()) }
/// });
/// let layer = LroLayer::new().protocols([Protocol::fhir()]).cancel_on_drop(canceller);
/// # let _ = layer;
/// ```
///
/// Over reqwest:
///
/// ```
/// use tower_lro::Canceller;
///
/// let client = reqwest::Client::new();
/// let canceller = Canceller::new(move |request: http::Request<String>| {
///     let client = client.clone();
///     async move { Ok(client.execute(request.try_into()?).await?.status()) }
/// });
/// # let _ = canceller;
/// ```
#[derive(Clone)]
pub struct Canceller(Arc<dyn Fn(http::Request<String>) -> Canceling + Send + Sync>);

type Canceling = Pin<Box<dyn Future<Output = Option<StatusCode>> + Send>>;

impl Canceller {
    /// Sends requests with `send`, which returns the HTTP status of the answer.
    pub fn new<F, R>(send: F) -> Self
    where
        F: Fn(http::Request<String>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<StatusCode, Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        Self(Arc::new(move |request| {
            let sent = send(request);
            Box::pin(async move { sent.await.ok() })
        }))
    }

    pub(crate) fn send(&self, request: http::Request<String>) -> Canceling {
        (self.0)(request)
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canceller")
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its address may have a signature.
        f.debug_struct("Cancel").field("operation", &self.operation).finish_non_exhaustive()
    }
}
