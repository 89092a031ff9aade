//! `Lro`: the tower `Service`.

pub(crate) mod body;
pub(crate) mod box_errors;
mod canceling;
mod clock;
pub(crate) mod empty_body;
mod follow;
pub(crate) mod future;
mod hostless;
mod operating;
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12"))]
mod reqwest_versions;
pub(crate) mod response_ext;
pub(crate) mod start;
pub(crate) mod transport;

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::header::HOST;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    address::uri::has_authority,
    config::Config,
    error::{Error, boxed::BoxError},
    layer::{LroLayer, overrides::LroOverrides},
    operation::{Resume, cancel::Cancel},
    poller::canceling::{cancel_address, unsayable},
    request::template::{Intent, RequestHead},
    service::{
        body::LroBody,
        clock::Clock,
        future::{Deferred, ResponseFuture},
        start::Start,
        transport::{AsRequest, AsResponse, prefer_respond_async},
    },
};

/// A service that polls long-running operations to completion.
///
/// Made by [`LroLayer`]. It wraps a service of `http` requests and responses, such as a client of hyper-util, and is one itself;
/// with feature `reqwest`, it wraps a `reqwest::Client` as well.
///
/// The service has to be `Clone`: `BoxCloneService` and `Buffer` help those that are not. So that polls can be made, the body
/// of requests has to be `Default`: [`LroLayer::empty_body`] helps those that are not.
///
/// Its future is `Send` if requests and the futures of the inner service are.
///
/// # Example
///
/// ```
/// use http::{Request, Response};
/// use tower::service_fn;
/// use tower_lro::{Lro, LroLayer};
///
/// let http = service_fn(|_: Request<String>| async { Ok::<_, std::io::Error>(Response::new(String::new())) });
/// let client = Lro::new(http, LroLayer::new());
/// # let _ = client;
/// ```
///
/// With the service inside:
///
/// ```
/// use tower_lro::{Lro, LroLayer, simulator::Simulator};
///
/// let mut client = Lro::new(Simulator::new(), LroLayer::new());
/// *client.get_mut() = Simulator::new().recording();
/// assert_eq!(client.get_ref().started(), 0);
/// assert!(client.into_inner().recorded().is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct Lro<S> {
    inner: S,
    layer: LroLayer,
}

/// A request that needs more than being sent.
struct Uncommon {
    config: Arc<Config>,
    head: RequestHead,
    why: Why,
}

#[derive(PartialEq)]
enum Why {
    NoTimer,
    /// It resumes or cancels an operation.
    AboutOperation,
}

impl<S> Lro<S> {
    /// Wraps `inner`, with the settings of `layer`.
    pub const fn new(inner: S, layer: LroLayer) -> Self {
        Self { inner, layer }
    }

    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service, mutably.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service without its layer.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Takes the inner service, which is ready, and leaves a clone behind, which need not be.
    fn take_inner(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }

    /// Sends a request, and keeps the parts of it that polls need.
    #[inline]
    fn begin<R>(&mut self, config: Arc<Config>, head: RequestHead, mut request: R) -> ResponseFuture<S, R>
    where
        S: Service<R, Response: AsResponse> + Clone,
        R: AsRequest<S::Response, S::Error>,
    {
        match self.capture(config, head, &mut request) {
            Ok(mut start) => ResponseFuture::new(start.service.call(request), start),
            Err(uncommon) => self.begin_uncommon(uncommon, request),
        }
    }

    /// Keeps the parts that polls need of a request that is to be sent now; hands any other request back.
    // Borrow: moving the request is expensive.
    #[inline(always)]
    #[allow(clippy::result_large_err, reason = "inlined, it is not moved")]
    fn capture<R>(&mut self, config: Arc<Config>, head: RequestHead, request: &mut R) -> Result<Box<Start<S>>, Uncommon>
    where
        S: Service<R, Response: AsResponse> + Clone,
        R: AsRequest<S::Response, S::Error>,
    {
        if Clock::check(config.timer.as_ref()).is_err() {
            return Err(Uncommon { config, head, why: Why::NoTimer });
        }
        if !has_authority(&head.uri) {
            hostless::warn_once(&config, &head, request.headers_mut());
        }
        if head.intent != Intent::Send {
            return Err(Uncommon { config, head, why: Why::AboutOperation });
        }
        if config.asks_for_async() {
            prefer_respond_async(request.headers_mut());
        }
        Ok(Start::new(self.take_inner(), config, head, request.headers_mut()))
    }

    #[cold]
    fn begin_uncommon<R>(&mut self, uncommon: Uncommon, mut request: R) -> ResponseFuture<S, R>
    where
        S: Service<R, Response: AsResponse> + Clone,
        R: AsRequest<S::Response, S::Error>,
    {
        let Uncommon { config, mut head, why } = uncommon;
        if why == Why::NoTimer {
            return self.begin_later(config, head, request);
        }
        if let Some(cancel) = head.extensions.get::<Cancel>() {
            return self.cancel(&config, &head, cancel, request);
        }
        let resume = head.extensions.remove::<Resume>().unwrap_or_default();
        let followed = config.resuming(head, request.headers_mut());
        // This drops the other reference to the operation.
        drop(request);
        ResponseFuture::resume(self.take_inner(), config, followed, resume)
    }

    /// For a request without a timer, which may be there when the future is polled. Until then the service is not even called: some
    /// services begin their work in `call`.
    #[cold]
    fn begin_later<R>(&mut self, config: Arc<Config>, head: RequestHead, request: R) -> ResponseFuture<S, R>
    where
        S: Service<R, Response: AsResponse> + Clone,
        R: AsRequest<S::Response, S::Error>,
    {
        if !Clock::may_come() {
            return ResponseFuture::refused(Error::NoTimer);
        }
        // The settings of the request are those of `config`.
        let begin =
            |service, config, head, request| Self::new(service, LroLayer::default()).begin(config, head, request);
        ResponseFuture::deferred(Deferred { service: self.take_inner(), config, head, request, begin })
    }

    /// Sends a request that cancels an operation to the address for that.
    #[cold]
    fn cancel<R>(
        &mut self,
        config: &Config,
        head: &RequestHead,
        cancel: &Cancel,
        mut request: R,
    ) -> ResponseFuture<S, R>
    where
        S: Service<R, Response: AsResponse>,
        R: AsRequest<S::Response, S::Error>,
    {
        match cancel_address(config, &head.uri, request.headers_mut().get(HOST), cancel) {
            Ok(address) => {
                cancel.describe_body(request.headers_mut());
                if !request.redirect_to(address) {
                    return ResponseFuture::refused(Error::Operation(unsayable(cancel)));
                }
                ResponseFuture::pass_through(self.inner.call(request))
            }
            Err(error) => ResponseFuture::refused(Error::Operation(error)),
        }
    }
}

impl<S, ReqBody, ResBody> Service<http::Request<ReqBody>> for Lro<S>
where
    S: Service<http::Request<ReqBody>, Response = http::Response<ResBody>> + Clone,
    ReqBody: Default,
    ResBody: Body<Error: Into<BoxError>>,
{
    type Response = http::Response<LroBody<ResBody>>;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, http::Request<ReqBody>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Service)
    }

    fn call(&mut self, mut request: http::Request<ReqBody>) -> Self::Future {
        let config = LroOverrides::config_for(request.extensions(), &self.layer);
        let intent = Intent::of(request.method(), request.extensions());
        if config.passes_through(intent) {
            return ResponseFuture::pass_through(self.inner.call(request));
        }
        let head = RequestHead::of(&mut request, intent);
        // Like `begin`, to which the request would have to be moved: 30 instructions of a pass-through.
        match self.capture(config, head, &mut request) {
            Ok(mut start) => ResponseFuture::new(start.service.call(request), start),
            Err(uncommon) => self.begin_uncommon(uncommon, request),
        }
    }
}

impl<S: Clone> Layer<S> for LroLayer {
    type Service = Lro<S>;

    fn layer(&self, inner: S) -> Lro<S> {
        Lro::new(inner, self.clone())
    }
}
