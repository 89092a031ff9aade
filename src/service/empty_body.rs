//! `EmptyBody`: the layer for services whose requests have a body that is not `Default`.

use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    error::{Error, boxed::BoxError},
    layer::LroLayer,
    service::{Lro, body::LroBody, future::ResponseFuture},
};

impl LroLayer {
    /// Returns the layer for services whose requests have a body that is not [`Default`]: polls get the body that `empty` makes.
    ///
    /// It comes after all other settings.
    ///
    /// # Example
    ///
    /// ```
    /// use http::{Request, Response};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use tower_lro::LroLayer;
    ///
    /// /// Of somebody else, who did not think of `Default`.
    /// struct Package(Vec<u8>);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = service_fn(|request: Request<Package>| async move {
    /// #     Ok::<_, std::convert::Infallible>(match request.body().0.len() {
    /// #         0 => Response::builder().body(r#"{"status": "Succeeded"}"#.to_owned()),
    /// #         _ => Response::builder().status(202).header("operation-location", "/operations/1").body(String::new()),
    /// #     }.unwrap())
    /// # });
    /// let client = ServiceBuilder::new().layer(LroLayer::new().empty_body(|| Package(Vec::new()))).service(service);
    ///
    /// let request = Request::post("https://example.com/conversions").body(Package(b"a drawing".to_vec()))?;
    /// assert_eq!(client.oneshot(request).await?.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn empty_body<B>(self, empty: fn() -> B) -> EmptyBody<Self, B> {
        EmptyBody { inner: self, empty }
    }
}

/// The layer, and the service, of [`LroLayer::empty_body`].
#[must_use]
pub struct EmptyBody<T, B> {
    inner: T,
    empty: fn() -> B,
}

impl<T: Clone, B> Clone for EmptyBody<T, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), empty: self.empty }
    }
}

impl<T: fmt::Debug, B> fmt::Debug for EmptyBody<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<S: Clone, B> Layer<S> for EmptyBody<LroLayer, B> {
    type Service = EmptyBody<Lro<FillBody<S, B>>, B>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { inner: layer, empty } = self;
        EmptyBody { inner: layer.layer(FillBody { inner, empty: *empty }), empty: *empty }
    }
}

impl<S, B, ResBody> Service<Request<B>> for EmptyBody<Lro<FillBody<S, B>>, B>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    ResBody: Body<Error: Into<BoxError>>,
{
    type Response = Response<LroBody<ResBody>>;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<FillBody<S, B>, Request<Option<B>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.inner.call(request.map(Some))
    }
}

/// The service below; polls to it get an empty body.
pub struct FillBody<S, B> {
    inner: S,
    empty: fn() -> B,
}

impl<S: Clone, B> Clone for FillBody<S, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), empty: self.empty }
    }
}

impl<S: fmt::Debug, B> fmt::Debug for FillBody<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<S: Service<Request<B>>, B> Service<Request<Option<B>>> for FillBody<S, B> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Option<B>>) -> Self::Future {
        let Self { inner, empty } = self;
        inner.call(request.map(|body| body.unwrap_or_else(empty)))
    }
}
