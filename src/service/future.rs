//! `ResponseFuture`: call, read, wait, ready, poll.

use std::{
    collections::hash_map::RandomState,
    fmt,
    future::Future,
    hash::BuildHasher,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Instant, SystemTime},
};

use http::Method;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};
use tower_service::Service;

use crate::{
    error::{BoxError, Cause, Error, OperationError, failed::OperationFailed, status::StatusError},
    layer::LroLayer,
    operation::{Operation, Resume},
    poller::{
        Poller,
        action::{Answer, GiveUp, Next},
    },
    request::template::Draft,
    service::{
        body::InHand,
        transport::{AsRequest, AsResponse},
    },
};

pin_project! {
    /// The future of [`Lro`](crate::Lro).
    ///
    /// A request that passes through costs the inner future and two words. What polling needs is in one box.
    ///
    /// # Example
    ///
    /// ```
    /// use http::Request;
    /// use tower::Service;
    /// use tower_lro::{Lro, ResponseFuture, simulator::Simulator};
    ///
    /// // Named, for the services that are made of this one.
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
        // The caller's request, and what is kept of it if the layer is not off. Neither once all is over, whoever keeps this.
        First {
            #[pin]
            future: Option<S::Future>,
            start: Option<Box<Start<S>>>,
        },
        Polling {
            polling: Pin<Box<Polling<S, R>>>,
            // What to do at first.
            next: Option<Next>,
        },
    }
}

/// What is kept beside the first call in order to poll.
pub(crate) struct Start<S> {
    pub(crate) service: S,
    pub(crate) layer: LroLayer,
    pub(crate) draft: Draft,
}

impl<S, R> ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse>,
{
    #[inline]
    pub(crate) const fn new(future: S::Future, start: Box<Start<S>>) -> Self {
        Self { state: State::First { future: Some(future), start: Some(start) } }
    }

    pub(crate) const fn off(future: S::Future) -> Self {
        Self { state: State::First { future: Some(future), start: None } }
    }

    /// Of a request that [takes an operation up](Start::resumes).
    #[cold]
    pub(crate) fn resumed(mut start: Start<S>, mut request: R) -> Self
    where
        R: AsRequest<S::Response, S::Error>,
    {
        let resume = start.draft.extensions.remove::<Resume>();
        let now = now();
        let mut poller = Poller::new(start.layer, start.draft.seal().1, resume, now, seed());
        let (io, next) = match poller.resume(now) {
            Ok(()) => {
                let (uri, trust) = poller.resumed_at();
                request.take_up(uri, trust);
                let future = poller.spans().run(|| start.service.call(request));
                (Io::Calling { future }, Next::Read)
            }
            Err(next) => (Io::Idle, next),
        };
        let polling = Polling {
            service: start.service,
            poller,
            address: Default::default(),
            io,
            alarm: Alarm { sleep: None },
            _request: PhantomData,
        };
        Self { state: State::Polling { polling: Box::pin(polling), next: Some(next) } }
    }
}

type BodyOf<S, R> = <<S as Service<R>>::Response as AsResponse>::Body;
type AddressOf<S, R> = <<S as Service<R>>::Response as AsResponse>::Address;
type OutputOf<S, R> = <<S as Service<R>>::Response as AsResponse>::Output;
type ErrorOf<S, R> = Error<<S as Service<R>>::Error>;

impl<S, R> Future for ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse<Body: Body<Error: Into<BoxError>>>>,
    R: AsRequest<S::Response, S::Error>,
{
    type Output = Result<OutputOf<S, R>, ErrorOf<S, R>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProjection::First { mut future, start } = state.as_mut().project() {
            let Some(first) = future.as_mut().as_pin_mut() else { return Poll::Pending };
            let mut result = ready!(first.poll(cx));
            // By reference, for a response is long to move.
            let begins = matches!((&result, &*start), (Ok(response), Some(start)) if start.concerns(response));
            if !begins {
                if let (Err(error), Some(start)) = (&mut result, &*start) {
                    R::redact(error, start.draft.uri());
                }
                future.set(None);
                *start = None;
                return Poll::Ready(result.map(AsResponse::pass_through).map_err(Error::Service));
            }
            let (Ok(response), Some(start)) = (result, start.take()) else { return Poll::Pending };
            let (polling, next) = Polling::begin(*start, response);
            state.set(State::Polling { polling, next: Some(next) });
        }
        let StateProjection::Polling { polling, next } = state.as_mut().project() else { return Poll::Pending };
        let outcome = ready!(polling.as_mut().poll(cx, next.take()));
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

impl<S> Start<S> {
    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn with_service<T>(self, service: T) -> Start<T> {
        Start { service, layer: self.layer, draft: self.draft }
    }

    /// Whether the response may announce an operation.
    #[inline]
    pub(crate) fn concerns<T: AsResponse>(&self, response: &T) -> bool {
        let settings = self.layer.settings();
        settings.may_be_announced(&self.draft.method, response.status(), response.headers())
            // Another layer below may have seen it through already.
            && response.extensions().get::<Operation>().is_none()
    }

    /// Whether the request takes an operation up: nothing but a `GET` can.
    pub(crate) fn resumes(&self) -> bool {
        self.draft.method == Method::GET && self.draft.extensions.get::<Resume>().is_some()
    }
}

pin_project! {
    /// An operation under way: the machine, and what moves its bytes.
    pub(crate) struct Polling<S, R>
    where
        S: Service<R>,
        S::Response: AsResponse,
    {
        service: S,
        poller: Poller,
        // Where the last response came from.
        address: AddressOf<S, R>,
        #[pin]
        io: Io<S::Future, BodyOf<S, R>>,
        #[pin]
        alarm: Alarm,
        _request: PhantomData<fn(R)>,
    }
}

pin_project! {
    #[project = IoProjection]
    #[project_replace = IoOwned]
    enum Io<F, B>
    where
        B: Body,
    {
        // Waiting, or done.
        Idle,
        Readying,
        Calling { #[pin] future: F },
        Reading { in_hand: Pin<Box<InHand<B>>> },
    }
}

/// How much may be ready at once before everybody else on the thread gets a turn.
const MAX_TURNS: u32 = 128;

impl<S, R> Polling<S, R>
where
    S: Service<R, Response: AsResponse<Body: Body<Error: Into<BoxError>>>>,
    R: AsRequest<S::Response, S::Error>,
{
    /// Of a response that [may announce](Start::concerns) an operation.
    #[cold]
    pub(crate) fn begin(start: Start<S>, response: S::Response) -> (Pin<Box<Self>>, Next) {
        let Start { service, layer, draft } = start;
        let now = now();
        let (line, snapshot) = draft.seal();
        let mut poller = Poller::new(layer, snapshot, None, now, seed());
        // Monitors are found from where the request was sent to, and not from where that has led.
        let (response, address) = response.into_http();
        let (head, body) = response.into_parts();
        let mut answer = Answer::new(head, None, SystemTime::now());
        let next = poller.on_start(line, &mut answer, now);
        let io = Io::Reading { in_hand: InHand::new(answer, body) };
        let polling = Self { service, poller, address, io, alarm: Alarm { sleep: None }, _request: PhantomData };
        (Box::pin(polling), next)
    }

    #[cold]
    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut first: Option<Next>,
    ) -> Poll<Result<OutputOf<S, R>, ErrorOf<S, R>>> {
        let mut this = self.project();
        let poller = this.poller;
        let mut turns = 0;
        loop {
            turns += 1;
            if turns > MAX_TURNS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut transport = None;
            let next = match (first.take(), this.io.as_mut().project()) {
                (Some(next), _) => next,
                (None, IoProjection::Idle) => {
                    ready!(this.alarm.as_mut().poll_due(poller.timer(), cx));
                    poller.on_timer(None, now())
                }
                (None, IoProjection::Readying) => match poller.spans().run(|| this.service.poll_ready(cx)) {
                    Poll::Ready(Ok(())) => match R::from_outgoing(poller.request(), this.address) {
                        Some(request) => {
                            let future = poller.spans().run(|| this.service.call(request));
                            this.io.set(Io::Calling { future });
                            continue;
                        }
                        None => poller.on_unsendable(),
                    },
                    Poll::Ready(Err(mut error)) => {
                        R::redact(&mut error, &poller.target().0);
                        transport = Some(Cause::Service(error));
                        poller.on_service_gone(now())
                    }
                    Poll::Pending => {
                        ready!(this.alarm.as_mut().poll_due(poller.timer(), cx));
                        poller.on_timer(None, now())
                    }
                },
                (None, IoProjection::Calling { future }) => match poller.spans().run(|| future.poll(cx)) {
                    Poll::Ready(Ok(response)) => {
                        let effective_uri = response.effective_uri(|| poller.target().0);
                        let (response, address) = response.into_http();
                        let (head, body) = response.into_parts();
                        let mut answer = Answer::new(head, effective_uri, SystemTime::now());
                        let next = poller.on_head(&mut answer, now());
                        *this.address = address;
                        this.io.set(Io::Reading { in_hand: InHand::new(answer, body) });
                        next
                    }
                    Poll::Ready(Err(mut error)) => {
                        R::redact(&mut error, &poller.target().0);
                        transport = Some(Cause::Service(error));
                        poller.on_service_error(now())
                    }
                    Poll::Pending => {
                        ready!(this.alarm.as_mut().poll_due(poller.timer(), cx));
                        poller.on_timer(None, now())
                    }
                },
                (None, IoProjection::Reading { in_hand }) => {
                    match poller.spans().run(|| in_hand.as_mut().poll_frame(cx)) {
                        Poll::Ready(Some(Ok(frame))) => poller.on_frame(in_hand.as_mut().answer(), frame, now()),
                        Poll::Ready(None) => poller.on_end(in_hand.as_mut().answer(), now()),
                        Poll::Ready(Some(Err(error))) => {
                            let next = poller.on_broken(in_hand.as_mut().answer(), now());
                            if let Next::HandOver | Next::PassThrough = next {
                                in_hand.as_mut().set_error(error);
                            } else {
                                transport = Some(Cause::Body(error.into()));
                            }
                            next
                        }
                        Poll::Pending => {
                            ready!(this.alarm.as_mut().poll_due(poller.timer(), cx));
                            poller.on_timer(Some(in_hand.as_mut().answer()), now())
                        }
                    }
                }
            };
            match next {
                Next::Read => {}
                Next::Wait => this.io.set(Io::Idle),
                Next::Send => this.io.set(Io::Readying),
                Next::HandOver | Next::PassThrough => {
                    let IoOwned::Reading { in_hand } = this.io.as_mut().project_replace(Io::Idle) else { continue };
                    let mut response = in_hand.into_response();
                    S::Response::restore(mem::take(this.address), response.extensions_mut());
                    if let Next::HandOver = next {
                        response.extensions_mut().insert(poller.take_operation());
                    }
                    return Poll::Ready(Ok(S::Response::hand_over(response)));
                }
                Next::Fail(why) => {
                    let operation = poller.take_operation();
                    let in_hand = match this.io.as_mut().project_replace(Io::Idle) {
                        IoOwned::Reading { mut in_hand } => {
                            let mut response = in_hand.as_mut().to_response();
                            S::Response::restore(mem::take(this.address), response.extensions_mut());
                            response
                        }
                        IoOwned::Idle | IoOwned::Readying | IoOwned::Calling { .. } => Default::default(),
                    };
                    let cause = match why {
                        GiveUp::Timeout => Cause::Timeout,
                        GiveUp::Transport => transport.unwrap_or(Cause::Timeout),
                        GiveUp::Monitor => Cause::Monitor(in_hand),
                        GiveUp::Address(error) => Cause::Address(*error),
                        GiveUp::Status(kind) => {
                            Cause::Status(StatusError::new(kind, in_hand, poller.max_status_bytes()))
                        }
                        GiveUp::Protocol => Cause::Protocol,
                        GiveUp::Failed => {
                            Cause::Failed(OperationFailed::new(operation.clone(), in_hand.status(), Some(in_hand)))
                        }
                    };
                    return Poll::Ready(Err(Error::Operation(OperationError::new(operation, cause))));
                }
            }
        }
    }
}

/// Sees an operation through from a response that [may announce](Start::concerns) it on.
#[cfg(feature = "reqwest-middleware")]
pub(crate) fn follow<S, R>(start: Start<S>, response: S::Response) -> ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse<Body: Body<Error: Into<BoxError>>>>,
    R: AsRequest<S::Response, S::Error>,
{
    let (polling, next) = Polling::begin(start, response);
    ResponseFuture { state: State::Polling { polling, next: Some(next) } }
}

pin_project! {
    /// One timer for all that the machine waits for.
    struct Alarm {
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Alarm {
    fn poll_due(self: Pin<&mut Self>, due: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = due.map(TokioInstant::from_std) else { return Poll::Pending };
        let mut sleep = self.project().sleep;
        match sleep.as_mut().as_pin_mut() {
            Some(sleep) if sleep.deadline() == due => {}
            // A timer takes a millisecond at least.
            _ if due <= TokioInstant::now() => return Poll::Ready(()),
            Some(sleep) => sleep.reset(due),
            None => sleep.set(Some(sleep_until(due))),
        }
        sleep.as_pin_mut().map_or(Poll::Pending, |sleep| sleep.poll(cx))
    }
}

fn seed() -> u64 {
    RandomState::new().hash_one(0)
}

fn now() -> Instant {
    // Tokio's, which tests can pause.
    TokioInstant::now().into_std()
}
