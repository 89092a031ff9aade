//! `RequestTemplate`: the parts of the caller's request that polls repeat.

use std::time::Duration;

use http::{
    Extensions, HeaderMap, HeaderName, Request, Version,
    header::{ACCEPT, ACCEPT_LANGUAGE, HOST, USER_AGENT},
};

use crate::{
    address::{
        policy::{Address, CallerAddress, Credentials},
        uri::has_authority,
    },
    request::{
        accept::{is_json, put_json_first},
        headers::RepeatedHeaders,
    },
};

/// The parts of the caller's request that are kept in order to poll.
#[derive(Debug)]
pub(crate) struct RequestTemplate {
    pub(crate) caller: CallerAddress,
    version: Version,
    extensions: Extensions,
    headers: RepeatedHeaders,
    /// Boxed, because few requests have one.
    timeout: Option<Box<Duration>>,
    /// Whether the caller prefers something other than JSON.
    prefers_other: bool,
}

/// A request that the layer sends.
#[derive(Debug)]
#[cfg_attr(
    not(any(feature = "reqwest-middleware", feature = "reqwest-middleware-0-4")),
    allow(dead_code, reason = "only reqwest's integrations look at all of it")
)]
pub struct PollRequest {
    pub(crate) request: Request<()>,
    pub(crate) credentials: Credentials,
    /// The caller's own timeout of a single request.
    pub(crate) timeout: Option<Duration>,
}

/// The preferred kind of response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    AsCaller,
    /// The status is read from JSON, whatever the caller asked for the result.
    JsonFirst,
}

impl RequestTemplate {
    pub(super) fn new(
        caller: CallerAddress,
        version: Version,
        extensions: Extensions,
        headers: RepeatedHeaders,
        timeout: Option<Duration>,
    ) -> Self {
        let prefers_other = headers.get(&ACCEPT).is_some_and(|accept| !is_json(accept));
        Self { caller, version, extensions, headers, timeout: timeout.map(Box::new), prefers_other }
    }

    /// Makes a `GET` with the caller's version, and with the headers and extensions that may go to this address.
    pub(crate) fn request(&self, address: Address, accept: Accept) -> PollRequest {
        let Address { uri, credentials } = address;
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        *request.version_mut() = self.version;
        let names_host = has_authority(request.uri());
        let headers = request.headers_mut();
        *headers = self.headers_for(credentials);
        // It was kept for addresses that name no host.
        if names_host && self.caller.is_path_only() {
            headers.remove(HOST);
        }
        if accept == Accept::JsonFirst && self.prefers_other {
            put_json_first(headers);
        }
        if credentials == Credentials::Send && !self.extensions.is_empty() {
            *request.extensions_mut() = self.extensions.clone();
        }
        PollRequest { request, credentials, timeout: self.timeout.as_deref().copied() }
    }

    fn headers_for(&self, credentials: Credentials) -> HeaderMap {
        if credentials == Credentials::Send {
            return self.headers.to_map();
        }
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter().filter(|(name, _)| !credentials.hides(name)) {
            headers.append(name, value);
        }
        headers
    }
}

impl Credentials {
    pub(crate) fn hides(self, name: &HeaderName) -> bool {
        match self {
            Self::Send => false,
            Self::Withhold => ![ACCEPT, ACCEPT_LANGUAGE, USER_AGENT].contains(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, Uri};

    use super::*;
    use crate::request::{
        captured::{CapturedRequest, Intent, RequestHead, TemplateRules},
        names::NameLists,
    };

    fn template_of(request: &Request<()>) -> RequestTemplate {
        let rules = TemplateRules { omitted: &[], base: None, names: &NameLists::default() };
        captured(request).into_followed(rules).template
    }

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri("https://example.com/start").version(Version::HTTP_2);
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        request.body(()).unwrap()
    }

    fn captured(request: &Request<()>) -> CapturedRequest {
        let mut request = request.clone();
        CapturedRequest::new(RequestHead::of(&mut request, Intent::Send), request.headers())
    }

    fn poll_at(request: &Request<()>, uri: &'static str, credentials: Credentials) -> Request<()> {
        template_of(request).request(Address { uri: Uri::from_static(uri), credentials }, Accept::AsCaller).request
    }

    fn poll_of(request: &Request<()>) -> Request<()> {
        poll_at(request, "/monitor", Credentials::Send)
    }

    fn repeated(headers: &[(&str, &str)], credentials: Credentials) -> Vec<String> {
        let poll = poll_at(&request(headers), "/monitor", credentials);
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
            "If",
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
            "X-HTTP-Method",
            "X-HTTP-Method-Override",
            "X-Method-Override",
            "X-Idempotency-Key",
            "Digest",
            "Repr-Digest",
            "Content-Digest",
        ]
        .map(|name| (name, "x"));
        assert_eq!(repeated(&dropped, Credentials::Send), [""; 0]);
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
            "x-http",
            "digests",
        ]
        .map(|name| (name, "x"));
        assert_eq!(repeated(&kept, Credentials::Send), kept.map(|(name, value)| format!("{name}: {value}")));
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
        assert_eq!(repeated(&headers, Credentials::Send), ["x-end: 2"]);
    }

    #[test]
    fn the_host_header_is_kept_where_the_address_names_no_host() {
        for (start, kept) in [("/start", &["host", "x-kept"][..]), ("https://example.com/start", &["x-kept"])] {
            let mut request = request(&[("host", "example.com"), ("content-type", "a/b"), ("x-kept", "1")]);
            *request.uri_mut() = Uri::from_static(start);
            for listed in ["", "x-hop"] {
                request.headers_mut().insert("connection", HeaderValue::from_static(listed));
                let poll = poll_of(&request);
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
        let poll = poll_of(&request);
        assert_eq!(poll.headers(), request.headers());
        assert_eq!((poll.method(), poll.version()), (&Method::GET, Version::HTTP_2));
    }

    #[test]
    fn long_and_many_headers_survive() {
        for length in [1, 400, 511, 512, 513, 5000, 100_000] {
            let mut request = request(&[("x-first", "1")]);
            request.headers_mut().insert("authorization", HeaderValue::from_str(&"t".repeat(length)).unwrap());
            request.headers_mut().insert("x-last", HeaderValue::from_static("2"));
            let poll = poll_of(&request);
            assert_eq!(poll.headers(), request.headers(), "{length}");
        }
        for (name, length) in [("authorization", 1000), (&"x".repeat(usize::from(u16::MAX)), 0)] {
            let value = "t".repeat(length);
            let poll = repeated(&[(name, &value)], Credentials::Send);
            assert_eq!(poll, [format!("{name}: {value}")]);
        }
        let mut request = request(&[]);
        // More than there may be names.
        (0..40_000).for_each(|n| _ = request.headers_mut().append("x-many", n.into()));
        let poll = poll_of(&request);
        assert_eq!(poll.headers(), request.headers());
        request.headers_mut().insert("connection", HeaderValue::from_static("x-many"));
        assert!(poll_of(&request).headers().is_empty());
    }

    #[test]
    fn sensitive_flags_survive() {
        let mut request = request(&[("x-plain", "a")]);
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        request.headers_mut().insert("authorization", secret);
        let poll = poll_of(&request);
        assert!(poll.headers()["authorization"].is_sensitive());
        assert!(!poll.headers()["x-plain"].is_sensitive());
    }

    #[test]
    fn only_polls_whose_status_is_in_json_ask_for_that_first() {
        let template = template_of(&request(&[("accept", "text/csv"), ("accept", "text/html")]));
        for (accept, expected) in [
            (Accept::AsCaller, &["text/csv", "text/html"][..]),
            (Accept::JsonFirst, &["application/json, text/csv;q=0.9, text/html;q=0.9"]),
        ] {
            let address = Address { uri: Uri::from_static("/monitor"), credentials: Credentials::Send };
            let poll = template.request(address, accept).request;
            let values: Vec<_> = poll.headers().get_all("accept").iter().collect();
            assert_eq!(values, expected);
        }
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
            repeated(&headers, Credentials::Withhold),
            ["accept: application/json", "accept-language: sv", "user-agent: me"]
        );
        let mut request = request(&headers);
        request.extensions_mut().insert("secret");
        assert!(poll_at(&request, "/", Credentials::Withhold).extensions().is_empty());
        assert_eq!(poll_of(&request).extensions().get(), Some(&"secret"));
    }
}
