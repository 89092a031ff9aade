//! Redaction: URIs and responses as they may be printed.

use std::fmt::{self, Display, Write};

use bytes::Bytes;
use http::{HeaderName, Response, Uri};

/// Prints a URI without its user information, and with its query values replaced, except that of `api-version`.
pub(crate) struct Redacted<'a>(pub(crate) &'a Uri);

const REPLACED: &str = "***";

impl Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = self.0;
        if let Some(scheme) = uri.scheme() {
            write!(f, "{scheme}://")?;
        }
        if let Some(authority) = uri.authority() {
            let authority = authority.as_str();
            f.write_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host))?;
        }
        f.write_str(uri.path())?;
        for (index, pair) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
            f.write_char(if index == 0 { '?' } else { '&' })?;
            match pair.split_once('=') {
                Some((name, version)) if name.eq_ignore_ascii_case("api-version") && is_version(version) => {
                    f.write_str(pair)?
                }
                Some((name, _)) => write!(f, "{name}={REPLACED}")?,
                None if pair.is_empty() => {}
                None => f.write_str(REPLACED)?,
            }
        }
        Ok(())
    }
}

/// Nothing but a version, or a date with a word behind it.
fn is_version(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Prints the status of a response, the names of its headers, and the length of its body.
pub(crate) struct Headless<'a>(pub(crate) &'a Response<Bytes>);

impl fmt::Debug for Headless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.0.status())
            .field("headers", &self.0.headers().keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .field("body_bytes", &self.0.body().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_replaced() {
        for (uri, printed) in [
            ("https://example.com/a/b", "https://example.com/a/b"),
            ("https://example.com:8443/a?api-version=2.0", "https://example.com:8443/a?api-version=2.0"),
            ("https://example.com/?subscription-key=s", "https://example.com/?subscription-key=***"),
            ("/a?API-Version=1&sig=s=s&&s&e=", "/a?API-Version=1&sig=***&&***&e=***"),
            ("https://u:s@example.com/", "https://example.com/"),
            ("/a?", "/a?"),
            ("/a?api-version=1;sig=s", "/a?api-version=***"),
            ("/a?api-version=2022-05-15-preview", "/a?api-version=2022-05-15-preview"),
        ] {
            assert_eq!(Redacted(&Uri::from_static(uri)).to_string(), printed);
        }
    }
}
