//! `AddressError`: addresses that cannot or must not be asked.

use std::{error::Error as StdError, fmt};

use http::{HeaderName, HeaderValue, Uri, header::LOCATION};

use crate::{limits::MAX_MOVES, redact::Redacted};

/// A service, or a stored operation, names an address that cannot or must not be asked. Nothing was sent to it.
///
/// # Example
///
/// ```
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{AddressErrorKind, Cause, Error, LroLayer, simulator::{Reply, Script, Simulator}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
/// let start = Reply::http(202).header("operation-location", "http://internal.example:8080/operations/1");
/// let client = LroLayer::new().layer(Simulator::new().script(Script::new(start)));
/// let Err(Error::Operation(error)) = client.oneshot(request).await else { panic!("it was polled") };
/// let Cause::Address(error) = error.cause() else { panic!("{error}") };
///
/// assert_eq!(error.kind(), AddressErrorKind::Untrusted);
/// assert!(error.header().is_some_and(|name| name == "operation-location"));
/// assert!(error.value().is_some_and(|value| value == "http://internal.example:8080/operations/1"));
/// assert_eq!(error.uri().and_then(|uri| uri.host()), Some("internal.example"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct AddressError {
    kind: AddressErrorKind,
    header: Option<HeaderName>,
    value: Option<HeaderValue>,
    uris: Option<Box<Uris>>,
}

#[derive(Clone, PartialEq)]
struct Uris {
    refused: Uri,
    request: Uri,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressErrorKind {
    /// A redirect has no `Location`, or the start response has no usable name of its operation.
    Missing,
    /// The value is not UTF-8, or has control characters.
    NotText,
    /// The header names several addresses, repeated or joined by a proxy, and they are different.
    Ambiguous,
    /// The value cannot be resolved against the address of the request ([RFC 3986]).
    ///
    /// [RFC 3986]: https://www.rfc-editor.org/rfc/rfc3986#section-5
    Unresolvable,
    /// The scheme is neither `http` nor `https`.
    Scheme,
    /// The address has user information (`https://user:password@…`).
    UserInfo,
    /// The address has another origin than the caller's request, and that origin is neither
    /// [allowed](crate::LroLayer::allow_anonymous_origin) nor [trusted](crate::LroLayer::trust_origin).
    Untrusted,
    /// The address is absolute, and the caller's request had only a path, so nothing says whether they have the same
    /// origin. Set [`LroLayer::base_uri`](crate::LroLayer::base_uri), send a `Host` header, or trust the origin.
    NoRequestHost,
    /// The request that [resumes](crate::Resume) an operation is addressed to another origin than the request that started it,
    /// and that origin is not [trusted](crate::LroLayer::trust_origin).
    ResumedElsewhere,
    /// There were more than 10 redirects or moves in a row, without a status between them.
    TooManyMoves,
}

impl AddressError {
    pub(crate) fn new(kind: AddressErrorKind, header: Option<HeaderName>, value: Option<HeaderValue>) -> Self {
        Self { kind, header, value, uris: None }
    }

    /// There is no address that could be asked.
    pub(crate) fn unresolvable() -> Self {
        Self::new(AddressErrorKind::Unresolvable, None, None)
    }

    pub(crate) fn with_uri(self, refused: Uri, request: &Uri) -> Self {
        Self { uris: Some(Box::new(Uris { refused, request: request.clone() })), ..self }
    }

    /// What is wrong with it.
    #[must_use]
    pub fn kind(&self) -> AddressErrorKind {
        self.kind
    }

    /// The header that has the address, if it stands in one.
    #[must_use]
    pub fn header(&self) -> Option<&HeaderName> {
        self.header.as_ref()
    }

    /// The header's value, as the server sent it. It may be a secret.
    #[must_use]
    pub fn value(&self) -> Option<&HeaderValue> {
        self.value.as_ref()
    }

    /// The address, if it could be resolved.
    #[must_use]
    pub fn uri(&self) -> Option<&Uri> {
        self.uris.as_ref().map(|uris| &uris.refused)
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.header {
            Some(header) => format!("the `{header}` header"),
            None => "the address".to_owned(),
        };
        match self.kind {
            AddressErrorKind::Missing if self.header.as_ref() == Some(&LOCATION) => {
                f.write_str("a redirect has no `location`")
            }
            AddressErrorKind::Missing => f.write_str("the start response does not name its operation"),
            AddressErrorKind::NotText => write!(f, "{place} is not text"),
            AddressErrorKind::Ambiguous => write!(f, "{place} names several different addresses"),
            AddressErrorKind::Unresolvable => write!(f, "{place} cannot be resolved to a URI"),
            AddressErrorKind::Scheme => write!(f, "{place} names neither an http nor an https URI"),
            AddressErrorKind::UserInfo => write!(f, "{place} names a URI with user information"),
            AddressErrorKind::TooManyMoves => {
                write!(f, "there were more than {MAX_MOVES} redirects or moves in a row")
            }
            AddressErrorKind::Untrusted => {
                self.fmt_refused(&place, f)?;
                f.write_str("is of another origin than the request")?;
                if let Some(uris) = &self.uris {
                    write!(f, " to {}", Redacted(&uris.request))?;
                }
                f.write_str(
                    ", and is neither allowed nor trusted (LroLayer::allow_anonymous_origin, LroLayer::trust_origin)",
                )
            }
            AddressErrorKind::NoRequestHost => {
                self.fmt_refused(&place, f)?;
                f.write_str(
                    "is absolute, but the request had no host to compare it with: set LroLayer::base_uri, send a `host` header, \
                     or trust the origin (LroLayer::trust_origin)",
                )
            }
            AddressErrorKind::ResumedElsewhere => {
                f.write_str("the request")?;
                if let Some(uris) = &self.uris {
                    let (request, started) = (Redacted(&uris.request), Redacted(&uris.refused));
                    write!(f, " is addressed to {request}, but the operation was started at {started}, which")?;
                }
                f.write_str(
                    " is of another origin and not trusted (LroLayer::trust_origin): address it to the service as the start request was",
                )
            }
        }
    }
}

impl AddressError {
    fn fmt_refused(&self, place: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{place} ")?;
        match &self.uris {
            Some(uris) => write!(f, "names {}, which ", Redacted(&uris.refused)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressError")
            .field("kind", &self.kind)
            .field("header", &self.header)
            .field("uri", &self.uri().map(Redacted))
            .finish_non_exhaustive()
    }
}

impl StdError for AddressError {}
