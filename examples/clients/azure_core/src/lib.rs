//! The layer as a policy of azure_core.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::{
    error::{Error, ErrorKind, Result},
    http::{
        AsyncRawResponse, Context, Method, Request, Url,
        headers::Headers,
        policies::{Policy, PolicyResult},
        response::PinnedStream,
    },
};
use bytes::Bytes;
use futures::{TryStreamExt, stream::MapOk};
use http::{HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt, StreamBody};
use tower::service_fn;
use tower_lro::LroLayer;

/// For `ClientOptions::per_call_policies`, which are above the policy that retries: a poll that fails is sent again by that, and the
/// start request is not, whatever becomes of its operation.
#[derive(Clone, Debug)]
pub struct LroPolicy(pub LroLayer);

type Frames = MapOk<PinnedStream, fn(Bytes) -> http_body::Frame<Bytes>>;

#[async_trait]
impl Policy for LroPolicy {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        // Before the policies below add their credentials, which they add to polls, too.
        let head = head_of(request)?;
        let started = into_http(next[0].send(ctx, request, &next[1..]).await?)?;
        let polls = service_fn(|poll: http::Request<()>| async move {
            let mut request = Request::new(Url::parse(&poll.uri().to_string())?, Method::Get);
            for (name, value) in poll.headers() {
                request.insert_header(name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned());
            }
            into_http(next[0].send(ctx, &mut request, &next[1..]).await?)
        });
        match self.0.follow(head, started, polls).await {
            Ok(response) => Ok(from_http(response)),
            Err(tower_lro::Error::Service(error)) => Err(error),
            // A kind that no retry policy sends again, wherever this one stands.
            Err(error) => Err(Error::new(ErrorKind::Other, error)),
        }
    }
}

fn head_of(request: &Request) -> Result<http::request::Parts> {
    let mut head = http::Request::builder().method(request.method().as_str()).uri(request.url().as_str());
    for (name, value) in request.headers().iter() {
        head = head.header(name.as_str(), value.as_str());
    }
    let head = head.body(()).map_err(|error| Error::new(ErrorKind::DataConversion, error))?;
    Ok(head.into_parts().0)
}

fn into_http(response: AsyncRawResponse) -> Result<Response<StreamBody<Frames>>> {
    let (status, headers, body) = response.deconstruct();
    let stream: PinnedStream = Box::pin(body);
    let mut response = Response::new(StreamBody::new(stream.map_ok(http_body::Frame::data as fn(_) -> _)));
    *response.status_mut() =
        u16::from(status).try_into().map_err(|error| Error::new(ErrorKind::DataConversion, error))?;
    for (name, value) in headers.iter() {
        if let (Ok(name), Ok(value)) = (name.as_str().parse::<HeaderName>(), HeaderValue::from_str(value.as_str())) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

fn from_http(response: Response<tower_lro::LroBody<StreamBody<Frames>>>) -> AsyncRawResponse {
    let (head, body) = response.into_parts();
    let mut headers = Headers::new();
    for (name, value) in &head.headers {
        if let Ok(value) = value.to_str() {
            headers.insert(name.as_str().to_owned(), value.to_owned());
        }
    }
    AsyncRawResponse::new(head.status.as_u16().into(), headers, Box::pin(body.into_data_stream()))
}
