//! Reading the body of a status response: for its status, for an error, or so that its connection can be reused.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, StatusCode, Uri};
use http_body::Frame;

use crate::{
    address::{error::AddressError, policy::Address, resolver::header_text},
    error::status::StatusErrorKind,
    event::Event,
    json::string::shortened,
    limits::{DRAIN_TIME, MAX_DRAIN_BYTES, MAX_UNRECOGNIZED_WORDS, MIN_DRAIN_TIME},
    poller::{
        phases::{Action, Poller, Purpose, Reading, Unrecognized},
        polling::FailedPoll,
        reason::{Io, Reason, Unusable},
        response::PartialResponse,
        status_search::StatusSearch,
        verdict::{self, Status, StatusFacts},
    },
    protocol::state::{Meaning, OperationState},
    timing::backoff::DelayReason,
};

const X_PROGRESS: HeaderName = HeaderName::from_static("x-progress");

/// A status in the service's own word, and its meaning.
struct StatusWord {
    word: Box<str>,
    meaning: Meaning,
}

impl<T: Io> Reading<T> {
    /// When [`on_due`](Self::on_due) is to be reported, if the body gives nothing before.
    pub(crate) fn wake_at(&self) -> Duration {
        self.until
    }

    /// The next frame of the body.
    pub(crate) fn on_frame(mut self: Box<Self>, frame: Frame<Bytes>, now: Duration) -> Action<T> {
        self.poller.record_elapsed(now);
        if frame.is_trailers() {
            // Nothing comes after trailers.
            self.response.frames.push(frame);
            return self.on_end(now);
        }
        let Some(data) = frame.data_ref().cloned() else { return Action::Read(self) };
        self.response.count_empty(&data);
        let is_stalled = self.response.is_stalled();
        match &mut self.purpose {
            Purpose::Status if is_stalled => self.broke_off(now),
            Purpose::Status if now >= self.until => self.poller.time_out(),
            Purpose::Status => {
                self.response.frames.push(frame);
                self.scan(&data, now)
            }
            Purpose::Drain { left } | Purpose::DrainStatus { left } => {
                let is_enough = data.len() > *left || is_stalled || now >= self.until;
                *left = left.saturating_sub(data.len());
                if matches!(self.purpose, Purpose::DrainStatus { .. }) {
                    self.search.read(&data, self.poller.status_rule());
                }
                if is_enough { self.drained(now) } else { Action::Read(self) }
            }
            Purpose::Error { left, why } => {
                let (kept, why) = (data.len().min(*left), *why);
                *left -= kept;
                self.response.frames.push(Frame::data(data.slice(..kept)));
                let is_enough = kept < data.len() || is_stalled || now >= self.until;
                if is_enough { self.unusable(why) } else { Action::Read(self) }
            }
            Purpose::MessageHead { .. } | Purpose::Details { .. } => {
                // The caller may get this body, so every byte is kept.
                self.response.frames.push(frame);
                self.read_details(&data, now)
            }
        }
    }

    /// The last frame of the body. Most bodies have one, and their end is known with it.
    pub(crate) fn on_last_frame(mut self: Box<Self>, frame: Frame<Bytes>, now: Duration) -> Action<T> {
        self.is_over = true;
        match self.on_frame(frame, now) {
            Action::Read(reading) => reading.on_end(now),
            action => action,
        }
    }

    /// The body is at its end.
    pub(crate) fn on_end(mut self: Box<Self>, now: Duration) -> Action<T> {
        self.poller.record_elapsed(now);
        match self.purpose {
            Purpose::Status => self.end_of_status(now),
            Purpose::Drain { .. } | Purpose::DrainStatus { .. } => self.drained(now),
            Purpose::MessageHead { .. } | Purpose::Details { .. } => self.conclude(now),
            Purpose::Error { why, .. } => self.unusable(why),
        }
    }

    /// The body broke off.
    pub(crate) fn on_broken(mut self: Box<Self>, now: Duration) -> Action<T> {
        self.poller.record_elapsed(now);
        match self.purpose {
            Purpose::Status => self.broke_off(now),
            _ if self.may_result_follow() => self.broke_off(now),
            // It has ended. The caller gets to see the break, behind what was read.
            _ => self.on_end(now),
        }
    }

    /// The time has come, and the body gives nothing.
    pub(crate) fn on_due(mut self: Box<Self>, now: Duration) -> Action<T> {
        self.poller.record_elapsed(now);
        match self.purpose {
            Purpose::Status => self.poller.time_out(),
            _ if self.may_result_follow() => self.poller.time_out(),
            // Some of it is missing, but the operation's end is known, or none of it is needed.
            _ => self.on_end(now),
        }
    }

    /// Looks for the status: in a header, in the body, or nowhere but in the HTTP status.
    pub(crate) fn read_status(self: Box<Self>, now: Duration) -> Action<T> {
        let rule = self.poller.status_rule();
        let headers = &self.response.head.headers;
        let word = rule.status_header.as_ref().and_then(|header| header_text(headers.get(header)?));
        if let Some(word) = word.filter(|word| !word.is_empty()).map(shortened) {
            let status = self.understood(word);
            return self.decide(Ok(status), now);
        }
        if rule.status.is_empty() {
            return self.decide(Err(StatusErrorKind::Missing), now);
        }
        Action::Read(self)
    }

    fn scan(mut self: Box<Self>, data: &[u8], now: Duration) -> Action<T> {
        let room = self.poller.config().max_status_bytes.saturating_sub(self.search.scanned());
        let within = &data[..data.len().min(room)];
        self.search.read_to_status(within, self.poller.status_rule());
        if let Some(word) = self.search.decided() {
            let status = self.understood(word.into());
            return self.decide(Ok(status), now);
        }
        if self.search.is_at_end() {
            return self.end_of_status(now);
        }
        if within.len() < data.len() {
            return self.decide(Err(StatusErrorKind::TooLong), now);
        }
        Action::Read(self)
    }

    /// Searches what has been read after the status, for a percentage.
    pub(crate) fn search_on(&mut self) {
        let read = self.search.scanned();
        self.response.frames.behind(read).for_each(|data| self.search.read(data, self.poller.status_rule()));
    }

    /// Nothing more can be found.
    fn end_of_status(self: Box<Self>, now: Duration) -> Action<T> {
        let status = self.search.status(self.poller.status_rule()).map(|word| self.understood(word.into()));
        self.decide(status.ok_or(StatusErrorKind::Missing), now)
    }

    fn understood(&self, word: Box<str>) -> StatusWord {
        StatusWord { meaning: self.poller.rules().words.meaning(&word), word }
    }

    /// Decides by the status, or by its absence.
    fn decide(mut self: Box<Self>, status: Result<StatusWord, StatusErrorKind>, now: Duration) -> Action<T> {
        let (word, meaning, why_missing) = match status {
            Ok(StatusWord { word, meaning }) => (Some(word), Some(meaning), StatusErrorKind::Missing),
            Err(why) => (None, None, why),
        };
        let has_status = self.poller.operation.progress.has_status;
        // A response with a status was read. One that is too long is the result of a plain monitor.
        let is_document = || why_missing == StatusErrorKind::TooLong || self.search.is_whole();
        let is_read = word.is_some() || (is_document() && !self.is_unreadable());
        let is_trustworthy = is_read && !self.poller.is_elsewhere(&self.response);
        let facts = StatusFacts { meaning, has_status, is_trustworthy };
        let verdict = verdict::of_status(self.response.head.status, self.poller.status_rule(), facts);
        self.poller.operation.is_success_assumed = false;
        if !matches!(verdict, Status::Lost | Status::Missing) {
            self.poller.operation.status = word;
        }
        match verdict {
            Status::Running(state) => self.running(state, meaning, now),
            Status::Ended(state) => self.finish(state, now),
            Status::SucceededByHttp => {
                self.poller.operation.is_success_assumed = self.poller.operation.status.is_none() && !has_status;
                self.finish(OperationState::Succeeded, now)
            }
            Status::Lost => {
                let Self { poller, response, .. } = *self;
                poller.poll_failed(FailedPoll::NoStatus(response, why_missing), now)
            }
            Status::Missing => self.end_without_status(why_missing, now),
        }
    }

    /// There is no status, and none can come.
    pub(crate) fn end_without_status(self: Box<Self>, why: StatusErrorKind, now: Duration) -> Action<T> {
        if why == StatusErrorKind::TooLong {
            return self.unusable(Unusable::Status(why));
        }
        let limit = self.poller.config().max_status_bytes.saturating_sub(self.response.frames.bytes());
        self.collect(Unusable::Status(why), limit, now)
    }

    fn broke_off(self: Box<Self>, now: Duration) -> Action<T> {
        let Self { poller, response, .. } = *self;
        poller.poll_failed(FailedPoll::Body(response), now)
    }

    /// Whether the status is in a body that cannot be read here.
    fn is_unreadable(&self) -> bool {
        !self.poller.status_rule().status.is_empty() && self.response.is_encoded()
    }

    /// The base of references in the response.
    pub(crate) fn base(&self) -> &Uri {
        self.response.redirected_to.as_ref().unwrap_or(&self.poller.operation.monitor)
    }

    fn running(mut self: Box<Self>, state: OperationState, meaning: Option<Meaning>, now: Duration) -> Action<T> {
        let location = self.poller.location(&self.response.head.headers, self.base());
        let poller = &mut self.poller;
        poller.operation.state = state;
        // It may have failed, and been started again.
        poller.operation.forget_error();
        let progress = &mut poller.operation.progress;
        (progress.has_status, progress.consecutive_failures, progress.moves) = (true, 0, 0);
        if meaning.is_some() || self.response.head.status == StatusCode::ACCEPTED {
            poller.forget_redirects();
        }
        if let Some(location) = location {
            poller.note_location(&location);
        }
        self.search_on();
        match self.relocation() {
            Some(Ok(address)) => self.poller.move_to(address),
            Some(Err(error)) => return self.poller.fail_address(error),
            None => {}
        }
        let retry_after = self.response.retry_after(now);
        self.poller.delay(retry_after, now);
        if meaning.is_some_and(|meaning| !meaning.is_recognized) {
            self.poller.note_unrecognized();
        }
        self.drain(Purpose::DrainStatus { left: MAX_DRAIN_BYTES }, now)
    }

    /// The monitor's next address, if the status response names one.
    fn relocation(&self) -> Option<Result<Address, AddressError>> {
        let start_rule = self.poller.operation.start_rule();
        let relocation = start_rule.monitor.relocation.as_ref()?;
        let header = relocation.header.as_ref().or(start_rule.by.address_header())?;
        let head = &self.response.head;
        let may_move = relocation.statuses.is_empty() || relocation.statuses.contains(&head.status);
        let value = head.headers.get(header)?;
        // Most services repeat the same address, which need not be resolved.
        let is_same = || self.poller.operation.monitor == *value.to_str().unwrap_or_default();
        if !may_move || (is_same() && head.headers.get_all(header).iter().count() == 1) {
            return None;
        }
        self.poller.resolver().resolve_header(header, &head.headers, self.base())
    }

    /// Keeps up to `left` more bytes of the body for an error.
    pub(crate) fn collect(mut self: Box<Self>, why: Unusable, left: usize, now: Duration) -> Action<T> {
        self.purpose = Purpose::Error { left, why };
        self.until = self.poller.schedule.or_deadline(now.saturating_add(DRAIN_TIME));
        Action::Read(self)
    }

    pub(crate) fn unusable(mut self: Box<Self>, why: Unusable) -> Action<T> {
        if why == Unusable::Failed {
            self.note_details();
            self.poller.emit_polled();
        }
        let Self { poller, response, .. } = *self;
        poller.fail(Reason::Response(why, response))
    }

    /// Reads the rest, so that its connection can be reused.
    pub(crate) fn drain(mut self: Box<Self>, purpose: Purpose, now: Duration) -> Action<T> {
        let schedule = &self.poller.schedule;
        // A `Retry-After` is never made longer.
        let at_least = match schedule.announced() {
            Some((_, DelayReason::RetryAfter)) => now,
            _ => now.saturating_add(MIN_DRAIN_TIME),
        };
        self.until = schedule.or_deadline(now.saturating_add(DRAIN_TIME).min(schedule.due().max(at_least)));
        self.purpose = purpose;
        Action::Read(self)
    }

    fn drained(mut self: Box<Self>, now: Duration) -> Action<T> {
        if matches!(self.purpose, Purpose::DrainStatus { .. }) {
            self.note_percent(self.search.percent());
            self.poller.emit_polled();
        }
        self.poller.wait(now)
    }

    /// Notes the percentage, from the body or from the header for it.
    pub(crate) fn note_percent(&mut self, of_body: Option<f64>) {
        let headers = &self.response.head.headers;
        let of_header = || progress(header_text(headers.get(X_PROGRESS)?)?);
        if let Some(percent) = of_body.or_else(of_header) {
            self.poller.operation.percent = Some(percent);
        }
    }
}

impl Poller {
    /// Reads an unneeded body, so that its connection can be reused.
    pub(crate) fn drain<T: Io>(self: Box<Self>, response: Box<PartialResponse<T::Body>>, now: Duration) -> Action<T> {
        if response.is_empty {
            return self.wait(now);
        }
        self.read(response).drain(Purpose::Drain { left: MAX_DRAIN_BYTES }, now)
    }

    /// Begins to read a response, for its status.
    pub(crate) fn read<T: Io>(self: Box<Self>, response: Box<PartialResponse<T::Body>>) -> Box<Reading<T>> {
        Box::new(Reading {
            search: StatusSearch::new(self.status_rule()),
            until: self.schedule.or_deadline(Duration::MAX),
            poller: self,
            response,
            purpose: Purpose::Status,
            is_over: false,
        })
    }

    pub(crate) fn emit_polled(&mut self) {
        let is_unrecognized = self.unrecognized.as_mut().is_some_and(|words| std::mem::take(&mut words.is_new));
        self.emit(|operation| Event::Polled { operation, is_unrecognized });
    }

    /// Notes that the status is not recognized: it is reported with the poll, once.
    fn note_unrecognized(&mut self) {
        let Some(status) = &self.operation.status else { return };
        let Unrecognized { reported, is_new } = &mut **self.unrecognized.get_or_insert_default();
        let is_new_word = !reported.iter().any(|word| word.eq_ignore_ascii_case(status));
        if is_new_word && reported.len() < MAX_UNRECOGNIZED_WORDS {
            reported.push(status.clone());
            *is_new = true;
        }
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
