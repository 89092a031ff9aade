//! `Operating`: moves the bytes of an operation under way, as the machine's actions say.

use std::{
    marker::PhantomData,
    mem,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use http::{Response, Uri};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    config::Config,
    error::{
        Error,
        boxed::BoxError,
        failed::OperationFailed,
        operation::{Cause, OperationError},
        status::StatusError,
    },
    limits::MAX_STEPS_PER_WAKE,
    operation::{Operation, Resume},
    poller::{
        phases::{Action, Ended, Poller, Reading, Sending, Waiting},
        reason::{Io, Reason, Unusable},
        response::{Arrived, PartialResponse},
        resuming,
        starting::{Started, Starting},
    },
    request::captured::FollowedRequest,
    service::{
        body::{LroBody, Next, OpenBody},
        canceling::spawn_cancel,
        clock::{Alarm, Clock, NoTimer},
        start::Start,
        transport::{AsRequest, AsResponse},
    },
};

type BodyOf<S, R> = <<S as Service<R>>::Response as AsResponse>::Body;
pub(crate) type UrlOf<S, R> = <<S as Service<R>>::Response as AsResponse>::Url;
type OutputOf<S, R> = <<S as Service<R>>::Response as AsResponse>::Output;
type ErrorOf<S, R> = Error<<S as Service<R>>::Error>;
/// The caller's.
pub(crate) type ResultOf<S, R> = Result<OutputOf<S, R>, ErrorOf<S, R>>;

/// The types that the machine hands on for this service.
pub(crate) struct IoOf<S, R>(PhantomData<fn(S, R)>);

impl<S: Service<R, Response: AsResponse>, R> Io for IoOf<S, R> {
    type Body = OpenBody<BodyOf<S, R>>;
    type Error = S::Error;
}

pin_project! {
    /// An operation under way: the machine's phase, and the service, clock and timer that it needs.
    pub(crate) struct Operating<S, R>
    where
        S: Service<R>,
        S::Response: AsResponse,
    {
        service: S,
        clock: Clock,
        // Where the last response came from.
        last_url: UrlOf<S, R>,
        step: Step<S, R>,
        #[pin]
        alarm: Alarm,
    }

    impl<S, R> PinnedDrop for Operating<S, R>
    where
        S: Service<R>,
        S::Response: AsResponse,
    {
        fn drop(this: Pin<&mut Self>) {
            if let Some(poller) = this.step.poller() {
                poller.on_dropped();
                if let Some(canceller) = &poller.config().cancel_on_drop {
                    spawn_cancel(canceller, poller);
                }
            }
        }
    }
}

/// Where the driver is: the machine's phase, and the future or the body that it waits for.
enum Step<S: Service<R, Response: AsResponse>, R> {
    /// The machine's last action, which is not done yet.
    Act(Action<IoOf<S, R>>),
    PassesThrough(Box<PartialResponse<OpenBody<BodyOf<S, R>>>>),
    Starting(Box<Starting<IoOf<S, R>>>),
    Waiting(Waiting),
    Readying(Sending),
    // Boxed, so that steps can be moved.
    Calling(Sending, Pin<Box<S::Future>>),
    Reading(Box<Reading<IoOf<S, R>>>),
    Over,
}

impl<S: Service<R, Response: AsResponse>, R> Step<S, R> {
    /// The poller, if there is an operation and it has not ended.
    fn poller(&self) -> Option<&Poller> {
        match self {
            Self::Act(action) => action.poller(),
            Self::Waiting(waiting) => Some(waiting.poller()),
            Self::Readying(sending) | Self::Calling(sending, _) => Some(sending.poller()),
            Self::Reading(reading) => Some(&reading.poller),
            Self::PassesThrough(_) | Self::Starting(_) | Self::Over => None,
        }
    }
}

impl<S: Service<R, Response: AsResponse>, R> From<Started<IoOf<S, R>>> for Step<S, R> {
    fn from(started: Started<IoOf<S, R>>) -> Self {
        match started {
            Started::Reading(starting) => Self::Starting(starting),
            Started::Accepted(action) => Self::Act(action),
            Started::NotAnOperation(response) => Self::PassesThrough(response),
        }
    }
}

impl<S, R> Operating<S, R>
where
    S: Service<R, Response: AsResponse>,
{
    /// Goes on with an operation that the caller's request resumes.
    #[inline]
    pub(crate) fn resume(service: S, config: Arc<Config>, request: FollowedRequest, resume: Resume) -> Pin<Box<Self>> {
        let (clock, beginning) = Clock::start(config.timer.as_ref());
        let action = resuming::resume(config, request, resume, beginning);
        Self::new(service, clock, UrlOf::<S, R>::default(), Step::Act(action))
    }

    /// Goes on from a response that may start an operation.
    pub(crate) fn follow(start: Start<S>, response: S::Response) -> Pin<Box<Self>> {
        let Start { service, config, captured } = start;
        let (clock, beginning) = Clock::start(config.timer.as_ref());
        // Monitors are resolved against the address that the request was sent to, not against the one to which redirects led.
        let (response, url) = into_partial(response, None, Duration::ZERO, || beginning.wall);
        let started = Starting::begin(config, captured, response, beginning);
        Self::new(service, clock, url, started.into())
    }

    fn new(service: S, clock: Clock, last_url: UrlOf<S, R>, step: Step<S, R>) -> Pin<Box<Self>> {
        Box::pin(Self { service, clock, last_url, step, alarm: Alarm::Unset })
    }
}

impl<S, R> Operating<S, R>
where
    S: Service<R, Response: AsResponse<Body: Body<Error: Into<BoxError>>>>,
    R: AsRequest<S::Response, S::Error>,
{
    #[cold]
    pub(crate) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ResultOf<S, R>> {
        let mut step = mem::replace(self.as_mut().project().step, Step::Over);
        for _ in 0..MAX_STEPS_PER_WAKE {
            let next = match step {
                Step::Act(_) => step,
                Step::PassesThrough(response) => return Poll::Ready(Ok(self.respond(*response, None))),
                Step::Starting(starting) => ready!(self.as_mut().poll_starting(starting, cx)),
                Step::Waiting(waiting) => ready!(self.as_mut().poll_waiting(waiting, cx)),
                Step::Readying(sending) => ready!(self.as_mut().poll_readying(sending, cx)),
                Step::Calling(sending, future) => ready!(self.as_mut().poll_calling(sending, future, cx)),
                Step::Reading(reading) => ready!(self.as_mut().poll_reading(reading, cx)),
                Step::Over => return Poll::Pending,
            };
            step = match next {
                // In the same turn, so that nothing comes between the report of an end and its return to the caller.
                Step::Act(action) => match self.as_mut().act(action) {
                    ControlFlow::Continue(step) => step,
                    ControlFlow::Break(outcome) => return Poll::Ready(outcome),
                },
                next => next,
            };
        }
        *self.project().step = step;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Keeps a step that has to wait.
    fn pending(self: Pin<&mut Self>, step: Step<S, R>) -> Poll<Step<S, R>> {
        *self.project().step = step;
        Poll::Pending
    }

    fn poll_alarm(
        self: Pin<&mut Self>,
        due: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Duration, NoTimer>> {
        let this = self.project();
        this.alarm.poll_due(due, this.clock, cx)
    }

    fn poll_starting(
        mut self: Pin<&mut Self>,
        mut starting: Box<Starting<IoOf<S, R>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Step<S, R>> {
        let started = match starting.body().poll_next(cx) {
            Poll::Ready(Next::Frame(frame) | Next::LastFrame(frame)) => starting.on_frame(frame, self.clock.now()),
            Poll::Ready(Next::End) => starting.on_end(self.clock.now()),
            Poll::Ready(Next::Broken) => starting.on_due(self.clock.now()),
            Poll::Pending => match self.as_mut().poll_alarm(Some(Starting::<IoOf<S, R>>::WAKE_AT), cx) {
                Poll::Ready(due) => starting.on_due(due.unwrap_or_else(|NoTimer| self.clock.now())),
                Poll::Pending => return self.pending(Step::Starting(starting)),
            },
        };
        Poll::Ready(started.into())
    }

    fn poll_waiting(mut self: Pin<&mut Self>, waiting: Waiting, cx: &mut Context<'_>) -> Poll<Step<S, R>> {
        Poll::Ready(Step::Act(match self.as_mut().poll_alarm(Some(waiting.wake_at()), cx) {
            Poll::Ready(Ok(now)) => waiting.on_due(now),
            Poll::Ready(Err(NoTimer)) => waiting.into_poller().fail(Reason::NoTimer),
            Poll::Pending => return self.pending(Step::Waiting(waiting)),
        }))
    }

    fn poll_readying(mut self: Pin<&mut Self>, mut sending: Sending, cx: &mut Context<'_>) -> Poll<Step<S, R>> {
        let this = self.as_mut().project();
        let service = this.service;
        match sending.poller().spans.run(|| service.poll_ready(cx)) {
            Poll::Ready(Ok(())) => {
                let Some(request) = R::from_poll(sending.request(), this.last_url) else {
                    return Poll::Ready(Step::Act(sending.on_unsendable()));
                };
                let future = sending.poller().spans.run(|| service.call(request));
                Poll::Ready(Step::Calling(sending, Box::pin(future)))
            }
            Poll::Ready(Err(mut error)) => {
                R::redact(&mut error);
                Poll::Ready(Step::Act(sending.on_service_gone(error, this.clock.now())))
            }
            Poll::Pending => self.poll_deadline(sending, Step::Readying, cx),
        }
    }

    fn poll_calling(
        self: Pin<&mut Self>,
        sending: Sending,
        mut future: Pin<Box<S::Future>>,
        cx: &mut Context<'_>,
    ) -> Poll<Step<S, R>> {
        match sending.poller().spans.run(|| future.as_mut().poll(cx)) {
            Poll::Ready(Ok(response)) => {
                // It may hold the permit of a concurrency limit, which an observer may wait for.
                drop(future);
                let effective_uri = response.effective_uri(|| sending.poller().target_address().uri);
                let now = self.clock.now();
                let (response, url) = into_partial(response, effective_uri, now, || self.clock.wall());
                *self.project().last_url = url;
                Poll::Ready(Step::Act(sending.on_response(response, now)))
            }
            Poll::Ready(Err(mut error)) => {
                drop(future);
                R::redact(&mut error);
                Poll::Ready(Step::Act(sending.on_service_error(error, self.clock.now())))
            }
            Poll::Pending => self.poll_deadline(sending, |sending| Step::Calling(sending, future), cx),
        }
    }

    /// Checks the deadline, because nothing else has happened.
    fn poll_deadline(
        mut self: Pin<&mut Self>,
        sending: Sending,
        step: impl FnOnce(Sending) -> Step<S, R>,
        cx: &mut Context<'_>,
    ) -> Poll<Step<S, R>> {
        let due = match self.as_mut().poll_alarm(sending.wake_at(), cx) {
            Poll::Ready(due) => due,
            Poll::Pending => return self.pending(step(sending)),
        };
        // It may hold a permit, too.
        drop(step);
        Poll::Ready(Step::Act(match due {
            Ok(now) => sending.on_due(now),
            Err(NoTimer) => sending.into_poller().fail(Reason::NoTimer),
        }))
    }

    fn poll_reading(
        mut self: Pin<&mut Self>,
        mut reading: Box<Reading<IoOf<S, R>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Step<S, R>> {
        let Reading { poller, response, .. } = &mut *reading;
        Poll::Ready(Step::Act(match poller.spans.run(|| response.body.poll_next(cx)) {
            Poll::Ready(Next::Frame(frame)) => reading.on_frame(frame, self.clock.now()),
            Poll::Ready(Next::LastFrame(frame)) => reading.on_last_frame(frame, self.clock.now()),
            Poll::Ready(Next::End) => reading.on_end(self.clock.now()),
            Poll::Ready(Next::Broken) => reading.on_broken(self.clock.now()),
            Poll::Pending => match self.as_mut().poll_alarm(Some(reading.wake_at()), cx) {
                Poll::Ready(Ok(now)) => reading.on_due(now),
                Poll::Ready(Err(NoTimer)) => reading.poller.fail(Reason::NoTimer),
                Poll::Pending => return self.pending(Step::Reading(reading)),
            },
        }))
    }

    /// Does what the machine says, or returns the outcome for the caller.
    fn act(self: Pin<&mut Self>, action: Action<IoOf<S, R>>) -> ControlFlow<ResultOf<S, R>, Step<S, R>> {
        ControlFlow::Break(match action {
            Action::Wait(waiting) => return ControlFlow::Continue(Step::Waiting(waiting)),
            Action::Send(sending) => return ControlFlow::Continue(Step::Readying(sending)),
            Action::Read(reading) => return ControlFlow::Continue(Step::Reading(reading)),
            Action::Done(response, ended) => Ok(self.respond(*response, Some(ended.into_operation()))),
            Action::Failed(reason, ended) => Err(self.fail(reason, ended)),
            Action::Pending(delay, ended) => {
                Err(Error::Operation(OperationError::new(ended.into_operation(), Cause::Pending { delay })))
            }
        })
    }

    /// Makes the caller's response, with the operation, if there is one, in its extensions.
    fn respond(
        self: Pin<&mut Self>,
        response: PartialResponse<OpenBody<BodyOf<S, R>>>,
        operation: Option<Operation>,
    ) -> OutputOf<S, R> {
        let PartialResponse { head, frames, body, .. } = response;
        let mut response = Response::from_parts(head, LroBody::buffered(frames, body));
        S::Response::restore_url(mem::take(self.project().last_url), response.extensions_mut());
        if let Some(operation) = operation {
            response.extensions_mut().insert(operation);
        }
        S::Response::from_http(response)
    }

    fn fail(self: Pin<&mut Self>, reason: Reason<IoOf<S, R>>, ended: Ended) -> ErrorOf<S, R> {
        let config = ended.poller().config();
        if let (Reason::Timeout { .. }, Some(canceller)) = (&reason, &config.cancel_on_timeout) {
            spawn_cancel(canceller, ended.poller());
        }
        let max_status_bytes = config.max_status_bytes;
        let operation = ended.into_operation();
        let cause = match reason {
            Reason::Timeout { failures } => {
                return Error::Operation(OperationError::new(operation, Cause::Timeout).after_failures(failures));
            }
            Reason::NoTimer => Cause::NoTimer,
            Reason::Service(error) => Cause::Service(error),
            Reason::Body(mut response) => Cause::Body(response.body.take_error().map_or_else(stalled, Into::into)),
            Reason::Address(error) => Cause::Address(*error),
            Reason::Protocol => Cause::Protocol,
            Reason::Response(why, response) => {
                let mut response = response.into_buffered();
                S::Response::restore_url(mem::take(self.project().last_url), response.extensions_mut());
                match why {
                    Unusable::Monitor => Cause::Monitor(response),
                    Unusable::Status(kind) => Cause::Status(StatusError::new(kind, response, max_status_bytes)),
                    Unusable::Failed => {
                        Cause::Failed(OperationFailed::new(operation.clone(), response.status(), Some(response)))
                    }
                }
            }
        };
        Error::Operation(OperationError::new(operation, cause))
    }
}

/// Converts a response to the machine's form, and returns where it came from.
fn into_partial<T: AsResponse>(
    response: T,
    effective_uri: Option<Uri>,
    now: Duration,
    wall: impl Fn() -> SystemTime,
) -> (Box<PartialResponse<OpenBody<T::Body>>>, T::Url) {
    let (response, url) = response.into_http();
    let (head, body) = response.into_parts();
    let is_empty = body.is_end_stream();
    let arrived = Arrived { head, body: OpenBody::new(body), is_empty, effective_uri };
    (PartialResponse::new(arrived, now, wall), url)
}

fn stalled() -> BoxError {
    "the body gave no data".into()
}
