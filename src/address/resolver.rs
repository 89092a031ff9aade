//! Monitor: resolving the addresses that servers write into headers, and deciding whether to trust them.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Uri, uri::PathAndQuery};
use url::Url;

use crate::{
    address::{
        error::{AddressError, AddressErrorKind},
        origin::Origin,
    },
    config::Settings,
    protocol::Spec,
    request::template::{Snapshot, has_authority},
};

/// The longest that `http` takes.
pub(crate) const MAX_URI: usize = u16::MAX as usize - 1;

/// What a request to an origin may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// All that the start request carried.
    Credentials,
    /// Nothing that could identify anybody.
    Anonymous,
}

/// An address that may be polled.
#[derive(Debug, PartialEq)]
pub(crate) struct Address {
    pub(crate) uri: Uri,
    pub(crate) trust: Trust,
}

/// Resolves addresses for one operation.
pub(crate) struct Resolver<'a> {
    pub(crate) start: &'a Snapshot,
    /// The address of that.
    pub(crate) own: Cow<'a, Uri>,
    pub(crate) settings: &'a Settings,
    pub(crate) spec: &'a Spec,
    /// Where the operation was started, if `start` is what resumes it.
    pub(crate) first: Option<&'a Uri>,
    /// Whether `start` is at an origin that must not see credentials.
    pub(crate) is_anonymous: bool,
}

impl Resolver<'_> {
    /// Resolves a header's `value` against `base` ([RFC 3986, section 5]), and decides whether the outcome may be polled.
    ///
    /// [RFC 3986, section 5]: https://www.rfc-editor.org/rfc/rfc3986#section-5
    pub(crate) fn resolve(
        &self,
        header: &HeaderName,
        value: &HeaderValue,
        base: &Uri,
    ) -> Result<Address, AddressError> {
        let error = |kind| AddressError::new(kind, Some(header.clone()), Some(value.clone()));
        let reference = text(value).ok_or_else(|| error(AddressErrorKind::NotText))?;
        if let Some(uri) = self.plainly_own(reference, base) {
            return Ok(Address { uri, trust: Trust::Credentials });
        }
        self.resolve_with(reference, base, error)
    }

    /// The same for an address that does not stand in a header.
    pub(crate) fn resolve_text(&self, reference: &str, base: &Uri) -> Result<Address, AddressError> {
        self.resolve_with(reference, base, |kind| AddressError::new(kind, None, None))
    }

    fn resolve_with(
        &self,
        reference: &str,
        base: &Uri,
        error: impl Fn(AddressErrorKind) -> AddressError,
    ) -> Result<Address, AddressError> {
        let url = self.join(base, reference).map_err(&error)?;
        let uri = Uri::try_from(url.as_str()).map_err(|_| error(AddressErrorKind::Unresolvable))?;
        self.judge(&url, uri).map_err(|uri| error(AddressErrorKind::Untrusted).with_uri(uri, &self.own))
    }

    /// Decides whether a `uri` may be polled.
    pub(crate) fn check(&self, uri: &Uri) -> Result<Address, AddressError> {
        self.resolve_text("", uri)
    }

    /// Resolves an address that will not be polled.
    pub(crate) fn locate(&self, base: &Uri, reference: &str) -> Option<Uri> {
        let url = self.join(base, reference).ok()?;
        let uri = Uri::try_from(url.as_str()).ok()?;
        let is_own = Origin::of(&url).is_some_and(|origin| self.own_origins().contains(&origin));
        Some(if is_own { self.in_the_starts_form(uri) } else { uri })
    }

    fn join(&self, base: &Uri, reference: &str) -> Result<Url, AddressErrorKind> {
        // The parser of URLs drops user information that is empty.
        let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let absolute = reference.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).map(|(_, rest)| rest);
        let authority = absolute.or_else(|| reference.strip_prefix("//"));
        if authority.and_then(|rest| rest.split(['/', '\\', '?', '#']).next()).is_some_and(|host| host.contains('@')) {
            return Err(AddressErrorKind::UserInfo);
        }
        let base = self.absolute(base).ok_or(AddressErrorKind::Unresolvable)?;
        let mut url = base.join(reference).map_err(|_| AddressErrorKind::Unresolvable)?;
        url.set_fragment(None);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressErrorKind::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressErrorKind::UserInfo);
        }
        Ok(url)
    }

    fn judge(&self, url: &Url, uri: Uri) -> Result<Address, Uri> {
        let Some(origin) = Origin::of(url) else { return Err(uri) };
        let own = self.own_origins();
        if own.contains(&origin) {
            return Ok(Address { uri: self.in_the_starts_form(uri), trust: Trust::Credentials });
        }
        let covered_by = |origins: &[Origin], origin: &Origin| origins.iter().any(|known| known.covers(origin));
        let trusted = covered_by(&self.settings.trusted, &origin)
            || self
                .spec
                .trust
                .iter()
                .any(|rule| covered_by(&rule.to, &origin) && own.iter().any(|own| covered_by(&rule.from, own)));
        if trusted {
            Ok(Address { uri, trust: Trust::Credentials })
        } else if covered_by(&self.settings.allowed, &origin)
            || covered_by(&self.spec.allowed, &origin)
            || self.origins_of_start().contains(&origin)
        {
            Ok(Address { uri, trust: Trust::Anonymous })
        } else {
            Err(uri)
        }
    }

    /// Those that may see the start request's credentials, since it went there with them.
    fn own_origins(&self) -> Vec<Origin> {
        let first = self.first.filter(|first| has_authority(first)).and_then(|first| self.absolute(first));
        let mut own: Vec<Origin> = first.as_ref().and_then(Origin::of).into_iter().collect();
        if !self.is_anonymous {
            own.extend(self.origins_of_start());
        }
        own
    }

    /// The origin of the start request. Where its URI is a path, the host is the `Host` header's, and the scheme is the
    /// connection's, which is not known here: nothing that comes back can change the connection, so either will do.
    fn origins_of_start(&self) -> Vec<Origin> {
        let Some(url) = self.absolute(&self.own) else { return Vec::new() };
        let own = Origin::of(&url);
        let mut encrypted = url;
        let other = if has_authority(&self.own) || encrypted.set_scheme("https").is_err() {
            None
        } else {
            Origin::of(&encrypted)
        };
        own.into_iter().chain(other).collect()
    }

    fn in_the_starts_form(&self, uri: Uri) -> Uri {
        if has_authority(&self.own) {
            return uri;
        }
        uri.into_parts().path_and_query.map_or_else(Uri::default, Uri::from)
    }

    /// The URI as a URL without user information.
    fn absolute(&self, uri: &Uri) -> Option<Url> {
        let mut url = if has_authority(uri) {
            Url::parse(&uri.to_string()).ok()?
        } else if has_authority(&self.own) {
            // As of an operation that was started by a path alone.
            Url::parse(&self.own.to_string()).ok()?.join(&uri.to_string()).ok()?
        } else {
            let host = self.start.host();
            let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or("no-host.invalid");
            Url::parse(&format!("http://{host}{uri}")).ok()?
        };
        if matches!(url.scheme(), "http" | "https") {
            url.set_username("").ok()?;
            url.set_password(None).ok()?;
        }
        Some(url)
    }
}

/// The text of a header value, trimmed and without one pair of double quotes around it.
pub(crate) fn text(value: &HeaderValue) -> Option<&str> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?.trim_matches([' ', '\t']);
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    // A URL parser drops tabs, so what was checked would not be what is written.
    (!text.bytes().any(|byte| byte.is_ascii_control())).then_some(text)
}

/// Appends the query parameters called `names` that the query `from` has and `to` has not, if there are any.
pub(crate) fn propagate_query(names: &[String], from: Option<&str>, to: &Uri) -> Option<Uri> {
    let is_carried = |name: &str| {
        is_among(names, name) && !parameters(to.query()).any(|(present, _)| present.eq_ignore_ascii_case(name))
    };
    let has_any = parameters(from).any(|(name, _)| is_carried(name));
    has_any.then(|| {
        with_parameters(to, parameters(to.query()).chain(parameters(from).filter(|(name, _)| is_carried(name))))
    })
}

/// Removes the query parameters called `names`, `api-version` excepted, that are those of the query `from`, so that
/// [`propagate_query`] adds them again.
pub(crate) fn without_query(names: &[String], from: Option<&str>, uri: &Uri) -> Uri {
    let is_kept = |(name, parameter): (&str, &str)| {
        name.eq_ignore_ascii_case("api-version")
            || !is_among(names, name)
            || !parameters(from)
                .any(|(carried, it)| carried.eq_ignore_ascii_case(name) && value(it) == value(parameter))
    };
    if parameters(uri.query()).all(is_kept) {
        return uri.clone();
    }
    with_parameters(uri, parameters(uri.query()).filter(|&parameter| is_kept(parameter)))
}

/// The value of a parameter, decoded.
fn value(parameter: &str) -> Option<String> {
    url::form_urlencoded::parse(parameter.as_bytes()).next().map(|(_, value)| value.into_owned())
}

/// Removes user information, and all query parameters but `api-version`.
pub(crate) fn with_api_version_alone(uri: &Uri) -> Uri {
    let is_kept = |(name, _): (&str, &str)| name.eq_ignore_ascii_case("api-version");
    if parameters(uri.query()).all(is_kept) {
        return without_user_info(uri.clone());
    }
    without_user_info(with_parameters(uri, parameters(uri.query()).filter(|&parameter| is_kept(parameter))))
}

pub(crate) fn without_user_info(uri: Uri) -> Uri {
    let host =
        uri.authority().and_then(|authority| authority.as_str().rsplit_once('@')).map(|(_, host)| host.to_owned());
    let Some(host) = host.and_then(|host| host.parse().ok()) else { return uri };
    let mut parts = uri.into_parts();
    parts.authority = Some(host);
    Uri::from_parts(parts).unwrap_or_default()
}

/// The query's parameters: their names, and their names and values together.
fn parameters(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| (parameter.split_once('=').map_or(parameter, |(name, _)| name), parameter))
}

fn is_among(names: &[String], name: &str) -> bool {
    names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

/// Falls back to `uri` as it is where the outcome would be longer than a URI may be.
fn with_parameters<'a>(uri: &Uri, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Uri {
    let mut text = String::from(uri.path());
    for (index, (_, parameter)) in parameters.enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(parameter);
    }
    // Not every version of `http` looks at the length of parts.
    let scheme_len = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority_len = uri.authority().map_or(0, |authority| authority.as_str().len());
    let is_too_long = scheme_len + authority_len + text.len() > MAX_URI;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(text).ok();
    if is_too_long || parts.path_and_query.is_none() {
        return uri.clone();
    }
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_longer_than_others_can_read() {
        let names = ["subscription-key".to_owned()];
        let from = Some("subscription-key=abc");
        for (length, is_carried) in [(100, true), (MAX_URI - 21, true), (MAX_URI - 20, false), (MAX_URI - 4, false)] {
            let to: Uri = format!("http://a.example/{}", "x".repeat(length - 17)).parse().unwrap();
            let carried = propagate_query(&names, from, &to).unwrap();
            assert_eq!(carried != to, is_carried, "{length}");
            assert_eq!(carried.to_string().parse::<Uri>().unwrap(), carried);
        }
    }
}
