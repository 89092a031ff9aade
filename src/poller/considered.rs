//! `Considered`: a rule by which a response may start an operation, if its body agrees.

use http::{HeaderMap, header::CONTENT_TYPE};

use crate::{
    address::resolver::header_text,
    json::{
        members::{members, text_of},
        scanner::{Scanner, Selectors},
        selector::Match,
    },
    limits::MAX_ID_BYTES,
    operation::details,
    poller::response::PartialResponse,
    protocol::{
        Candidate,
        start_rule::{By, StartRule, WhenMissing},
    },
};

/// A rule that the response may satisfy, and what the body has said about it so far.
pub(super) struct Considered {
    pub(super) candidate: Candidate,
    scanner: Scanner,
    /// How many bytes were searched for the name; each search begins at the beginning.
    searched: usize,
    /// Whether the body meets the rule's condition.
    is_met: Option<bool>,
    /// Whether the body meets the condition unless something contrary follows.
    has_running_status: bool,
    /// Whether the operation is named, in the body if that is needed.
    is_named: Option<bool>,
    /// Whether a header announces it.
    is_announced: bool,
}

/// How much of the body has been read.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Body {
    Whole,
    Part,
}

impl Considered {
    /// Returns `None` if the rule needs the body, and that is not JSON.
    pub(super) fn new(candidate: Candidate, headers: &HeaderMap, json: Json) -> Option<Self> {
        let rule = candidate.rule();
        let is_named = is_named(rule, headers, &[]).or((!rule.by.reads_body()).then_some(true));
        if is_named.is_none() && json == Json::No {
            return None;
        }
        let is_met = match &rule.condition {
            None => Some(true),
            Some(condition) if json == Json::No => Some(condition.when_missing == WhenMissing::Starts),
            Some(_) => None,
        };
        let selectors: Selectors =
            rule.condition.as_ref().map_or_else(|| Selectors::from([]), |condition| condition.selectors.clone());
        let has_link = matches!(rule.by, By::Relation(_)) && is_named == Some(true);
        let is_announced = has_link || rule.by.required_header().is_some();
        let scanner = Scanner::new(&selectors);
        Some(Self { scanner, searched: 0, is_met, has_running_status: false, is_named, is_announced, candidate })
    }

    pub(super) fn read<B>(&mut self, data: &[u8], response: &PartialResponse<B>) {
        let rule = self.candidate.rule();
        let frames = &response.frames;
        let words = &self.candidate.protocol.rules().words;
        let mut position = 0;
        while let (Some(found), Some(condition)) = (self.scanner.scan(&data[position..]), &rule.condition) {
            position += found.read;
            let Some(word) = found.text().filter(|_| self.is_met.is_none()) else { continue };
            let is_running = condition.selectors[found.selector].matches == Match::String
                && !words.meaning(word).state.is_terminal();
            self.has_running_status |= is_running;
            let has_passed_all = |scanner: &Scanner| (0..condition.selectors.len()).all(|it| scanner.has_passed(it));
            if !is_running {
                self.is_met = Some(false);
            } else if has_passed_all(&self.scanner) {
                self.is_met = Some(true);
            }
        }
        if self.scanner.is_at_end() {
            self.close(response, Body::Whole);
        } else if self.is_named.is_none() && frames.bytes() >= 2 * self.searched {
            self.searched = frames.bytes();
            self.is_named = is_named(rule, &response.head.headers, &frames.to_bytes());
        }
    }

    /// Decides at the end of what can be read.
    pub(super) fn close<B>(&mut self, response: &PartialResponse<B>, body: Body) {
        let rule = self.candidate.rule();
        let starts = rule.condition.as_ref().is_none_or(|condition| condition.when_missing == WhenMissing::Starts);
        // A header announces an operation unless the body says otherwise; a name in half a body does not.
        let is_enough = body == Body::Whole || self.is_announced;
        self.is_met.get_or_insert(self.has_running_status || (is_enough && starts));
        self.decide_name(response);
    }

    /// Decides whether the operation is named, by the bytes so far.
    pub(super) fn decide_name<B>(&mut self, response: &PartialResponse<B>) {
        if self.is_named.is_none() {
            let is_named = is_named(self.candidate.rule(), &response.head.headers, &response.frames.to_bytes());
            self.is_named = Some(is_named.unwrap_or(false));
        }
    }

    /// Whether the response starts an operation by this rule.
    pub(super) fn verdict(&self) -> Option<bool> {
        match (self.is_met, self.is_named) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }
}

/// Whether a body is JSON, by its media type.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Json {
    Yes,
    No,
}

/// Only JSON is read: event streams and NDJSON would be held up.
pub(super) fn by_media_type(headers: &HeaderMap) -> Json {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "application/json" || media_type.ends_with("+json") { Json::Yes } else { Json::No }
}

/// The link or the name by which a start response announces the operation, if its rule looks for one.
pub(super) fn reference(rule: &StartRule, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    match &rule.by {
        By::NameHeader { header, .. } => {
            let name = header_text(headers.get(header)?)?;
            (!name.is_empty() && name.len() <= MAX_ID_BYTES).then(|| name.to_owned())
        }
        By::Link(pointer) => details::string_at(&members(&text_of(body)), pointer),
        By::Relation(relation) => details::link(headers, &members(&text_of(body)), relation),
        By::Name { pointer, .. } => details::name_at(&members(&text_of(body)), pointer),
        By::Header(_) | By::RequestUri | By::Template(_) => None,
    }
}

/// Whether there is a name of an operation, or a link to it; `None` if there is neither.
fn is_named(rule: &StartRule, headers: &HeaderMap, body: &[u8]) -> Option<bool> {
    match &rule.by {
        By::Name { contains, .. } => reference(rule, headers, body).map(|name| name.contains(contains.as_str())),
        By::Link(_) | By::Relation(_) => reference(rule, headers, body).map(|_| true),
        By::Header(_) | By::NameHeader { .. } | By::RequestUri | By::Template(_) => None,
    }
}
