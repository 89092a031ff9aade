//! The integration for `reqwest::Client` as a tower service.

use std::{
    any::Any,
    mem,
    task::{Context, Poll},
};

use http::{Extensions, HeaderMap, Method, StatusCode, Uri};
use tower_service::Service;

use super::{
    errors::redact_middleware,
    reqwest::{Body, Error as ReqwestError, Request, Response, ResponseBuilderExt, Url},
};
use crate::{
    address::policy::Address,
    error::{Error, boxed::BoxError, failed::OperationFailed},
    layer::overrides::LroOverrides,
    operation::Operation,
    redact::Redacted,
    request::{
        captured::{Intent, RequestHead},
        template::PollRequest,
    },
    service::{
        Lro,
        begin::begin,
        body::LroBody,
        future::ResponseFuture,
        response_ext::{ResponseExt, Sealed, failed},
        transport::{AsRequest, AsResponse},
    },
};

impl<S> Service<Request> for Lro<S>
where
    S: Service<Request, Response = Response, Error: 'static> + Clone,
{
    type Response = Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, Request>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request>::poll_ready(self.get_mut(), cx).map_err(Error::Service)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Some(head) = head_of(&mut request) else {
            return ResponseFuture::pass_through(self.get_mut().call(request));
        };
        let config = LroOverrides::config_for(&head.extensions, &self.layer);
        if config.passes_through(head.intent) {
            return ResponseFuture::pass_through(self.get_mut().call(request));
        }
        begin(self.get_mut(), config, head, request)
    }
}

/// Captures a request without its headers; `None` if polls could not be sent for its address.
pub(crate) fn head_of(request: &mut Request) -> Option<RequestHead> {
    // The extensions of a request, which hold its timeout, can be reached only by converting it into an `http::Request`; and a
    // request with a streaming body cannot be cloned. The headers are left out to save their clones.
    let headers = mem::take(request.headers_mut());
    let body = request.body_mut().take();
    let bare = request.try_clone();
    *request.headers_mut() = headers;
    *request.body_mut() = body;
    let (head, _) = http::Request::<Body>::try_from(bare?).ok()?.into_parts();
    let http::request::Parts { method, uri, version, extensions, .. } = head;
    let intent = Intent::of(&method, &extensions);
    Some(RequestHead { method, uri, version, extensions, timeout: request.timeout().copied(), intent })
}

/// Makes a request with extensions, which only the conversion from an `http::Request` can set; the address is then set again.
fn with_extensions(extensions: Extensions, method: Method, url: Url) -> Option<Request> {
    let mut bare = http::Request::new(Body::default());
    *bare.uri_mut() = Uri::from_static("http://h/");
    *bare.extensions_mut() = extensions;
    let mut request = Request::try_from(bare).ok()?;
    *request.method_mut() = method;
    *request.url_mut() = url;
    Some(request)
}

/// The rest of the address after the origin, if the origin is the same in both, letter by letter.
fn behind_origin<'a>(url: &'a Url, uri: &Uri) -> Option<&'a str> {
    let behind_scheme = url.as_str().strip_prefix(uri.scheme_str()?)?.strip_prefix("://")?;
    let behind_authority = behind_scheme.strip_prefix(uri.authority()?.as_str())?;
    behind_authority.starts_with('/').then_some(behind_authority)
}

/// Whether both are the same, letter by letter; `Uri == str` takes four times as long.
fn is_at(url: &Url, uri: &Uri) -> bool {
    behind_origin(url, uri).is_some_and(|rest| uri.path_and_query().is_some_and(|path| path.as_str() == rest))
}

/// Converts an address to reqwest's form. Parsing it is a third of the cost of a poll, and most are at the origin of the last one.
fn url_of(uri: &Uri, last: Option<&Url>) -> Option<Url> {
    let path = uri.path_and_query()?.as_str();
    match last.and_then(|last| Some((last, behind_origin(last, uri)?))) {
        Some((last, rest)) if rest == path => Some(last.clone()),
        // Two slashes, forward or backward, would begin another authority.
        Some((last, _)) if path.strip_prefix('/').is_some_and(|rest| !rest.starts_with(['/', '\\'])) => {
            last.join(path).ok()
        }
        _ => uri.to_string().parse().ok(),
    }
}

impl<E: 'static> AsRequest<Response, E> for Request {
    fn from_poll(poll: PollRequest, last: &Option<Url>) -> Option<Self> {
        let (head, ()) = poll.request.into_parts();
        let url = url_of(&head.uri, last.as_ref())?;
        let mut request = match head.extensions.is_empty() {
            true => Self::new(head.method, url),
            false => with_extensions(head.extensions, head.method, url)?,
        };
        *request.body_mut() = Some(Body::default());
        *request.version_mut() = head.version;
        *request.headers_mut() = head.headers;
        // Each change of the timeout is an allocation.
        if request.timeout() != poll.timeout.as_ref() {
            *request.timeout_mut() = poll.timeout;
        }
        Some(request)
    }

    fn redirect_to(&mut self, address: Address) -> bool {
        let timeout = self.timeout().copied();
        // Only this conversion gives access to the extensions.
        let bare = Self::new(self.method().clone(), self.url().clone());
        let Ok(mut request) = http::Request::<Body>::try_from(mem::replace(self, bare)) else { return false };
        let is_redirected = AsRequest::<http::Response<Body>, E>::redirect_to(&mut request, address);
        let Ok(mut request) = Self::try_from(request) else { return false };
        *request.timeout_mut() = timeout;
        *self = request;
        is_redirected
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }

    fn redact(error: &mut E) {
        redact(error);
    }
}

/// Errors of reqwest print their address with its query. Those inside of other errors than a middleware's cannot be reached.
fn redact(error: &mut dyn Any) {
    if let Some(error) = error.downcast_mut() {
        redact_url(error);
    } else if let Some(error) = error.downcast_mut() {
        redact_middleware(error, redact_url);
    } else if let Some(boxed) = error.downcast_mut::<BoxError>() {
        if let Some(error) = boxed.downcast_mut() {
            redact_url(error);
        } else if let Some(error) = boxed.downcast_mut() {
            redact_middleware(error, redact_url);
        }
    }
}

pub(crate) fn redact_url(error: &mut ReqwestError) {
    if let Some(url) = error.url_mut() {
        let redacted = url.as_str().parse().map(|uri| Redacted(&uri).to_string());
        match redacted.ok().and_then(|redacted| redacted.parse().ok()) {
            Some(redacted) => *url = redacted,
            None => url.set_query(None),
        }
    }
}

/// The address of a response that was made by hand, for example by a middleware that answers itself: reqwest knows no other.
const NO_URL: &str = "http://no.url.provided.local/";

impl AsResponse for Response {
    type Body = Body;
    type Output = Self;
    type Url = Option<Url>;

    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn extensions(&self) -> &Extensions {
        self.extensions()
    }

    fn pass_through(self) -> Self {
        self
    }

    fn effective_uri(&self, sent: impl FnOnce() -> Uri) -> Option<Uri> {
        let url = self.url();
        // Parsing it is expensive and seldom needed.
        if url.as_str() == NO_URL || is_at(url, &sent()) { None } else { url.as_str().parse().ok() }
    }

    fn into_http(self) -> (http::Response<Body>, Self::Url) {
        let url = self.url().clone();
        (self.into(), Some(url))
    }

    fn restore_url(url: Self::Url, extensions: &mut Extensions) {
        if let Some(Ok(with_url)) = url.map(|url| http::Response::builder().url(url).body(())) {
            extensions.extend(with_url.into_parts().0.extensions);
        }
    }

    fn from_http(response: http::Response<LroBody<Body>>) -> Self {
        response.map(Body::wrap).into()
    }
}

impl Sealed for Response {}

impl ResponseExt for Response {
    fn operation(&self) -> Option<&Operation> {
        self.extensions().get()
    }

    fn error_for_operation(self) -> Result<Self, OperationFailed> {
        failed(self.operation(), self.status()).map_or(Ok(self), Err)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn addresses_are_the_same_whatever_the_last_one_was(
            last in r"https?://(u:p@)?[ab]\.test(:80|:8080)?/x?(\?y)?(#z)?",
            uri in r"https?://(u:p@)?[ab]\.test(:80|:8080)?[/\\]{0,3}(\.{0,2}|x|%2e)/?[a|^'%\\]{0,2}(\?[a=%'?/]{0,3})?",
        ) {
            let (Ok(last), Ok(uri)) = (last.parse::<Url>(), uri.parse::<Uri>()) else { return Ok(()) };
            let anew = url_of(&uri, None);
            prop_assert_eq!(&url_of(&uri, Some(&last)), &anew);
            if is_at(&last, &uri) {
                prop_assert_eq!(Some(last), anew);
            }
        }
    }
}
