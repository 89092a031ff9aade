//! Redaction: prints texts of services and callers without their secrets.

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
            Escaped(authority.rsplit_once('@').map_or(authority, |(_, host)| host)).fmt(f)?;
        }
        Escaped(uri.path()).fmt(f)?;
        for (index, pair) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
            f.write_char(if index == 0 { '?' } else { '&' })?;
            match pair.split_once('=') {
                Some((name, version)) if name.eq_ignore_ascii_case("api-version") && is_version(version) => {
                    f.write_str(pair)?
                }
                Some((name, _)) if !name.contains(';') => write!(f, "{}={REPLACED}", Escaped(name))?,
                Some(_) => f.write_str(REPLACED)?,
                None if pair.is_empty() => {}
                None => f.write_str(REPLACED)?,
            }
        }
        Ok(())
    }
}

/// Whether it is only a version, or a date followed by a word.
fn is_version(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Prints a text of the service with its control characters escaped, so that it cannot forge lines or colors of a log.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character.is_control() || is_bidi_control(character) {
            true => write!(f, "{}", character.escape_default()),
            false => f.write_char(character),
        })
    }
}

/// The characters that change the order of text on a screen (Trojan Source, CVE-2021-42574).
const fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints the name of an operation. Some services name operations by their addresses, and sign those.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = match self.0.split_once(['?', '#']) {
            Some((path, query)) => (path, Some(query)),
            None => (self.0, None),
        };
        match self.0.parse::<Uri>() {
            Ok(uri) if query.is_some() || self.0.contains("://") => Redacted(&uri).fmt(f),
            _ => {
                Escaped(path).fmt(f)?;
                query.map_or(Ok(()), |_| write!(f, "?{REPLACED}"))
            }
        }
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
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
            ("/a?TOKEN;a=1&b=2", "/a?***&b=***"),
            ("/a?api-version=2022-05-15-preview", "/a?api-version=2022-05-15-preview"),
        ] {
            assert_eq!(Redacted(&Uri::from_static(uri)).to_string(), printed);
        }
        // `http` takes all of Unicode in a path.
        let uri: Uri = "https://h.test/\u{9b}2J\u{202e}é?\u{9b}a=1".parse().unwrap();
        assert_eq!(Redacted(&uri).to_string(), "https://h.test/\\u{9b}2J\\u{202e}é?\\u{9b}a=***");
    }

    #[test]
    fn control_characters_are_escaped() {
        for (text, printed) in [
            ("Failed", "Failed"),
            ("é “quoted” \\ 😀", "é “quoted” \\ 😀"),
            ("a\r\nb\x1b[31m\u{7f}\u{9b}", "a\\r\\nb\\u{1b}[31m\\u{7f}\\u{9b}"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ] {
            assert_eq!(Escaped(text).to_string(), printed);
        }
    }

    #[test]
    fn a_name_that_is_an_address_is_printed_like_one() {
        for (name, printed) in [
            ("c587574e-add9-4ef7", "c587574e-add9-4ef7"),
            ("projects/p/operations/1", "projects/p/operations/1"),
            ("https://h.test/job/1?sig=SECRET", "https://h.test/job/1?sig=***"),
            ("https://u:SECRET@h.test/job/1", "https://h.test/job/1"),
            ("/job/1?sig=SECRET", "/job/1?sig=***"),
            ("not a URI?sig=SECRET", "not a URI?***"),
            ("1\n2", "1\\n2"),
        ] {
            assert_eq!(Name(name).to_string(), printed);
        }
    }
}
