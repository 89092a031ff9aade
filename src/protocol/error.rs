//! `ProtocolError`: what is wrong with the description of a protocol.

use std::{fmt, ops::RangeInclusive};

use http::{HeaderName, Method, StatusCode};

use crate::{
    json::selector::Pointer,
    limits::{MAX_POINTER_DEPTH, MAX_POINTER_KEY_BYTES, MAX_SELECTORS},
};

const STANDARD_METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// What is wrong with the description of a [`Protocol`](crate::Protocol).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The protocol has no rule for start responses.
    NoStartRule,
    /// A status rule says neither where the status is, nor what a response without one means, so that every operation would end in
    /// an error.
    NoStatus,
    /// Not the name of a header.
    Header(String),
    /// Not an HTTP status that can stand here.
    Status(u16),
    /// Not a method, or a standard one that is not in capitals.
    Method(String),
    /// Not a JSON pointer ([RFC 6901]) to a member, of at most 8 keys of at most 63 bytes.
    ///
    /// [RFC 6901]: https://www.rfc-editor.org/rfc/rfc6901
    Pointer(String),
    /// Not a template: it has an unknown placeholder or an unpaired brace, or a required placeholder is missing.
    Template {
        /// The template.
        template: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More than 32 members to look for, or more than 255 start rules.
    TooMany,
    /// Not an origin.
    Origin(String),
    /// The name of a [known](crate::Protocol::known) protocol: stored operations would be taken for that protocol's.
    Name(String),
    /// Two parts of the description contradict each other.
    Contradiction(String),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStartRule => f.write_str("a protocol needs a start rule"),
            Self::NoStatus => {
                f.write_str("a status rule needs a place for the status, or to say what a response without one means")
            }
            Self::Header(name) => write!(f, "{name:?} is not the name of a header"),
            Self::Status(status) => write!(f, "{status} is not an HTTP status that can stand here"),
            Self::Method(method) => write!(f, "{method:?} is not a method (they are case-sensitive)"),
            Self::Pointer(pointer) => write!(
                f,
                "{pointer:?} is not a JSON pointer to a member, of at most {MAX_POINTER_DEPTH} keys of at most \
                 {MAX_POINTER_KEY_BYTES} bytes"
            ),
            Self::Template { template, problem } => write!(f, "the template {template:?} {problem}"),
            Self::TooMany => write!(f, "there are more than {MAX_SELECTORS} members to look for, or 255 start rules"),
            Self::Origin(origin) => write!(f, "{origin:?} is not an origin"),
            Self::Name(name) => write!(f, "{name:?} is the name of a known protocol"),
            Self::Contradiction(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// The first mistake that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Mistake(Option<ProtocolError>);

impl Mistake {
    pub(crate) fn note(&mut self, error: ProtocolError) {
        self.0.get_or_insert(error);
    }

    pub(crate) fn get(&self) -> Option<ProtocolError> {
        self.0.clone()
    }

    pub(crate) fn contradiction(&mut self, what: &str) {
        self.note(ProtocolError::Contradiction(what.to_owned()));
    }

    pub(crate) fn header(&mut self, name: &str) -> Option<HeaderName> {
        let header = HeaderName::try_from(name).ok();
        if header.is_none() {
            self.note(ProtocolError::Header(name.to_owned()));
        }
        header
    }

    pub(crate) fn relation(&mut self, relation: &str) {
        if relation.is_empty() || relation.contains(char::is_whitespace) {
            self.contradiction("the relation of a link is one word");
        }
    }

    /// Methods are case-sensitive ([RFC 9110, section 9.1]): nobody means `post`.
    ///
    /// [RFC 9110, section 9.1]: https://www.rfc-editor.org/rfc/rfc9110#section-9.1
    pub(crate) fn method(&mut self, name: &str) -> Option<Method> {
        let of = |name: &str| Method::from_bytes(name.as_bytes()).ok();
        let is_standard = |method: &Method| STANDARD_METHODS.contains(method);
        let is_misspelt = of(&name.to_ascii_uppercase()).filter(is_standard).is_some_and(|method| method != name);
        let method = of(name).filter(|_| !is_misspelt);
        if method.is_none() {
            self.note(ProtocolError::Method(name.to_owned()));
        }
        method
    }

    pub(crate) fn pointer(&mut self, pointer: &str) -> Option<Pointer> {
        let parsed = Pointer::parse(pointer);
        if parsed.is_none() {
            self.note(ProtocolError::Pointer(pointer.to_owned()));
        }
        parsed
    }

    /// Returns the value, or notes what is wrong with it.
    pub(crate) fn ok<T>(&mut self, result: Result<T, ProtocolError>) -> Option<T> {
        result.map_err(|error| self.note(error)).ok()
    }
}

pub(crate) fn status_codes(
    codes: impl IntoIterator<Item = u16>,
    range: RangeInclusive<u16>,
    mistake: &mut Mistake,
) -> Vec<StatusCode> {
    let status = |code: u16| match StatusCode::from_u16(code) {
        Ok(status) if range.contains(&code) => Some(status),
        _ => {
            mistake.note(ProtocolError::Status(code));
            None
        }
    };
    let mut codes: Vec<_> = codes.into_iter().filter_map(status).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}
