//! `ProtocolBuilder`: what a protocol is made of.

use std::{borrow::Cow, fmt, ops::RangeInclusive, sync::Arc};

use http::{HeaderName, StatusCode};

use crate::{
    address::origin::Origin,
    json::scanner::{MAX_DEPTH, MAX_WATCHES},
    protocol::{FinalResponse, Protocol, Spec, TrustRule, start_rule::StartRule, state::Words},
};

/// Builds a [`Protocol`]; see [`Protocol::builder`].
///
/// Mistakes, such as a header name that is none, are told of by [`build`](Self::build).
///
/// # Example
///
/// ```
/// use tower_lro::{StartRule, FinalResponse, StatusRule, Protocol, ProtocolError};
///
/// let jobs = Protocol::builder("jobs")
///     .announced(StartRule::by_header("x-job").monitor(StatusRule::new().status_at("/phase")))
///     .succeeded(["Shipped"])
///     .failed(["Lost"])
///     .canceled(["Recalled"])
///     .running(["Completed"]) // the first step only
///     .resource_at("/parcel/href")
///     .final_response(FinalResponse::Resource)
///     .trusts(["https://api.example.com"], ["https://*.jobs.example.com"])
///     .allows(["https://status.example.com"])
///     .build()?;
/// assert_eq!(jobs.name(), "jobs");
///
/// let mistaken = Protocol::builder("parcels")
///     .announced(StartRule::by_header("x job").monitor(StatusRule::new().status_at("/phase")))
///     .build();
/// assert_eq!(mistaken.unwrap_err(), ProtocolError::Header("x job".to_owned()));
/// # Ok::<_, ProtocolError>(())
/// ```
#[must_use]
pub struct ProtocolBuilder {
    spec: Spec,
    mistake: Option<ProtocolError>,
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

pub(crate) fn header(name: &str, mistake: &mut Option<ProtocolError>) -> Option<HeaderName> {
    let header = HeaderName::try_from(name).ok();
    if header.is_none() {
        mistake.get_or_insert_with(|| ProtocolError::Header(name.to_owned()));
    }
    header
}

pub(crate) fn statuses(
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
pub(crate) fn keys(pointer: &str, mistake: &mut Option<ProtocolError>) -> Option<Vec<String>> {
    let keys: Option<Vec<String>> = pointer
        .strip_prefix('/')
        .map(|keys| keys.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect());
    let keys = keys.filter(|keys| keys.len() <= MAX_DEPTH && keys.iter().all(|key| key.len() < 64));
    if keys.is_none() {
        mistake.get_or_insert_with(|| ProtocolError::Pointer(pointer.to_owned()));
    }
    keys
}

impl ProtocolBuilder {
    pub(crate) fn new(name: Cow<'static, str>) -> Self {
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
    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.spec.name = name.into();
        self
    }

    fn keep(&mut self, mistake: Option<ProtocolError>) {
        self.mistake = self.mistake.take().or(mistake);
    }

    /// One more way to announce an operation. The first that matches wins.
    pub fn announced(mut self, announcement: StartRule) -> Self {
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
    pub(crate) fn finish(self) -> Protocol {
        Protocol(Arc::new(self.spec))
    }

    /// The protocol.
    ///
    /// # Errors
    ///
    /// The first mistake that was made.
    pub fn build(mut self) -> Result<Protocol, ProtocolError> {
        let too_many = |announcement: &StartRule| {
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
