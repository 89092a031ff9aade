//! Addresses as they may be printed.

use http::Uri;

/// With its query values replaced, but for that of `api-version`: addresses of monitors and results may be signed.
pub fn redacted(uri: &Uri) -> String {
    let Some(query) = uri.query() else { return uri.to_string() };
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, version)) if name.eq_ignore_ascii_case("api-version") && is_version(version) => {
            parameter.to_owned()
        }
        Some((name, _)) if !name.contains(';') => format!("{name}=***"),
        _ => "***".to_owned(),
    });
    let whole = uri.to_string();
    let (address, _) = whole.split_once('?').unwrap_or((&whole, ""));
    format!("{address}?{}", parameters.collect::<Vec<_>>().join("&"))
}

/// Nothing but a version, or a date with a word behind it.
fn is_version(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}
