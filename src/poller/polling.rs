//! Polling: send a request, and see from the head of its response what comes of it.

use std::time::Duration;

use crate::{
    address::error::{AddressError, AddressErrorKind},
    error::status::StatusErrorKind,
    limits::MAX_ERROR_BODY_BYTES,
    poller::{
        phases::{Action, Sending, Waiting},
        reason::{Io, Reason, Unusable},
        response::PartialResponse,
        verdict::{self, Head, HeadFacts, Target},
        waiting::FailedPoll,
    },
};

impl Waiting {
    /// The time has come.
    pub(crate) fn on_due<T: Io>(self, now: Duration) -> Action<T> {
        let Self(mut poller) = self;
        poller.record_elapsed(now);
        // Nothing is sent after the deadline.
        let is_late = poller.schedule.is_late(now.max(poller.schedule.due()));
        if is_late { poller.time_out() } else { Action::Send(Sending(poller)) }
    }
}

impl Sending {
    /// The deadline has come.
    pub(crate) fn on_late<T: Io>(self, now: Duration) -> Action<T> {
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

    /// The service is of no more use.
    pub(crate) fn on_service_gone<T: Io>(self, error: T::Error, now: Duration) -> Action<T> {
        let Self(mut poller) = self;
        poller.record_elapsed(now);
        poller.fail(Reason::Service(error))
    }

    /// The request could not be made: the transport has no way to say its address.
    pub(crate) fn on_unsendable<T: Io>(self) -> Action<T> {
        self.0.fail_address(AddressError::new(AddressErrorKind::Unresolvable, None, None))
    }

    /// The head of the response has arrived.
    pub(crate) fn on_response<T: Io>(self, mut response: Box<PartialResponse<T::Body>>, now: Duration) -> Action<T> {
        let Self(mut poller) = self;
        poller.record_elapsed(now);
        let status = response.head.status;
        poller.context.spans.answered(status);
        if let Err(error) = poller.judge_redirects(&mut response) {
            return poller.fail_address(error);
        }
        let facts = HeadFacts {
            target: poller.target(),
            is_elsewhere: poller.is_elsewhere(&response),
            has_status: poller.operation.progress.has_status,
            is_last_failure: poller.is_last_failure(),
            has_retry_after: response.retry_after(now).is_some(),
        };
        match verdict::of_head(status, poller.status_rule(), facts) {
            Head::NamesResult => poller.redirect(response, Target::Result, now),
            Head::Moves => {
                let to = poller.target();
                poller.redirect(response, to, now)
            }
            Head::Succeeded => poller.read(response).succeed_by_head(now),
            Head::Retry => poller.poll_failed(FailedPoll::Http(response), now),
            Head::NoStatus => poller.poll_failed(FailedPoll::NoStatus(response, StatusErrorKind::Missing), now),
            Head::ReadStatus => poller.read(response).read_status(now),
            Head::Return => poller.done(response),
            Head::Unexpected => poller.read(response).collect(Unusable::Monitor, MAX_ERROR_BODY_BYTES, now),
        }
    }
}
