//! `BoxErrors`: the layer for stacks of `BoxError`.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    error::{Error, boxed::BoxError},
    layer::LroLayer,
    service::empty_body::EmptyBody,
};

impl LroLayer {
    /// Returns the layer for stacks whose errors are [`BoxError`]s, such as those with tower's `Buffer` and `Timeout`, or kube's: its
    /// own errors are [`BoxError`]s, too. [`OperationError::<Boxed>::find`](crate::OperationError::find) finds the error in them.
    ///
    /// It comes after all other settings. Without it, [`Error::boxed`] does the same in a `map_err`, since an
    /// [`Error`] over a `Box<dyn Error>` is not itself a [`std::error::Error`].
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower::{BoxError, ServiceBuilder, ServiceExt};
    /// use tower_lro::{Boxed, Cause, LroLayer, OperationError, simulator::{Reply, Script, Simulator, SimulatorBody}};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let simulator = Simulator::new().script(Script::azure_maps().polls([Reply::http(403)]));
    /// let client = ServiceBuilder::new()
    ///     .buffer(8) // wants errors that go into a `BoxError`
    ///     .layer(LroLayer::new().box_errors())
    ///     .timeout(Duration::from_secs(30)) // has `BoxError` for its error
    ///     .service(simulator);
    ///
    /// let request = http::Request::post("https://atlas.microsoft.com/mapData").body(SimulatorBody::default())?;
    /// let error: BoxError = client.oneshot(request).await.unwrap_err();
    /// let found = OperationError::<Boxed>::find(&error).ok_or("nothing was accepted")?;
    /// assert!(matches!(found.cause(), Cause::Monitor(response) if response.status() == 403));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn box_errors(self) -> BoxErrors<Self> {
        BoxErrors { inner: self }
    }
}

impl<B> EmptyBody<LroLayer, B> {
    /// Returns the layer for stacks whose errors are [`BoxError`]s; see [`LroLayer::box_errors`].
    pub const fn box_errors(self) -> BoxErrors<Self> {
        BoxErrors { inner: self }
    }
}

/// The layer, and the service, of [`LroLayer::box_errors`].
#[derive(Clone, Debug)]
#[must_use]
pub struct BoxErrors<T> {
    inner: T,
}

impl<S, T: Layer<S>> Layer<S> for BoxErrors<T> {
    type Service = BoxErrors<T::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        BoxErrors { inner: self.inner.layer(inner) }
    }
}

impl<R, T, E> Service<R> for BoxErrors<T>
where
    T: Service<R, Error = Error<E>>,
    E: Into<BoxError>,
{
    type Response = T::Response;
    type Error = BoxError;
    type Future = BoxErrorsFuture<T::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(boxed)
    }

    fn call(&mut self, request: R) -> Self::Future {
        BoxErrorsFuture { future: self.inner.call(request) }
    }
}

/// Errors that concern no operation are returned as the service below made them.
fn boxed<E: Into<BoxError>>(error: Error<E>) -> BoxError {
    match error {
        Error::Service(error) => error.into(),
        error => error.boxed().into(),
    }
}

pin_project! {
    /// The future of [`BoxErrors`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct BoxErrorsFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F, T, E> Future for BoxErrorsFuture<F>
where
    F: Future<Output = Result<T, Error<E>>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.project().future.poll(cx)).map_err(boxed))
    }
}
