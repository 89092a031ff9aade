//! `ResponseFuture`: call, read, wait, ready, poll.

use std::{
    collections::hash_map::RandomState,
    fmt,
    future::Future,
    hash::BuildHasher,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Instant, SystemTime},
};

use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};
use tower_service::Service;

use crate::{
    BoxError, Cause, Error, LroLayer, Operation, OperationError, OperationFailed, Resume, StatusError,
    body::InHand,
    exchange::{AsRequest, AsResponse},
    poller::{Answer, Draft, GiveUp, Next, Now, Poller},
};

pin_project! {
    /// The future of [`Lro`](crate::Lro).
    ///
    /// A request that passes through costs the inner future and two words. What polling needs is in one box.
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
        // The caller's request; nothing more where the layer is off.
        First {
            #[pin]
            future: S::Future,
            start: Option<Box<Start<S>>>,
        },
        Polling { polling: Pin<Box<Polling<S, R>>> },
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
        Self { state: State::First { future, start: Some(start) } }
    }

    pub(crate) const fn off(future: S::Future) -> Self {
        Self { state: State::First { future, start: None } }
    }
}

type BodyOf<S, R> = <<S as Service<R>>::Response as AsResponse>::Body;
type OutputOf<S, R> = <<S as Service<R>>::Response as AsResponse>::Output;
type ErrorOf<S, R> = Error<<S as Service<R>>::Error>;
type ResultOf<S, R> = Result<<S as Service<R>>::Response, <S as Service<R>>::Error>;

impl<S, R> Future for ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse<Body: Body<Error: Into<BoxError>>>>,
    R: AsRequest<S::Error>,
{
    type Output = Result<OutputOf<S, R>, ErrorOf<S, R>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProjection::First { future, start } = state.as_mut().project() {
            let result = ready!(future.poll(cx));
            let Some(start) = start.take_if(|start| start.concerns(&result)) else {
                return Poll::Ready(result.map(AsResponse::pass_through).map_err(Error::Service));
            };
            let (polling, next) = Polling::begin(*start, result)?;
            state.set(State::Polling { polling });
            return state.poll_polling(cx, Some(next));
        }
        state.poll_polling(cx, None)
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

    /// Whether the outcome of the first call is anything to poll for.
    #[inline]
    pub(crate) fn concerns<T: AsResponse, E>(&self, result: &Result<T, E>) -> bool {
        let is_announced = |response: &T| {
            self.layer.settings().announced(response.status(), response.headers()).is_some()
                // Another layer below may have seen it through already.
                && response.extensions().get::<Operation>().is_none()
        };
        result.as_ref().is_ok_and(is_announced) || self.draft.extensions.get::<Resume>().is_some()
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
    R: AsRequest<S::Error>,
{
    #[cold]
    pub(crate) fn begin(start: Start<S>, first: ResultOf<S, R>) -> Result<(Pin<Box<Self>>, Next), ErrorOf<S, R>> {
        let Start { service, layer, draft } = start;
        let now = now();
        let resume = draft.extensions.get::<Resume>().cloned();
        let is_resumed = resume.is_some();
        let mut poller = Poller::new(layer, draft, resume, now, RandomState::new().hash_one(0));
        let resumed = if is_resumed { poller.resume() } else { Ok(()) };
        let (io, next) = match first {
            Ok(response) => {
                let (head, body) = response.into_http().into_parts();
                let mut answer = Answer::new(head);
                let next = match resumed {
                    Ok(()) if is_resumed => poller.on_head(&mut answer, now),
                    Ok(()) => poller.accept(&answer, now),
                    Err(next) => next,
                };
                (Io::Reading { in_hand: InHand::new(answer, body) }, next)
            }
            Err(mut error) => {
                R::redact(&mut error);
                match resumed.map(|()| poller.on_service_error(now)) {
                    Ok(Next::Fail(_)) => {
                        let operation = poller.take_operation();
                        return Err(Error::Operation(OperationError::new(operation, Cause::Service(error))));
                    }
                    Ok(next) | Err(next) => (Io::Idle, next),
                }
            }
        };
        let polling = Self { service, poller, io, alarm: Alarm { sleep: None }, _request: PhantomData };
        Ok((Box::pin(polling), next))
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
                (None, IoProjection::Readying) => match this.service.poll_ready(cx) {
                    Poll::Ready(Ok(())) => match R::from_http(poller.request()) {
                        Some(request) => {
                            let future = this.service.call(request);
                            this.io.set(Io::Calling { future });
                            continue;
                        }
                        None => poller.on_unsendable(),
                    },
                    Poll::Ready(Err(mut error)) => {
                        R::redact(&mut error);
                        transport = Some(Cause::Service(error));
                        poller.on_service_gone(now())
                    }
                    Poll::Pending => {
                        ready!(this.alarm.as_mut().poll_due(poller.timer(), cx));
                        poller.on_timer(None, now())
                    }
                },
                (None, IoProjection::Calling { future }) => match future.poll(cx) {
                    Poll::Ready(Ok(response)) => {
                        let (head, body) = response.into_http().into_parts();
                        let mut answer = Answer::new(head);
                        let next = poller.on_head(&mut answer, now());
                        this.io.set(Io::Reading { in_hand: InHand::new(answer, body) });
                        next
                    }
                    Poll::Ready(Err(mut error)) => {
                        R::redact(&mut error);
                        transport = Some(Cause::Service(error));
                        poller.on_service_error(now())
                    }
                    Poll::Pending => {
                        ready!(this.alarm.as_mut().poll_due(poller.timer(), cx));
                        poller.on_timer(None, now())
                    }
                },
                (None, IoProjection::Reading { in_hand }) => match in_hand.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => poller.on_frame(in_hand.as_mut().answer(), frame, now()),
                    Poll::Ready(None) => poller.on_end(in_hand.as_mut().answer(), now()),
                    Poll::Ready(Some(Err(error))) => {
                        let next = poller.on_broken(in_hand.as_mut().answer(), now());
                        if let Next::HandOver = next {
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
                },
            };
            match next {
                Next::Read => {}
                Next::Wait => this.io.set(Io::Idle),
                Next::Send => this.io.set(Io::Readying),
                Next::HandOver => {
                    let IoOwned::Reading { in_hand } = this.io.as_mut().project_replace(Io::Idle) else { continue };
                    let mut response = in_hand.into_response();
                    response.extensions_mut().insert(poller.take_operation());
                    return Poll::Ready(Ok(S::Response::hand_over(response)));
                }
                Next::Fail(why) => {
                    let operation = poller.take_operation();
                    let in_hand = match this.io.as_mut().project_replace(Io::Idle) {
                        IoOwned::Reading { mut in_hand } => in_hand.as_mut().to_response(),
                        IoOwned::Idle | IoOwned::Readying | IoOwned::Calling { .. } => Default::default(),
                    };
                    let cause = match why {
                        GiveUp::Timeout => Cause::Timeout,
                        GiveUp::Transport => transport.unwrap_or(Cause::Timeout),
                        GiveUp::Monitor => Cause::Monitor(in_hand),
                        GiveUp::Address(error) => Cause::Address(error),
                        GiveUp::Status(kind) => Cause::Status(StatusError::new(kind, in_hand)),
                        GiveUp::Failed => Cause::Failed(OperationFailed::new(operation.clone(), Some(in_hand))),
                    };
                    return Poll::Ready(Err(Error::Operation(OperationError::new(operation, cause))));
                }
            }
        }
    }
}

/// Goes on after a first call that [concerns](Start::concerns) an operation.
#[cfg(feature = "reqwest-middleware")]
pub(crate) async fn follow<S, R>(start: Start<S>, first: ResultOf<S, R>) -> Result<OutputOf<S, R>, ErrorOf<S, R>>
where
    S: Service<R, Response: AsResponse<Body: Body<Error: Into<BoxError>>>>,
    R: AsRequest<S::Error>,
{
    let (mut polling, next) = Polling::<S, R>::begin(start, first)?;
    let mut next = Some(next);
    std::future::poll_fn(|cx| polling.as_mut().poll(cx, next.take())).await
}

impl<S, R> State<S, R>
where
    S: Service<R, Response: AsResponse<Body: Body<Error: Into<BoxError>>>>,
    R: AsRequest<S::Error>,
{
    fn poll_polling(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        first: Option<Next>,
    ) -> Poll<Result<OutputOf<S, R>, ErrorOf<S, R>>> {
        match self.project() {
            StateProjection::Polling { polling } => polling.as_mut().poll(cx, first),
            StateProjection::First { .. } => Poll::Pending,
        }
    }
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

fn now() -> Now {
    // Tokio's, which tests can pause.
    Now { instant: TokioInstant::now().into_std(), wall: SystemTime::now() }
}
