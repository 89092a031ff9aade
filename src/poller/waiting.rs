//! Waiting for the next request, and polls that failed.

use std::time::Duration;

use crate::{
    error::status::StatusErrorKind,
    event::{Event, PollFailure},
    limits::MAX_ERROR_BODY_BYTES,
    poller::{
        phases::{Action, Ended, Poller, Waiting},
        reason::{Io, Reason, Unusable},
        response::PartialResponse,
    },
};

/// A poll that may be repeated.
pub(crate) enum FailedPoll<T: Io> {
    /// With a transient HTTP status.
    Http(Box<PartialResponse<T::Body>>),
    /// With a good response without a status, for this reason.
    NoStatus(Box<PartialResponse<T::Body>>, StatusErrorKind),
    Service(T::Error),
    /// With a body that broke off, or stalled.
    Body(Box<PartialResponse<T::Body>>),
}

impl Poller {
    pub(crate) fn delay(&mut self, retry_after: Option<Duration>, now: Duration) {
        let backoff = &mut self.operation.progress.backoff;
        self.schedule.delay(&self.context.config.delays, retry_after, backoff, now);
    }

    /// Waits for the next request; if that takes too long, hands the operation back.
    pub(crate) fn wait<T: Io>(mut self: Box<Self>) -> Action<T> {
        self.context.spans.wait();
        let announced = self.schedule.take_announced();
        if let Some(max_wait) = self.config().max_wait {
            let now = self.operation.elapsed.saturating_sub(self.context.age);
            let delay = self.schedule.or_deadline(self.schedule.due()).saturating_sub(now);
            if delay > max_wait {
                self.emit(|operation| Event::Pending { operation, delay });
                return Action::Pending(delay, Ended(self));
            }
        }
        if let Some((delay, reason)) = announced {
            self.emit(|operation| Event::Waiting { operation, delay, reason });
        }
        Action::Wait(Waiting(self))
    }

    pub(crate) fn poll_failed<T: Io>(mut self: Box<Self>, failed: FailedPoll<T>, now: Duration) -> Action<T> {
        let is_last = self.is_last_failure();
        let (failure, retry_after) = match &failed {
            FailedPoll::Http(response) => (PollFailure::Http(response.head.status), response.retry_after(now)),
            FailedPoll::NoStatus(response, _) => (PollFailure::NoStatus, response.retry_after(now)),
            FailedPoll::Service(_) => (PollFailure::Service, None),
            FailedPoll::Body(response) => (PollFailure::Body, response.retry_after(now)),
        };
        let progress = &mut self.operation.progress;
        progress.consecutive_failures = progress.consecutive_failures.saturating_add(1);
        let failures = progress.consecutive_failures;
        if !is_last {
            self.delay(retry_after, now);
        }
        let retry_in = self.schedule.announced().filter(|_| !is_last).map(|(delay, _)| delay);
        self.emit(|operation| Event::PollFailed { operation, failure, failures, retry_in });
        match failed {
            FailedPoll::Service(error) if is_last => self.fail(Reason::Service(error)),
            FailedPoll::Body(response) if is_last => self.fail(Reason::Body(response)),
            FailedPoll::Service(_) | FailedPoll::Body(_) => self.wait(),
            FailedPoll::Http(response) if is_last => {
                self.read(response).collect(Unusable::Monitor, MAX_ERROR_BODY_BYTES, now)
            }
            FailedPoll::NoStatus(response, why) if is_last => self.read(response).end_without_status(why, now),
            FailedPoll::Http(response) | FailedPoll::NoStatus(response, _) => self.drain(response, now),
        }
    }
}
