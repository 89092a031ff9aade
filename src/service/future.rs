//! `ResponseFuture`: awaits the response to the start request, then carries out the operation.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    config::Config,
    error::{Error, boxed::BoxError},
    operation::Resume,
    request::captured::{FollowedRequest, RequestHead},
    service::{
        clock::{Clock, NoTimer},
        operating::{Operating, ResultOf},
        start::{Start, may_start_operation},
        transport::{AsRequest, AsResponse},
    },
};

pin_project! {
    /// The future of [`Lro`](crate::Lro).
    ///
    /// It is two words larger than the inner future; everything that polling needs is in one box. Every request costs one allocation (two,
    /// if the headers that polls repeat take more than 320 bytes), a clone of the inner service and of the extensions, and a copy of its
    /// headers, whether or not it starts an operation.
    ///
    /// It must not be polled again after it has completed: it would stay pending for ever.
    ///
    /// # Example
    ///
    /// ```
    /// use http::Request;
    /// use tower::Service;
    /// use tower_lro::{Lro, ResponseFuture, simulator::Simulator};
    ///
    /// // Named, for the services that are made of this one.
    /// // The client is ready: `poll_ready` comes first.
    /// fn start(client: &mut Lro<Simulator>, request: Request<String>) -> ResponseFuture<Simulator, Request<String>> {
    ///     client.call(request)
    /// }
    /// # let _ = start;
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, R>
    where
        S: Service<R>,
        S::Response: AsResponse,
    {
        #[pin]
        state: State<S, R>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, R>
    where
        S: Service<R>,
        S::Response: AsResponse,
    {
        // The caller's request, and the parts that are kept of it if the layer is not disabled. Neither once it has completed.
        First {
            #[pin]
            future: Option<S::Future>,
            start: Option<Box<Start<S>>>,
        },
        Operating { operating: Pin<Box<Operating<S, R>>> },
        // The service has not been called.
        Unsent { unsent: Option<Unsent<S, R>> },
    }
}

/// Why the service has not been called.
enum Unsent<S, R>
where
    S: Service<R, Response: AsResponse>,
{
    Refused(Box<Error<S::Error>>),
    /// The caller has the response already.
    Answered(Box<S::Response>),
    Deferred(Box<Deferred<S, R>>),
}

/// A request that was made outside of a runtime, and is sent in the one that the future is polled in.
pub(crate) struct Deferred<S, R>
where
    S: Service<R, Response: AsResponse>,
{
    pub(crate) service: S,
    pub(crate) config: Arc<Config>,
    pub(crate) head: RequestHead,
    pub(crate) request: R,
    /// Sends it. A pointer, because this type does not know that the service is `Clone`.
    pub(crate) begin: fn(S, Arc<Config>, RequestHead, R) -> ResponseFuture<S, R>,
}

impl<S, R> Deferred<S, R>
where
    S: Service<R, Response: AsResponse>,
{
    #[cold]
    fn begin(self) -> Result<ResponseFuture<S, R>, NoTimer> {
        Clock::check(self.config.timer.as_ref())?;
        Ok((self.begin)(self.service, self.config, self.head, self.request))
    }
}

impl<S, R> ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse>,
{
    #[inline]
    pub(crate) const fn new(future: S::Future, start: Box<Start<S>>) -> Self {
        Self { state: State::First { future: Some(future), start: Some(start) } }
    }

    pub(crate) const fn pass_through(future: S::Future) -> Self {
        Self { state: State::First { future: Some(future), start: None } }
    }

    #[cold]
    pub(crate) fn deferred(deferred: Deferred<S, R>) -> Self {
        Self { state: State::Unsent { unsent: Some(Unsent::Deferred(Box::new(deferred))) } }
    }

    #[cold]
    pub(crate) fn refused(error: Error<S::Error>) -> Self {
        Self { state: State::Unsent { unsent: Some(Unsent::Refused(Box::new(error))) } }
    }

    /// For a request that resumes an operation.
    #[inline]
    pub(crate) fn resume(service: S, config: Arc<Config>, request: FollowedRequest, resume: Resume) -> Self {
        Self { state: State::Operating { operating: Operating::resume(service, config, request, resume) } }
    }

    /// Goes on from a response that may start an operation.
    #[cold]
    pub(crate) fn follow(start: Start<S>, response: S::Response) -> Self {
        Self { state: State::Operating { operating: Operating::follow(start, response) } }
    }

    /// Returns a response that starts nothing, and whose request this future did not send.
    #[cold]
    pub(crate) fn answered(response: S::Response) -> Self {
        Self { state: State::Unsent { unsent: Some(Unsent::Answered(Box::new(response))) } }
    }
}

impl<S, R> Future for ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse<Body: Body<Error: Into<BoxError>>>>,
    R: AsRequest<S::Response, S::Error>,
{
    type Output = ResultOf<S, R>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let outcome = loop {
            match state.as_mut().project() {
                StateProjection::First { mut future, start } => {
                    let Some(first) = future.as_mut().as_pin_mut() else { return Poll::Pending };
                    let result = ready!(first.poll(cx));
                    // It may hold the permit of a concurrency limit, which an observer may wait for.
                    future.set(None);
                    // Borrow: moving the response is expensive.
                    let begins = match (&result, &*start) {
                        (Ok(response), Some(start)) => {
                            may_start_operation(&start.config, &start.captured.head, response)
                        }
                        _ => false,
                    };
                    if !begins {
                        *start = None;
                        return Poll::Ready(result.map(AsResponse::pass_through).map_err(Error::Service));
                    }
                    let (Ok(response), Some(start)) = (result, start.take()) else { return Poll::Pending };
                    state.set(State::Operating { operating: Operating::follow(*start, response) });
                }
                StateProjection::Operating { operating } => break ready!(operating.as_mut().poll(cx)),
                StateProjection::Unsent { unsent } => match unsent.take() {
                    Some(Unsent::Refused(error)) => break Err(*error),
                    Some(Unsent::Answered(response)) => break Ok(response.pass_through()),
                    Some(Unsent::Deferred(deferred)) => match deferred.begin() {
                        Ok(begun) => state.set(begun.state),
                        Err(NoTimer) => break Err(Error::NoTimer),
                    },
                    None => return Poll::Pending,
                },
            }
        };
        state.set(State::First { future: None, start: None });
        Poll::Ready(outcome)
    }
}

impl<S, R> fmt::Debug for ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
