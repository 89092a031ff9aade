//! Plain: addresses at the start request's own origin that need no parser of URLs.

use std::net::Ipv4Addr;

use http::{
    Uri,
    uri::{self, PathAndQuery, Scheme},
};

use crate::address::resolver::Resolver;

/// What is longer is left to the parser of URLs, and to its limit: not every version of `http` has one for the parts.
const MAX_PLAIN: usize = 8 * 1024;

impl Resolver<'_> {
    /// The address at the start request's own origin that a reference names so plainly that the parser of URLs would change
    /// nothing of it. Nearly all are, and parsing them was a third of what the layer adds to an operation.
    pub(crate) fn plainly_own(&self, reference: &str, base: &Uri) -> Option<Uri> {
        let (scheme, authority) = (self.own.scheme()?, self.own.authority()?);
        let is_http = *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
        // What is shown nothing is judged as if it were elsewhere.
        if self.is_anonymous || !is_http || reference.len() > MAX_PLAIN || !is_plain_authority(authority.as_str()) {
            return None;
        }
        let absolute = reference
            .strip_prefix(scheme.as_str())
            .and_then(|rest| rest.strip_prefix("://")?.strip_prefix(authority.as_str()));
        let rest = absolute.unwrap_or(reference);
        if !is_plain_rest(rest) {
            return None;
        }
        if absolute.is_some() {
            return Uri::try_from(reference).ok();
        }
        if base.scheme() != Some(scheme) || base.authority() != Some(authority) {
            return None;
        }
        let mut parts = uri::Parts::default();
        parts.scheme = Some(scheme.clone());
        parts.authority = Some(authority.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
        Uri::from_parts(parts).ok()
    }
}

/// Whether the parser of URLs would change nothing of it: neither the case nor the alphabet of a name, nor one of the odder
/// forms of an IPv4 address, nor the port.
fn is_plain_authority(authority: &str) -> bool {
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_plain_label = |label: &str| !label.is_empty() && !label.starts_with("xn--") && label.bytes().all(is_plain);
    let is_name =
        host.rsplit('.').next().is_some_and(|last| last.starts_with(|first: char| first.is_ascii_lowercase()))
            && host.split('.').all(is_plain_label);
    let is_plain_port = |port: &str| {
        port.parse::<u16>().is_ok_and(|number| !matches!(number, 80 | 443)) && !port.starts_with(['0', '+'])
    };
    (is_name || host.parse::<Ipv4Addr>().is_ok()) && port.is_none_or(is_plain_port)
}

/// Whether a path, with its query, is absolute, has no segments of dots, and no character that the parser of URLs would encode.
fn is_plain_rest(rest: &str) -> bool {
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    let (path, query) = (path.as_bytes(), query.as_bytes());
    path.first() == Some(&b'/')
        && path.get(1) != Some(&b'/')
        && !path.windows(2).any(|pair| pair == b"/.")
        && path.iter().all(|&byte| is_plain(byte))
        && query.iter().all(|&byte| is_plain(byte) || matches!(byte, b'?' | b'%'))
}

/// Letters, digits, and `-._~!$&()*+,;=:@/`.
const fn is_plain(byte: u8) -> bool {
    matches!(byte,
        b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'~' | b'!' | b'$' | b'&' | b'('..=b';' | b'=' | b'@')
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use http::Request;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;
    use crate::{
        address::resolver::{Address, Trust},
        request::template::Snapshot,
    };
    use crate::{layer::LroLayer, protocol::Protocol};

    #[test]
    fn plain_bytes_are_those_of_a_path_that_need_no_encoding() {
        let plain = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&()*+,;=:@/".contains(&byte);
        let bytes = || 0..=u8::MAX;
        assert!(bytes().filter(plain).eq(bytes().filter(|&byte| is_plain(byte))));
    }

    proptest! {
        #[test]
        fn what_stands_plainly_is_what_the_parser_of_urls_makes_of_it(
            start in r"(https?|ftp|ws)://(localhost|127\.0\.0\.1|a(\.b-|\.\.|\.1|@|Z|\.xn--a)?c?|1\.2|0x7\.1|\[::1\])(:0?[0-9]{0,5}|:\+8)?/x",
            rest in r#"(//?)?(\.{0,2}/?[aZ9~!$&()*+,;=:@'|%-]|%2[eE]|\\|ä| ){0,3}/?(\.{0,2}|/)(\?[a=%'"?/.]{0,3})?(#f)?"#,
            prefix in 0..4,
        ) {
            let Ok(request) = Request::post(&start).body(()) else { return Ok(()) };
            let (layer, protocol, snapshot) = (LroLayer::new(), Protocol::operation_location(), Snapshot::of(&request));
            let (settings, spec) = (layer.settings(), protocol.spec());
            let resolver = |is_anonymous| Resolver { start: &snapshot, own: Cow::Borrowed(request.uri()), settings, spec, first: None, is_anonymous };
            let origin = start.trim_end_matches("/x");
            let (own, elsewhere) = (request.uri(), Uri::from_static("http://elsewhere/"));
            let (reference, base) = match prefix {
                0 => (rest, own),
                1 => (rest, &elsewhere),
                2 => (format!("{origin}{rest}"), own),
                _ => (format!("{origin}{rest}"), &elsewhere),
            };
            prop_assert_eq!(resolver(true).plainly_own(&reference, base), None);
            if let Some(uri) = resolver(false).plainly_own(&reference, base) {
                let resolved = resolver(false).resolve_text(&reference, base);
                prop_assert_eq!(resolved, Ok(Address { uri, trust: Trust::Credentials }));
            }
        }
    }

    #[test]
    fn authorities_that_the_parser_of_urls_might_change_are_not_plain() {
        for plain in ["localhost", "a9", "a-1.9b.c2", "127.0.0.1", "127.0.0.1:8080", "a:1", "a:65535"] {
            assert!(is_plain_authority(plain), "{plain}");
        }
        let odd =
            "A aB.c a@b u:p@a a. .a a..b xn--a a.xn--b xn--a.b a%62 a_b ä a.ä 1 a.1 127.1 0x7f.0.0.1 256.0.0.1 [::1]";
        for odd in odd.split(' ').chain(["", "a:", "a:0", "a:080", "a:+8", "a:80", "a:443", "a:65536"]) {
            assert!(!is_plain_authority(odd), "{odd}");
        }
    }

    #[test]
    fn what_services_write_stands_plainly() {
        let is_plain = |start: &str, reference: &str| {
            let request = Request::post(start).body(()).unwrap();
            let (layer, protocol, snapshot) = (LroLayer::new(), Protocol::operation_location(), Snapshot::of(&request));
            let (settings, spec) = (layer.settings(), protocol.spec());
            let resolver = Resolver {
                start: &snapshot,
                own: Cow::Borrowed(request.uri()),
                settings,
                spec,
                first: None,
                is_anonymous: false,
            };
            resolver.plainly_own(reference, request.uri()).is_some()
        };
        for (start, reference) in [
            ("http://127.0.0.1:8080/a", "/o/1"),
            ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/o/1?api-version=2.0&t=a%3Ab"),
            (
                "https://us.atlas.microsoft.com/x?y",
                "https://us.atlas.microsoft.com/mapData/operations/8b1a88be?api-version=2.0",
            ),
        ] {
            assert!(is_plain(start, reference), "{start} {reference}");
        }
        assert!(!is_plain("https://atlas.microsoft.com/x", "https://us.atlas.microsoft.com/x"));
        assert!(!is_plain("ftp://example.com/x", "/o/1"));
    }
}
