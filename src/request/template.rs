//! Snapshot: what is kept of the start request in order to poll.

use std::time::Duration;

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{ACCEPT, ACCEPT_LANGUAGE, HOST, USER_AGENT},
    uri::{Authority, PathAndQuery},
};

use crate::{
    address::resolver::{MAX_URI, Trust},
    operation::Resume,
    request::{headers, headers::PackedHeaders},
};

/// Of more headers than that, most are values of the same names, which take no room.
const MAX_ROOM: usize = 64;

/// A request's own timeout, of reqwest, which does not show its extensions to everybody. Among these, because few have one.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "reqwest"), allow(dead_code, reason = "what only reqwest's doors know of"))]
pub(crate) struct RequestTimeout(pub(crate) Duration);

/// What is kept of every request in case that it starts an operation. Its body is not.
pub(crate) struct Draft {
    pub(crate) method: Method,
    uri: Uri,
    version: Version,
    pub(crate) extensions: Extensions,
    headers: PackedHeaders,
}

impl Draft {
    /// Without headers: those are packed where the draft is going to stay, since they are long to move.
    #[inline]
    pub(crate) const fn new(method: Method, uri: Uri, version: Version, extensions: Extensions) -> Self {
        Self { method, uri, version, extensions, headers: PackedHeaders::new() }
    }

    #[inline]
    pub(crate) fn pack(&mut self, headers: &HeaderMap) {
        self.headers.pack(headers, !has_authority(&self.uri));
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// It did start one.
    pub(crate) fn seal(mut self) -> (RequestLine, Snapshot) {
        self.extensions.remove::<Resume>();
        // Of a layer above.
        self.extensions.remove::<OddAddress>();
        let uri = self.uri;
        let (headers, len) = self.headers.seal();
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", Authority::as_str);
        let rest = uri.path_and_query().map_or("", PathAndQuery::as_str);
        let parts = [scheme, if scheme.is_empty() { "" } else { "://" }, authority, rest];
        let address_len = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut text = Vec::with_capacity(address_len + headers.len());
        let is_text = match authority {
            "" => rest.starts_with('/') || rest == "*",
            _ => rest.is_empty() || rest.starts_with(['/', '?']),
        };
        if address_len > MAX_URI || !is_text {
            self.extensions.insert(OddAddress(uri.clone()));
        } else {
            parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
        }
        let address_len = text.len() as u16;
        text.extend_from_slice(headers);
        let snapshot = Snapshot {
            text: text.into(),
            address_len,
            query_len: if address_len == 0 { 0 } else { uri.query().map_or(0, |query| query.len() as u16) },
            version: self.version,
            extensions: self.extensions,
            room: len.min(MAX_ROOM) as u8 + 1,
        };
        (RequestLine { method: self.method, uri }, snapshot)
    }
}

/// An address of parts that are an address, and whose text is none, for its length or its form.
#[derive(Clone)]
struct OddAddress(Uri);

/// What the start request asked for.
pub(crate) struct RequestLine {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
}

/// What is kept of the start request in order to poll, in little room.
pub(crate) struct Snapshot {
    /// The address, and the headers behind it.
    text: Box<[u8]>,
    address_len: u16,
    /// That of the address's end which is the query.
    query_len: u16,
    version: Version,
    extensions: Extensions,
    /// For how many headers there is room at once in a request: for these, and for the `Host` that transports add.
    room: u8,
}

/// A request that is to be sent.
#[derive(Debug)]
#[cfg_attr(not(feature = "reqwest-middleware"), allow(dead_code, reason = "what only reqwest's doors look at"))]
pub struct Outgoing {
    pub(crate) request: Request<()>,
    pub(crate) trust: Trust,
    /// The start request's own.
    pub(crate) timeout: Option<Duration>,
}

impl Snapshot {
    #[cfg(any(test, feature = "__internals"))]
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let mut draft = Draft::new(
            request.method().clone(),
            request.uri().clone(),
            request.version(),
            request.extensions().clone(),
        );
        draft.pack(request.headers());
        draft.seal().1
    }

    /// The start request's address, made anew: a copy, so that whoever keeps it does not keep the headers.
    pub(crate) fn uri(&self) -> Uri {
        match self.extensions.get() {
            Some(OddAddress(uri)) => uri.clone(),
            None => Uri::try_from(&self.text[..self.address_len.into()]).unwrap_or_default(),
        }
    }

    /// Its query.
    pub(crate) fn query(&self) -> Option<&str> {
        if let Some(OddAddress(uri)) = self.extensions.get() {
            return uri.query();
        }
        let range = usize::from(self.address_len - self.query_len)..usize::from(self.address_len);
        std::str::from_utf8(&self.text[range]).ok().filter(|query| !query.is_empty())
    }

    /// The `Host` header that the start request had, if its URI names no host.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        let mut host = None;
        self.for_each_header(|name, value| {
            if name == HOST {
                host.get_or_insert(value);
            }
        });
        host
    }

    #[inline]
    fn for_each_header(&self, each: impl FnMut(HeaderName, HeaderValue)) {
        // A copy, which is gone with the request, because `Bytes` that are shared take 40 bytes more while the operation waits.
        headers::for_each(&Bytes::copy_from_slice(&self.text[self.address_len.into()..]), each);
    }

    /// A `GET` on `uri` with the start request's version, and the headers and extensions that an origin so trusted may see.
    pub(crate) fn request(&self, uri: Uri, trust: Trust) -> Outgoing {
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        *request.version_mut() = self.version;
        // `Host` is kept for addresses without one.
        let names_host = has_authority(request.uri());
        let is_repeated = |name: &HeaderName| trust.may_see(name) && !(names_host && name == HOST);
        _ = request.headers_mut().try_reserve(self.room.into());
        let headers = request.headers_mut();
        self.for_each_header(|name, value| {
            if is_repeated(&name) {
                headers.append(name, value);
            }
        });
        if trust == Trust::Credentials {
            *request.extensions_mut() = self.extensions.clone();
        }
        Outgoing { request, trust, timeout: self.extensions.get().map(|&RequestTimeout(timeout)| timeout) }
    }
}

impl Trust {
    fn may_see(self, name: &HeaderName) -> bool {
        match self {
            Self::Credentials => true,
            Self::Anonymous => [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT].contains(name),
        }
    }

    /// Leaves in the caller's own request what an origin so trusted may see.
    pub(crate) fn keep(self, headers: &mut HeaderMap) {
        let hidden: Vec<_> = headers.keys().filter(|&name| !self.may_see(name) && name != HOST).cloned().collect();
        hidden.into_iter().for_each(|name| _ = headers.remove(name));
    }
}

pub(crate) fn has_authority(uri: &Uri) -> bool {
    uri.authority().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri("https://example.com/start").version(Version::HTTP_2);
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        request.body(()).unwrap()
    }

    fn repeated(headers: &[(&str, &str)], trust: Trust) -> Vec<String> {
        let poll = Snapshot::of(&request(headers)).request(Uri::from_static("/monitor"), trust).request;
        poll.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn headers_about_the_body_the_preconditions_and_the_connection_are_dropped() {
        let dropped = [
            "Content-Type",
            "Content-Length",
            "Content-Encoding",
            "Content-MD5",
            "Transfer-Encoding",
            "Trailer",
            "TE",
            "Expect",
            "If-Match",
            "If-None-Match",
            "If-Modified-Since",
            "If-Range",
            "Range",
            "Prefer",
            "Accept-Encoding",
            "Idempotency-Key",
            "Repeatability-Request-ID",
            "Repeatability-First-Sent",
            "Connection",
            "Upgrade",
            "Host",
            "Operation-Id",
            "Keep-Alive",
            "Proxy-Connection",
            "HTTP2-Settings",
        ]
        .map(|name| (name, "x"));
        assert_eq!(repeated(&dropped, Trust::Credentials), [""; 0]);
        let kept = [
            "accept",
            "authorization",
            "cookie",
            "ocp-apim-subscription-key",
            "api-key",
            "x-ms-client-request-id",
            "traceparent",
            "proxy-authorization",
            "user-agent",
            "cache-control",
            "origin",
            "x-custom",
            "icy",
            "ranges",
        ]
        .map(|name| (name, "x"));
        assert_eq!(repeated(&kept, Trust::Credentials), kept.map(|(name, value)| format!("{name}: {value}")));
    }

    #[test]
    fn headers_that_connection_lists_are_dropped_whatever_their_order() {
        let headers = [
            ("x-hop", "1"),
            ("x-end", "2"),
            ("connection", "keep-alive, X-Hop"),
            ("x-hop-2", "3"),
            ("connection", "x-hop-2"),
        ];
        assert_eq!(repeated(&headers, Trust::Credentials), ["x-end: 2"]);
    }

    #[test]
    fn the_host_header_is_kept_where_the_address_names_no_host() {
        for (start, kept) in [("/start", &["host", "x-kept"][..]), ("https://example.com/start", &["x-kept"])] {
            let mut request = request(&[("host", "example.com"), ("content-type", "a/b"), ("x-kept", "1")]);
            *request.uri_mut() = Uri::from_static(start);
            for listed in ["", "x-hop"] {
                request.headers_mut().insert("connection", HeaderValue::from_static(listed));
                let poll = Snapshot::of(&request).request(Uri::from_static("/monitor"), Trust::Credentials).request;
                let mut names: Vec<_> = poll.headers().keys().map(HeaderName::as_str).collect();
                names.sort_unstable();
                assert_eq!(names, kept, "{listed}");
            }
        }
    }

    #[test]
    fn repeated_and_odd_values_survive() {
        let mut request = request(&[("cookie", "a"), ("cookie", "b"), ("x-empty", "")]);
        request.headers_mut().insert("x-bytes", HeaderValue::from_bytes(b"\xff\x80").unwrap());
        let snapshot = Snapshot::of(&request);
        let poll = snapshot.request(Uri::from_static("/monitor"), Trust::Credentials).request;
        assert_eq!(poll.headers(), request.headers());
        assert_eq!((poll.method(), poll.version()), (&Method::GET, Version::HTTP_2));
    }

    #[test]
    fn long_and_many_headers_survive() {
        for length in [1, 400, 511, 512, 513, 5000, 100_000] {
            let mut request = request(&[("x-first", "1")]);
            request.headers_mut().insert("authorization", HeaderValue::from_str(&"t".repeat(length)).unwrap());
            request.headers_mut().insert("x-last", HeaderValue::from_static("2"));
            let poll = Snapshot::of(&request).request(Uri::from_static("/monitor"), Trust::Credentials).request;
            assert_eq!(poll.headers(), request.headers(), "{length}");
        }
        for (name, length) in [("authorization", 1000), (&"x".repeat(usize::from(u16::MAX)), 0)] {
            let value = "t".repeat(length);
            let poll = repeated(&[(name, &value)], Trust::Credentials);
            assert_eq!(poll, [format!("{name}: {value}")]);
        }
        let mut request = request(&[]);
        // More than there may be names.
        (0..40_000).for_each(|n| _ = request.headers_mut().append("x-many", n.into()));
        let poll = Snapshot::of(&request).request(Uri::from_static("/monitor"), Trust::Credentials).request;
        assert_eq!(poll.headers(), request.headers());
        request.headers_mut().insert("connection", HeaderValue::from_static("x-many"));
        assert!(Snapshot::of(&request).request(Uri::default(), Trust::Credentials).request.headers().is_empty());
    }

    #[test]
    fn sensitive_flags_survive() {
        let mut request = request(&[("x-plain", "a")]);
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        request.headers_mut().insert("authorization", secret);
        let poll = Snapshot::of(&request).request(Uri::from_static("/monitor"), Trust::Credentials).request;
        assert!(poll.headers()["authorization"].is_sensitive());
        assert!(!poll.headers()["x-plain"].is_sensitive());
    }

    #[test]
    fn anonymous_polls_carry_three_headers_and_no_extensions() {
        let headers = [
            ("authorization", "Bearer s"),
            ("accept", "application/json"),
            ("accept-language", "sv"),
            ("user-agent", "me"),
            ("x-ms-client-id", "s"),
            ("cookie", "s"),
            ("subscription-key", "s"),
        ];
        assert_eq!(
            repeated(&headers, Trust::Anonymous),
            ["accept: application/json", "accept-language: sv", "user-agent: me"]
        );
        let mut request = request(&headers);
        request.extensions_mut().insert("secret");
        let snapshot = Snapshot::of(&request);
        assert!(snapshot.request(Uri::default(), Trust::Anonymous).request.extensions().is_empty());
        assert_eq!(snapshot.request(Uri::default(), Trust::Credentials).request.extensions().get(), Some(&"secret"));
    }
}
