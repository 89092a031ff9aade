//! The request and response types that the layer works with: those of `http`, and those of reqwest.

use http::{Extensions, HeaderMap, Request, Response, StatusCode, Uri};
use http_body::Body;

use crate::{address::resolver::Trust, operation::Resume, request::template::Outgoing, service::body::LroBody};

/// A request type that polls can be sent with, to a service with the response `T` and the error `E`.
pub trait AsRequest<T: AsResponse, E>: Sized {
    /// A request without a body; nothing if its address cannot be said in this type. The last response came from `last`.
    fn from_outgoing(outgoing: Outgoing, last: &T::Address) -> Option<Self>;

    /// Makes it the first poll of an operation that is taken up, at `uri`.
    fn take_up(&mut self, uri: Uri, trust: Trust);

    /// Takes out of an error what must not be printed of the request that it is about, which went to `uri`.
    fn redact(error: &mut E, uri: &Uri);
}

/// A response type that can be read, or handed over.
pub trait AsResponse: Sized {
    /// The body.
    type Body: Body;
    /// What the layer's caller gets.
    type Output;
    /// Where it came from, if that is lost in the form of `http`.
    type Address: Default;

    fn status(&self) -> StatusCode;

    fn headers(&self) -> &HeaderMap;

    fn extensions(&self) -> &Extensions;

    fn pass_through(self) -> Self::Output;

    /// Where it came from, if the transport has followed redirects by itself, away from where the request was sent to.
    fn effective_uri(&self, _sent: impl FnOnce() -> Uri) -> Option<Uri> {
        None
    }

    fn into_http(self) -> (Response<Self::Body>, Self::Address);

    /// Puts the address where conversions from the form of `http` look for it.
    fn restore(_: Self::Address, _: &mut Extensions) {}

    fn hand_over(response: Response<LroBody<Self::Body>>) -> Self::Output;
}

impl<B: Default, T: AsResponse, E> AsRequest<T, E> for Request<B> {
    fn from_outgoing(outgoing: Outgoing, _: &T::Address) -> Option<Self> {
        Some(outgoing.request.map(|()| B::default()))
    }

    fn take_up(&mut self, uri: Uri, trust: Trust) {
        // A layer below would take it for its own.
        self.extensions_mut().remove::<Resume>();
        *self.uri_mut() = uri;
        if trust == Trust::Anonymous {
            self.extensions_mut().clear();
        }
        trust.keep(self.headers_mut());
    }

    fn redact(_: &mut E, _: &Uri) {}
}

impl<B: Body> AsResponse for Response<B> {
    type Body = B;
    type Output = Response<LroBody<B>>;
    type Address = ();

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

    fn hand_over(response: Response<LroBody<B>>) -> Self::Output {
        response
    }
}
