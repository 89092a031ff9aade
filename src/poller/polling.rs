//! Polling: send a request, and see from the head of its response what comes of it.

use std::time::Duration;

use crate::{
    address::error::AddressError,
    error::status::StatusErrorKind,
    event::{Event, PollFailure},
    limits::MAX_ERROR_BODY_BYTES,
    poller::{
        phases::{Action, Poller, Sending},
        reason::{Io, Reason, Unusable},
        response::PartialResponse,
        verdict::{self, Head, HeadFacts, Target},
    },
    request::template::{Accept, PollRequest},
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

impl Sending {
    pub(crate) fn poller(&self) -> &Poller {
        &self.0
    }

    pub(crate) fn into_poller(self) -> Box<Poller> {
        self.0
    }

    /// The request, to be sent at once: it counts as a poll.
    pub(crate) fn request(&mut self) -> PollRequest {
        let poller = &mut *self.0;
        let accept = match poller.target() {
            Target::Monitor => {
                poller.operation.polls = poller.operation.polls.saturating_add(1);
                let reads_json = !poller.status_rule().status.is_empty();
                if reads_json { Accept::JsonFirst } else { Accept::AsCaller }
            }
            Target::Result => Accept::AsCaller,
        };
        let address = poller.target_address();
        poller.spans.send(&address.uri);
        poller.context.template.request(address, accept)
    }

    /// When [`on_due`](Self::on_due) is to be reported, if nothing else happens before.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.0.schedule.deadline
    }

    /// The deadline has come.
    pub(crate) fn on_due<T: Io>(self, now: Duration) -> Action<T> {
        let Self(mut poller) = self;
        poller.record_elapsed(now);
        poller.time_out()
    }

    /// The service failed to send the request.
    pub(crate) fn on_service_error<T: Io>(self, error: T::Error, now: Duration) -> Action<T> {
        let Self(mut poller) = self;
        poller.record_elapsed(now);
        poller.poll_failed(FailedPoll::Service(error), now)
    }

    /// The service failed to become ready, and never will.
    pub(crate) fn on_service_gone<T: Io>(self, error: T::Error, now: Duration) -> Action<T> {
        let Self(mut poller) = self;
        poller.record_elapsed(now);
        poller.fail(Reason::Service(error))
    }

    /// The request could not be made: the transport cannot express its address.
    pub(crate) fn on_unsendable<T: Io>(self) -> Action<T> {
        self.0.fail_address(AddressError::unresolvable())
    }

    /// The head of the response has arrived.
    pub(crate) fn on_response<T: Io>(self, mut response: Box<PartialResponse<T::Body>>, now: Duration) -> Action<T> {
        let Self(mut poller) = self;
        poller.record_elapsed(now);
        let status = response.head.status;
        poller.spans.answered(status);
        if let Err(error) = poller.judge_redirects(&mut response) {
            return poller.fail_address(error);
        }
        let facts = HeadFacts {
            target: poller.target(),
            is_elsewhere: poller.is_elsewhere(&response),
            is_redirected: response.redirected_to.is_some(),
            has_status: poller.operation.progress.has_status,
            is_last_failure: poller.is_last_failure(),
            has_retry_after: response.retry_after(now).is_some(),
        };
        match verdict::of_head(status, poller.status_rule(), facts) {
            Head::Redirect(to) => poller.redirect(response, to, now),
            Head::Succeeded => poller.read(response).succeed_by_head(now),
            Head::Retry => poller.poll_failed(FailedPoll::Http(response), now),
            Head::NoStatus => poller.poll_failed(FailedPoll::NoStatus(response, StatusErrorKind::Missing), now),
            Head::ReadStatus => poller.read(response).read_status(now),
            Head::Return => poller.done(response),
            Head::Unexpected => poller.read(response).collect(Unusable::Monitor, MAX_ERROR_BODY_BYTES, now),
        }
    }
}

impl Poller {
    /// The poll has failed. It is repeated after a delay, unless it was one too many.
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
        let retry_in = (!is_last).then(|| self.delay(retry_after, now));
        self.emit(|operation| Event::PollFailed { operation, failure, failures, retry_in });
        if is_last {
            return self.give_up(failed, now);
        }
        match failed {
            FailedPoll::Http(response) | FailedPoll::NoStatus(response, _) => self.drain(response, now),
            FailedPoll::Service(_) | FailedPoll::Body(_) => self.wait(now),
        }
    }

    fn give_up<T: Io>(self: Box<Self>, failed: FailedPoll<T>, now: Duration) -> Action<T> {
        match failed {
            FailedPoll::Http(response) => self.read(response).collect(Unusable::Monitor, MAX_ERROR_BODY_BYTES, now),
            FailedPoll::NoStatus(response, why) => self.read(response).end_without_status(why, now),
            FailedPoll::Service(error) => self.fail(Reason::Service(error)),
            FailedPoll::Body(response) => self.fail(Reason::Body(response)),
        }
    }
}
