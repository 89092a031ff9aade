//! Requests that start no operation, through each integration.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    sync::LazyLock,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::Full;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use tower::{
    Layer, Service,
    retry::{Policy, Retry},
    util::BoxCloneService,
};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_lro::LroLayer;

use super::{Case, Group, case};

type Body = Full<Bytes>;

const URL: &str = "https://atlas.microsoft.com/mapData?api-version=2.0";

const HEADERS: [(HeaderName, &str); 8] = [
    (header::AUTHORIZATION, "Bearer 0123456789012345678901234567890123456789"),
    (header::ACCEPT, "application/json"),
    (header::USER_AGENT, "bench/1.0"),
    (header::CONTENT_TYPE, "application/octet-stream"),
    (header::CONTENT_LENGTH, "17"),
    (header::ACCEPT_LANGUAGE, "sv"),
    (HeaderName::from_static("x-ms-client-request-id"), "c587574e-add9-4ef7-9788-1635bed9a87e"),
    (HeaderName::from_static("traceparent"), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
];

pub type MakeValue = fn(&'static str) -> HeaderValue;

pub const STATIC: MakeValue = HeaderValue::from_static;

fn owned(text: &'static str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a value")
}

fn headers(value: MakeValue) -> HeaderMap {
    // At once, so that it does not depend on what else was allocated how the map grows.
    let mut headers = HeaderMap::with_capacity(HEADERS.len());
    headers.extend(HEADERS.map(|(name, text)| (name, value(text))));
    headers
}

pub fn http_request(value: MakeValue) -> Request<Body> {
    let mut request = Request::new(Body::default());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(URL);
    *request.headers_mut() = headers(value);
    request
}

pub fn reqwest_request(value: MakeValue) -> reqwest::Request {
    static PARSED: LazyLock<reqwest::Url> = LazyLock::new(|| URL.parse().expect("a URL"));
    let mut request = reqwest::Request::new(Method::POST, PARSED.clone());
    *request.headers_mut() = headers(value);
    *request.body_mut() = Some(Bytes::new().into());
    request
}

pub fn groups() -> Vec<Group> {
    let values: [(&str, MakeValue); 2] = [("static", STATIC), ("owned", owned)];
    values
        .into_iter()
        .flat_map(|(kind, value)| {
            [("http", over_http(value)), ("reqwest", over_reqwest(value)), ("reqwest-middleware", chains(value))].map(
                |(integration, mut cases)| Group {
                    name: format!("pass-through, {integration}, {kind} header values"),
                    is_heavy: false,
                    bare: Some(cases.remove(0)),
                    cases,
                },
            )
        })
        .collect()
}

/// A service that is called with one request after the other.
fn calls<S, R>(name: &'static str, service: S, request: fn(MakeValue) -> R, value: MakeValue) -> Case
where
    S: Service<R> + Clone + 'static,
    R: 'static,
{
    case(name, move |iterations| {
        let mut service = service.clone();
        for _ in 0..iterations {
            let response = now!(service.call(request(value)));
            black_box(response.is_ok());
        }
    })
}

fn over_http(value: MakeValue) -> Vec<Case> {
    vec![
        calls("the service", Answering, http_request, value),
        calls("Lro", LroLayer::new().layer(Answering), http_request, value),
        calls("FollowRedirect", FollowRedirectLayer::new().layer(Answering), http_request, value),
        calls("tower::retry, cloning requests", Retry::new(Cloning, Answering), http_request, value),
        calls("BoxCloneService", BoxCloneService::new(Answering), http_request, value),
    ]
}

fn over_reqwest(value: MakeValue) -> Vec<Case> {
    vec![
        calls("the service", Answering, reqwest_request, value),
        calls("Lro", LroLayer::new().layer(Answering), reqwest_request, value),
        calls("tower::retry, cloning requests", Retry::new(Cloning, Answering), reqwest_request, value),
        calls("BoxCloneService", BoxCloneService::new(Answering), reqwest_request, value),
    ]
}

fn chains(value: MakeValue) -> Vec<Case> {
    fn calls(name: &'static str, client: ClientWithMiddleware, value: MakeValue) -> Case {
        case(name, move |iterations| {
            for _ in 0..iterations {
                let response = now!(client.execute(reqwest_request(value)));
                black_box(response.is_ok());
            }
        })
    }
    let retry = RetryTransientMiddleware::new_with_policy(ExponentialBackoff::builder().build_with_max_retries(3));
    vec![
        calls("the chain", chain().with(Answering).build(), value),
        calls("Lro", chain().with(LroLayer::new()).with(Answering).build(), value),
        calls("reqwest-retry", chain().with(retry).with(Answering).build(), value),
        calls("a middleware that does nothing", chain().with(Nothing).with(Answering).build(), value),
    ]
}

pub fn chain() -> ClientBuilder {
    // Once, for it takes its milliseconds.
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);
    ClientBuilder::new(CLIENT.clone())
}

/// Answers at once.
#[derive(Clone)]
struct Answering;

impl Service<Request<Body>> for Answering {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Body::default())))
    }
}

impl Service<reqwest::Request> for Answering {
    type Response = reqwest::Response;
    type Error = Infallible;
    type Future = Ready<Result<reqwest::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: reqwest::Request) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Bytes::new()).into()))
    }
}

/// The end of a chain: what it is asked does not go to the network.
#[async_trait::async_trait]
impl Middleware for Answering {
    async fn handle(
        &self,
        request: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        black_box(request);
        Ok(Response::new(Bytes::new()).into())
    }
}

struct Nothing;

#[async_trait::async_trait]
impl Middleware for Nothing {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        next.run(request, extensions).await
    }
}

/// Is ready to send any request again, and never does.
#[derive(Clone)]
struct Cloning;

impl<T, E> Policy<Request<Body>, T, E> for Cloning {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Body>, _: &mut Result<T, E>) -> Option<Ready<()>> {
        None
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

impl<T, E> Policy<reqwest::Request, T, E> for Cloning {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut reqwest::Request, _: &mut Result<T, E>) -> Option<Ready<()>> {
        None
    }

    fn clone_request(&mut self, request: &reqwest::Request) -> Option<reqwest::Request> {
        request.try_clone()
    }
}
