//! Addresses as they may be printed.

use http::Uri;
use reqwest::Url;

/// Without its user information, and with its query values replaced, but for that of `api-version`: addresses of monitors and results may be signed.
pub fn redacted(uri: &Uri) -> String {
    let whole = uri.to_string();
    let user = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let whole = user.map_or_else(|| whole.clone(), |(user, _)| whole.replacen(&format!("{user}@"), "", 1));
    let Some(query) = uri.query() else { return whole };
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, version)) if name.eq_ignore_ascii_case("api-version") && is_version(version) => {
            parameter.to_owned()
        }
        Some((name, _)) if !name.contains(';') => format!("{name}=***"),
        _ => "***".to_owned(),
    });
    let (address, _) = whole.split_once('?').unwrap_or((&whole, ""));
    format!("{address}?{}", parameters.collect::<Vec<_>>().join("&"))
}

/// Without what names a user, and may have a password.
pub fn without_user(mut url: Url) -> Url {
    // Only addresses that can have none refuse.
    _ = url.set_username("");
    _ = url.set_password(None);
    url
}

/// Nothing but a version, or a date with a word behind it.
fn is_version(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}
