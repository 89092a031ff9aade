//! `CapturedRequest`: the caller's request, before it is known whether it starts an operation.

use std::{mem, time::Duration};

use http::{Extensions, HeaderMap, Method, Request, Uri, Version, header::HOST};
use url::Url;

use crate::{
    address::{policy::CallerAddress, uri::has_authority},
    operation::{Resume, cancel::Cancel},
    request::{
        headers::{CapturedHeaders, Host, RepeatedHeaders},
        names::NameLists,
        template::RequestTemplate,
    },
};

/// The caller's request without its headers and its body.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) extensions: Extensions,
    /// The timeout of a single request, if the transport has such a thing.
    pub(crate) timeout: Option<Duration>,
    pub(crate) intent: Intent,
}

/// What the caller wants with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// To have it sent. It may start an operation.
    Send,
    /// To resume an operation.
    Resume,
    /// To cancel an operation.
    Cancel,
}

impl Intent {
    #[inline]
    pub(crate) fn of(method: &Method, extensions: &Extensions) -> Self {
        if extensions.is_empty() {
            Self::Send
        } else if extensions.get::<Cancel>().is_some() {
            Self::Cancel
        } else if method == Method::GET && extensions.get::<Resume>().is_some() {
            // Only a `GET` can.
            Self::Resume
        } else {
            Self::Send
        }
    }
}

impl RequestHead {
    #[inline(always)]
    pub(crate) fn of<B>(request: &mut Request<B>, intent: Intent) -> Self {
        let (uri, extensions) = match intent {
            // It is not sent.
            Intent::Resume => (mem::take(request.uri_mut()), mem::take(request.extensions_mut())),
            Intent::Send | Intent::Cancel => (request.uri().clone(), request.extensions().clone()),
        };
        Self { method: request.method().clone(), uri, version: request.version(), extensions, timeout: None, intent }
    }
}

/// The parts that are kept of every request in case it starts an operation: not its body.
#[derive(Debug)]
pub(crate) struct CapturedRequest {
    pub(crate) head: RequestHead,
    headers: CapturedHeaders,
}

impl CapturedRequest {
    pub(crate) fn new(head: RequestHead, headers: &HeaderMap) -> Self {
        let mut captured = Self::without_headers(head);
        captured.capture(headers);
        captured
    }

    /// Must be followed by [`capture`](Self::capture), where it stays: moving the headers is expensive.
    #[inline]
    pub(crate) fn without_headers(head: RequestHead) -> Self {
        Self { head, headers: CapturedHeaders::new() }
    }

    #[inline]
    pub(crate) fn capture(&mut self, headers: &HeaderMap) {
        self.headers.capture(headers, self.head.host());
    }

    /// Makes the template, now that the request has started an operation.
    pub(crate) fn into_followed(self, rules: TemplateRules<'_>) -> FollowedRequest {
        self.head.into_followed(self.headers.repeated(rules.names), rules)
    }
}

impl RequestHead {
    /// Makes the template of a request that resumes an operation.
    #[inline]
    pub(crate) fn resuming(self, headers: &HeaderMap, rules: TemplateRules<'_>) -> FollowedRequest {
        let headers = RepeatedHeaders::of(headers, self.host(), rules.names);
        self.into_followed(headers, rules)
    }

    fn host(&self) -> Host {
        if has_authority(&self.uri) { Host::Drop } else { Host::Keep }
    }

    fn into_followed(mut self, headers: RepeatedHeaders, rules: TemplateRules<'_>) -> FollowedRequest {
        if !self.extensions.is_empty() {
            // A layer below would take them for its own.
            self.extensions.remove::<Resume>();
            self.extensions.remove::<Cancel>();
            rules.omitted.iter().for_each(|omitted| (omitted.remove)(&mut self.extensions));
        }
        let Self { method, uri, version, extensions, timeout, .. } = self;
        let host = if has_authority(&uri) { None } else { headers.get(&HOST) };
        let caller = CallerAddress::new(&uri, host, rules.base);
        let template = RequestTemplate::new(caller, version, extensions, headers, timeout);
        FollowedRequest { method, uri, template }
    }
}

/// The layer's settings for templates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TemplateRules<'a> {
    pub(crate) omitted: &'a [OmittedExtension],
    /// The base that a client below puts before paths.
    pub(crate) base: Option<&'a Url>,
    pub(crate) names: &'a NameLists,
}

/// An extension of the caller's request that polls do not get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OmittedExtension {
    pub(crate) remove: fn(&mut Extensions),
}

impl OmittedExtension {
    pub(crate) fn of<T: Clone + Send + Sync + 'static>() -> Self {
        Self { remove: |extensions| _ = extensions.remove::<T>() }
    }
}

/// Whether the caller's request has started the operation, or resumes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Starts,
    Resumes,
}

/// A request of the caller that starts an operation, or resumes one.
#[derive(Debug)]
pub(crate) struct FollowedRequest {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) template: RequestTemplate,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::policy::{Address, Credentials},
        operation::Operation,
        protocol::Protocol,
    };

    #[test]
    fn a_request_that_cancels_does_nothing_else_and_only_a_get_resumes() {
        let address = Address { uri: Uri::from_static("https://example.com/op"), credentials: Credentials::Send };
        let cancel = Operation::new(address, Protocol::fhir(), 0).cancel().unwrap();
        for (method, cancels, resumes, expected) in [
            (Method::GET, false, false, Intent::Send),
            (Method::GET, false, true, Intent::Resume),
            (Method::POST, false, true, Intent::Send),
            (Method::DELETE, true, false, Intent::Cancel),
            (Method::GET, true, true, Intent::Cancel),
        ] {
            let mut extensions = Extensions::new();
            cancels.then(|| extensions.insert(cancel.clone()));
            resumes.then(|| extensions.insert(Resume::new()));
            assert_eq!(Intent::of(&method, &extensions), expected, "{method} {cancels} {resumes}");
        }
    }
}
