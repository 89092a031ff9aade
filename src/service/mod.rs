//! `Lro`: the tower `Service`.

mod begin;
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

use std::task::{Context, Poll};

use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    error::{Error, boxed::BoxError},
    layer::{LroLayer, overrides::LroOverrides},
    request::captured::{Intent, RequestHead},
    service::{
        begin::{begin_uncommon, keep},
        body::LroBody,
        future::ResponseFuture,
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
/// Its future is `Send` if the inner service, its futures, requests, responses and errors are; and `Sync` likewise.
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
        match keep(&mut self.inner, config, head, &mut request) {
            Ok(mut start) => ResponseFuture::new(start.service.call(request), start),
            Err(uncommon) => begin_uncommon(&mut self.inner, uncommon, request),
        }
    }
}

impl<S: Clone> Layer<S> for LroLayer {
    type Service = Lro<S>;

    fn layer(&self, inner: S) -> Lro<S> {
        Lro::new(inner, self.clone())
    }
}
