//! `Resolver`: resolves a reference in a response, and decides whether it may be asked.

use std::cell::LazyCell;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use url::Url;

use crate::{
    address::{
        error::{AddressError, AddressErrorKind},
        policy::{Address, CallerAddress, Credentials, NO_HOST, NamedOrigins, Policy},
        seen::SeenOrigins,
        uri::{
            begins_like_host, has_authority, is_same_decoded, names_user, text_without_propagated, to_url,
            without_propagated, without_sent, without_user_info,
        },
    },
    limits::MAX_REFERENCES,
};

/// Resolves addresses for one request of the caller.
pub(crate) struct Resolver<'a> {
    policy: Policy<'a>,
    seen: &'a SeenOrigins,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(caller: &'a CallerAddress, named: NamedOrigins<'a>, seen: &'a SeenOrigins) -> Self {
        Self { policy: Policy::new(caller, named), seen }
    }

    /// Resolves a header against `base` ([RFC 3986, section 5]), and decides whether the outcome may be asked. `None` if the
    /// response has no such header.
    ///
    /// A header that is there more than once, or that a proxy has joined, is one address as long as all its values are.
    ///
    /// [RFC 3986, section 5]: https://www.rfc-editor.org/rfc/rfc3986#section-5
    pub(crate) fn resolve_header(
        &self,
        header: &HeaderName,
        headers: &HeaderMap,
        base: &Uri,
    ) -> Option<Result<Address, AddressError>> {
        let mut values = headers.get_all(header).iter().peekable();
        let first = *values.peek()?;
        let error = |kind| AddressError::new(kind, Some(header.clone()), Some(first.clone()));
        let base = LazyCell::new(|| self.absolute(base));
        let mut named: Option<Url> = None;
        let mut count = 0;
        for value in values {
            let Some(text) = trimmed_text(value) else { return Some(Err(error(AddressErrorKind::NotText))) };
            for reference in references(text) {
                count += 1;
                if count > MAX_REFERENCES {
                    return Some(Err(error(AddressErrorKind::Ambiguous)));
                }
                match (join(self.seen, &base, reference), &named) {
                    (Err(kind), _) => return Some(Err(error(kind))),
                    (Ok(url), Some(other)) if url != *other => {
                        return Some(Err(error(AddressErrorKind::Ambiguous)));
                    }
                    (Ok(url), _) => named = Some(url),
                }
            }
        }
        named.map(|url| self.authorize(url, error))
    }

    /// Resolves a reference that is not in a header, as [`resolve_header`](Self::resolve_header) does.
    pub(crate) fn resolve(&self, reference: &str, base: &Uri) -> Result<Address, AddressError> {
        let error = |kind| AddressError::new(kind, None, None);
        self.authorize(self.join(base, reference).map_err(error)?, error)
    }

    /// Decides whether a URI may be asked.
    pub(crate) fn check(&self, uri: &Uri) -> Result<Address, AddressError> {
        if self.policy.caller().is_plainly_own(uri) {
            return Ok(Address { uri: uri.clone(), credentials: Credentials::Send });
        }
        self.resolve("", uri)
    }

    /// Decides whether an answer may come from a URI to which the transport itself was redirected. An unencrypted answer is judged
    /// as such, because anybody on the path may have written it.
    pub(crate) fn check_answered(&self, uri: &Uri) -> Result<(), AddressError> {
        let error = |kind| AddressError::new(kind, None, None);
        self.judge(&self.join(uri, "").map_err(error)?, error).map(|_| ())
    }

    /// Decides whether the caller's request may resume or cancel an operation that was started elsewhere.
    pub(crate) fn check_started(&self, started: &Uri, monitor: &Uri) -> Result<(), AddressError> {
        if self.policy.may_resume(started, monitor) {
            return Ok(());
        }
        let kind = match self.policy.has_no_origin() {
            true => AddressErrorKind::NoRequestHost,
            false => AddressErrorKind::ResumedElsewhere,
        };
        let request = self.policy.caller().uri().unwrap_or_default();
        Err(AddressError::new(kind, None, None).with_uri(started.clone(), &request))
    }

    /// Resolves a reference that will not be asked.
    pub(crate) fn locate(&self, reference: &str, base: &Uri) -> Option<Uri> {
        let url = self.join(base, reference).ok()?;
        let uri = Uri::try_from(url.as_str()).ok()?;
        Some(self.policy.in_form_of_request(&url, uri))
    }

    /// Resolves a header that will not be asked.
    pub(crate) fn locate_header(&self, header: &HeaderName, headers: &HeaderMap, base: &Uri) -> Option<Uri> {
        let text = headers.get(header).and_then(trimmed_text)?;
        references(text).find(|reference| !reference.is_empty()).and_then(|reference| self.locate(reference, base))
    }

    fn authorize(
        &self,
        mut url: Url,
        error: impl Fn(AddressErrorKind) -> AddressError,
    ) -> Result<Address, AddressError> {
        self.policy.upgrade(&mut url);
        let uri = Uri::try_from(url.as_str()).map_err(|_| error(AddressErrorKind::Unresolvable))?;
        let credentials = self.judge(&url, error)?;
        Ok(Address { uri: self.policy.in_form_of_request(&url, uri), credentials })
    }

    fn judge(&self, url: &Url, error: impl Fn(AddressErrorKind) -> AddressError) -> Result<Credentials, AddressError> {
        let is_relative = url.host_str() == Some(NO_HOST) && self.policy.is_known_by_path_only();
        let credentials = if is_relative { Some(Credentials::Send) } else { self.policy.authorize(url) };
        credentials.ok_or_else(|| {
            let kind = match self.policy.has_no_origin() {
                true => AddressErrorKind::NoRequestHost,
                false => AddressErrorKind::Untrusted,
            };
            let refused = Uri::try_from(url.as_str()).unwrap_or_default();
            error(kind).with_uri(refused, &self.policy.caller().uri().unwrap_or_default())
        })
    }

    fn join(&self, base: &Uri, reference: &str) -> Result<Url, AddressErrorKind> {
        join(self.seen, &LazyCell::new(|| self.absolute(base)), reference)
    }

    /// Makes a URL of a URI of the caller or of the service, without user information.
    fn absolute(&self, uri: &Uri) -> Option<Url> {
        let mut url = if has_authority(uri) {
            to_url(uri)?
        } else if let Some(own) = self.policy.caller().url() {
            // Two slashes at the beginning of a path name no host, as they would in a reference.
            let dot = if begins_like_host(uri.path()) { "/." } else { "" };
            own.join(&format!("{dot}{uri}")).ok()?
        } else {
            // `http` allows `*`, which would become part of the host.
            let slash = if uri.path().starts_with('/') { "" } else { "/" };
            Url::parse(&format!("http://{NO_HOST}{slash}{uri}")).ok()?
        };
        if names_user(&url) {
            url.set_username("").ok()?;
            url.set_password(None).ok()?;
        }
        Some(url)
    }

    /// Returns the part of a resolved address that may be remembered, and the whole address if polls need more than that. Query
    /// parameters that are `propagated` are left out, because polls add them again; if the address is the caller's own, so are all
    /// parameters of the caller's query.
    pub(crate) fn remembered(&self, propagated: &[String], uri: &Uri) -> (Uri, Option<Uri>) {
        let caller = self.policy.caller();
        let part = without_sent(caller.query(), uri);
        let repeats_it = || part.is_some() && self.is_request_place(uri);
        if caller.is(uri) || repeats_it() {
            let remembered = without_user_info(part.unwrap_or_else(|| uri.clone()));
            let is_part = remembered != *uri;
            return (remembered, is_part.then(|| uri.clone()));
        }
        // Nothing was propagated either, since that is a part of what the caller sent.
        if part.is_none() {
            return (uri.clone(), None);
        }
        (self.without_propagated(propagated, uri), None)
    }

    /// The address without the query parameters of the caller's request that polls add again.
    pub(crate) fn without_propagated(&self, propagated: &[String], uri: &Uri) -> Uri {
        without_propagated(propagated, self.policy.caller().query(), uri)
    }

    /// Cleans the name of an operation, which may be an address, in the same way.
    pub(crate) fn name_without_propagated(&self, propagated: &[String], name: String) -> String {
        text_without_propagated(propagated, self.policy.caller().query(), name)
    }

    /// Whether an address is the caller's own apart from the query and the scheme.
    fn is_request_place(&self, uri: &Uri) -> bool {
        let caller = self.policy.caller();
        let own = caller.uri().and_then(|own| self.absolute(&own));
        let (Some(named), Some(own)) = (self.absolute(uri), own) else { return false };
        is_same_decoded(named.path(), own.path()) && named.host_str() == own.host_str() && named.port() == own.port()
    }
}

/// An absolute reference needs no base.
fn join<F: FnOnce() -> Option<Url>>(
    seen: &SeenOrigins,
    base: &LazyCell<Option<Url>, F>,
    reference: &str,
) -> Result<Url, AddressErrorKind> {
    // The URL parser drops empty user information.
    if reference.contains('@') && has_user_info(reference) {
        return Err(AddressErrorKind::UserInfo);
    }
    let is_absolute = ["https://", "http://"].iter().any(|scheme| reference.starts_with(scheme));
    let url = match is_absolute {
        true => seen.parse(reference).ok(),
        false => base.as_ref().and_then(|base| base.join(reference).ok()),
    };
    let mut url = url.ok_or(AddressErrorKind::Unresolvable)?;
    url.set_fragment(None);
    if !matches!(url.scheme(), "http" | "https") {
        return Err(AddressErrorKind::Scheme);
    }
    if names_user(&url) {
        return Err(AddressErrorKind::UserInfo);
    }
    Ok(url)
}

/// Whether there is user information before the host.
fn has_user_info(reference: &str) -> bool {
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let absolute = reference.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).map(|(_, rest)| rest);
    let authority = absolute.or_else(|| reference.strip_prefix("//"));
    authority.and_then(|rest| rest.split(['/', '\\', '?', '#']).next()).is_some_and(|host| host.contains('@'))
}

/// The text of a header value, trimmed and without one pair of double quotes around it.
pub(crate) fn header_text(value: &HeaderValue) -> Option<&str> {
    trimmed_text(value).map(unquoted)
}

fn trimmed_text(value: &HeaderValue) -> Option<&str> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?.trim_ascii();
    // A URL parser drops tabs, so the text that was checked would not be the text that was written. Headers have no other
    // control character.
    (!text.contains('\t')).then_some(text)
}

fn unquoted(text: &str) -> &str {
    let text = text.trim_ascii();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The references in a header value, separated by commas if a proxy has joined several values. An address may itself contain
/// a comma, but not one followed by a space or by another absolute address.
fn references(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let is_separator = |&(index, _): &(usize, &str)| {
            let behind = &text[index + 1..];
            behind.starts_with([' ', '\t', '"'])
                || ["http://", "https://"].iter().any(|scheme| behind.starts_with(scheme))
                || behind.strip_prefix(&text[..index]).is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
        };
        let end = text.match_indices(',').find(is_separator).map(|(index, _)| index);
        rest = end.map(|end| &text[end + 1..]);
        Some(unquoted(&text[..end.unwrap_or(text.len())]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_values_are_taken_apart_and_commas_in_addresses_are_not() {
        for (value, expected) in [
            ("", &[""][..]),
            ("/a", &["/a"]),
            ("/a(1,2)", &["/a(1,2)"]),
            ("/a, /b", &["/a", "/b"]),
            ("/a,/a", &["/a", "/a"]),
            ("/a,/a,/a", &["/a", "/a", "/a"]),
            ("https://a/1,https://a/2", &["https://a/1", "https://a/2"]),
            ("\"/a\", \"/a\"", &["/a", "/a"]),
            ("/a,/b", &["/a,/b"]),
        ] {
            assert_eq!(references(value).collect::<Vec<_>>(), expected, "{value}");
        }
    }
}
