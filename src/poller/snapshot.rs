//! Snapshot: what is kept of the start request in order to poll.

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Request, Uri, Version,
    header::{ACCEPT, ACCEPT_LANGUAGE, CONNECTION, USER_AGENT},
};

use super::monitor::Trust;

/// What is kept of the start request. Its body is not.
pub(crate) struct Snapshot {
    pub(crate) uri: Uri,
    version: Version,
    headers: PackedHeaders,
    pub(crate) extensions: Extensions,
}

impl Snapshot {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self {
            uri: request.uri().clone(),
            version: request.version(),
            headers: PackedHeaders::pack(request.headers(), !has_authority(request.uri())),
            extensions: request.extensions().clone(),
        }
    }

    /// Of a head without headers, and its headers.
    #[cfg(feature = "reqwest")]
    pub(crate) fn from_parts(head: http::request::Parts, headers: &HeaderMap) -> Self {
        Self {
            headers: PackedHeaders::pack(headers, !has_authority(&head.uri)),
            uri: head.uri,
            version: head.version,
            extensions: head.extensions,
        }
    }

    /// The `Host` header that the start request had, if its URI names no host.
    pub(crate) fn host(&self) -> Option<HeaderValue> {
        self.headers.iter().find(|(name, _)| name == http::header::HOST).map(|(_, value)| value)
    }

    /// A `GET` on `uri` with the start request's version, and the headers and extensions that an origin so trusted may see.
    pub(crate) fn request(&self, uri: Uri, trust: Trust) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        *request.version_mut() = self.version;
        let headers = self.headers.iter();
        match trust {
            Trust::Credentials => {
                request.headers_mut().reserve(self.headers.count);
                headers.for_each(|(name, value)| _ = request.headers_mut().append(name, value));
                *request.extensions_mut() = self.extensions.clone();
            }
            Trust::Anonymous => headers
                .filter(|(name, _)| [ACCEPT, ACCEPT_LANGUAGE, USER_AGENT].contains(name))
                .for_each(|(name, value)| _ = request.headers_mut().append(name, value)),
        }
        request
    }
}

pub(crate) fn has_authority(uri: &Uri) -> bool {
    uri.authority().is_some()
}

/// The headers that polls repeat, in one buffer: one allocation whatever their number, where a clone of the `HeaderMap`
/// costs at least one for each value that is not static. Each entry is the length of the name, the length of the value,
/// whether it is sensitive, the name and the value.
struct PackedHeaders {
    buffer: Bytes,
    count: usize,
}

const ENTRY_HEAD: usize = size_of::<u16>() + size_of::<u32>() + 1;

impl PackedHeaders {
    fn pack(headers: &HeaderMap, keep_host: bool) -> Self {
        let keep = |name: &HeaderName| is_repeated(name) || (keep_host && name == http::header::HOST);
        let mut size = 0;
        let mut lists_more = false;
        for (name, value) in headers {
            if keep(name) {
                size += ENTRY_HEAD + name.as_str().len() + value.len();
            } else {
                lists_more |= name == CONNECTION;
            }
        }
        let connection_lists = |name: &HeaderName| {
            lists_more
                && headers
                    .get_all(CONNECTION)
                    .into_iter()
                    .filter_map(|value| value.to_str().ok())
                    .flat_map(|value| value.split(','))
                    .any(|listed| listed.trim().eq_ignore_ascii_case(name.as_str()))
        };

        let mut buffer = Vec::with_capacity(size);
        let mut count = 0;
        for (name, value) in headers {
            if !keep(name) || connection_lists(name) {
                continue;
            }
            let (Ok(name_len), Ok(value_len)) = (u16::try_from(name.as_str().len()), u32::try_from(value.len())) else {
                continue;
            };
            buffer.extend_from_slice(&name_len.to_le_bytes());
            buffer.extend_from_slice(&value_len.to_le_bytes());
            buffer.push(u8::from(value.is_sensitive()));
            buffer.extend_from_slice(name.as_str().as_bytes());
            buffer.extend_from_slice(value.as_bytes());
            count += 1;
        }
        Self { buffer: buffer.into(), count }
    }

    fn iter(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + '_ {
        let mut rest = self.buffer.clone();
        std::iter::from_fn(move || {
            let (head, _) = rest.split_first_chunk::<ENTRY_HEAD>()?;
            let &[n0, n1, v0, v1, v2, v3, sensitive] = head;
            let name_end = ENTRY_HEAD + usize::from(u16::from_le_bytes([n0, n1]));
            let value_end = name_end + u32::from_le_bytes([v0, v1, v2, v3]) as usize;
            let entry = rest.split_to(value_end);
            let name = HeaderName::from_bytes(&entry[ENTRY_HEAD..name_end]).ok()?;
            let mut value = HeaderValue::from_maybe_shared(entry.slice(name_end..)).ok()?;
            value.set_sensitive(sensitive != 0);
            Some((name, value))
        })
    }
}

/// Whether polls repeat this header of the start request: all but those about its body, its preconditions and its
/// connection.
fn is_repeated(name: &HeaderName) -> bool {
    let name = name.as_str();
    // By the first letter, because this runs for every header of every request.
    !match name.as_bytes().first() {
        Some(b'a') => name == "accept-encoding",
        Some(b'c') => name.starts_with("content-") || name == "connection",
        Some(b'e') => name == "expect",
        Some(b'h') => matches!(name, "host" | "http2-settings"),
        Some(b'i') => name.starts_with("if-") || name == "idempotency-key",
        Some(b'k') => name == "keep-alive",
        Some(b'o') => name == "operation-id",
        Some(b'p') => matches!(name, "prefer" | "proxy-connection"),
        Some(b'r') => name == "range" || name.starts_with("repeatability-"),
        Some(b't') => matches!(name, "te" | "trailer" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        _ => false,
    }
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
        let poll = Snapshot::of(&request(headers)).request(Uri::from_static("/monitor"), trust);
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
    fn repeated_and_odd_values_survive() {
        let mut request = request(&[("cookie", "a"), ("cookie", "b"), ("x-empty", "")]);
        request.headers_mut().insert("x-bytes", HeaderValue::from_bytes(b"\xff\x80").unwrap());
        let snapshot = Snapshot::of(&request);
        let poll = snapshot.request(Uri::from_static("/monitor"), Trust::Credentials);
        assert_eq!(poll.headers(), request.headers());
        assert_eq!((poll.method(), poll.version()), (&http::Method::GET, Version::HTTP_2));
    }

    #[test]
    fn sensitive_flags_survive() {
        let mut request = request(&[("x-plain", "a")]);
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        request.headers_mut().insert("authorization", secret);
        let poll = Snapshot::of(&request).request(Uri::from_static("/monitor"), Trust::Credentials);
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
        assert!(snapshot.request(Uri::default(), Trust::Anonymous).extensions().is_empty());
        assert_eq!(snapshot.request(Uri::default(), Trust::Credentials).extensions().get(), Some(&"secret"));
    }
}
