//! The resolver of the addresses that servers write into headers, against `url`.

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

/// What addresses are resolved against: that of the start request, or one that the monitor has moved to.
pub const BASES: [Option<&str>; 4] =
    [None, Some("/operations/1?a=b"), Some("https://other.example/x/y"), Some("http://example.com/")];

/// What may be allowed and trusted, by its bit.
pub const ORIGINS: [&str; 6] = [
    "https://other.example",
    "https://*.trusted.example",
    "https://*",
    "http://example.com",
    "https://example.com:8443",
    "http://*:8080",
];

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

    let own = own(start, host);
    let expected = reference(&own[0], &base, &value);
    let trust = expected.as_ref().map_or(Trust::None, |url| origins.trust(&own, url));
    match resolved {
        Ok((uri, is_anonymous)) => {
            let Some(expected) = expected else { panic!("{uri} comes of {value:?}, which is no address") };
            assert_eq!(
                is_anonymous,
                trust == Trust::Anonymous,
                "whether {uri} is polled without credentials, by {origins:?}"
            );
            assert_ne!(trust, Trust::None, "{uri} is neither the start's origin nor allowed or trusted by {origins:?}");
            assert_is(
                &uri,
                &expected,
                start.starts_with('/') && own.iter().any(|own| own.origin() == expected.origin()),
            );
        }
        Err(error) => {
            let has_user = value.as_bytes().contains(&b'@');
            match error.kind() {
                AddressErrorKind::UserInfo => assert!(has_user, "no user information in {value:?}"),
                AddressErrorKind::Untrusted => {
                    assert!(expected.is_some(), "{value:?} is no address, and yet was asked for its origin");
                    assert_eq!(trust, Trust::None, "{value:?} is refused by {origins:?}");
                }
                // `http` takes some less than `url` does.
                AddressErrorKind::Unresolvable
                    if expected.as_ref().is_some_and(|url| Uri::try_from(url.as_str()).is_err()) => {}
                kind => assert_eq!(expected, None, "{value:?} is refused: {kind:?}"),
            }
        }
    }
}

/// What `url` makes of it, if that is an address of the web without user information.
fn reference(own: &Url, base: &Uri, value: &HeaderValue) -> Option<Url> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?.trim_matches([' ', '\t']);
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if text.contains(|character: char| character.is_ascii_control()) {
        return None;
    }
    // That of the start request would go with what is relative to it.
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

/// That an address is what `url` makes of it, and means the same to `http`, which the transport asks where to connect.
fn assert_is(uri: &Uri, url: &Url, is_path: bool) {
    let path_and_query = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    assert_eq!(uri.path_and_query().map(|path| path.as_str()), Some(path_and_query.as_str()), "the path of {url}");
    assert!(!uri.to_string().contains('#'), "the fragment of {uri}");
    if is_path {
        assert_eq!((uri.scheme(), uri.authority()), (None, None), "{uri} is not in the start's form");
        return;
    }
    assert_eq!(uri.scheme_str(), Some(url.scheme()), "the scheme of {uri}");
    assert_eq!(uri.host(), url.host_str(), "the host of {uri}");
    assert_eq!(uri.port_u16(), url.port(), "the port of {uri}");
    assert!(uri.authority().is_some_and(|authority| !authority.as_str().contains('@')), "the user of {uri}");
}
