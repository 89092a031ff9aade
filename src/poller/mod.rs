//! The core: a state machine that sees one operation through.
//!
//! It does no I/O, reads no clock and starts no timer. A driver tells it what arrived and what time it is; it says what to
//! do [`Next`], and until when at the latest ([`Poller::timer`]).
//!
//! ```text
//!            202 + Operation-Location           Resume
//!                       │                          │
//!        bad address    ▼                          │
//!      ┌────────────[accepted]                     │
//!      │                │ read the rest            │
//!      │                ▼                          │
//!      │    ┌──────►Draining◄───────────────┐      │
//!      │    │           │ end, or enough    │      │
//!      │    │           ▼                   │      │
//!      │    │        Waiting◄───────────┐   │      │
//!      │    │           │ delay is over │   │      │
//!      │    │           ▼               │   │      │
//!      │    │        Sending────────────┤   │      │
//!      │    │           │ head    error │   │      │
//!      │    │           ▼               │   │      ▼
//!      │    │        [head]◄────────────┼───┼──────┘
//!      │    │           │ 2xx           │   │
//!      │    │ failed or ├───────────────┼───┼──────► Collecting: 4xx, 5xx,
//!      │    │ redirect  ▼         error │   │            too many failures
//!      │    └───────Scanning────────────┘   │                   │
//!      │                │  │ not terminal   │                   │
//!      │       terminal │  └────────────────┘                   │
//!      │                ▼                                       │
//!      │           Finishing                                    │
//!      │                │ details read, or not at once          │
//!      ▼                ▼                                       ▼
//!    Fail           HandOver                                  Fail
//! ```
//!
//! The deadline (`LroLayer::timeout`) leads from everywhere but `Finishing` and `Collecting` to `Fail`. A `303`, and every
//! other final response that stands elsewhere, is fetched by the same states, with no status looked for.

pub(crate) mod action;
mod application_http;
mod finishing;
pub(crate) mod frame_buffer;
mod polling;
mod starting;

use std::time::Instant;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body::Frame;

use crate::{
    address::{
        error::{AddressError, AddressErrorKind},
        resolver::{Address, Trust, propagate_query, without_query, without_user_info},
    },
    event::{Outcome, PollFailure, tracing::Spans},
    layer::LroLayer,
    operation::{Operation, OperationState, Resume, details},
    poller::{
        action::{Answer, GiveUp, Next},
        application_http as message,
        starting::Announcing,
    },
    protocol::{
        Protocol,
        start_rule::StartRule,
        status_rule::{MissingStatus, StatusRule},
    },
    request::template::{Outgoing, Snapshot},
    timing::{
        backoff::{DelayReason, Pace},
        moment::Moment,
    },
};

/// One operation on its way.
pub(crate) struct Poller {
    layer: LroLayer,
    start: Snapshot,
    operation: Operation,
    /// Where the final response is, if it is not the status response.
    result: Option<Box<Address>>,
    pace: Pace,
    began: Instant,
    deadline: Moment,
    /// When the next request is due.
    due: Moment,
    /// When that was decided, if it is to be told of when the answer in hand has been read.
    scheduled: Moment,
    timer: Moment,
    delay_reason: DelayReason,
    failures: u32,
    moves: u8,
    has_status: bool,
    /// What the caller's request on the monitor may carry, if it was one.
    resumed: Option<Trust>,
    phase: Phase,
    spans: Spans,
}

enum Phase {
    /// Reading a response that may announce an operation.
    Announcing(Box<Announcing>),
    /// Reading what nobody needs; of a status response, for the percentage in it.
    Draining {
        left: usize,
        is_status: bool,
    },
    Waiting,
    Sending,
    /// Looking for the status.
    Scanning,
    /// The status is terminal: reading the head of the response that is in its body, with so much of its end seen.
    Unwrapping(usize),
    /// The status is terminal: reading the details, if they are at hand.
    Finishing,
    /// Keeping the body for the error.
    Collecting(Box<Collecting>),
    Ended,
}

struct Collecting {
    left: usize,
    why: GiveUp,
}

impl Poller {
    /// Of a response that may announce an operation, or a request that takes one up.
    pub(crate) fn new(layer: LroLayer, start: Snapshot, resume: Option<Resume>, now: Instant, seed: u64) -> Self {
        let settings = layer.settings();
        let is_resumed = resume.is_some();
        let mut operation = resume.and_then(|resume| resume.operation).unwrap_or_else(|| {
            let monitor = match is_resumed {
                true => without_user_info(without_query(&settings.propagate_query, start.query(), &start.uri())),
                // Until it is known where it is.
                false => Uri::default(),
            };
            let protocol = settings.protocols().first().map_or_else(Protocol::operation_location, Protocol::clone);
            let announcement = protocol.default_for_resume();
            Operation { announcement, ..Operation::new(monitor, protocol) }
        });
        operation.settle();
        if operation.protocol.is_unknown() {
            let named = |known: &&Protocol| known.name() == operation.protocol.name();
            operation.protocol = settings.protocols().iter().find(named).unwrap_or(&operation.protocol).clone();
        }
        Self {
            began: now.checked_sub(operation.elapsed()).unwrap_or(now),
            deadline: Moment::NEVER,
            due: Moment::NEVER,
            timer: Moment::NEVER,
            scheduled: Moment::NEVER,
            delay_reason: DelayReason::Backoff,
            result: None,
            pace: Pace::new(seed),
            failures: 0,
            moves: 0,
            has_status: operation.status.is_some(),
            resumed: is_resumed.then_some(Trust::Credentials),
            // Until it is accepted, there is nothing to tell of.
            phase: Phase::Ended,
            spans: Spans::none(),
            layer,
            start,
            operation,
        }
    }

    /// How the operation was announced.
    fn announcement(&self) -> &StartRule {
        self.operation.protocol.announcement(self.operation.announcement)
    }

    /// How its monitor answers.
    fn monitor(&self) -> &StatusRule {
        &self.announcement().monitor
    }

    /// When [`on_timer`](Self::on_timer) is due, if nothing happens before.
    pub(crate) fn timer(&self) -> Option<Instant> {
        self.timer.instant(self.began)
    }

    /// The next request.
    pub(crate) fn request(&mut self) -> Outgoing {
        if self.result.is_none() {
            self.operation.polls = self.operation.polls.saturating_add(1);
        }
        let (uri, trust) = self.target();
        self.spans.send(&uri);
        self.start.request(uri, trust)
    }

    /// What the driver does for the operation belongs into its spans, whichever task drives.
    pub(crate) fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Where the next request goes, or the last one went.
    pub(crate) fn target(&self) -> (Uri, Trust) {
        let (uri, trust) = match &self.result {
            Some(result) => (&result.uri, result.trust),
            None if self.operation.is_anonymous => (&self.operation.monitor, Trust::Anonymous),
            None => (&self.operation.monitor, Trust::Credentials),
        };
        match trust {
            Trust::Credentials => (self.carried(uri), trust),
            Trust::Anonymous => (uri.clone(), trust),
        }
    }

    /// The address of the request that takes the operation up, with what polls had carried over to it.
    pub(crate) fn resumed_at(&self) -> (Uri, Trust) {
        match self.operation.is_anonymous {
            true => (self.start.uri(), Trust::Anonymous),
            false => (self.carried(&self.start.uri()), Trust::Credentials),
        }
    }

    /// With what is carried over from the start request's address, and from what is remembered of it.
    fn carried(&self, uri: &Uri) -> Uri {
        let names = &self.layer.settings().propagate_query;
        let uri = propagate_query(names, self.start.query(), uri).unwrap_or_else(|| uri.clone());
        let remembered = self.operation.start();
        remembered.and_then(|(_, start)| propagate_query(names, start.query(), &uri)).unwrap_or(uri)
    }

    /// The timer is due.
    pub(crate) fn on_timer(&mut self, answer: Option<&mut Answer>, now: Instant) -> Next {
        let now = self.touch(now);
        let is_late = self.is_late(now) || self.is_late(self.timer);
        match (&self.phase, answer) {
            // Some of the details are missing, but it has ended.
            (Phase::Finishing | Phase::Unwrapping(_), Some(answer)) => self.conclude(answer, false, now),
            (Phase::Collecting(_), Some(answer)) => self.give_up_collected(answer),
            (Phase::Announcing(_), Some(answer)) => self.consider_no_longer(answer, now),
            _ if is_late => self.give_up(GiveUp::Timeout),
            (Phase::Draining { .. }, answer) => self.wait(answer),
            (Phase::Waiting, _) => {
                self.phase = Phase::Sending;
                self.timer = self.deadline;
                Next::Send
            }
            _ => Next::Read,
        }
    }

    /// The service failed to send the request.
    pub(crate) fn on_service_error(&mut self, now: Instant) -> Next {
        let now = self.touch(now);
        self.poll_failed(PollFailure::Service, None, now)
    }

    /// The service is of no more use.
    pub(crate) fn on_service_gone(&mut self, now: Instant) -> Next {
        self.touch(now);
        self.give_up_transport(Outcome::Service)
    }

    /// The request could not be made: the transport has no way to say its address.
    pub(crate) fn on_unsendable(&mut self) -> Next {
        self.give_up_address(AddressError::new(AddressErrorKind::Unresolvable, None, None))
    }

    /// The head of the answer to a request is there.
    pub(crate) fn on_head(&mut self, answer: &mut Answer, now: Instant) -> Next {
        let now = self.touch(now);
        answer.arrived = now;
        let status = answer.head.status;
        self.spans.answered(status);
        let hint = answer.hint(now);
        let monitor = self.monitor();
        let is_result = self.result.is_some();
        let is_among = |statuses: &[StatusCode]| statuses.contains(&status) && !is_result;
        let is_outcome = is_among(&monitor.outcomes);
        // Of a plain monitor a 404 is an outcome like any other.
        let is_plain = is_outcome && monitor.when_status_missing != MissingStatus::Error;
        let is_early = status == StatusCode::NOT_FOUND && !self.has_status && !is_result && !is_plain;
        let asks_to_come_again = is_outcome && status.is_server_error() && hint.is_some();
        match status.as_u16() {
            _ if monitor.result_redirects.contains(&status) => self.redirect(answer, now, true),
            301 | 302 | 307 | 308 => self.redirect(answer, now, false),
            _ if is_among(&monitor.successes) && (!is_early || self.is_last_failure()) => {
                self.finish(OperationState::Succeeded, answer, now)
            }
            _ if monitor.retryable_statuses.contains(&status) || is_early || asks_to_come_again => {
                self.poll_failed(PollFailure::Http(status), hint, now)
            }
            200..=299 if is_result => self.hand_over(),
            204 => self.finish(OperationState::Succeeded, answer, now),
            200..=299 => self.read_status(answer, now),
            _ if is_outcome => self.read_status(answer, now),
            _ => self.collect(GiveUp::Monitor, None, now),
        }
    }

    /// The next frame of the answer in hand.
    pub(crate) fn on_frame(&mut self, answer: &mut Answer, frame: Frame<Bytes>, instant: Instant) -> Next {
        if frame.is_trailers() {
            // Nothing comes after trailers.
            answer.read.push(frame);
            return self.on_end(answer, instant);
        }
        let Some(data) = frame.data_ref().cloned() else { return Next::Read };
        let now = self.touch(instant);
        let is_late = self.is_late(now);
        let is_due = now >= self.timer;
        // A body that is always ready never lets the timer fire.
        match &self.phase {
            Phase::Scanning if is_late => return self.give_up(GiveUp::Timeout),
            // Of what may be handed over every byte is kept.
            Phase::Finishing | Phase::Unwrapping(_) if is_late => {
                answer.read.push(frame);
                return self.conclude(answer, false, now);
            }
            Phase::Announcing(_) if is_due => {
                answer.read.push(frame);
                return self.consider_no_longer(answer, now);
            }
            Phase::Draining { .. } | Phase::Collecting(_) if is_due => return self.on_timer(Some(answer), instant),
            _ => {}
        }
        match &mut self.phase {
            Phase::Announcing(_) => {
                answer.read.push(frame);
                self.consider(answer, &data, now)
            }
            Phase::Scanning => {
                answer.read.push(frame);
                self.scan(answer, &data, now)
            }
            Phase::Unwrapping(seen) => {
                answer.read.push(frame);
                match message::end_of_head(&data, seen) {
                    true => self.unwrap(answer, now),
                    false if answer.read.bytes() > details::MAX_BYTES => self.conclude(answer, false, now),
                    false => Next::Read,
                }
            }
            Phase::Finishing => {
                answer.read.push(frame);
                self.finish_reading(answer, &data, now)
            }
            Phase::Draining { left, is_status } => {
                let is_over = data.len() > *left;
                *left = left.saturating_sub(data.len());
                if *is_status {
                    _ = answer.scanner.scan(&data, &[]);
                }
                if is_over { self.wait(Some(answer)) } else { Next::Read }
            }
            Phase::Collecting(collecting) => {
                let kept = data.len().min(collecting.left);
                collecting.left -= kept;
                answer.read.push(Frame::data(data.slice(..kept)));
                if kept < data.len() { self.give_up_collected(answer) } else { Next::Read }
            }
            Phase::Waiting | Phase::Sending | Phase::Ended => Next::Read,
        }
    }

    /// The body of the answer in hand is at its end.
    pub(crate) fn on_end(&mut self, answer: &mut Answer, now: Instant) -> Next {
        let now = self.touch(now);
        match &self.phase {
            Phase::Announcing(_) => self.decide(answer, true, now),
            Phase::Scanning => self.end_of_scan(answer, now),
            Phase::Finishing | Phase::Unwrapping(_) => self.conclude(answer, true, now),
            Phase::Collecting(_) => self.give_up_collected(answer),
            Phase::Draining { .. } | Phase::Waiting | Phase::Sending | Phase::Ended => self.wait(Some(answer)),
        }
    }

    /// The body of the answer in hand broke off.
    pub(crate) fn on_broken(&mut self, answer: &mut Answer, instant: Instant) -> Next {
        let now = self.touch(instant);
        match &self.phase {
            Phase::Announcing(_) => self.consider_no_longer(answer, now),
            Phase::Scanning => self.poll_failed(PollFailure::Body, answer.hint(now), now),
            // It has ended; the caller gets to see the break, behind what was read.
            Phase::Finishing | Phase::Unwrapping(_) => self.conclude(answer, false, now),
            _ => self.on_end(answer, instant),
        }
    }

    pub(crate) fn max_status_bytes(&self) -> usize {
        self.layer.settings().max_status_bytes
    }

    /// The operation, when it has ended.
    pub(crate) fn take_operation(&mut self) -> Operation {
        let protocol = self.operation.protocol.clone();
        std::mem::replace(&mut self.operation, Operation::new(Uri::default(), protocol))
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        if !matches!(self.phase, Phase::Ended | Phase::Announcing(_)) {
            self.end(Outcome::Dropped);
        }
    }
}
