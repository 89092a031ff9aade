//! `ProtocolBuilder`, `Announcement` and `Monitor`: what a protocol is made of.

use std::{borrow::Cow, fmt, ops::RangeInclusive, sync::Arc};

use http::{HeaderName, Method, StatusCode};

use super::{FinalResponse, Protocol, Spec, TrustRule, Words};
use crate::{
    Origin,
    poller::{Kind, MAX_DEPTH, MAX_WATCHES, Watch},
};

/// Builds a [`Protocol`]; see [`Protocol::builder`].
///
/// Mistakes, such as a header name that is none, are told of by [`build`](Self::build).
///
/// # Example
///
/// ```
/// use tower_lro::{Announcement, Monitor, Protocol, ProtocolError};
///
/// let mistaken = Protocol::builder("jobs")
///     .announced(Announcement::by_header("x job").monitor(Monitor::new().status_at("/status")))
///     .build();
/// assert_eq!(mistaken.unwrap_err(), ProtocolError::Header("x job".to_owned()));
/// ```
#[must_use]
pub struct ProtocolBuilder {
    spec: Spec,
    mistake: Option<ProtocolError>,
}

/// What makes a response to a start request announce an operation, and where its monitor is.
///
/// On `202` unless [`on`](Self::on) says otherwise, and for any method. Every status other than 202 may also be that of a
/// response that announces nothing: see [`unless_ended`](Self::unless_ended).
///
/// # Example
///
/// ```
/// use tower_lro::{Announcement, Monitor};
///
/// // A `PUT` that is answered 201, with a body that says that it is not ready.
/// let announcement = Announcement::by_header("operation-location")
///     .on([201])
///     .to(["PUT"])
///     .unless_ended("/state", false)
///     .monitor(Monitor::new().status_at("/status"));
/// # let _ = announcement;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Announcement {
    pub(crate) statuses: Vec<StatusCode>,
    pub(crate) methods: Vec<Method>,
    pub(crate) by: By,
    /// A header that has to be there, too.
    pub(crate) also: Option<HeaderName>,
    pub(crate) condition: Option<Condition>,
    pub(crate) is_assumed: bool,
    pub(crate) monitor: Monitor,
    mistake: Option<ProtocolError>,
}

#[derive(Clone)]
pub(crate) enum By {
    /// A header has the address.
    Header(HeaderName),
    /// A member of the body has a name, which `template` makes an address of.
    Body { member: Vec<String>, contains: String, template: String },
    /// The address is that of the start request.
    Own,
}

impl By {
    pub(crate) fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(header) => Some(header),
            Self::Body { .. } | Self::Own => None,
        }
    }
}

/// What the body of a response must not say for it to announce an operation: a status that is terminal, a member that is
/// there, or that is `true`.
#[derive(Clone)]
pub(crate) struct Condition {
    pub(crate) status: Vec<Watch>,
    /// Whether a body without one does, too.
    pub(crate) or_absent: bool,
}

/// How a monitor answers: where its status is, and what counts where there is none.
///
/// [`Monitor::new`] has no place for a status yet; most have it `status_at("/status")`.
///
/// # Example
///
/// ```
/// use tower_lro::{Monitor, WithoutStatus};
///
/// // In the body if there is one, else it is still running; a 410 is the operation's own failure.
/// let monitor = Monitor::new()
///     .status_at("/job/phase")
///     .without_status(WithoutStatus::Running)
///     .outcomes([410]);
/// # let _ = monitor;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Monitor {
    pub(crate) status: Vec<Watch>,
    pub(crate) status_header: Option<HeaderName>,
    pub(crate) is_by_http: bool,
    pub(crate) without_status: WithoutStatus,
    pub(crate) outcomes: Vec<StatusCode>,
    pub(crate) successes: Vec<StatusCode>,
    pub(crate) failed_polls: Vec<StatusCode>,
    pub(crate) result_redirects: Vec<StatusCode>,
    pub(crate) result_may_be_missing: bool,
    pub(crate) moves: Option<Moves>,
    pub(crate) final_status_header: Option<HeaderName>,
    pub(crate) unwraps_messages: bool,
    mistake: Option<ProtocolError>,
}

/// A status response may move its monitor by this header.
#[derive(Clone)]
pub(crate) struct Moves {
    /// The header that announces the monitor, if it is none of its own.
    pub(crate) header: Option<HeaderName>,
    /// On these HTTP statuses; on all, if there are none.
    pub(crate) statuses: Vec<StatusCode>,
}

/// What a good response of the monitor means that has no status. (A 202 always means that the operation is running.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutStatus {
    /// An error, [`Cause::Status`](crate::Cause::Status).
    #[default]
    Error,
    /// That the operation has succeeded.
    Succeeded,
    /// That it is running.
    Running,
}

/// A mistake in a [`Protocol`] that was being built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Nothing announces an operation.
    NoAnnouncement,
    /// Not the name of a header.
    Header(String),
    /// Not an HTTP status that this may be on: start responses have 200 to 263, others 100 to 999.
    Status(u16),
    /// Not a method.
    Method(String),
    /// Not a JSON pointer (RFC 6901) to a member of an object, or one of more than 8 keys, or with a key of more than 63
    /// bytes.
    Pointer(String),
    /// More than 32 places for a status, or more than 256 announcements.
    TooMany,
    /// Not an origin.
    Origin(String),
    /// The name of a [known](Protocol::known) protocol, which stored operations would be taken for.
    Name(String),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnnouncement => f.write_str("a protocol needs an announcement"),
            Self::Header(name) => write!(f, "{name:?} is not the name of a header"),
            Self::Status(status) => write!(f, "{status} is not an HTTP status that this may be on"),
            Self::Method(method) => write!(f, "{method:?} is not a method"),
            Self::Pointer(pointer) => write!(f, "{pointer:?} is not a JSON pointer to a member, of 8 keys at most"),
            Self::TooMany => f.write_str("there are too many announcements, or places for a status"),
            Self::Origin(origin) => write!(f, "{origin:?} is not an origin"),
            Self::Name(name) => write!(f, "{name:?} is the name of another protocol"),
        }
    }
}

impl std::error::Error for ProtocolError {}

fn header(name: &str, mistake: &mut Option<ProtocolError>) -> Option<HeaderName> {
    let header = HeaderName::try_from(name).ok();
    if header.is_none() {
        mistake.get_or_insert_with(|| ProtocolError::Header(name.to_owned()));
    }
    header
}

fn statuses(
    codes: impl IntoIterator<Item = u16>,
    range: RangeInclusive<u16>,
    mistake: &mut Option<ProtocolError>,
) -> Vec<StatusCode> {
    let status = |code: u16| match StatusCode::from_u16(code) {
        Ok(status) if range.contains(&code) => Some(status),
        _ => {
            mistake.get_or_insert(ProtocolError::Status(code));
            None
        }
    };
    codes.into_iter().filter_map(status).collect()
}

/// The keys of a JSON pointer ([RFC 6901]).
///
/// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
fn keys(pointer: &str, mistake: &mut Option<ProtocolError>) -> Option<Vec<String>> {
    let keys: Option<Vec<String>> = pointer
        .strip_prefix('/')
        .map(|keys| keys.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect());
    let keys = keys.filter(|keys| keys.len() <= MAX_DEPTH && keys.iter().all(|key| key.len() < 64));
    if keys.is_none() {
        mistake.get_or_insert_with(|| ProtocolError::Pointer(pointer.to_owned()));
    }
    keys
}

impl Announcement {
    /// A header has the address of the monitor.
    pub fn by_header(name: &str) -> Self {
        let mut mistake = None;
        let header = header(name, &mut mistake);
        Self::by(header.map_or(By::Own, By::Header), mistake)
    }

    /// A member of the response's JSON has the name of the operation, at this JSON pointer, and `template` makes the address
    /// of its monitor: `{name}` in it stands for the name, and `{first}` for the first segment of the start request's path.
    ///
    /// On `200`. The response is read for it, and passes through untouched if there is no such name.
    pub fn by_body(pointer: &str, template: &str) -> Self {
        let mut mistake = None;
        let member = keys(pointer, &mut mistake).unwrap_or_default();
        let by = By::Body { member, contains: String::new(), template: template.to_owned() };
        Self { statuses: vec![StatusCode::OK], ..Self::by(by, mistake) }
    }

    /// The monitor is at the address of the start request itself.
    pub fn by_status() -> Self {
        Self::by(By::Own, None)
    }

    fn by(by: By, mistake: Option<ProtocolError>) -> Self {
        Self {
            statuses: vec![StatusCode::ACCEPTED],
            methods: Vec::new(),
            by,
            also: None,
            condition: None,
            is_assumed: false,
            monitor: Monitor::new(),
            mistake,
        }
    }

    /// The HTTP statuses that it may be on, from 200 to 263.
    pub fn on(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.statuses = statuses(codes, 200..=263, &mut self.mistake);
        self
    }

    /// The methods that it may answer. All, unless it is said.
    pub fn to(mut self, methods: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        for name in methods {
            match Method::from_bytes(name.as_ref().as_bytes()) {
                Ok(method) => self.methods.push(method),
                Err(_) => _ = self.mistake.get_or_insert_with(|| ProtocolError::Method(name.as_ref().to_owned())),
            }
        }
        self
    }

    /// It announces an operation only if this header is there, too.
    pub fn and_header(mut self, name: &str) -> Self {
        self.also = header(name, &mut self.mistake);
        self
    }

    /// It announces no operation if the response's own JSON has a terminal status at this JSON pointer. If it has no status there
    /// at all, it does if `or_absent`.
    ///
    /// The response is read for it, for 10 seconds at the most, and passes through untouched if it announces nothing.
    pub fn unless_ended(self, pointer: &str, or_absent: bool) -> Self {
        self.with_condition(pointer, Kind::Text, or_absent)
    }

    /// It announces no operation if the response's own JSON has a member at this JSON pointer that is not null.
    ///
    /// The response is read for it, and passes through untouched if it announces nothing.
    pub fn unless_present(self, pointer: &str) -> Self {
        self.with_condition(pointer, Kind::Presence, true)
    }

    /// It announces no operation if the response's own JSON has `true` at this JSON pointer.
    ///
    /// The response is read for it, and passes through untouched if it announces nothing.
    pub fn unless_true(self, pointer: &str) -> Self {
        self.with_condition(pointer, Kind::True, true)
    }

    fn with_condition(mut self, pointer: &str, kind: Kind, or_absent: bool) -> Self {
        if let Some(path) = keys(pointer, &mut self.mistake) {
            let condition = self.condition.get_or_insert(Condition { status: Vec::new(), or_absent: true });
            condition.status.push(Watch { path, kind });
            condition.or_absent &= or_absent;
        }
        self
    }

    /// What is assumed where nothing but a monitor's address is known ([`Resume::new`](crate::Resume::new)). The first
    /// announcement, unless it is said.
    pub fn assumed(mut self) -> Self {
        self.is_assumed = true;
        self
    }

    /// Of [`by_body`](Self::by_body): the name must have this text in it.
    pub fn name_contains(mut self, text: &str) -> Self {
        if let By::Body { contains, .. } = &mut self.by {
            *contains = text.to_owned();
        }
        self
    }

    /// How its monitor answers.
    pub fn monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }
}

impl Monitor {
    /// One of which 408, 429, 500, 502, 503 and 504 are failed polls, which is moved by the header that announced it, and
    /// of which a 303 names the result.
    pub fn new() -> Self {
        let known = |codes: &[u16]| codes.iter().filter_map(|&code| StatusCode::from_u16(code).ok()).collect();
        Self {
            status: Vec::new(),
            status_header: None,
            is_by_http: false,
            without_status: WithoutStatus::Error,
            outcomes: Vec::new(),
            successes: Vec::new(),
            failed_polls: known(&[408, 429, 500, 502, 503, 504]),
            result_redirects: known(&[303]),
            result_may_be_missing: false,
            moves: Some(Moves { header: None, statuses: Vec::new() }),
            final_status_header: None,
            unwraps_messages: false,
            mistake: None,
        }
    }

    /// The status is the string at this JSON pointer. If several are given, the first in the body counts.
    pub fn status_at(self, pointer: &str) -> Self {
        self.watch(pointer, Kind::Text)
    }

    /// The status is the string, number or literal at this JSON pointer, as its text: `30`, `true`.
    pub fn status_scalar_at(self, pointer: &str) -> Self {
        self.watch(pointer, Kind::Scalar)
    }

    /// The status is the last key of this JSON pointer, where there is `true`, and no other place has a status.
    pub fn status_true(self, pointer: &str) -> Self {
        self.watch(pointer, Kind::True)
    }

    /// The status is the last key of this JSON pointer, where there is a value that is not null.
    pub fn status_present(self, pointer: &str) -> Self {
        self.watch(pointer, Kind::Presence)
    }

    fn watch(mut self, pointer: &str, kind: Kind) -> Self {
        let path = keys(pointer, &mut self.mistake);
        self.status.extend(path.map(|path| Watch { path, kind }));
        self
    }

    /// The status is the value of this header, where it is there.
    pub fn status_header(mut self, name: &str) -> Self {
        self.status_header = header(name, &mut self.mistake);
        self
    }

    /// The HTTP status decides: 202 means running, and every other success the end. Of status words in the body those of
    /// failure and cancelling count nevertheless.
    pub fn by_http(mut self) -> Self {
        self.is_by_http = true;
        self.without_status = WithoutStatus::Succeeded;
        self
    }

    /// What a good response without a status means. By default it is an error.
    pub fn without_status(mut self, meaning: WithoutStatus) -> Self {
        self.without_status = meaning;
        self
    }

    /// An error response with one of these HTTP statuses is the outcome of the operation, which has failed, and is handed
    /// over, unless it is that of a failed poll. By default it is an error, [`Cause::Monitor`](crate::Cause::Monitor).
    ///
    /// A 5xx that says when to come again is a failed poll nevertheless; so is a 404 before the first status where a good
    /// response must have a status. Mind that layers outside see an outcome as the response to the start request: a retry layer
    /// that sends it again for a 500 starts the work anew.
    pub fn outcomes(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.outcomes = statuses(codes, 400..=599, &mut self.mistake);
        self
    }

    /// A response with one of these HTTP statuses means that the operation has succeeded, whatever is in it: as a 404 where a
    /// thing was to be deleted. (A 404 before the first status is a failed poll first, because monitors may be late.) The
    /// response keeps its HTTP status.
    pub fn succeeded_on(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.successes = statuses(codes, 200..=599, &mut self.mistake);
        self
    }

    /// The HTTP statuses of polls that failed in passing and are repeated.
    pub fn failed_polls(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.failed_polls = statuses(codes, 400..=599, &mut self.mistake);
        self
    }

    /// The redirects that name the result, instead of 303 alone; all others move the monitor. A 302 among them means that an
    /// answer to which the client has come by a redirect of its own is the result, too.
    pub fn result_redirects(mut self, codes: impl IntoIterator<Item = u16>) -> Self {
        self.result_redirects = statuses(codes, 300..=399, &mut self.mistake);
        self
    }

    /// A redirect that names the result, but with an address that is missing, or that must not be asked, is handed over
    /// itself. By default it is an error.
    pub fn result_may_be_missing(mut self) -> Self {
        self.result_may_be_missing = true;
        self
    }

    /// A status response that is not the last may move the monitor by this header, if its HTTP status is one of these (any,
    /// if there are none).
    pub fn moved_by(mut self, name: &str, codes: impl IntoIterator<Item = u16>) -> Self {
        let header = header(name, &mut self.mistake);
        let statuses = statuses(codes, 200..=299, &mut self.mistake);
        self.moves = Some(Moves { header, statuses });
        self
    }

    /// The monitor stays where it is, but for redirects.
    pub fn stays(mut self) -> Self {
        self.moves = None;
        self
    }

    /// This header of the final response has the HTTP status of the outcome; it becomes that of what is handed over.
    pub fn final_status_header(mut self, name: &str) -> Self {
        self.final_status_header = header(name, &mut self.mistake);
        self
    }

    /// A final response of `application/http` is the outcome as an HTTP message, and is handed over as a response.
    pub fn unwraps_messages(mut self) -> Self {
        self.unwraps_messages = true;
        self
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new()
    }
}

impl ProtocolBuilder {
    pub(super) fn new(name: Cow<'static, str>) -> Self {
        let spec = Spec {
            name,
            is_unknown: false,
            announcements: Vec::new(),
            words: Words::default(),
            trust: Vec::new(),
            allowed: Vec::new(),
            final_response: FinalResponse::Status,
            resource: Vec::new(),
        };
        Self { spec, mistake: None }
    }

    #[cfg(test)]
    pub(super) fn named(mut self, name: &'static str) -> Self {
        self.spec.name = name.into();
        self
    }

    fn keep(&mut self, mistake: Option<ProtocolError>) {
        self.mistake = self.mistake.take().or(mistake);
    }

    /// One more way to announce an operation. The first that matches wins.
    pub fn announced(mut self, announcement: Announcement) -> Self {
        self.keep(announcement.mistake.clone().or(announcement.monitor.mistake.clone()));
        self.spec.announcements.push(announcement);
        self
    }

    /// More words for success, beside `Succeeded`, `Completed`, `Success`, `PartiallySucceeded` and `PartiallyCompleted`.
    pub fn succeeded(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec.words.succeeded.extend(words.into_iter().map(Into::into));
        self
    }

    /// More words for failure, beside `Failed`, `ValidationFailed` and `Rejected`.
    pub fn failed(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec.words.failed.extend(words.into_iter().map(Into::into));
        self
    }

    /// More words for cancelling, beside `Canceled` and `Cancelled`.
    pub fn canceled(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec.words.canceled.extend(words.into_iter().map(Into::into));
        self
    }

    /// Words that mean that the operation is still running, though they are among those above.
    pub fn running(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec.words.running.extend(words.into_iter().map(Into::into));
        self
    }

    /// The member of a final status body that names the resource, as a JSON pointer.
    pub fn resource_at(mut self, pointer: &str) -> Self {
        let keys = keys(pointer, &mut self.mistake);
        self.spec.resource.extend(keys);
        self
    }

    /// What is handed over; [`LroLayer::final_response`](crate::LroLayer::final_response) overrides it.
    pub fn final_response(mut self, final_response: FinalResponse) -> Self {
        self.spec.final_response = final_response;
        self
    }

    /// Start requests to the origins `from` may be polled with their credentials at the origins `to`.
    pub fn trusts<'a>(
        mut self,
        from: impl IntoIterator<Item = &'a str>,
        to: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let rule = TrustRule { from: self.origins(from), to: self.origins(to) };
        self.spec.trust.push(rule);
        self
    }

    /// These origins may be polled without credentials.
    pub fn allows<'a>(mut self, origins: impl IntoIterator<Item = &'a str>) -> Self {
        let origins = self.origins(origins);
        self.spec.allowed.extend(origins);
        self
    }

    fn origins<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> Vec<Origin> {
        let origin = |text: &str| {
            text.parse().map_err(|_| self.mistake.get_or_insert_with(|| ProtocolError::Origin(text.to_owned())).clone())
        };
        texts.into_iter().map(origin).filter_map(Result::ok).collect()
    }

    /// One that has no mistakes, as tests have seen.
    pub(super) fn finish(self) -> Protocol {
        Protocol(Arc::new(self.spec))
    }

    /// The protocol.
    ///
    /// # Errors
    ///
    /// The first mistake that was made.
    pub fn build(mut self) -> Result<Protocol, ProtocolError> {
        let too_many = |announcement: &Announcement| {
            let condition = announcement.condition.as_ref().map_or(0, |condition| condition.status.len());
            announcement.monitor.status.len().max(condition) > usize::from(MAX_WATCHES)
        };
        if Protocol::known().any(|known| known.name() == self.spec.name) {
            let name = self.spec.name.clone().into_owned();
            self.keep(Some(ProtocolError::Name(name)));
        }
        let announcements = &self.spec.announcements;
        if announcements.is_empty() {
            self.keep(Some(ProtocolError::NoAnnouncement));
        } else if announcements.len() > usize::from(u8::MAX) || announcements.iter().any(too_many) {
            self.keep(Some(ProtocolError::TooMany));
        }
        match self.mistake {
            Some(mistake) => Err(mistake),
            None => Ok(Protocol(Arc::new(self.spec))),
        }
    }
}

impl fmt::Debug for ProtocolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtocolBuilder")
            .field("name", &self.spec.name)
            .field("mistake", &self.mistake)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcement").field("on", &self.statuses).field("to", &self.methods).finish_non_exhaustive()
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("is_by_http", &self.is_by_http).finish_non_exhaustive()
    }
}
