//! Parts of URIs: copying query parameters from one to another, and removing secrets.

use std::borrow::Cow;

use http::{Uri, uri::PathAndQuery};
use url::{Url, form_urlencoded};

use crate::limits::MAX_URI_BYTES;

const API_VERSION: &str = "api-version";

/// The URI as a URL; `None` if it has no authority, or is no URL.
pub(crate) fn to_url(uri: &Uri) -> Option<Url> {
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let rest = uri.path_and_query().map_or("", |rest| rest.as_str());
    // A text that is not a path would become part of the host: `http` allows `*`.
    let slash = if rest.is_empty() || rest.starts_with(['/', '?']) { "" } else { "/" };
    Url::parse(&format!("{scheme}://{authority}{slash}{rest}")).ok()
}

pub(crate) fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

pub(crate) fn has_authority(uri: &Uri) -> bool {
    uri.authority().is_some()
}

/// Whether a URL has user information.
pub(crate) fn names_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether a path would name a host if it were taken for a reference: URLs know no difference between slashes and backslashes.
pub(crate) fn begins_like_host(path: &str) -> bool {
    path.starts_with("//") || path.starts_with("/\\")
}

/// Appends the query parameters called `names` that the query `from` has and `to` lacks; `None` if there are none.
pub(crate) fn propagate_query(names: &[String], from: Option<&str>, to: &Uri) -> Option<Uri> {
    let is_missing = |sent: &Parameter<'_>| {
        let name = sent.name();
        is_among(names, sent) && !parameters(to.query()).any(|present| present.has_name(&name))
    };
    // Most often they are the same.
    let has_any = from != to.query() && parameters(from).any(|sent| is_missing(&sent));
    has_any.then(|| {
        with_parameters(
            to,
            parameters(to.query()).chain(parameters(from).filter(is_missing)).map(|parameter| parameter.0),
        )
    })
}

/// Appends the `api-version` of the query `from`, if `to` has none and it is among `names`.
pub(crate) fn propagate_api_version(names: &[String], from: Option<&str>, to: &Uri) -> Option<Uri> {
    let name = names.iter().find(|name| name.eq_ignore_ascii_case(API_VERSION))?;
    propagate_query(std::slice::from_ref(name), from, to)
}

/// Removes the query parameters called `names`, except `api-version`, that are also in the query `from`: [`propagate_query`]
/// adds them again.
pub(crate) fn without_propagated(names: &[String], from: Option<&str>, uri: &Uri) -> Uri {
    let is_dropped = |parameter: &Parameter<'_>| is_among(names, parameter) && is_of(from, parameter);
    without_parameters(uri, is_dropped).unwrap_or_else(|| uri.clone())
}

/// Like [`without_propagated`], for a text that may be an address.
pub(crate) fn text_without_propagated(names: &[String], from: Option<&str>, text: String) -> String {
    let Some((path, query)) = text.split_once('?').filter(|_| from.is_some()) else { return text };
    let Ok(uri) = format!("/?{query}").parse() else { return text };
    let cleaned = without_propagated(names, from, &uri);
    match cleaned.query() {
        _ if cleaned == uri => text,
        Some(rest) => format!("{path}?{rest}"),
        None => path.to_owned(),
    }
}

/// Removes the query parameters that are also in the query `from`, except `api-version`; `None` if there are none.
pub(crate) fn without_sent(from: Option<&str>, uri: &Uri) -> Option<Uri> {
    without_parameters(uri, |parameter| is_of(from, parameter))
}

/// Removes user information and all query parameters except `api-version`: the rest may be kept of a request's own address.
pub(crate) fn without_secrets(uri: &Uri) -> Uri {
    without_user_info(without_parameters(uri, |_| true).unwrap_or_else(|| uri.clone()))
}

pub(crate) fn without_user_info(uri: Uri) -> Uri {
    let host =
        uri.authority().and_then(|authority| authority.as_str().rsplit_once('@')).map(|(_, host)| host.to_owned());
    let Some(host) = host.and_then(|host| host.parse().ok()) else { return uri };
    let mut parts = uri.into_parts();
    parts.authority = Some(host);
    Uri::from_parts(parts).unwrap_or_default()
}

/// A parameter as it is written in a query.
#[derive(Clone, Copy)]
struct Parameter<'a>(&'a str);

impl<'a> Parameter<'a> {
    /// The parameters seen by servers that accept a semicolon as a separator ([HTML 4.01, appendix B.2.2]).
    ///
    /// [HTML 4.01, appendix B.2.2]: https://www.w3.org/TR/html401/appendix/notes.html#h-B.2.2
    fn pieces(self) -> impl Iterator<Item = Self> {
        self.0.split(';').map(Parameter)
    }

    /// The decoded name and value, which servers compare.
    fn decoded(self) -> (Cow<'a, str>, Cow<'a, str>) {
        if self.0.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
            return form_urlencoded::parse(self.0.as_bytes()).next().unwrap_or_default();
        }
        let (name, value) = self.0.split_once('=').unwrap_or((self.0, ""));
        (name.into(), value.into())
    }

    fn name(self) -> Cow<'a, str> {
        self.decoded().0
    }

    fn is_api_version(self) -> bool {
        let plain = self.0.as_bytes().split_at_checked(API_VERSION.len());
        let is_plainly = plain.is_some_and(|(name, rest)| {
            name.eq_ignore_ascii_case(API_VERSION.as_bytes()) && rest.first().is_none_or(|byte| *byte == b'=')
        });
        is_plainly || self.has_name(API_VERSION)
    }

    fn has_name(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }
}

fn parameters(query: Option<&str>) -> impl Iterator<Item = Parameter<'_>> {
    query.unwrap_or_default().split('&').filter(|text| !text.is_empty()).map(Parameter)
}

fn is_among(names: &[String], parameter: &Parameter<'_>) -> bool {
    let name = parameter.name();
    names.iter().any(|wanted| wanted.eq_ignore_ascii_case(&name))
}

/// Whether two paths, or two queries, are the same once decoded.
pub(crate) fn is_same_decoded(one: &str, other: &str) -> bool {
    one == other || form_urlencoded::parse(one.as_bytes()).eq(form_urlencoded::parse(other.as_bytes()))
}

/// Whether a query has the parameter, with the same value.
fn is_of(query: Option<&str>, parameter: &Parameter<'_>) -> bool {
    let (name, value) = parameter.decoded();
    let is_it = |sent: Parameter<'_>| {
        let (sent, its) = sent.decoded();
        sent.eq_ignore_ascii_case(&name) && its == value
    };
    parameters(query).any(|sent| is_it(sent) || (sent.0.contains(';') && sent.pieces().any(is_it)))
}

/// Removes the parameters that are `dropped`, except `api-version`; `None` if there are none.
fn without_parameters(uri: &Uri, dropped: impl Fn(&Parameter<'_>) -> bool) -> Option<Uri> {
    let is_dropped = |parameter: &Parameter<'_>| !parameter.is_api_version() && dropped(parameter);
    // A parameter may stay although a piece of it must go.
    let has_dropped =
        |parameter: &Parameter<'_>| parameter.0.contains(';') && parameter.pieces().any(|piece| is_dropped(&piece));
    if !parameters(uri.query()).any(|parameter| is_dropped(&parameter) || has_dropped(&parameter)) {
        return None;
    }
    let kept = parameters(uri.query()).filter(|parameter| !is_dropped(parameter)).map(|parameter| {
        if !has_dropped(&parameter) {
            return Cow::from(parameter.0);
        }
        let pieces: Vec<_> = parameter.pieces().filter(|piece| !is_dropped(piece)).map(|piece| piece.0).collect();
        pieces.join(";").into()
    });
    Some(with_parameters(uri, kept.filter(|text| !text.is_empty())))
}

/// Falls back to `uri` if the result would be longer than a URI may be.
fn with_parameters<T: AsRef<str>>(uri: &Uri, parameters: impl Iterator<Item = T>) -> Uri {
    let mut text = String::from(uri.path());
    for (index, parameter) in parameters.enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(parameter.as_ref());
    }
    with_path_and_query(uri, text).unwrap_or_else(|| uri.clone())
}

/// The same URI with another path and query; `None` if that makes no URI.
pub(crate) fn with_path_and_query(uri: &Uri, text: String) -> Option<Uri> {
    // Not every version of `http` checks the length of parts.
    let scheme_len = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority_len = uri.authority().map_or(0, |authority| authority.as_str().len());
    if scheme_len + authority_len + text.len() > MAX_URI_BYTES {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_gets_longer_than_others_can_read() {
        let names = ["subscription-key".to_owned()];
        let from = Some("subscription-key=abc");
        for (length, is_propagated) in
            [(100, true), (MAX_URI_BYTES - 21, true), (MAX_URI_BYTES - 20, false), (MAX_URI_BYTES - 4, false)]
        {
            let to: Uri = format!("http://a.example/{}", "x".repeat(length - 17)).parse().unwrap();
            let propagated = propagate_query(&names, from, &to).unwrap();
            assert_eq!(propagated != to, is_propagated, "{length}");
            assert_eq!(propagated.to_string().parse::<Uri>().unwrap(), propagated);
        }
    }

    #[test]
    fn parameters_that_polls_add_again_are_removed_whatever_separates_them() {
        let names = ["key".to_owned(), "api-version".to_owned()];
        for (from, uri, expected) in [
            ("key=S", "/m?a=1&key=S&b=2", "/m?a=1&b=2"),
            ("key=S", "/m?a=1;key=S;b=2", "/m?a=1;b=2"),
            ("key=S", "/m?a=1;key=S&b=2", "/m?a=1&b=2"),
            ("key=S", "/m?key=S;a=1&b=2", "/m?a=1&b=2"),
            ("a=1;key=S", "/m?key=S", "/m"),
            ("key=S", "/m?key=S;;api-version=1", "/m?;api-version=1"),
            ("key=S", "/m?$expand=x($select=a;$top=1)&key=S", "/m?$expand=x($select=a;$top=1)"),
            ("key=S", "/m?a=1;&key=S&b", "/m?a=1;&b"),
            ("key=S", "/m?key=T;a", "/m?key=T;a"),
            // Its value has a semicolon.
            ("key=a;b", "/m?key=a;b&x=1", "/m?x=1"),
            ("key=a%3Bb", "/m?key=a;b", "/m"),
            ("key=a;b", "/m?x&key=a%3bb", "/m?x"),
        ] {
            assert_eq!(without_propagated(&names, Some(from), &uri.parse().unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn parameters_are_added_as_they_were_written() {
        let names = ["key".to_owned(), "api-version".to_owned()];
        for (from, to, expected) in [
            ("key=S", "/m?a=1;b=2", Some("/m?a=1;b=2&key=S")),
            ("key=S", "/m?sig=x;", Some("/m?sig=x;&key=S")),
            ("key=S", "/m?a=1;&b=2", Some("/m?a=1;&b=2&key=S")),
            ("key=a;b", "/m", Some("/m?key=a;b")),
            ("key=S;x=1&api-version=2", "/m", Some("/m?key=S;x=1&api-version=2")),
            ("key=S", "/m?KEY=T", None),
        ] {
            let propagated = propagate_query(&names, Some(from), &to.parse().unwrap());
            assert_eq!(propagated, expected.map(Uri::from_static), "{from} {to}");
        }
    }

    #[test]
    fn what_is_kept_of_a_requests_own_address() {
        for (uri, kept) in [
            ("https://user:pw@a.example/x?code=SECRET&Api-Version=1&key", "https://a.example/x?Api-Version=1"),
            ("https://a.example/x", "https://a.example/x"),
            ("/x?code=SECRET", "/x"),
            ("/x?api-version=1;code=SECRET", "/x?api-version=1"),
            ("/x?api-version=1;SECRET", "/x?api-version=1"),
            ("/x?code=SECRET;api-version=1&key", "/x"),
        ] {
            assert_eq!(without_secrets(&uri.parse().unwrap()), kept);
        }
    }
}
