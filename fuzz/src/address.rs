//! The resolver of the addresses that servers write into headers, against `url`.

use std::iter::once;

use http::{HeaderValue, Request, Uri};
use tower_lro::{AddressErrorKind, LroLayer, internals};
use url::Url;

use crate::origin::{Origins, Trust, own};

/// The addresses of start requests, and their `Host`.
pub const STARTS: [(&str, Option<&str>); 8] = [
    ("https://example.com/v1/start?api-version=1", None),
    ("http://example.com:8080/a/b/../start", None),
    ("https://us.atlas.microsoft.com/mapData", None),
    ("https://[::1]:8443/start", None),
    ("/v1/start?x=y", Some("example.com")),
    ("/start", None),
    ("https://user:secret@EXAMPLE.com:443", None),
    ("/start", Some("example.com:8080")),
];

/// The base that addresses are resolved against: the address of the start request, or one that the monitor has moved to.
pub const BASES: [Option<&str>; 4] =
    [None, Some("/operations/1?a=b"), Some("https://other.example/x/y"), Some("http://example.com/")];

/// The origins that may be allowed and trusted, each by its bit.
pub const ORIGINS: [&str; 6] = [
    "https://other.example",
    "https://*.trusted.example",
    "https://*",
    "http://example.com",
    "https://example.com:8443",
    "http://*:8080",
];

/// All that is between any two of them may be an address.
const MAX_COMMAS: usize = 40;

/// Four bytes, of which `0` stands for the first of each: the start request, the base, what is allowed, what is trusted.
/// The rest is the header's value.
pub fn check(bytes: &[u8]) {
    let Some((&[start, base, allowed, trusted], value)) = bytes.split_first_chunk() else { return };
    let Ok(value) = HeaderValue::from_bytes(value) else { return };
    let at = |byte: u8, length: usize| usize::from(byte.wrapping_sub(b'0')) % length;
    let among = |bits: u8| -> Vec<&'static str> {
        let bits = bits.wrapping_sub(b'0');
        ORIGINS.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1).map(|(_, &origin)| origin).collect()
    };
    let (start, host) = STARTS[at(start, STARTS.len())];
    let origins =
        Origins { allowed: among(allowed), trusted: among(trusted), protocol: "operation-location".to_owned() };
    let parsed = |origin: &&str| origin.parse().expect("it is an origin");
    let layer = origins.allowed.iter().map(parsed).fold(LroLayer::new(), LroLayer::allow_anonymous_origin);
    let layer = origins.trusted.iter().map(parsed).fold(layer, LroLayer::trust_origin);
    let mut request = Request::post(start);
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let request = request.body(()).expect("starts are requests");
    let base = BASES[at(base, BASES.len())].map_or_else(|| request.uri().clone(), Uri::from_static);

    let resolved = internals::resolve(&layer, &request, &base, &value);
    // The origin has been seen now, and its host is not parsed again.
    let again = internals::resolve(&layer, &request, &base, &value);
    assert_eq!(format!("{again:?}"), format!("{resolved:?}"), "the second time");

    let own = own(start, host);
    let is_own = |url: &Url| own.iter().any(|own| own.origin() == url.origin());
    let whole = reference(&own[0], &base, &value);
    let Some(candidates) = candidates(&own, &base, &value) else { return };
    match resolved {
        Ok((uri, is_anonymous)) => {
            let is_path = |url: &Url| start.starts_with('/') && is_own(url);
            let expected = candidates.iter().find(|url| is_same(&uri, url, is_path(url)));
            let Some(url) = expected else { panic!("{uri} comes of {value:?}, which names {candidates:?}") };
            let trust = origins.trust(&own, url);
            assert_ne!(trust, Trust::None, "{uri} is neither the start's origin nor allowed or trusted by {origins:?}");
            let is_allowed = trust == Trust::Anonymous;
            assert_eq!(is_anonymous, is_allowed, "whether {uri} is polled without credentials, by {origins:?}");
        }
        Err(error) => {
            let has_user = value.as_bytes().contains(&b'@');
            match error.kind() {
                AddressErrorKind::UserInfo => assert!(has_user, "no user information in {value:?}"),
                AddressErrorKind::Untrusted | AddressErrorKind::NoRequestHost => {
                    let is_refused = |url: &Url| origins.trust(&own, url) == Trust::None;
                    assert!(candidates.iter().any(is_refused), "{value:?} is refused by {origins:?}");
                    let has_no_host = start.starts_with('/') && host.is_none();
                    let says_so = error.kind() == AddressErrorKind::NoRequestHost;
                    assert_eq!(says_so, has_no_host, "whether {start} has a host");
                }
                AddressErrorKind::Ambiguous => assert!(candidates.len() > 1, "{value:?} is one address"),
                // `http` takes some less than `url` does.
                AddressErrorKind::Unresolvable if candidates.iter().any(|url| Uri::try_from(url.as_str()).is_err()) => {
                }
                // One invalid address among several is enough.
                _ if whole.is_none() || value.as_bytes().contains(&b',') => {}
                kind => panic!("{value:?} is refused: {kind:?}"),
            }
        }
    }
}

/// What the value may name: which commas separate addresses is the resolver's to say, as long as it comes to one of them. `None`
/// if there are too many.
fn candidates(own: &[Url], base: &Uri, value: &HeaderValue) -> Option<Vec<Url>> {
    let bytes = value.as_bytes();
    let commas: Vec<usize> = (0..bytes.len()).filter(|&index| bytes[index] == b',').collect();
    if commas.len() > MAX_COMMAS {
        return None;
    }
    let mut candidates = Vec::new();
    for begin in once(0).chain(commas.iter().map(|comma| comma + 1)) {
        for end in commas.iter().copied().chain(once(bytes.len())).filter(|&end| begin <= end) {
            let part = HeaderValue::from_bytes(&bytes[begin..end]).ok();
            candidates.extend(part.and_then(|part| reference(&own[0], base, &part)));
        }
    }
    candidates.iter_mut().for_each(|url| encrypt(own, url));
    Some(candidates)
}

/// A service behind a TLS proxy names itself by `http`: its own host on the default ports is asked over TLS.
fn encrypt(own: &[Url], url: &mut Url) {
    let is_own = |url: &Url| own.iter().any(|own| own.origin() == url.origin());
    let mut encrypted = url.clone();
    let is_plain = url.scheme() == "http" && url.port().is_none();
    if is_plain && encrypted.set_scheme("https").is_ok() && !is_own(url) && is_own(&encrypted) {
        *url = encrypted;
    }
}

/// The URL that `url` makes of it, if that is an `http` or `https` address without user information.
fn reference(own: &Url, base: &Uri, value: &HeaderValue) -> Option<Url> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?.trim_matches([' ', '\t']);
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if text.contains(|character: char| character.is_ascii_control()) {
        return None;
    }
    // User information of the start request would be part of addresses relative to it.
    let base = without_user(own.join(&base.to_string()).ok()?)?;
    let mut url = base.join(text).ok()?;
    url.set_fragment(None);
    let has_user = !url.username().is_empty() || url.password().is_some();
    (matches!(url.scheme(), "http" | "https") && !has_user).then_some(url)
}

fn without_user(mut url: Url) -> Option<Url> {
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
}

/// Whether an address is what `url` makes of it, and means the same to `http`, which the transport asks where to connect.
fn is_same(uri: &Uri, url: &Url, is_path: bool) -> bool {
    assert!(!uri.to_string().contains('#'), "the fragment of {uri}");
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    assert!(!has_user, "the user of {uri}");
    let path_and_query = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    // A client that joins the path with a base would take two slashes for a host.
    let dot = if is_path && path_and_query.starts_with("//") { "/." } else { "" };
    let is_same_path = uri.path_and_query().is_some_and(|path| path.as_str() == format!("{dot}{path_and_query}"));
    // A start request with a path alone is polled by a path alone.
    let is_same_host = match is_path {
        true => uri.scheme().is_none() && uri.authority().is_none(),
        false => uri.scheme_str() == Some(url.scheme()) && uri.host() == url.host_str() && uri.port_u16() == url.port(),
    };
    is_same_path && is_same_host
}
