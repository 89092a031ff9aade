//! Headers on their way: those of a connection stay on it, and addresses of the service become the gateway's.

use std::net::IpAddr;

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{CONNECTION, HOST},
};
use reqwest::Url;

/// Beside what `Connection` lists.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Takes out what is about one connection only (RFC 9110, section 7.6.1).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let listed: Vec<HeaderName> =
        connection.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in listed {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The address of the gateway as its client sees it. Another proxy before it has said so, or else the client has.
pub fn own_address(headers: &HeaderMap, uri: &Uri) -> Option<Url> {
    // Each proxy appends what it was asked for: what the client asked for comes first.
    let text = |name: HeaderName| headers.get(name)?.to_str().ok()?.split(',').map(str::trim).next();
    let host = text(X_FORWARDED_HOST).or_else(|| text(HOST)).or_else(|| uri.authority().map(|it| it.as_str()))?;
    let scheme = text(X_FORWARDED_PROTO).filter(|scheme| ["http", "https"].contains(scheme)).unwrap_or("http");
    Url::parse(&format!("{scheme}://{host}/")).ok()
}

/// Tells the service who asks. What another proxy has said before stays.
pub fn add_forwarded(headers: &mut HeaderMap, client: IpAddr, own: Option<&Url>) {
    let before = headers.get(X_FORWARDED_FOR).and_then(|value| value.to_str().ok());
    let all = before.map_or_else(|| client.to_string(), |before| format!("{before}, {client}"));
    if let Ok(all) = HeaderValue::from_str(&all) {
        headers.insert(X_FORWARDED_FOR, all);
    }
    let Some(own) = own else { return };
    let authority = &own[url::Position::BeforeHost..url::Position::AfterPort];
    for (name, value) in [(X_FORWARDED_HOST, authority), (X_FORWARDED_PROTO, own.scheme())] {
        if !headers.contains_key(&name) {
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        }
    }
}

/// Changes the addresses below one into those below another, in the headers that have addresses.
pub fn move_addresses(headers: &mut HeaderMap, from: &Url, to: &Url) {
    change_addresses(headers, |text| moved(text, from, to));
}

/// Rewrites addresses with a host alone: paths are below neither.
pub fn move_absolute_addresses(headers: &mut HeaderMap, from: &Url, to: &Url) {
    change_addresses(headers, |text| if is_absolute(text) { moved(text, from, to) } else { None });
}

fn change_addresses(headers: &mut HeaderMap, change: impl Fn(&str) -> Option<String>) {
    for (name, value) in headers.iter_mut() {
        let is_address = name.as_str().ends_with("location") || name == "azure-asyncoperation";
        let Ok(text) = value.to_str() else { continue };
        let changed = match name.as_str() {
            "link" => Some(changed_links(text, &change)),
            _ if is_address => changed(text, &change),
            _ => None,
        };
        if let Some(Ok(changed)) = changed.map(|changed| HeaderValue::from_str(&changed)) {
            *value = changed;
        }
    }
}

/// Some services quote their addresses.
fn changed(text: &str, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => change(quoted).map(|changed| format!("\"{changed}\"")),
        None => change(text),
    }
}

fn is_absolute(text: &str) -> bool {
    text.contains("://") || text.starts_with("//")
}

/// The targets in `<…>`.
fn changed_links(text: &str, change: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split('<');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |links, part| {
        let target = part.split_once('>').and_then(|(target, rest)| Some(format!("{}>{rest}", change(target)?)));
        links + "<" + target.as_deref().unwrap_or(part)
    })
}

/// `None` if it is not below there, or relative to where it stands, so that it may stay as it is.
fn moved(text: &str, from: &Url, to: &Url) -> Option<String> {
    let (base, new_base) = (from.path().trim_end_matches('/'), to.path().trim_end_matches('/'));
    if !is_absolute(text) && (!text.starts_with('/') || base == new_base) {
        return None;
    }
    let mut url = from.join(text).ok()?;
    let rest = url.path().strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    if !is_same_origin(&url, from) {
        return None;
    }
    let path = format!("{new_base}{rest}");
    url.set_path(&path);
    let relative = &url[url::Position::BeforePath..];
    Some(if is_absolute(text) {
        format!("{}{relative}", &to[..url::Position::BeforePath])
    } else {
        relative.to_owned()
    })
}

/// A service behind a TLS proxy often names itself by `http`.
fn is_same_origin(one: &Url, other: &Url) -> bool {
    let has_default_ports = one.port().is_none() && other.port().is_none();
    one.host() == other.host() && (has_default_ports || one.origin() == other.origin())
}
