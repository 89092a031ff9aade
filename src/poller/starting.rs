//! Announce: what is made of a response that may announce an operation, and of a request that takes one up.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use http::{HeaderName, Method, Uri, header::LOCATION, uri::Authority};

use crate::{
    address::{
        error::AddressError,
        resolver::{Address, Resolver, Trust, propagate_query, text, with_api_version_alone},
    },
    event::Event,
    json::{
        members::members,
        scanner::{Kind, Scanner},
    },
    operation::details,
    poller::{
        Phase, Poller,
        action::{Answer, GiveUp, Next},
    },
    protocol::{
        Candidate, FinalResponse,
        start_rule::{By, StartRule},
    },
    request::template::RequestLine,
    timing::moment::Moment,
};

/// How long a response is looked into at most for whether it announces an operation. Then it passes through.
const CONSIDER_TIME: Duration = Duration::from_secs(10);

const OPERATION_ID: HeaderName = HeaderName::from_static("operation-id");
const X_MS_OPERATION_ID: HeaderName = HeaderName::from_static("x-ms-operation-id");

/// What is known while a response is looked into.
pub(crate) struct Announcing {
    line: RequestLine,
    considered: Vec<Considered>,
}

/// A way in which the response may announce an operation, as far as it has been looked into.
struct Considered {
    candidate: Candidate,
    scanner: Scanner,
    /// How much of the body was looked through for the name, since that begins at the beginning.
    searched: usize,
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
        Self { is_met, is_named, scanner: Scanner::new(), searched: 0, candidate }
    }

    fn read(&mut self, data: &[u8], answer: &Answer) {
        let announcement = self.candidate.announcement();
        let watches = announcement.condition.as_ref().map_or(&[][..], |condition| &condition.status);
        let words = &self.candidate.protocol.spec().words;
        let is_running = self.scanner.scan(data, watches).map(|(word, _)| !words.state(word).is_terminal());
        if let (Some(is_running), Some(kind)) = (is_running, self.scanner.found(watches)) {
            self.is_met.get_or_insert(is_running && kind != Kind::Presence);
        } else if self.scanner.fallback(watches).is_some() {
            self.is_met = Some(false);
        }
        if self.scanner.is_at_end() {
            self.close(answer, true);
        } else if self.is_named.is_none() && answer.read.bytes() >= 2 * self.searched {
            self.searched = answer.read.bytes();
            self.is_named = is_named(announcement, answer);
        }
    }

    /// Decides when the body is whole, or as much of it as there is going to be.
    fn close(&mut self, answer: &Answer, is_whole: bool) {
        let announcement = self.candidate.announcement();
        let or_absent = announcement.condition.as_ref().is_none_or(|condition| condition.or_absent);
        // A header announces it as long as nothing else is said; a name in half a body does not.
        let is_enough = is_whole || announcement.by.header().is_some();
        self.is_met.get_or_insert(is_enough && or_absent);
        if self.is_named.is_none() {
            self.is_named = Some(is_named(announcement, answer).unwrap_or(false));
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
fn name(announcement: &StartRule, answer: &Answer) -> Option<String> {
    let By::Body { member: path, .. } = &announcement.by else { return None };
    details::at_path(&members(&answer.read.to_bytes()), path)
}

/// Whether the name in what has been read of a response's body is that of an operation, if there is one.
fn is_named(announcement: &StartRule, answer: &Answer) -> Option<bool> {
    let By::Body { contains, .. } = &announcement.by else { return None };
    name(announcement, answer).map(|name| name.contains(contains.as_str()))
}

impl Poller {
    /// Takes in a response that may announce an operation.
    pub(crate) fn on_start(&mut self, line: RequestLine, answer: &mut Answer, now: Instant) -> Next {
        let now = self.touch(now);
        answer.arrived = now;
        let head = &answer.head;
        let mut candidates = self.layer.settings().candidates(&line.method, head.status, &head.headers);
        match candidates.next() {
            Some(first) if first.announcement().is_by_head() => {
                drop(candidates);
                return self.accept(&line, &first, answer, now);
            }
            first => {
                let considered = first.into_iter().chain(candidates).map(Considered::new).collect();
                self.phase = Phase::Announcing(Box::new(Announcing { line, considered }));
            }
        }
        self.timer = now.after(CONSIDER_TIME);
        self.decide(answer, false, now)
    }

    /// Takes what has been read of a response for all that there is.
    pub(crate) fn consider_no_longer(&mut self, answer: &mut Answer, now: Moment) -> Next {
        let Phase::Announcing(announcing) = &mut self.phase else { return self.pass_through() };
        announcing.considered.iter_mut().for_each(|candidate| candidate.close(answer, false));
        self.decide(answer, false, now)
    }

    pub(crate) fn consider(&mut self, answer: &mut Answer, data: &[u8], now: Moment) -> Next {
        let max_status_bytes = self.layer.settings().max_status_bytes;
        let Phase::Announcing(announcing) = &mut self.phase else { return self.pass_through() };
        for candidate in &mut announcing.considered {
            candidate.read(data, answer);
            let is_unlikely = candidate.is_named.is_none();
            let limit = if is_unlikely { max_status_bytes.min(details::MAX_BYTES) } else { max_status_bytes };
            if answer.read.bytes() > limit {
                candidate.close(answer, false);
            }
        }
        self.decide(answer, false, now)
    }

    /// Accepts the operation as the first of those that still may announce it does, if that is certain.
    pub(crate) fn decide(&mut self, answer: &mut Answer, is_whole: bool, now: Moment) -> Next {
        let Phase::Announcing(announcing) = &mut self.phase else { return self.pass_through() };
        let mut accepted = None;
        for candidate in &mut announcing.considered {
            if is_whole {
                candidate.close(answer, true);
            }
            match candidate.verdict() {
                Some(false) => {}
                None => return Next::Read,
                Some(true) => {
                    accepted = Some(candidate.candidate.clone());
                    break;
                }
            }
        }
        match (accepted, std::mem::replace(&mut self.phase, Phase::Ended)) {
            (Some(accepted), Phase::Announcing(announcing)) => self.accept(&announcing.line, &accepted, answer, now),
            _ => self.pass_through(),
        }
    }

    pub(crate) fn pass_through(&mut self) -> Next {
        self.phase = Phase::Ended;
        Next::PassThrough
    }

    fn accept(&mut self, line: &RequestLine, accepted: &Candidate, answer: &mut Answer, now: Moment) -> Next {
        let announcement = accepted.announcement();
        self.operation.protocol = accepted.protocol.clone();
        self.operation.announcement = accepted.announcement;
        self.set_deadline(now);

        let headers = &answer.head.headers;
        let name = name(announcement, answer);
        let address = self.announced_address(announcement, answer, name.as_deref(), &line.uri);
        let uri = address.as_ref().map_or_else(AddressError::uri, |address| Some(&address.uri));
        self.operation.monitor = match uri {
            Some(uri) => self.without_credentials(uri),
            None => with_api_version_alone(&line.uri),
        };
        let id = [OPERATION_ID, X_MS_OPERATION_ID].iter().find_map(|header| text(headers.get(header)?));
        self.operation.id =
            id.filter(|id| !id.is_empty() && id.len() <= details::MAX_ID).map(Box::from).or(name.map(Box::from));
        self.operation.is_anonymous = address.as_ref().is_ok_and(|address| address.trust == Trust::Anonymous);
        if announcement.by.header() != Some(&LOCATION) {
            self.note_location(self.location(headers, &line.uri));
        }
        self.remember_start(line);
        self.spans.begin(&line.method, &line.uri, &self.operation);
        self.tell(|operation| Event::Accepted { operation });
        match address {
            Ok(_) => {
                self.schedule(answer.hint(now), now);
                answer.read.clear();
                self.drain(false, now)
            }
            Err(error) => self.give_up_address(error),
        }
    }

    fn announced_address(
        &self,
        announcement: &StartRule,
        answer: &Answer,
        name: Option<&str>,
        start: &Uri,
    ) -> Result<Address, AddressError> {
        match (&announcement.by, announcement.address(&answer.head.headers)) {
            (By::Body { template, .. }, _) => {
                // A verb after a colon is none of the version's (AIP-136).
                let first = start.path().split(['/', ':']).nth(1);
                let template = match first.unwrap_or_default() {
                    "" => template.replace("{first}/", ""),
                    first => template.replace("{first}", first),
                };
                let reference = template.replace("{name}", name.unwrap_or_default());
                self.resolver_of(Cow::Borrowed(start)).resolve_text(&reference, start)
            }
            (_, Some((header, value))) => self.resolver_of(Cow::Borrowed(start)).resolve(header, value, start),
            (By::Own | By::Header(_), None) => self.resolver_of(Cow::Borrowed(start)).check(start),
        }
    }

    /// Takes an operation up again, whose monitor is asked by the caller's own request.
    pub(crate) fn resume(&mut self, now: Instant) -> Result<(), Next> {
        let now = self.touch(now);
        self.set_deadline(now);
        self.phase = Phase::Sending;
        self.timer = self.deadline;
        let own = self.start.uri();
        self.spans.begin(&Method::GET, &own, &self.operation);
        self.tell(|operation| Event::Accepted { operation });
        if self.operation.protocol.is_unknown() {
            return Err(self.give_up(GiveUp::Protocol));
        }
        self.operation.polls = self.operation.polls.saturating_add(1);
        // By this request's own origin: its credentials are for nobody else until it is seen that it is the monitor's.
        let here = Resolver { first: None, ..self.resolver_of(Cow::Borrowed(&own)) };
        match here.check(&self.operation.monitor) {
            Ok(address) => {
                self.operation.is_anonymous |= address.trust == Trust::Anonymous;
                if self.operation.is_anonymous {
                    self.resumed = Some(Trust::Anonymous);
                }
                self.operation.monitor = self.without_credentials(&address.uri);
                self.spans.send(&own);
                Ok(())
            }
            Err(error) => Err(self.give_up_address(error)),
        }
    }

    fn set_deadline(&mut self, now: Moment) {
        let timeout = self.layer.settings().timeout;
        self.deadline = timeout.map_or(Moment::NEVER, |timeout| now.after(timeout));
    }

    /// What those who resume need of the start request: to fetch the result, and for the polls.
    fn remember_start(&mut self, line: &RequestLine) {
        let monitor = &self.operation.monitor;
        let has_result_elsewhere = self.final_response() != FinalResponse::Status;
        // Most are so, and need none of what follows.
        let is_plainly_here = line.uri.query().is_none() && origin(&line.uri) == origin(monitor);
        if is_plainly_here && !has_result_elsewhere {
            return;
        }
        let start = with_api_version_alone(&line.uri);
        let is_carried = propagate_query(&self.layer.settings().propagate_query, start.query(), monitor).is_some();
        let is_elsewhere = (monitor.scheme(), monitor.authority()) != (start.scheme(), start.authority());
        if is_carried || is_elsewhere || has_result_elsewhere {
            self.operation.more_mut().start = Some((line.method.clone(), start));
        }
    }
}

fn origin(uri: &Uri) -> (Option<&str>, Option<&str>) {
    (uri.scheme_str(), uri.authority().map(Authority::as_str))
}
