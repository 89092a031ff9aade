//! `Policy`: which origins may be asked, and which of them see credentials.

use std::{ops::Range, sync::OnceLock};

use http::{
    Uri,
    uri::{self, Authority, PathAndQuery},
};
use url::{Position, Url};

use crate::address::{
    origin::Origin,
    uri::{has_authority, is_http, names_user, to_url},
};

/// Whether a request carries what the caller's request carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "part of a trait that the public future names")]
pub enum Credentials {
    /// All headers that polls repeat, the extensions, and the query parameters that are propagated.
    Send,
    /// Nothing that could identify anybody: `Accept`, `Accept-Language` and `User-Agent`.
    Withhold,
}

/// An address that may be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    pub(crate) uri: Uri,
    pub(crate) credentials: Credentials,
}

/// Requests to an origin in `from` may be followed with their credentials to an origin in `to`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TrustRule {
    pub(crate) from: Vec<Origin>,
    pub(crate) to: Vec<Origin>,
}

/// The origins that a layer or a protocol names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NamedOrigins<'a> {
    pub(crate) trusted: &'a [Origin],
    pub(crate) trust_rules: &'a [TrustRule],
    pub(crate) anonymous: [&'a [Origin]; 2],
}

/// Where a request of the caller goes, as far as that is known.
#[derive(Debug)]
pub(crate) struct CallerAddress {
    /// The URI, as text: many operations wait at once, and a `Uri` takes 100 bytes more of each.
    text: Box<str>,
    /// The range of the path in it.
    path: Range<u32>,
    /// The request's own address, or the base URI; two where only a `Host` header names the host; none where nothing does. The
    /// absolute address of a request is parsed only when needed, and most operations do not need it.
    urls: OnceLock<Box<[Url]>>,
}

impl CallerAddress {
    /// `host` is the `Host` header of the request, and `base` the base URI that its client puts before paths.
    pub(crate) fn new(uri: &Uri, host: Option<&[u8]>, base: Option<&Url>) -> Self {
        let urls = match base {
            _ if has_authority(uri) => OnceLock::new(),
            Some(base) => OnceLock::from(Box::from([base.clone()])),
            None => urls_of_host(host).into(),
        };
        let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", Authority::as_str));
        let between = if scheme.is_empty() { "" } else { "://" };
        let rest = uri.path_and_query().map_or("", PathAndQuery::as_str);
        let parts = [scheme, between, authority, rest];
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| text.push_str(part));
        let begin = text.len() - rest.len();
        let end = text.len() - uri.query().map_or(0, |query| "?".len() + query.len());
        Self { text: text.into(), path: begin as u32..end as u32, urls }
    }

    /// The request's URI, made from its parts: parsed as a whole, a path without a slash would become part of the host.
    pub(crate) fn uri(&self) -> Option<Uri> {
        let (scheme, authority) = self.origin();
        let rest = &self.text[self.path.start as usize..];
        let mut parts = uri::Parts::default();
        parts.scheme = scheme.map(str::parse).transpose().ok()?;
        parts.authority = authority.map(str::parse).transpose().ok()?;
        parts.path_and_query = Some(rest).filter(|rest| !rest.is_empty()).map(str::parse).transpose().ok()?;
        Uri::from_parts(parts).ok()
    }

    pub(crate) fn is(&self, uri: &Uri) -> bool {
        let is_same = |own: Option<&str>, other: Option<&str>| match (own, other) {
            (Some(own), Some(other)) => own.eq_ignore_ascii_case(other),
            (own, other) => own == other,
        };
        // Most have another path.
        if uri.path() != self.path() || uri.query() != self.query() {
            return false;
        }
        let (scheme, authority) = self.origin();
        is_same(scheme, uri.scheme_str()) && is_same(authority, uri.authority().map(Authority::as_str))
    }

    /// The scheme and the authority, neither of which has `://` in it.
    fn origin(&self) -> (Option<&str>, Option<&str>) {
        let origin = &self.text[..self.path.start as usize];
        match origin.split_once("://") {
            Some((scheme, authority)) => (Some(scheme), Some(authority)),
            None => (None, Some(origin).filter(|origin| !origin.is_empty())),
        }
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.text[self.path.end as usize..].strip_prefix('?')
    }

    pub(crate) fn path(&self) -> &str {
        let path = &self.text[self.path.start as usize..self.path.end as usize];
        // Like `Uri`: only a bare authority has no path.
        let has_path = !path.is_empty() || matches!(self.origin(), (None, Some(_)));
        if has_path { path } else { "/" }
    }

    /// The address that others are relative to.
    pub(crate) fn url(&self) -> Option<&Url> {
        self.urls().first()
    }

    fn urls(&self) -> &[Url] {
        let own = || self.uri().and_then(|uri| to_url(&uri)).filter(is_http);
        self.urls.get_or_init(|| own().into_iter().collect())
    }

    /// Whether the request does not name its host.
    pub(crate) fn is_path_only(&self) -> bool {
        self.path.start == 0
    }

    /// Whether a URI has the request's own scheme and authority, which alone decide where credentials go.
    pub(crate) fn has_authority_of(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
        if authority.as_str().contains('@') {
            return false;
        }
        // Most are written the same.
        let is_own = |own: Option<&str>, other: &str| own.is_some_and(|own| own.eq_ignore_ascii_case(other));
        self.has_origin_text(scheme, authority.as_str())
            || (is_own(self.origin().0, scheme) && is_own(self.origin().1, authority.as_str()))
    }

    /// Whether a URI may be asked as it is, because it has the request's own scheme and authority.
    pub(crate) fn is_plainly_own(&self, uri: &Uri) -> bool {
        matches!(uri.scheme_str(), Some("http" | "https")) && self.has_authority_of(uri)
    }

    fn has_origin_text(&self, scheme: &str, authority: &str) -> bool {
        let origin = &self.text[..self.path.start as usize];
        origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) == Some(authority)
    }

    fn is_of(&self, url: &Url) -> bool {
        // Equal texts are the same origin. Only others have to be parsed.
        self.has_origin_text(url.scheme(), &url[Position::BeforeHost..Position::AfterPort])
            || self.urls().iter().any(|own| is_same_origin(own, url))
    }
}

/// Decides for one request of the caller.
///
/// The caller's own words (the address of the request, and the settings of the layer) are trusted. Everything else, whether it
/// comes from a server or from a store, is judged here and nowhere else.
pub(crate) struct Policy<'a> {
    caller: &'a CallerAddress,
    named: NamedOrigins<'a>,
}

impl<'a> Policy<'a> {
    pub(crate) fn new(caller: &'a CallerAddress, named: NamedOrigins<'a>) -> Self {
        Self { caller, named }
    }

    pub(crate) fn caller(&self) -> &'a CallerAddress {
        self.caller
    }

    /// Whether nothing says which origin the caller's request goes to.
    pub(crate) fn has_no_origin(&self) -> bool {
        self.caller.urls().is_empty()
    }

    /// Whether a bare path is an address at the caller's own origin, because nothing more is known of that origin.
    pub(crate) fn is_known_by_path_only(&self) -> bool {
        self.caller.is_path_only() && self.has_no_origin()
    }

    /// Decides on an address in the form in which it is asked, or was: [`upgrade`](Self::upgrade) comes first.
    pub(crate) fn authorize(&self, url: &Url) -> Option<Credentials> {
        if !is_http(url) {
            return None;
        }
        if self.caller.is_of(url) || self.trusts(url) {
            Some(Credentials::Send)
        } else if self.named.anonymous.iter().any(|origins| covers(origins, url)) {
            Some(Credentials::Withhold)
        } else {
            None
        }
    }

    /// A service behind a TLS proxy often names itself by `http`. Its own host on the default ports is asked over TLS instead,
    /// which reveals no more than the caller's request did.
    pub(crate) fn upgrade(&self, url: &mut Url) {
        let is_plain = url.scheme() == "http" && url.port_or_known_default() == Some(80);
        if !is_plain || self.caller.is_of(url) {
            return;
        }
        let mut encrypted = url.clone();
        if encrypted.set_scheme("https").is_ok() && self.caller.is_of(&encrypted) {
            *url = encrypted;
        }
    }

    fn trusts(&self, url: &Url) -> bool {
        let by_rule =
            |rule: &TrustRule| covers(&rule.to, url) && self.caller.urls().iter().any(|own| covers(&rule.from, own));
        covers(self.named.trusted, url) || self.named.trust_rules.iter().any(by_rule)
    }

    /// Whether the caller's request may resume an operation that was started elsewhere: it must go to the origin where the
    /// operation was started, or to one that is trusted from there. Otherwise a monitor that was refused at the start could be
    /// polled after all, by a caller who takes its address for the service's.
    pub(crate) fn may_resume(&self, started: &Uri, monitor: &Uri) -> bool {
        if self.caller.has_authority_of(started) {
            return true;
        }
        let own = self.caller.urls();
        let is_trusted_here = || own.iter().any(|own| covers(self.named.trusted, own));
        if !has_authority(started) {
            return self.caller.is_path_only() || !has_authority(monitor) || is_trusted_here();
        }
        let Some(started) = to_url(started).filter(is_http) else { return false };
        let by_rule = |rule: &TrustRule| covers(&rule.from, &started) && own.iter().any(|own| covers(&rule.to, own));
        self.caller.is_of(&started) || is_trusted_here() || self.named.trust_rules.iter().any(by_rule)
    }

    /// Puts an address at the caller's own origin into the form of the caller's request: without scheme and host if the request
    /// has none, and without the path of the base URI, which a client below adds.
    pub(crate) fn in_form_of_request(&self, url: &Url, uri: Uri) -> Uri {
        // Without an origin, only a relative address can be the caller's own.
        if !self.caller.is_path_only() || !(self.caller.is_of(url) || url.host_str() == Some(NO_HOST)) {
            return uri;
        }
        let path = uri.into_parts().path_and_query.map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned());
        let base_path = self.caller.url().map_or("", Url::path).trim_end_matches('/');
        let below = path.strip_prefix(base_path).filter(|rest| rest.starts_with('/') && !base_path.is_empty());
        let path = below.unwrap_or(&path);
        // A client below that resolves it would take two slashes for the start of a host (RFC 3986, section 4.2).
        let dot = if path.starts_with("//") { "/." } else { "" };
        format!("{dot}{path}").parse().unwrap_or_default()
    }
}

/// Stands for the host of a request that names none. (RFC 6761 reserves `.invalid`.)
pub(crate) const NO_HOST: &str = "no-host.invalid";

/// The scheme of the connection is unknown here. No response can change the connection, so either scheme will do.
fn urls_of_host(host: Option<&[u8]>) -> Box<[Url]> {
    let host = host.filter(|host| host.is_ascii()).and_then(|host| std::str::from_utf8(host).ok());
    let url = |scheme: &str| Url::parse(&format!("{scheme}://{}", host?)).ok();
    // A `Host` header is a host and a port, and nothing more.
    let is_origin = |url: &Url| url.path() == "/" && !names_user(url);
    ["http", "https"].into_iter().filter_map(url).filter(is_origin).collect()
}

fn covers(origins: &[Origin], url: &Url) -> bool {
    origins.iter().any(|origin| origin.covers(url))
}

fn is_same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&str]) -> Vec<Origin> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The verdict on an address, and what is asked then.
    fn asked(
        request: &str,
        host: Option<&'static str>,
        base: Option<&Url>,
        address: &str,
    ) -> Option<(Credentials, String)> {
        let (trusted, allowed) = (origins(&["https://*.trusted.test"]), origins(&["https://allowed.test"]));
        let rules = [TrustRule { from: origins(&["https://front.test"]), to: origins(&["https://*.regions.test"]) }];
        let named = NamedOrigins { trusted: &trusted, trust_rules: &rules, anonymous: [&allowed, &[]] };
        let caller = CallerAddress::new(&request.parse().unwrap(), host.map(str::as_bytes), base);
        let policy = Policy::new(&caller, named);
        let mut url = Url::parse(address).unwrap();
        policy.upgrade(&mut url);
        policy.authorize(&url).map(|credentials| {
            let uri = policy.in_form_of_request(&url, url.as_str().parse().unwrap());
            (credentials, uri.to_string())
        })
    }

    #[test]
    fn credentials_go_to_the_callers_own_origin_and_to_trusted_ones() {
        use Credentials::{Send, Withhold};
        let (api, front) = ("https://api.test/start", "https://front.test/start");
        for (request, address, expected) in [
            (api, "https://api.test/1", Some((Send, "https://api.test/1"))),
            (api, "http://api.test/1?a", Some((Send, "https://api.test/1?a"))),
            (api, "http://api.test:8080/1", None),
            (api, "https://api.test:8443/1", None),
            ("https://api.test:8443/start", "http://api.test/1", None),
            ("HTTPS://API.test:443/start", "https://api.test/1", Some((Send, "https://api.test/1"))),
            ("http://api.test/start", "http://api.test/1", Some((Send, "http://api.test/1"))),
            ("http://api.test/start", "https://api.test/1", None),
            (api, "ftp://api.test/1", None),
            (api, "https://a.trusted.test/1", Some((Send, "https://a.trusted.test/1"))),
            (api, "http://a.trusted.test/1", None),
            (api, "https://allowed.test/1", Some((Withhold, "https://allowed.test/1"))),
            (api, "https://eu.regions.test/1", None),
            (front, "https://eu.regions.test/1", Some((Send, "https://eu.regions.test/1"))),
        ] {
            let expected = expected.map(|(credentials, uri)| (credentials, uri.to_owned()));
            assert_eq!(asked(request, None, None, address), expected, "{request} → {address}");
        }
        assert_eq!(asked(api, Some("evil.test"), None, "https://evil.test/1"), None);
    }

    #[test]
    fn a_path_alone_is_of_the_host_header_or_the_base_uri() {
        let base = Url::parse("https://api.test/k8s/c1/").unwrap();
        for (host, base, address, expected) in [
            (None, None, "https://api.test/1", None),
            (Some("api.test"), None, "https://api.test/1", Some("/1")),
            (Some("api.test"), None, "http://api.test/1", Some("/1")),
            (Some("api.test"), None, "https://api.test:81/1", None),
            (Some("not a host"), None, "https://api.test/1", None),
            (Some("evil.test"), Some(&base), "https://evil.test/1", None),
            (None, Some(&base), "https://api.test/k8s/c1/1?a", Some("/1?a")),
            (None, Some(&base), "https://api.test/other", Some("/other")),
            (None, Some(&base), "https://api.test/k8s/c11", Some("/k8s/c11")),
            (None, Some(&base), "http://api.test/k8s/c1/1", Some("/1")),
        ] {
            let expected = expected.map(|uri: &str| (Credentials::Send, uri.to_owned()));
            assert_eq!(asked("/start", host, base, address), expected, "{host:?} {base:?} → {address}");
        }
        let absolute = asked("https://api.test/start", None, Some(&base), "https://api.test/k8s/c1/1");
        assert_eq!(absolute, Some((Credentials::Send, "https://api.test/k8s/c1/1".to_owned())));
    }

    #[test]
    fn a_request_is_known_by_its_parts() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        for text in
            ["https://api.test/a?b=c", "https://u@api.test:1/", "http://[::1]:8080/a", "/a?b", "*", "api.test:443"]
        {
            let caller = CallerAddress::new(&uri(text), None, None);
            assert_eq!(caller.uri(), Some(uri(text)));
            assert!(caller.is(&uri(text)) && !caller.is(&uri("https://api.test/other")), "{text}");
            assert_eq!((caller.query(), caller.is_path_only()), (uri(text).query(), uri(text).authority().is_none()));
        }
        let caller = CallerAddress::new(&uri("https://api.test/a"), None, None);
        assert!(caller.is(&uri("HTTPS://API.test/a")) && !caller.is(&uri("https://api.test/a?b")));
        for (other, is_own) in [
            ("https://api.test/b", true),
            ("https://API.test/b", true),
            ("https://api.test", true),
            ("https://api.tes/t", false),
            ("https://api.test:443/", false),
            ("http://api.test/", false),
            ("/a", false),
        ] {
            assert_eq!(caller.has_authority_of(&uri(other)), is_own, "{other}");
        }
        let caller = CallerAddress::new(&uri("https://u@api.test/a"), None, None);
        assert!(!caller.has_authority_of(&uri("https://u@api.test/b")));
    }

    #[test]
    fn an_operation_is_resumed_from_where_it_was_started() {
        let trusted = origins(&["https://trusted.test"]);
        let rules = [TrustRule { from: origins(&["https://*.maps.test"]), to: origins(&["https://*.maps.test"]) }];
        let named = NamedOrigins { trusted: &trusted, trust_rules: &rules, anonymous: [&[], &[]] };
        for (started, monitor, request, host, expected) in [
            ("https://api.test/start", "https://evil.test/1", "https://api.test/", None, true),
            ("https://api.test/start", "https://evil.test/1", "https://evil.test/1", None, false),
            ("https://api.test/start", "https://evil.test/1", "https://trusted.test/", None, true),
            ("https://api.test/start", "http://api.test:81/1", "http://api.test:81/1", None, false),
            ("https://a.maps.test/start", "https://b.maps.test/1", "https://b.maps.test/", None, true),
            ("https://a.maps.test/start", "https://b.maps.test/1", "https://b.test/", None, false),
            ("https://api.test/start", "https://api.test/1", "/", Some("api.test"), true),
            ("https://api.test/start", "https://api.test/1", "/", None, false),
            ("/start", "/1", "/", None, true),
            ("/start", "/1", "https://api.test/", None, true),
            ("/start", "https://evil.test/1", "/", None, true),
            ("/start", "https://evil.test/1", "https://evil.test/1", None, false),
            ("/start", "https://evil.test/1", "https://trusted.test/", None, true),
        ] {
            let caller = CallerAddress::new(&request.parse().unwrap(), host.map(str::as_bytes), None);
            let policy = Policy::new(&caller, named);
            let may_resume = policy.may_resume(&started.parse().unwrap(), &monitor.parse().unwrap());
            assert_eq!(may_resume, expected, "{started}, {monitor}, resumed at {request}");
        }
    }
}
