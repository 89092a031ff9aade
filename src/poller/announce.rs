//! Announce: what is made of a response that may announce an operation, and of a request that takes one up.

use http::{HeaderName, Uri, header::LOCATION};

use super::{
    Answer, GiveUp, Next, Now, Phase, Poller,
    details::member,
    monitor::{Address, text},
    pace,
    status::Scanner,
};
use crate::{
    AddressError, Event,
    protocol::{Announcement, By, Candidate},
};

const OPERATION_ID: HeaderName = HeaderName::from_static("operation-id");
const X_MS_OPERATION_ID: HeaderName = HeaderName::from_static("x-ms-operation-id");

/// A way in which the response may announce an operation, as far as it has been looked into.
pub(super) struct Considered {
    candidate: Candidate,
    scanner: Scanner,
    /// Whether the response's body meets the condition.
    is_met: Option<bool>,
    /// Whether the body has the name of the operation, where that is needed.
    is_named: Option<bool>,
}

impl Considered {
    fn new(candidate: Candidate) -> Self {
        let announcement = candidate.announcement();
        let is_met = announcement.condition.is_none().then_some(true);
        let is_named = (!matches!(announcement.by, By::Body { .. })).then_some(true);
        Self { is_met, is_named, scanner: Scanner::new(), candidate }
    }

    fn read(&mut self, data: &[u8]) {
        let Some(condition) = self.candidate.announcement().condition.as_ref().filter(|_| self.is_met.is_none()) else {
            return;
        };
        if let Some((word, _)) = self.scanner.scan(data, &condition.status) {
            self.is_met = Some(!self.candidate.protocol.spec().words.state(word).is_terminal());
        } else if self.scanner.is_at_end() {
            self.is_met = Some(condition.or_absent);
        }
    }

    /// Decides when the body is whole, or as much of it as there is going to be.
    fn close(&mut self, answer: &Answer, is_whole: bool) {
        let announcement = self.candidate.announcement();
        let or_absent = announcement.condition.as_ref().is_none_or(|condition| condition.or_absent);
        self.is_met.get_or_insert(is_whole && or_absent);
        if self.is_named.is_none() {
            self.is_named = Some(is_whole && name(announcement, answer).is_some());
        }
    }

    /// Whether it does announce one.
    fn verdict(&self) -> Option<bool> {
        match (self.is_met, self.is_named) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}

/// The name of the operation in a response's body.
fn name(announcement: &Announcement, answer: &Answer) -> Option<String> {
    let By::Body { member: path, contains, .. } = &announcement.by else { return None };
    member(&answer.read.to_bytes(), path).filter(|name| name.contains(contains.as_str()))
}

impl Poller {
    /// Takes in a response that may announce an operation.
    pub(crate) fn on_start(&mut self, answer: &mut Answer, now: Now) -> Next {
        let head = &answer.head;
        let candidates = self.layer.settings().candidates(&self.start.method, head.status, &head.headers);
        self.phase = Phase::Announcing(candidates.map(Considered::new).collect());
        self.decide(answer, false, now)
    }

    pub(super) fn consider(&mut self, answer: &mut Answer, data: &[u8], now: Now) -> Next {
        let is_too_long = answer.read.bytes() > self.layer.settings().max_status_bytes;
        let Phase::Announcing(considered) = &mut self.phase else { return self.pass_through() };
        for candidate in &mut *considered {
            candidate.read(data);
            if is_too_long {
                candidate.close(answer, false);
            }
        }
        self.decide(answer, false, now)
    }

    /// Accepts the operation as the first of those that still may announce it does, if that is certain.
    pub(super) fn decide(&mut self, answer: &mut Answer, is_whole: bool, now: Now) -> Next {
        let Phase::Announcing(considered) = &mut self.phase else { return self.pass_through() };
        for candidate in considered {
            if is_whole {
                candidate.close(answer, true);
            }
            match candidate.verdict() {
                Some(false) => {}
                None => return Next::Read,
                Some(true) => {
                    let accepted = candidate.candidate.clone();
                    return self.accept(accepted, answer, now);
                }
            }
        }
        self.pass_through()
    }

    pub(super) fn pass_through(&mut self) -> Next {
        self.phase = Phase::Ended;
        Next::PassThrough
    }

    fn accept(&mut self, accepted: Candidate, answer: &mut Answer, now: Now) -> Next {
        let announcement = accepted.announcement();
        self.operation.protocol = accepted.protocol.clone();
        self.operation.announcement = accepted.announcement;
        self.began(now);

        let headers = &answer.head.headers;
        let name = name(announcement, answer);
        let address = self.announced_address(announcement, answer, name.as_deref());
        if let Some(uri) = address.as_ref().map_or_else(AddressError::uri, |address| Some(&address.uri)) {
            self.operation.monitor = self.without_credentials(uri);
        }
        let id = [OPERATION_ID, X_MS_OPERATION_ID].iter().find_map(|header| text(headers.get(header)?));
        self.operation.id = id.filter(|id| !id.is_empty()).map(Box::from).or(name.map(Box::from));
        if announcement.by.header() != Some(&LOCATION) {
            self.note_location(headers, &self.start.uri.clone());
        }
        self.remember_start();
        self.spans.begin(&self.start.method, &self.start.uri, &self.operation);
        self.tell(|operation| Event::Accepted { operation });
        match address {
            Ok(address) => {
                self.trust = address.trust;
                self.schedule(pace::hint(headers, now.wall), now);
                answer.read.clear();
                self.drain(false, now)
            }
            Err(error) => self.give_up_address(error),
        }
    }

    fn announced_address(
        &self,
        announcement: &Announcement,
        answer: &Answer,
        name: Option<&str>,
    ) -> Result<Address, AddressError> {
        let start = &self.start.uri;
        match (&announcement.by, announcement.address(&answer.head.headers)) {
            (By::Body { template, .. }, _) => {
                let first = start.path().split('/').nth(1).unwrap_or_default();
                let reference = template.replace("{first}", first).replace("{name}", name.unwrap_or_default());
                self.resolver().resolve_text(&reference, start)
            }
            (_, Some((header, value))) => self.resolver().resolve(header, value, start),
            (By::Own | By::Header(_), None) => self.resolver().check(start),
        }
    }

    /// Takes an operation up again, whose monitor is asked by the caller's own request.
    pub(crate) fn resume(&mut self, now: Now) -> Result<(), Next> {
        self.began(now);
        self.phase = Phase::Sending;
        self.timer = self.deadline;
        self.spans.begin(&self.start.method, &self.start.uri, &self.operation);
        self.tell(|operation| Event::Accepted { operation });
        if self.operation.protocol.is_unknown() {
            return Err(self.give_up(GiveUp::Protocol));
        }
        self.operation.polls = self.operation.polls.saturating_add(1);
        match self.resolver().check(&self.operation.monitor) {
            Ok(address) => {
                self.trust = address.trust;
                self.operation.monitor = self.without_credentials(&address.uri);
                self.spans.send(&self.start.uri);
                Ok(())
            }
            Err(error) => Err(self.give_up_address(error)),
        }
    }

    fn began(&mut self, now: Now) {
        let timeout = self.layer.settings().timeout;
        self.deadline = timeout.and_then(|timeout| now.instant.checked_add(timeout));
        self.began = now.instant.checked_sub(self.operation.elapsed).unwrap_or(now.instant);
    }

    /// What is needed of the start request to fetch the result, for those who resume.
    fn remember_start(&mut self) {
        if self.final_response() != crate::FinalResponse::Status {
            let api_version: Uri = super::monitor::with_api_version_alone(&self.start.uri);
            self.operation.more_mut().start = Some((self.start.method.clone(), api_version));
        }
    }
}
