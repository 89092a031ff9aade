//! `Lro`: the tower `Service`.

pub(crate) mod body;
pub(crate) mod future;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "reqwest-middleware")]
mod reqwest_middleware;
pub(crate) mod response_ext;
pub(crate) mod transport;

use std::{
    mem,
    task::{Context, Poll},
};

use http_body::Body;
use tower_service::Service;

use crate::{
    error::{BoxError, Error},
    layer::LroLayer,
    request::template::Draft,
    service::{
        body::LroBody,
        future::{ResponseFuture, Start},
    },
};

/// A service that sees long-running operations through.
///
/// Made by [`LroLayer`]. Over a service of `http` requests and responses, such as a client of hyper-util, it is one itself;
/// with feature `reqwest`, over a `reqwest::Client` as well.
///
/// The service has to be `Clone`, and so that polls can be made the body of requests `Default`: `BoxCloneService`,
/// `Buffer` and a boxed body help those that are not.
///
/// Its future is `Send`, and so on, if those of the inner service are.
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
///
/// # Panics
///
/// When there is something to wait for, outside of a tokio runtime with time enabled (`enable_time`).
#[derive(Clone, Debug)]
pub struct Lro<S> {
    inner: S,
    layer: LroLayer,
}

impl<S> Lro<S> {
    /// Wraps `inner`, with the settings of `layer`.
    pub const fn new(inner: S, layer: LroLayer) -> Self {
        Self { inner, layer }
    }

    /// The inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, out of its layer.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }

    #[cfg(feature = "reqwest")]
    pub(crate) fn layer(&self) -> &LroLayer {
        &self.layer
    }

    /// Takes the inner service, which is ready, and leaves its clone behind, which need not be.
    pub(crate) fn take_inner(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
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

    fn call(&mut self, request: http::Request<ReqBody>) -> Self::Future {
        let layer = request.extensions().get().unwrap_or(&self.layer);
        if layer.is_off() {
            return ResponseFuture::off(self.inner.call(request));
        }
        let layer = layer.clone();
        let draft = Draft::new(
            request.method().clone(),
            request.uri().clone(),
            request.version(),
            request.extensions().clone(),
        );
        let mut start = Box::new(Start { service: self.take_inner(), layer, draft });
        start.draft.pack(request.headers());
        if start.resumes() {
            return ResponseFuture::resumed(*start, request);
        }
        ResponseFuture::new(start.service.call(request), start)
    }
}
