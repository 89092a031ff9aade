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

mod details;
mod frames;
mod monitor;
mod pace;
mod snapshot;
mod status;
mod swar;
mod text;
mod transition;

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderName, Request, Uri, header::LOCATION, response};
use http_body::Frame;

pub use self::pace::{Backoff, DelayReason};
use self::{
    frames::Frames,
    monitor::{Address, Trust, carry_query, text, without_query},
    pace::Pace,
    snapshot::Snapshot,
    status::Scanner,
};
pub(crate) use self::{snapshot::Draft, status::Watch};
use crate::{
    AddressError, AddressErrorKind, Event, LroLayer, Operation, Outcome, PollFailure, Protocol, Resume, State,
    StatusErrorKind,
};

const OPERATION_ID: HeaderName = HeaderName::from_static("operation-id");
const X_MS_OPERATION_ID: HeaderName = HeaderName::from_static("x-ms-operation-id");

/// The time, as the driver sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall: SystemTime,
}

/// What the driver does next.
#[derive(Debug)]
#[must_use]
pub(crate) enum Next {
    /// Read on in the body of the answer in hand, and tell of the next frame, its end or its failure.
    Read,
    /// Drop the answer in hand, and tell when the timer is due.
    Wait,
    /// Ready the service, send [`Poller::request`], and tell of the answer's head or the service's error.
    Send,
    /// The answer in hand is the final response.
    HandOver,
    /// Give the caller an error.
    Fail(GiveUp),
}

/// Why there is no final response.
#[derive(Debug)]
pub(crate) enum GiveUp {
    Timeout,
    /// The error that the driver told of last.
    Transport,
    /// The answer in hand.
    Monitor,
    Address(AddressError),
    Status(StatusErrorKind),
    Failed,
}

/// A response in hand, but for the rest of its body.
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) read: Frames,
    scanner: Scanner,
    scanned: usize,
}

impl Answer {
    pub(crate) fn new(head: response::Parts) -> Self {
        Self { head, read: Frames::default(), scanner: Scanner::new(), scanned: 0 }
    }
}

/// One operation on its way.
pub(crate) struct Poller {
    layer: LroLayer,
    start: Snapshot,
    operation: Operation,
    trust: Trust,
    /// Where the final response is, if it is not the status response.
    result: Option<Box<Address>>,
    pace: Pace,
    began: Instant,
    deadline: Option<Instant>,
    /// When the next request is due.
    due: Instant,
    timer: Option<Instant>,
    /// The delay that is to be told of when the answer in hand has been read.
    delay: Option<(Duration, DelayReason)>,
    failures: u32,
    moves: u8,
    has_status: bool,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Reading what nobody needs; of a status response, for the percentage in it.
    Draining {
        left: usize,
        is_status: bool,
    },
    Waiting,
    Sending,
    /// Looking for the status.
    Scanning,
    /// The status is terminal: reading the details, if they are at hand.
    Finishing,
    /// Keeping the body for the error.
    Collecting {
        left: usize,
        why: GiveUp,
    },
    Ended,
}

#[cfg(feature = "__internals")]
pub(crate) use self::{pace::hint, status::Scanner as StatusScanner};

#[cfg(feature = "__internals")]
pub(crate) fn resolve(
    layer: &LroLayer,
    start: &Request<()>,
    base: &Uri,
    value: &http::HeaderValue,
) -> Result<(Uri, bool), AddressError> {
    let start = Snapshot::of(start);
    let protocol = Protocol::operation_location();
    let resolver = monitor::Resolver { start: &start, settings: layer.settings(), rules: &protocol.spec().trust };
    let address = resolver.resolve(&protocol.spec().announcement.header, value, base)?;
    Ok((address.uri, address.trust == Trust::Anonymous))
}

impl Poller {
    /// An operation that was announced by `answer`, or else is taken up by `resume`.
    pub(crate) fn new(layer: LroLayer, draft: Draft, resume: Option<Resume>, now: Now, seed: u64) -> Self {
        let start = draft.seal();
        let settings = layer.settings();
        let operation = resume.and_then(|resume| resume.operation).unwrap_or_else(|| {
            let monitor = without_query(&settings.carry_query, &start.uri, &start.uri);
            Operation::new(
                monitor,
                settings.protocols().first().map_or_else(Protocol::operation_location, Protocol::clone),
            )
        });
        Self {
            began: now.instant.checked_sub(operation.elapsed).unwrap_or(now.instant),
            deadline: settings.timeout.and_then(|timeout| now.instant.checked_add(timeout)),
            due: now.instant,
            timer: None,
            delay: None,
            trust: Trust::Credentials,
            result: None,
            pace: Pace::new(seed),
            failures: 0,
            moves: 0,
            has_status: operation.status.is_some(),
            phase: Phase::Sending,
            layer,
            start,
            operation,
        }
    }

    /// Takes the start response in.
    pub(crate) fn accept(&mut self, answer: &Answer, now: Now) -> Next {
        let head = &answer.head;
        let Some((protocol, value)) = self.layer.settings().announced(head.status, &head.headers) else {
            return self.give_up(GiveUp::Monitor);
        };
        self.operation.protocol = protocol.clone();
        let header = &self.operation.protocol.spec().announcement.header;
        let address = self.resolver().resolve(header, value, &self.start.uri);
        let named_by_location = *header == LOCATION;
        if let Some(uri) = address.as_ref().map_or_else(AddressError::uri, |address| Some(&address.uri)) {
            self.operation.monitor = self.without_credentials(uri);
        }
        self.operation.id = [OPERATION_ID, X_MS_OPERATION_ID]
            .iter()
            .find_map(|name| text(head.headers.get(name)?))
            .filter(|id| !id.is_empty())
            .map(Box::from);
        if !named_by_location {
            self.note_resource(head.headers.get(LOCATION).and_then(text));
        }
        self.tell(|operation| Event::Accepted { operation });
        match address {
            Ok(address) => {
                self.trust = address.trust;
                self.schedule(pace::hint(&head.headers, now.wall), now);
                self.drain(false, now)
            }
            Err(error) => self.give_up(GiveUp::Address(error)),
        }
    }

    /// Takes an operation up again, whose monitor was asked by the first request.
    pub(crate) fn resume(&mut self) -> Result<(), Next> {
        self.tell(|operation| Event::Accepted { operation });
        self.operation.polls = self.operation.polls.saturating_add(1);
        let header = self.operation.protocol.spec().announcement.header.clone();
        match self.resolver().check(&header, &self.operation.monitor) {
            Ok(address) => {
                self.trust = address.trust;
                Ok(())
            }
            Err(error) => Err(self.give_up(GiveUp::Address(error))),
        }
    }

    /// When [`on_timer`](Self::on_timer) is due, if nothing happens before.
    pub(crate) fn timer(&self) -> Option<Instant> {
        self.timer
    }

    /// The next request.
    pub(crate) fn request(&mut self) -> Request<()> {
        let (uri, trust) = match &self.result {
            Some(result) => (&result.uri, result.trust),
            None => {
                self.operation.polls = self.operation.polls.saturating_add(1);
                (&self.operation.monitor, self.trust)
            }
        };
        let uri = match trust {
            Trust::Credentials => carry_query(&self.layer.settings().carry_query, &self.start.uri, uri),
            Trust::Anonymous => uri.clone(),
        };
        self.start.request(uri, trust)
    }

    /// The timer is due.
    pub(crate) fn on_timer(&mut self, answer: Option<&mut Answer>, now: Now) -> Next {
        self.touch(now);
        let is_late = self.deadline.is_some_and(|deadline| now.instant >= deadline)
            || (self.deadline.is_some() && self.timer >= self.deadline);
        match (&self.phase, answer) {
            (Phase::Finishing, Some(answer)) => self.hand_over(answer, false),
            (Phase::Collecting { .. }, Some(answer)) => self.give_up_collected(answer),
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
    pub(crate) fn on_service_error(&mut self, now: Now) -> Next {
        self.touch(now);
        self.poll_failed(PollFailure::Service, None, now)
    }

    /// The service is of no more use.
    pub(crate) fn on_service_gone(&mut self, now: Now) -> Next {
        self.touch(now);
        self.give_up_transport(Outcome::Service)
    }

    /// The request could not be made: the transport has no way to say its address.
    pub(crate) fn on_unsendable(&mut self) -> Next {
        let header = self.operation.protocol.spec().announcement.header.clone();
        let error = AddressError::new(AddressErrorKind::Unresolvable, header, None);
        self.give_up(GiveUp::Address(error))
    }

    /// The head of the answer to a request is there.
    pub(crate) fn on_head(&mut self, answer: &mut Answer, now: Now) -> Next {
        self.touch(now);
        let status = answer.head.status;
        let headers = &answer.head.headers;
        let is_plain = self.operation.protocol.spec().reading.plain;
        match status.as_u16() {
            301 | 302 | 307 | 308 => self.redirect(headers, now, false),
            303 => self.redirect(headers, now, true),
            408 | 429 | 500 | 502 | 503 | 504 => {
                self.poll_failed(PollFailure::Http(status), pace::hint(headers, now.wall), now)
            }
            404 if !self.has_status && !is_plain && self.result.is_none() => {
                self.poll_failed(PollFailure::Http(status), pace::hint(headers, now.wall), now)
            }
            200..=299 if self.result.is_some() => self.hand_over(answer, false),
            204 => self.finish(State::Succeeded, answer, now),
            200..=299 => {
                self.phase = Phase::Scanning;
                self.timer = self.deadline;
                Next::Read
            }
            _ if is_plain && self.result.is_none() => self.finish(State::Failed, answer, now),
            _ => self.collect(GiveUp::Monitor, None, now),
        }
    }

    /// The next frame of the answer in hand.
    pub(crate) fn on_frame(&mut self, answer: &mut Answer, frame: Frame<Bytes>, now: Now) -> Next {
        if frame.is_trailers() {
            // Nothing comes after trailers.
            answer.read.push(frame);
            return self.on_end(answer, now);
        }
        let Some(data) = frame.data_ref().cloned() else { return Next::Read };
        self.touch(now);
        match &mut self.phase {
            // A body that is always ready never lets the timer fire.
            Phase::Scanning if self.deadline.is_some_and(|deadline| now.instant >= deadline) => {
                self.give_up(GiveUp::Timeout)
            }
            Phase::Scanning => {
                answer.read.push(frame);
                self.scan(answer, &data, now)
            }
            Phase::Finishing => {
                answer.read.push(frame);
                if answer.read.bytes() > details::MAX_BYTES { self.hand_over(answer, false) } else { Next::Read }
            }
            Phase::Draining { left, is_status } => {
                if *is_status {
                    let path = &self.operation.protocol.spec().reading.status;
                    _ = answer.scanner.scan(&data, path);
                }
                match left.checked_sub(data.len()) {
                    Some(rest) => {
                        *left = rest;
                        Next::Read
                    }
                    None => self.wait(Some(answer)),
                }
            }
            Phase::Collecting { left, .. } => {
                let kept = data.len().min(*left);
                *left -= kept;
                let is_full = kept < data.len();
                answer.read.push(Frame::data(data.slice(..kept)));
                if is_full { self.give_up_collected(answer) } else { Next::Read }
            }
            Phase::Waiting | Phase::Sending | Phase::Ended => Next::Read,
        }
    }

    /// The body of the answer in hand is at its end.
    pub(crate) fn on_end(&mut self, answer: &mut Answer, now: Now) -> Next {
        match &self.phase {
            Phase::Scanning => self.no_status(answer, now),
            Phase::Finishing => self.hand_over(answer, true),
            Phase::Collecting { .. } => self.give_up_collected(answer),
            Phase::Draining { .. } | Phase::Waiting | Phase::Sending | Phase::Ended => self.wait(Some(answer)),
        }
    }

    /// The body of the answer in hand broke off.
    pub(crate) fn on_broken(&mut self, answer: &mut Answer, now: Now) -> Next {
        match &self.phase {
            Phase::Scanning => {
                self.touch(now);
                self.poll_failed(PollFailure::Body, None, now)
            }
            // The caller gets to see it, behind what was read.
            Phase::Finishing => self.hand_over(answer, false),
            _ => self.on_end(answer, now),
        }
    }

    /// The operation, when it has ended.
    pub(crate) fn take_operation(&mut self) -> Operation {
        let protocol = self.operation.protocol.clone();
        std::mem::replace(&mut self.operation, Operation::new(Uri::default(), protocol))
    }
}
