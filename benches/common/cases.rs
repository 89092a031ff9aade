//! The cases: one function each, that does it so many times.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use serde::Deserialize;
use tower::{Layer, Service};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_lro::{Backoff, LroLayer, internals::Scanner};

pub struct Case {
    pub name: &'static str,
    pub run: fn(usize),
}

macro_rules! cases {
    ($($name:literal => $run:expr,)*) => {
        pub const CASES: &[Case] = &[$(Case { name: $name, run: $run }),*];
    };
}

cases! {
    "pass-through, static: bare" => |n| pass_through(Answering, request_static, n),
    "pass-through, static: Lro" => |n| pass_through(LroLayer::new().layer(Answering), request_static, n),
    "pass-through, static: FollowRedirect" => |n| pass_through(follow_redirect(), request_static, n),
    "pass-through, owned: bare" => |n| pass_through(Answering, request_owned, n),
    "pass-through, owned: Lro" => |n| pass_through(LroLayer::new().layer(Answering), request_owned, n),
    "pass-through, owned: FollowRedirect" => |n| pass_through(follow_redirect(), request_owned, n),
    "status in 200 B: scanner" => |n| scan(&small(), n),
    "status in 200 B: serde_json struct" => |n| deserialize(&small(), n),
    "status in 200 B: serde_json Value" => |n| value(&small(), n),
    "whole operation in memory, 3 polls" => |n| operation(n),
}

/// Answers at once: 202 to the start, `Running` twice, and then `Succeeded`.
#[derive(Clone)]
pub struct Answering;

impl Service<Request<Full<Bytes>>> for Answering {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(Full::default())))
    }
}

#[derive(Clone, Default)]
struct Operating(usize);

const RUNNING: &[u8] = br#"{"operationId":"c587574e-add9-4ef7-9788-1635bed9a87e","created":"3/11/2020 8:45:13 PM +00:00","status":"Running"}"#;
const SUCCEEDED: &[u8] = br#"{"operationId":"c587574e-add9-4ef7-9788-1635bed9a87e","created":"3/11/2020 8:45:13 PM +00:00","status":"Succeeded","result":{"a":[1,2,3,4,5,6,7,8],"b":"0123456789012345678901234567890123456789012345678901234567890123456789","c":{"d":"e","f":[{"g":1},{"h":2}]},"i":"01234567890123456789"}}"#;

impl Service<Request<Full<Bytes>>> for Operating {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        black_box(request);
        self.0 += 1;
        let response = match self.0 {
            1 => {
                let mut accepted = Response::new(Full::default());
                *accepted.status_mut() = http::StatusCode::ACCEPTED;
                let monitor = HeaderValue::from_static("https://atlas.microsoft.com/operations/1?api-version=2.0");
                accepted.headers_mut().insert("operation-location", monitor);
                accepted
            }
            2 | 3 => Response::new(Full::new(Bytes::from_static(RUNNING))),
            _ => Response::new(Full::new(Bytes::from_static(SUCCEEDED))),
        };
        ready(Ok(response))
    }
}

const HEADERS: [(HeaderName, &str); 8] = [
    (http::header::AUTHORIZATION, "Bearer 0123456789012345678901234567890123456789"),
    (http::header::ACCEPT, "application/json"),
    (http::header::USER_AGENT, "bench/1.0"),
    (http::header::CONTENT_TYPE, "application/octet-stream"),
    (http::header::CONTENT_LENGTH, "17"),
    (http::header::ACCEPT_LANGUAGE, "sv"),
    (HeaderName::from_static("x-ms-client-request-id"), "c587574e-add9-4ef7-9788-1635bed9a87e"),
    (HeaderName::from_static("traceparent"), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
];

fn request(value: impl Fn(&'static str) -> HeaderValue) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("https://atlas.microsoft.com/mapData?api-version=2.0");
    // At once, so that it does not depend on what else was allocated how the map grows.
    request.headers_mut().reserve(HEADERS.len());
    for (name, text) in HEADERS {
        request.headers_mut().insert(name, value(text));
    }
    request
}

fn request_static() -> Request<Full<Bytes>> {
    request(HeaderValue::from_static)
}

fn request_owned() -> Request<Full<Bytes>> {
    request(|text| HeaderValue::from_str(text).expect("a value"))
}

fn follow_redirect() -> impl Service<Request<Full<Bytes>>, Response: Sized> + Clone {
    FollowRedirectLayer::new().layer(Answering)
}

pub fn pass_through<S>(mut service: S, request: fn() -> Request<Full<Bytes>>, iterations: usize)
where
    S: Service<Request<Full<Bytes>>> + Clone,
{
    for _ in 0..iterations {
        let response = now!(service.call(request()));
        black_box(response.is_ok());
    }
}

fn small() -> Vec<u8> {
    let body = br#"{"operationId":"c587574e-add9-4ef7-9788-1635bed9a87e","created":"3/11/2020 8:45:13 PM +00:00","lastUpdated":"3/11/2020 8:45:13 PM +00:00","progress":{"percent":50,"step":"two"},"tries":1,"status":"Running"}"#;
    body.to_vec()
}

/// 10 MB as services write them, with the status at the end.
pub fn large() -> Vec<u8> {
    let cell = r#"{"statusCode":200,"response":{"routeSummary":{"lengthInMeters":495,"travelTimeInSeconds":134,"name":"Main \"St\" ä"}}},"#;
    let mut body = br#"{"operationId":"1","result":["#.to_vec();
    while body.len() < 10_000_000 {
        body.extend_from_slice(cell.as_bytes());
    }
    body.extend_from_slice(br#"null],"status":"Succeeded"}"#);
    body
}

pub fn scan(body: &[u8], iterations: usize) {
    for _ in 0..iterations {
        let mut scanner = Scanner::new();
        let found = scanner.scan(black_box(body)).is_some();
        assert!(black_box(found));
    }
}

#[derive(Deserialize)]
struct Status<'a> {
    status: &'a str,
}

pub fn deserialize(body: &[u8], iterations: usize) {
    for _ in 0..iterations {
        let status: Status<'_> = serde_json::from_slice(black_box(body)).expect("JSON");
        assert!(!black_box(status.status).is_empty());
    }
}

pub fn value(body: &[u8], iterations: usize) {
    for _ in 0..iterations {
        let value: serde_json::Value = serde_json::from_slice(black_box(body)).expect("JSON");
        assert!(black_box(&value)["status"].is_string());
    }
}

pub fn operation(iterations: usize) {
    let layer = LroLayer::new().backoff(Backoff::constant(Duration::ZERO)).spread(0.0);
    for _ in 0..iterations {
        let mut service = layer.layer(Operating::default());
        let response = now!(service.call(request_static()));
        black_box(response.is_ok());
    }
}
