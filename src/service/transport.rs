//! The differences between the request and response types of `http` and of reqwest.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header::HOST};
use http_body::Body;

use crate::{
    address::{
        policy::{Address, Credentials},
        uri::has_authority,
    },
    layer::overrides::LroOverrides,
    operation::cancel::Cancel,
    request::template::PollRequest,
    service::body::LroBody,
};

pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");

/// A request type that polls can be sent with, to a service with the response `T` and the error `E`.
pub trait AsRequest<T: AsResponse, E>: Sized {
    /// Makes a request without a body; `None` if this type cannot express its address. The last response came from `last`.
    fn from_poll(poll: PollRequest, last: &T::Url) -> Option<Self>;

    /// Redirects the caller's own request, which cancels an operation, to the address for that; `false` if this type cannot express
    /// the address.
    #[must_use]
    fn redirect_to(&mut self, address: Address) -> bool;

    fn headers_mut(&mut self) -> &mut HeaderMap;

    /// Removes the secrets of the address from the error of a poll.
    fn redact(_: &mut E) {}
}

/// A response type that can be read, and returned.
pub trait AsResponse: Sized {
    type Body: Body;
    /// The response that the layer's caller gets.
    type Output;
    /// Its address, if conversion to the types of `http` loses that.
    type Url: Default;

    fn status(&self) -> StatusCode;

    fn headers(&self) -> &HeaderMap;

    fn extensions(&self) -> &Extensions;

    fn pass_through(self) -> Self::Output;

    /// Returns its address if the transport itself followed redirects to another address than the request's.
    fn effective_uri(&self, _sent: impl FnOnce() -> Uri) -> Option<Uri> {
        None
    }

    fn into_http(self) -> (Response<Self::Body>, Self::Url);

    /// Puts the URL where conversions from the types of `http` look for it.
    fn restore_url(_: Self::Url, _: &mut Extensions) {}

    fn from_http(response: Response<LroBody<Self::Body>>) -> Self::Output;
}

/// Asks the service to work asynchronously ([RFC 7240, section 4.1]), unless the request does already.
///
/// [RFC 7240, section 4.1]: https://www.rfc-editor.org/rfc/rfc7240#section-4.1
pub(crate) fn prefer_respond_async(headers: &mut HeaderMap) {
    let asks =
        |value: &HeaderValue| value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("respond-async"));
    if !headers.get_all(PREFER).iter().any(asks) {
        headers.append(PREFER, HeaderValue::from_static("respond-async"));
    }
}

impl<B: Default, T: AsResponse, E> AsRequest<T, E> for Request<B> {
    fn from_poll(poll: PollRequest, _: &T::Url) -> Option<Self> {
        Some(poll.request.map(|()| B::default()))
    }

    fn redirect_to(&mut self, Address { uri, credentials }: Address) -> bool {
        // It belongs to the address to which the caller sent the request.
        if has_authority(&uri) {
            self.headers_mut().remove(HOST);
        }
        *self.uri_mut() = uri;
        // A layer below would take it for its own.
        self.extensions_mut().remove::<Cancel>();
        if credentials == Credentials::Withhold {
            self.extensions_mut().clear();
            let hidden: Vec<_> = self.headers().keys().filter(|&name| credentials.hides(name)).cloned().collect();
            hidden.into_iter().filter(|name| name != http::header::CONTENT_TYPE).for_each(|name| {
                self.headers_mut().remove(name);
            });
        }
        // The answer is the caller's, whatever a layer below would take it for.
        self.extensions_mut().insert(LroOverrides::disabled());
        true
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

impl<B: Body> AsResponse for Response<B> {
    type Body = B;
    type Output = Response<LroBody<B>>;
    type Url = ();

    #[inline]
    fn status(&self) -> StatusCode {
        self.status()
    }

    #[inline]
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    fn extensions(&self) -> &Extensions {
        self.extensions()
    }

    #[inline]
    fn pass_through(self) -> Self::Output {
        self.map(LroBody::untouched)
    }

    fn into_http(self) -> (Self, ()) {
        (self, ())
    }

    fn from_http(response: Response<LroBody<B>>) -> Self::Output {
        response
    }
}
