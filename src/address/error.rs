//! `AddressError`: addresses that cannot or must not be polled.

use std::{error::Error as StdError, fmt};

use http::{HeaderName, HeaderValue, Uri};

use crate::redact::Redacted;

/// A header of a response names an address that cannot or must not be polled.
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
/// let Err(Error::Operation(error)) = client.oneshot(request).await else { panic!("nobody trusts it") };
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
    start: Uri,
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressErrorKind {
    /// The header is missing where there has to be one, in a redirect.
    Missing,
    /// The value is not UTF-8, or has control characters.
    NotText,
    /// The value cannot be resolved against the address of the request (RFC 3986).
    Unresolvable,
    /// The scheme is neither `http` nor `https`.
    Scheme,
    /// The address has user information (`https://user:password@…`).
    UserInfo,
    /// The address is of another origin than the start request, and neither
    /// [allowed](crate::LroLayer::allow_anonymous_origin) nor [trusted](crate::LroLayer::trust_origin).
    Untrusted,
    /// The monitor moved more than 10 times without giving a status.
    TooManyMoves,
}

impl AddressError {
    pub(crate) fn new(kind: AddressErrorKind, header: Option<HeaderName>, value: Option<HeaderValue>) -> Self {
        Self { kind, header, value, uris: None }
    }

    pub(crate) fn with_uri(self, refused: Uri, start: &Uri) -> Self {
        Self { uris: Some(Box::new(Uris { refused, start: start.clone() })), ..self }
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
            Some(header) => format!("its `{header}`"),
            None => "its address".to_owned(),
        };
        match self.kind {
            AddressErrorKind::Missing => f.write_str("its monitor redirects without an address"),
            AddressErrorKind::NotText => write!(f, "{place} is not text"),
            AddressErrorKind::Unresolvable => write!(f, "{place} cannot be resolved to an address"),
            AddressErrorKind::Scheme => write!(f, "{place} is neither an http nor an https address"),
            AddressErrorKind::UserInfo => write!(f, "{place} has user information"),
            AddressErrorKind::TooManyMoves => {
                f.write_str("its monitor moved more than 10 times without giving a status")
            }
            AddressErrorKind::Untrusted => {
                write!(f, "{place} ")?;
                if let Some(uris) = &self.uris {
                    write!(f, "names {}, which ", Redacted(&uris.refused))?;
                }
                f.write_str("is of another origin than the start request")?;
                if let Some(uris) = &self.uris {
                    write!(f, " to {}", Redacted(&uris.start))?;
                }
                f.write_str(
                    ", and neither allowed nor trusted (LroLayer::allow_anonymous_origin, LroLayer::trust_origin)",
                )
            }
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
