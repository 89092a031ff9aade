//! Transitions: from one state of the machine to the next.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, StatusCode, Uri, header::LOCATION};

use super::{
    Answer, GiveUp, Next, Now, Phase, Poller,
    details::{self, Details},
    monitor::{Resolver, text, without_query},
    pace,
};
use crate::{AddressError, AddressErrorKind, Event, Operation, Outcome, PollFailure, State, StatusErrorKind};

const RESOURCE_LOCATION: HeaderName = HeaderName::from_static("resource-location");
const X_PROGRESS: HeaderName = HeaderName::from_static("x-progress");

/// How often the monitor may move between two statuses.
const MAX_MOVES: u8 = 10;

/// How much of a body that nobody needs is read for the sake of its connection, and how long.
const DRAIN_BYTES: usize = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// How much of the body of an error response is kept.
const COLLECT_BYTES: usize = 1 << 20;

/// How long the rest of a failed operation's last response is waited for, for its error object.
const DETAILS_TIME: Duration = Duration::from_secs(1);

impl Poller {
    pub(super) fn resolver(&self) -> Resolver<'_> {
        Resolver { start: &self.start, settings: self.layer.settings(), rules: &self.operation.protocol.spec().trust }
    }

    /// What the start request's address has of `carry_query` is added to every poll, and is not the monitor's own.
    pub(super) fn without_credentials(&self, uri: &Uri) -> Uri {
        without_query(&self.layer.settings().carry_query, &self.start.uri, uri)
    }

    pub(super) fn note_resource(&mut self, reference: Option<&str>) {
        let resource = reference.and_then(|reference| self.resolver().locate(&self.operation.monitor, reference));
        if let Some(resource) = resource {
            self.operation.more_mut().resource = Some(resource);
        }
    }

    pub(super) fn tell<'a>(&'a self, event: impl FnOnce(&'a Operation) -> Event<'a>) {
        self.layer.settings().tell(&event(&self.operation));
    }

    pub(super) fn touch(&mut self, now: Now) {
        self.operation.elapsed = now.instant.saturating_duration_since(self.began);
    }

    pub(super) fn schedule(&mut self, hint: Option<Duration>, now: Now) {
        let (delay, reason) = self.pace.delay(hint, self.layer.settings());
        self.due = later(now.instant, delay);
        self.delay = Some((delay, reason));
    }

    fn until(&self, instant: Instant) -> Option<Instant> {
        Some(self.deadline.map_or(instant, |deadline| instant.min(deadline)))
    }

    pub(super) fn drain(&mut self, is_status: bool, now: Now) -> Next {
        self.phase = Phase::Draining { left: DRAIN_BYTES, is_status };
        self.timer = self.until(later(now.instant, DRAIN_TIME));
        Next::Read
    }

    pub(super) fn wait(&mut self, answer: Option<&mut Answer>) -> Next {
        if let (Phase::Draining { is_status: true, .. }, Some(answer)) = (&self.phase, answer) {
            self.operation.percent = percent(answer).or(self.operation.percent);
            self.tell(|operation| Event::Polled { operation });
        }
        if let Some((delay, reason)) = self.delay.take() {
            self.tell(|operation| Event::Waiting { operation, delay, reason });
        }
        self.phase = Phase::Waiting;
        self.timer = self.until(self.due);
        Next::Wait
    }

    pub(super) fn poll_failed(&mut self, failure: PollFailure, hint: Option<Duration>, now: Now) -> Next {
        self.failures = self.failures.saturating_add(1);
        let failures = self.failures;
        self.tell(|operation| Event::PollFailed { operation, failure, failures });
        let is_last = failures > self.layer.settings().max_failures;
        match failure {
            PollFailure::Http(_) if is_last => self.collect(GiveUp::Monitor, None, now),
            PollFailure::Service if is_last => self.give_up_transport(Outcome::Service),
            PollFailure::Body if is_last => self.give_up_transport(Outcome::Body),
            PollFailure::Http(_) => {
                self.schedule(hint, now);
                self.drain(false, now)
            }
            PollFailure::Service | PollFailure::Body => {
                self.schedule(hint, now);
                self.wait(None)
            }
        }
    }

    /// The monitor is elsewhere (301, 302, 307, 308), or the result is there (303).
    pub(super) fn redirect(&mut self, headers: &HeaderMap, now: Now, is_result: bool) -> Next {
        self.moves += 1;
        let error = if self.moves > MAX_MOVES { AddressErrorKind::TooManyMoves } else { AddressErrorKind::Missing };
        let Some(value) = headers.get(LOCATION).filter(|_| self.moves <= MAX_MOVES) else {
            return self.give_up(GiveUp::Address(AddressError::new(error, LOCATION, None)));
        };
        let base = self.result.as_ref().map_or(&self.operation.monitor, |result| &result.uri);
        let address = match self.resolver().resolve(&LOCATION, value, base) {
            Ok(address) => address,
            Err(error) => return self.give_up(GiveUp::Address(error)),
        };
        if is_result && self.result.is_none() {
            self.operation.state = State::Succeeded;
            self.operation.more_mut().resource = Some(self.without_credentials(&address.uri));
            self.tell(|operation| Event::Polled { operation });
        }
        if is_result || self.result.is_some() {
            self.result = Some(Box::new(address));
        } else {
            self.move_to(address);
        }
        // A redirect may ask for a delay like anything else (RFC 9110, section 10.2.3).
        match pace::hint(headers, now.wall) {
            Some(hint) => self.schedule(Some(hint), now),
            None => self.due = now.instant,
        }
        self.drain(false, now)
    }

    fn move_to(&mut self, address: super::Address) {
        let monitor = self.without_credentials(&address.uri);
        self.trust = address.trust;
        if monitor != self.operation.monitor {
            let from = std::mem::replace(&mut self.operation.monitor, monitor);
            self.tell(|operation| Event::Moved { operation, from: &from });
        }
    }

    pub(super) fn scan(&mut self, answer: &mut Answer, data: &[u8], now: Now) -> Next {
        let room = self.layer.settings().max_status_bytes.saturating_sub(answer.scanned);
        let within = &data[..data.len().min(room)];
        answer.scanned += within.len();
        let spec = self.operation.protocol.spec();
        let Some((word, read)) = answer.scanner.scan(within, &spec.reading.status) else {
            return if answer.scanner.is_at_end() {
                self.no_status(answer, now)
            } else if within.len() < data.len() {
                self.status_too_long(answer, now)
            } else {
                Next::Read
            };
        };
        let state = spec.words.state(word);
        if self.operation.status.as_deref() != Some(word) {
            self.operation.status = Some(word.into());
        }
        if state.is_terminal() {
            return self.finish(state, answer, now);
        }
        _ = answer.scanner.scan(&within[read..], &self.operation.protocol.spec().reading.status);
        self.running(state, answer, now)
    }

    pub(super) fn no_status(&mut self, answer: &mut Answer, now: Now) -> Next {
        if answer.head.status == StatusCode::ACCEPTED {
            self.running(State::Running, answer, now)
        } else if self.operation.protocol.spec().reading.plain {
            self.finish(State::Succeeded, answer, now)
        } else {
            self.collect(GiveUp::Status(StatusErrorKind::Missing), Some(answer), now)
        }
    }

    fn status_too_long(&mut self, answer: &mut Answer, now: Now) -> Next {
        if self.operation.protocol.spec().reading.plain && answer.head.status != StatusCode::ACCEPTED {
            self.finish(State::Succeeded, answer, now)
        } else {
            self.give_up(GiveUp::Status(StatusErrorKind::TooLong))
        }
    }

    fn running(&mut self, state: State, answer: &mut Answer, now: Now) -> Next {
        self.operation.state = state;
        self.has_status = true;
        self.failures = 0;
        self.moves = 0;
        answer.read.clear();

        let spec = self.operation.protocol.spec();
        let header = &spec.announcement.header;
        let may_move = spec.reading.moves_on.as_ref().is_none_or(|statuses| statuses.contains(&answer.head.status));
        if let Some(value) = answer.head.headers.get(header).filter(|_| may_move) {
            match self.resolver().resolve(header, value, &self.operation.monitor) {
                Ok(address) => self.move_to(address),
                Err(error) => return self.give_up(GiveUp::Address(error)),
            }
        }
        self.schedule(pace::hint(&answer.head.headers, now.wall), now);
        self.drain(true, now)
    }

    /// The status is terminal. What is at hand of the rest is read for the details, but not waited for, unless they are
    /// those of a failure.
    pub(super) fn finish(&mut self, state: State, answer: &mut Answer, now: Now) -> Next {
        self.operation.state = state;
        let is_failure = state != State::Succeeded;
        if is_failure && self.layer.settings().error_on_failure {
            return self.collect(GiveUp::Failed, Some(answer), now);
        }
        if answer.read.bytes() > details::MAX_BYTES {
            return self.hand_over(answer, false);
        }
        self.phase = Phase::Finishing;
        self.timer = if is_failure { self.until(later(now.instant, DETAILS_TIME)) } else { Some(now.instant) };
        Next::Read
    }

    pub(super) fn hand_over(&mut self, answer: &mut Answer, is_whole: bool) -> Next {
        if self.result.is_none() {
            self.note_details(answer, is_whole);
            self.tell(|operation| Event::Polled { operation });
        }
        self.end(Outcome::Response);
        Next::HandOver
    }

    fn note_details(&mut self, answer: &Answer, is_whole: bool) {
        let headers = &answer.head.headers;
        if answer.head.status == StatusCode::CREATED {
            self.note_resource(headers.get(LOCATION).and_then(text));
        }
        self.operation.percent = percent(answer).or(self.operation.percent);
        // Of a large result there is only a part; what a failure has to say may be in it all the same.
        if is_whole || self.operation.state != State::Succeeded {
            let details = Details::parse(&answer.read.to_bytes());
            self.note_resource(details.resource_location.as_deref());
            self.operation.percent = details.percent.or(self.operation.percent);
            if let Some(id) = details.id {
                self.operation.id = Some(id.into());
            }
            if details.created.is_some() || details.failure.is_some() {
                let more = self.operation.more_mut();
                more.created = details.created.or(more.created.take());
                more.failure = details.failure;
            }
        }
        self.note_resource(headers.get(RESOURCE_LOCATION).and_then(text));
    }

    /// Keeps the body of the answer in hand for the error.
    pub(super) fn collect(&mut self, why: GiveUp, read: Option<&Answer>, now: Now) -> Next {
        let left = match read {
            Some(answer) => self.layer.settings().max_status_bytes.saturating_sub(answer.read.bytes()),
            None => COLLECT_BYTES,
        };
        self.phase = Phase::Collecting { left, why };
        self.timer = self.until(later(now.instant, DRAIN_TIME));
        Next::Read
    }

    pub(super) fn give_up_collected(&mut self, answer: &mut Answer) -> Next {
        let Phase::Collecting { why, .. } = std::mem::replace(&mut self.phase, Phase::Ended) else {
            return self.give_up(GiveUp::Monitor);
        };
        if matches!(why, GiveUp::Failed) {
            self.note_details(answer, true);
            self.tell(|operation| Event::Polled { operation });
        }
        self.give_up(why)
    }

    pub(super) fn give_up_transport(&mut self, outcome: Outcome) -> Next {
        self.end(outcome);
        Next::Fail(GiveUp::Transport)
    }

    pub(super) fn give_up(&mut self, why: GiveUp) -> Next {
        self.end(match &why {
            GiveUp::Timeout => Outcome::Timeout,
            GiveUp::Transport => Outcome::Service,
            GiveUp::Monitor => Outcome::Monitor,
            GiveUp::Address(_) => Outcome::Address,
            GiveUp::Status(_) => Outcome::Status,
            GiveUp::Failed => Outcome::Failed,
        });
        Next::Fail(why)
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        self.phase = Phase::Ended;
        self.timer = None;
        self.tell(|operation| Event::Finished { operation, outcome });
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        if !matches!(self.phase, Phase::Ended) {
            self.end(Outcome::Dropped);
        }
    }
}

/// `now + delay`, or so late that nobody will see it.
fn later(now: Instant, delay: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86400);
    now.checked_add(delay).or_else(|| now.checked_add(CENTURY)).unwrap_or(now)
}

fn percent(answer: &Answer) -> Option<f64> {
    answer.scanner.percent().or_else(|| progress(text(answer.head.headers.get(X_PROGRESS)?)?))
}

/// `X-Progress`: a percentage, with or without words around it ([FHIR asynchronous requests]).
///
/// [FHIR asynchronous requests]: https://hl7.org/fhir/async-bulk.html
fn progress(text: &str) -> Option<f64> {
    let number = match text.split_once('%') {
        Some((before, _)) => before.trim_end().rsplit(|c: char| !c.is_ascii_digit() && c != '.').next()?,
        None => text.trim(),
    };
    number.parse().ok().filter(|percent: &f64| percent.is_finite())
}
