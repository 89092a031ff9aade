//! A whole operation in memory: its start, and three polls.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use reqwest_middleware::{Middleware, Next};
use tower::{Layer, Service};
use tower_lro::{Backoff, Error, LroLayer, Operation};

use super::{
    Group,
    bodies::{RUNNING, SUCCEEDED},
    by_hand, case,
    pass_through::{STATIC, chain, http_request, reqwest_request},
};

pub fn groups() -> Vec<Group> {
    let layer = LroLayer::new().backoff(Backoff::constant(Duration::ZERO)).jitter(0.0);
    let http = {
        let layer = layer.clone();
        vec![
            case("Lro", move |iterations| {
                for _ in 0..iterations {
                    let mut service = layer.layer(Operating::running(2));
                    let response = now!(service.call(http_request(STATIC))).expect("a final response");
                    let body = now!(response.into_body().collect()).expect("its body").to_bytes();
                    assert_eq!(black_box(body), SUCCEEDED);
                }
            }),
            case("a loop by hand", |iterations| {
                for _ in 0..iterations {
                    let service = Operating::running(2);
                    let response =
                        now!(by_hand::over_http(service, http_request(STATIC), Duration::ZERO, by_hand::by_struct));
                    assert_eq!(black_box(response.expect("a final response").into_body()), SUCCEEDED);
                }
            }),
        ]
    };
    let chained = vec![
        case("Lro", move |iterations| {
            let client = chain().with(layer.clone()).with(OperatingChain::default()).build();
            for _ in 0..iterations {
                let response = now!(client.execute(reqwest_request(STATIC))).expect("a final response");
                let body = now!(response.bytes()).expect("its body");
                assert_eq!(black_box(body), SUCCEEDED);
            }
        }),
        case("a loop by hand", |iterations| {
            let client = chain().with(OperatingChain::default()).build();
            let send = |request| async { Ok(client.execute(request).await?) };
            for _ in 0..iterations {
                let response =
                    now!(by_hand::over_reqwest(&send, reqwest_request(STATIC), Duration::ZERO, by_hand::by_struct));
                assert_eq!(black_box(response.expect("a final response").2), SUCCEEDED);
            }
        }),
    ];
    let whole = [("http", http), ("reqwest-middleware", chained)].map(|(client, cases)| Group {
        name: format!("a whole operation in memory, {client}"),
        is_heavy: false,
        bare: None,
        cases,
    });
    whole.into_iter().chain([step()]).collect()
}

/// One poll: by a request that resumes the operation and is handed back, and by a future that waits.
fn step() -> Group {
    let layer = LroLayer::new().backoff(Backoff::constant(Duration::ZERO)).jitter(0.0);
    let waits = layer.clone();
    let steps = layer.backoff(Backoff::constant(Duration::from_secs(1))).max_wait(Duration::ZERO);
    let cases = vec![
        case("Lro", move |iterations| {
            let mut service = steps.layer(Operating::running(usize::MAX));
            let operation = stored();
            for _ in 0..iterations {
                let outcome = now!(service.call(resuming(&operation)));
                assert!(matches!(black_box(outcome), Err(Error::Operation(_))));
            }
        }),
        case("a poll of a future that waits", move |iterations| {
            // Each has a request made for it, as each step has.
            let operation = stored();
            (0..iterations).for_each(|_| _ = black_box(resuming(&operation)));
            // The first operation of a layer does not share its headers' names with another yet, as steps do.
            for _ in 0..2 {
                assert!(now!(waits.layer(Operating::running(0)).call(http_request(STATIC))).is_ok());
            }
            let mut service = waits.layer(Operating::running(iterations));
            assert!(now!(service.call(http_request(STATIC))).is_ok());
        }),
    ];
    Group { name: "a step with max_wait(0)".to_owned(), is_heavy: false, bare: None, cases }
}

/// An operation as it was stored.
fn stored() -> Operation {
    let layer = LroLayer::new().max_wait(Duration::ZERO);
    let mut service = layer.layer(Operating::running(usize::MAX));
    let Err(Error::Operation(error)) = now!(service.call(http_request(STATIC))) else { panic!("it waits") };
    error.operation().clone()
}

fn resuming(operation: &Operation) -> Request<Full<Bytes>> {
    let mut request = http_request(STATIC);
    *request.method_mut() = Method::GET;
    request.extensions_mut().insert(operation.resume());
    request
}

/// 202 to the start, `Running` twice, and then `Succeeded`.
fn answer(count: usize) -> Response<Bytes> {
    match count {
        0 => {
            let mut accepted = Response::new(Bytes::new());
            *accepted.status_mut() = StatusCode::ACCEPTED;
            let monitor = HeaderValue::from_static("https://atlas.microsoft.com/operations/1?api-version=2.0");
            accepted.headers_mut().insert("operation-location", monitor);
            accepted
        }
        1 | 2 => Response::new(Bytes::from_static(RUNNING)),
        _ => Response::new(Bytes::from_static(SUCCEEDED)),
    }
}

/// One operation that is running for so many polls.
#[derive(Clone)]
struct Operating {
    running: usize,
    polls: usize,
}

impl Operating {
    const fn running(running: usize) -> Self {
        Self { running, polls: 0 }
    }
}

impl Service<Request<Full<Bytes>>> for Operating {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let is_start = request.method() == Method::POST;
        black_box(request);
        self.polls += usize::from(!is_start);
        let count = if is_start { 0 } else { 1 + 2 * usize::from(self.polls > self.running) };
        ready(Ok(answer(count).map(Full::new)))
    }
}

/// One operation after the other, at the end of a chain.
#[derive(Default)]
struct OperatingChain(AtomicUsize);

#[async_trait::async_trait]
impl Middleware for OperatingChain {
    async fn handle(
        &self,
        request: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        black_box(request);
        let count = self.0.fetch_add(1, Ordering::Relaxed) % 4;
        Ok(answer(count).into())
    }
}
