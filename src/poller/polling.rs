//! Transitions: from one state of the machine to the next.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, StatusCode, Uri, header::LOCATION, uri::Authority};

use crate::{
    address::{
        error::{AddressError, AddressErrorKind},
        resolver::{Address, Resolver, Trust, text, with_api_version_alone, without_query},
    },
    error::status::StatusErrorKind,
    event::{Event, Outcome, PollFailure},
    json::scanner::Scanner,
    operation::{Operation, OperationState},
    poller::{
        Collecting, Phase, Poller,
        action::{Answer, GiveUp, Next},
    },
    protocol::status_rule::{MissingStatus, Moves},
    timing::{backoff::DelayReason, moment::Moment},
};

const X_PROGRESS: HeaderName = HeaderName::from_static("x-progress");

/// How often the monitor may move between two statuses.
const MAX_MOVES: u8 = 10;

/// How much of a body that nobody needs is read for the sake of its connection, and how long.
const DRAIN_BYTES: usize = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(5);
const DRAIN_TIME_AT_LEAST: Duration = Duration::from_millis(250);

/// How many characters of a status word in a header are kept.
const MAX_WORD: usize = 64;

/// How much of the body of an error response is kept.
const COLLECT_BYTES: usize = 1 << 20;

impl Poller {
    pub(crate) fn resolver(&self) -> Resolver<'_> {
        self.resolver_of(Cow::Owned(self.start.uri()))
    }

    /// Where the start request's address is at hand, which is costly to make.
    pub(crate) fn resolver_of<'a>(&'a self, own: Cow<'a, Uri>) -> Resolver<'a> {
        Resolver {
            start: &self.start,
            own,
            settings: self.layer.settings(),
            spec: self.operation.protocol.spec(),
            first: self.operation.start().filter(|_| self.resumed.is_some()).map(|(_, first)| first),
            is_anonymous: self.resumed == Some(Trust::Anonymous),
        }
    }

    /// What the start request's address has of `propagate_query` is added to every poll, and is not the monitor's own.
    pub(crate) fn without_credentials(&self, uri: &Uri) -> Uri {
        without_query(&self.layer.settings().propagate_query, self.start.query(), uri)
    }

    /// The address that a header names, without credentials of the start request's.
    pub(crate) fn located(&self, headers: &HeaderMap, header: &HeaderName, base: &Uri) -> Option<Uri> {
        let reference = headers.get(header).and_then(text).filter(|reference| !reference.is_empty())?;
        self.resolver().locate(base, reference).map(|uri| self.without_credentials(&uri))
    }

    /// A `Location` that does not name the monitor may be where the result is.
    pub(crate) fn location(&self, headers: &HeaderMap, base: &Uri) -> Option<Uri> {
        let names_monitor = self.announcement().by.header() == Some(&LOCATION);
        if names_monitor { None } else { self.located(headers, &LOCATION, base) }
    }

    pub(crate) fn note_location(&mut self, location: Option<Uri>) {
        if location.is_some() {
            let more = self.operation.more_mut();
            more.resource.clone_from(&location);
            more.location = location;
        }
    }

    pub(crate) fn note_percent(&mut self, scanner: &Scanner, headers: &HeaderMap) {
        let of_header = || progress(text(headers.get(X_PROGRESS)?)?);
        self.operation.percent = scanner.percent().or_else(of_header).unwrap_or(self.operation.percent);
    }

    pub(crate) fn tell<'a>(&'a self, event: impl FnOnce(&'a Operation) -> Event<'a>) {
        let event = event(&self.operation);
        self.spans.tell(&event);
        self.spans.run(|| self.layer.settings().tell(&event));
    }

    pub(crate) fn is_late(&self, now: Moment) -> bool {
        self.deadline != Moment::NEVER && now >= self.deadline
    }

    pub(crate) fn touch(&mut self, now: Instant) -> Moment {
        let now = Moment::at(self.began, now);
        self.operation.elapsed = now.nanos();
        now
    }

    pub(crate) fn schedule(&mut self, hint: Option<Duration>, now: Moment) {
        let (delay, reason) = self.pace.delay(hint, self.layer.settings());
        self.due = now.after(delay);
        (self.scheduled, self.delay_reason) = (now, reason);
    }

    /// The delay that is to be told of.
    fn untold_delay(&self) -> Option<(Duration, DelayReason)> {
        let is_told = self.scheduled == Moment::NEVER;
        if is_told { None } else { Some((self.due.since(self.scheduled), self.delay_reason)) }
    }

    pub(crate) fn drain(&mut self, is_status: bool, now: Moment) -> Next {
        self.phase = Phase::Draining { left: DRAIN_BYTES, is_status };
        // A hint is never made longer.
        let at_least = match self.untold_delay() {
            Some((_, DelayReason::RetryAfter)) => now,
            _ => now.after(DRAIN_TIME_AT_LEAST),
        };
        self.timer = now.after(DRAIN_TIME).min(self.due.max(at_least)).min(self.deadline);
        Next::Read
    }

    pub(crate) fn wait(&mut self, answer: Option<&mut Answer>) -> Next {
        if let (Phase::Draining { is_status: true, .. }, Some(answer)) = (&self.phase, answer) {
            self.note_percent(&answer.scanner, &answer.head.headers);
            self.tell(|operation| Event::Polled { operation });
        }
        self.spans.wait();
        if let Some((delay, reason)) = self.untold_delay() {
            self.scheduled = Moment::NEVER;
            self.tell(|operation| Event::Waiting { operation, delay, reason });
        }
        self.phase = Phase::Waiting;
        self.timer = self.due.min(self.deadline);
        Next::Wait
    }

    /// Whether another failed poll is the last.
    pub(crate) fn is_last_failure(&self) -> bool {
        self.failures >= self.layer.settings().max_consecutive_failures
    }

    pub(crate) fn poll_failed(&mut self, failure: PollFailure, hint: Option<Duration>, now: Moment) -> Next {
        self.failures = self.failures.saturating_add(1);
        let failures = self.failures;
        let is_last = failures > self.layer.settings().max_consecutive_failures;
        if !is_last {
            self.schedule(hint, now);
        }
        let retry_in = self.untold_delay().map(|(delay, _)| delay);
        self.tell(|operation| Event::PollFailed { operation, failure, failures, retry_in });
        match failure {
            PollFailure::Http(_) if is_last => self.collect(GiveUp::Monitor, None, now),
            PollFailure::Service if is_last => self.give_up_transport(Outcome::Service),
            PollFailure::Body if is_last => self.give_up_transport(Outcome::Body),
            PollFailure::Http(_) => self.drain(false, now),
            PollFailure::Service | PollFailure::Body => self.wait(None),
        }
    }

    /// The monitor is elsewhere, or the result is there.
    pub(crate) fn redirect(&mut self, answer: &mut Answer, now: Moment, is_result: bool) -> Next {
        let headers = &answer.head.headers;
        let base = self.result.as_ref().map_or(&self.operation.monitor, |result| &result.uri);
        self.moves += 1;
        let address = match headers.get(LOCATION) {
            _ if self.moves > MAX_MOVES => Err(AddressError::new(AddressErrorKind::TooManyMoves, Some(LOCATION), None)),
            None => Err(AddressError::new(AddressErrorKind::Missing, Some(LOCATION), None)),
            Some(value) => self.resolver().resolve(&LOCATION, value, base),
        };
        let address = match address {
            Ok(address) => address,
            Err(_) if is_result && self.monitor().result_may_be_missing => {
                self.operation.state = OperationState::Succeeded;
                return self.hand_over();
            }
            Err(error) => {
                if is_result {
                    self.operation.state = OperationState::Succeeded;
                    self.operation.more_mut().resource = error.uri().map(|uri| self.without_credentials(uri));
                }
                return self.give_up_address(error);
            }
        };
        // A redirect may ask for a delay like anything else (RFC 9110, section 10.2.3).
        let hint = answer.hint(now);
        if is_result || self.result.is_some() {
            self.fetch(address, now);
        } else {
            self.move_to(address);
            self.due = now;
        }
        if hint.is_some() {
            self.schedule(hint, now);
        }
        self.drain(false, now)
    }

    /// The operation has succeeded, and its result is there.
    pub(crate) fn fetch(&mut self, address: Address, now: Moment) {
        if self.result.is_none() {
            self.operation.state = OperationState::Succeeded;
            let noted = match address.uri == self.start.uri() {
                // The rest of its query may be secret, as the service's own is not.
                true => with_api_version_alone(&address.uri),
                false => self.without_credentials(&address.uri),
            };
            self.operation.more_mut().resource = Some(noted);
            self.tell(|operation| Event::Polled { operation });
            self.failures = 0;
        }
        self.result = Some(Box::new(address));
        self.due = now;
    }

    fn move_to(&mut self, address: Address) {
        let monitor = self.without_credentials(&address.uri);
        self.operation.is_anonymous = address.trust == Trust::Anonymous;
        if monitor != self.operation.monitor {
            let from = std::mem::replace(&mut self.operation.monitor, monitor);
            self.tell(|operation| Event::Moved { operation, from: &from });
        }
    }

    /// Looks for the status: in a header, in the body, or nowhere but in the HTTP status.
    pub(crate) fn read_status(&mut self, answer: &mut Answer, now: Moment) -> Next {
        let monitor = self.monitor();
        if self.is_redirected_result(answer) {
            return self.finish(OperationState::Succeeded, answer, now);
        }
        let word = monitor.status_header.as_ref().and_then(|header| text(answer.head.headers.get(header)?));
        if let Some(word) = word.map(shortened) {
            return self.on_word(word, answer, now);
        }
        if monitor.status.is_empty() {
            return self.no_status(answer, now);
        }
        self.phase = Phase::Scanning;
        self.timer = self.deadline;
        Next::Read
    }

    pub(crate) fn scan(&mut self, answer: &mut Answer, data: &[u8], now: Moment) -> Next {
        let room = self.layer.settings().max_status_bytes.saturating_sub(answer.scanned);
        let within = &data[..data.len().min(room)];
        let protocol = self.operation.protocol.clone();
        let watches = &protocol.announcement(self.operation.announcement).monitor.status;
        let Some((word, read)) = answer.scanner.scan(within, watches) else {
            answer.scanned += within.len();
            return if answer.scanner.is_at_end() {
                self.end_of_scan(answer, now)
            } else if within.len() < data.len() {
                answer.pass(&data[within.len()..]);
                self.status_too_long(answer, now)
            } else {
                Next::Read
            };
        };
        // Words are short.
        let word = Box::<str>::from(word);
        answer.scanned += read;
        answer.pass(&data[read..]);
        self.on_word(word, answer, now)
    }

    pub(crate) fn on_word(&mut self, word: Box<str>, answer: &mut Answer, now: Moment) -> Next {
        let state = self.operation.protocol.spec().words.state(&word);
        let is_refusal = !answer.head.status.is_success();
        if is_refusal && !state.is_terminal() {
            // Error bodies call many things a status.
            return self.finish(OperationState::Failed, answer, now);
        }
        if self.operation.status.as_ref() != Some(&word) {
            self.operation.status = Some(word);
        }
        let is_failure = matches!(state, OperationState::Failed | OperationState::Canceled);
        if self.monitor().is_by_http && !is_failure {
            self.no_status(answer, now)
        } else if state.is_terminal() {
            self.finish(state, answer, now)
        } else {
            self.running(state, answer, now)
        }
    }

    /// There is no more to be found than what has been.
    pub(crate) fn end_of_scan(&mut self, answer: &mut Answer, now: Moment) -> Next {
        let word = answer.scanner.fallback(&self.monitor().status).map(Box::from);
        match word.filter(|_| answer.scanner.is_at_end()) {
            Some(word) => self.on_word(word, answer, now),
            None => self.no_status(answer, now),
        }
    }

    pub(crate) fn no_status(&mut self, answer: &mut Answer, now: Moment) -> Next {
        if !answer.head.status.is_success() {
            return self.finish(OperationState::Failed, answer, now);
        }
        if answer.head.status == StatusCode::ACCEPTED {
            return self.running(OperationState::Running, answer, now);
        }
        match self.monitor().when_status_missing {
            MissingStatus::Succeeded => self.finish(OperationState::Succeeded, answer, now),
            MissingStatus::Running => self.running(OperationState::Running, answer, now),
            // What is there is no monitor any more, but what it redirects to.
            MissingStatus::Error if self.was_redirected(answer) => self.finish(OperationState::Succeeded, answer, now),
            MissingStatus::Error => self.collect(GiveUp::Status(StatusErrorKind::Missing), Some(answer), now),
        }
    }

    /// Where an answer came from, if the transport followed a redirect of the poll by itself.
    fn redirected_to<'a>(&self, answer: &'a Answer) -> Option<&'a Uri> {
        // A slash behind it makes no other place of it.
        fn place(uri: &Uri) -> (Option<&Authority>, &str) {
            (uri.authority(), uri.path().trim_end_matches('/'))
        }
        answer.effective_uri.as_ref().filter(|uri| place(uri) != place(&self.operation.monitor))
    }

    fn was_redirected(&self, answer: &Answer) -> bool {
        self.redirected_to(answer).is_some()
    }

    /// Whether the transport followed a redirect of the poll by itself that names the result, as all do but those that keep the
    /// method.
    fn is_redirected_result(&self, answer: &Answer) -> bool {
        self.monitor().result_redirects.contains(&StatusCode::FOUND)
            && answer.head.status != StatusCode::ACCEPTED
            && self.was_redirected(answer)
    }

    /// What a reference in an answer is relative to.
    pub(crate) fn base<'a>(&'a self, answer: &'a Answer) -> &'a Uri {
        self.redirected_to(answer).unwrap_or(&self.operation.monitor)
    }

    fn status_too_long(&mut self, answer: &mut Answer, now: Moment) -> Next {
        let monitor = self.monitor();
        // Where there is a fallback, what comes after it might have been another.
        let is_plain =
            monitor.when_status_missing != MissingStatus::Error && answer.scanner.fallback(&monitor.status).is_none();
        if is_plain || answer.head.status == StatusCode::ACCEPTED {
            self.no_status(answer, now)
        } else {
            self.give_up(GiveUp::Status(StatusErrorKind::TooLong))
        }
    }

    fn running(&mut self, state: OperationState, answer: &mut Answer, now: Moment) -> Next {
        self.operation.state = state;
        self.has_status = true;
        self.failures = 0;
        self.moves = 0;
        answer.read.clear();
        self.note_location(self.location(&answer.head.headers, self.base(answer)));
        match self.moved_to(answer) {
            Some(Ok(address)) => self.move_to(address),
            Some(Err(error)) => return self.give_up_address(error),
            None => {}
        }
        self.schedule(answer.hint(now), now);
        self.drain(true, now)
    }

    fn moved_to(&self, answer: &Answer) -> Option<Result<Address, AddressError>> {
        let announcement = self.announcement();
        let Moves { header, statuses } = announcement.monitor.moves.as_ref()?;
        let header = header.as_ref().or(announcement.by.header())?;
        let value = answer.head.headers.get(header)?;
        let may_move = statuses.is_empty() || statuses.contains(&answer.head.status);
        may_move.then(|| self.resolver().resolve(header, value, self.base(answer)))
    }

    /// Keeps the body of the answer in hand for the error.
    pub(crate) fn collect(&mut self, why: GiveUp, read: Option<&Answer>, now: Moment) -> Next {
        let left = match read {
            Some(answer) => self.layer.settings().max_status_bytes.saturating_sub(answer.read.bytes()),
            None => COLLECT_BYTES,
        };
        self.phase = Phase::Collecting(Box::new(Collecting { left, why }));
        self.timer = now.after(DRAIN_TIME).min(self.deadline);
        Next::Read
    }

    pub(crate) fn give_up_collected(&mut self, answer: &mut Answer) -> Next {
        let Phase::Collecting(collecting) = std::mem::replace(&mut self.phase, Phase::Ended) else {
            return self.give_up(GiveUp::Monitor);
        };
        let why = collecting.why;
        if matches!(why, GiveUp::Failed) {
            _ = self.note_details(answer, true);
            self.tell(|operation| Event::Polled { operation });
        }
        self.give_up(why)
    }

    pub(crate) fn give_up_transport(&mut self, outcome: Outcome) -> Next {
        self.end(outcome);
        Next::Fail(GiveUp::Transport)
    }

    pub(crate) fn give_up_address(&mut self, error: AddressError) -> Next {
        self.give_up(GiveUp::Address(Box::new(error)))
    }

    pub(crate) fn give_up(&mut self, why: GiveUp) -> Next {
        self.end(match &why {
            GiveUp::Timeout => Outcome::Timeout,
            GiveUp::Transport => Outcome::Service,
            GiveUp::Monitor => Outcome::Monitor,
            GiveUp::Address(_) => Outcome::Address,
            GiveUp::Status(_) => Outcome::Status,
            GiveUp::Protocol => Outcome::Protocol,
            GiveUp::Failed => Outcome::Failed,
        });
        Next::Fail(why)
    }

    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.phase = Phase::Ended;
        self.timer = Moment::NEVER;
        self.tell(|operation| Event::Finished { operation, outcome });
    }
}

/// As much of a status word from a header as is kept of one from a body.
fn shortened(word: &str) -> Box<str> {
    match word.char_indices().nth(MAX_WORD) {
        Some((end, _)) => format!("{}…", &word[..end]).into(),
        None => word.into(),
    }
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
