//! Polls: their requests, and all that the layer holds while it waits for the next.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response, Version};
use http_body::Frame;
use http_body_util::StreamBody;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};
use tower_lro::simulator::{Fault, Reply, Script, Simulator, SimulatorBody};

use crate::support::{answering, exact, operation, play, polls, seconds, start};

#[tokio::test(start_paused = true)]
async fn a_poll_is_a_get_with_the_start_requests_headers_version_and_extensions() {
    let (service, log) = answering(operation("/operations/1", &[r#"{"status": "Succeeded"}"#]));
    let request = Request::put("https://example.com/start")
        .version(Version::HTTP_2)
        .header("authorization", "Bearer token")
        .header("content-type", "application/json")
        .header("content-length", "4")
        .header("if-match", "*")
        .header("if", "(<urn:uuid:181d4fae>)")
        .header("x-hop", "1")
        .header("connection", "x-hop")
        .header("x-ms-client-request-id", "7")
        .extension(7_u8)
        .body("body".to_owned())
        .unwrap();
    exact().layer(service).oneshot(request).await.unwrap();
    let poll = &log.requests()[1];
    assert_eq!((poll.method(), poll.version()), (&Method::GET, Version::HTTP_2));
    assert_eq!(poll.headers().len(), 2);
    assert_eq!(
        (&poll.headers()["authorization"], &poll.headers()["x-ms-client-request-id"]),
        (&"Bearer token".parse().unwrap(), &"7".parse().unwrap())
    );
    assert_eq!(poll.extensions().get(), Some(&7_u8));
}

#[tokio::test(start_paused = true)]
async fn another_request_gets_through_while_an_operation_sleeps() {
    let simulator = Simulator::new()
        .script(polls([Reply::status("Running").retry_after(seconds(100)), Reply::status("Succeeded")]));
    let limit = ConcurrencyLimitLayer::new(1);
    let client = exact().layer(limit.layer(simulator.clone()));
    let mut operation = tokio_test::task::spawn(client.clone().oneshot(start()));
    assert!(operation.poll().is_pending());
    for _ in 0..3 {
        tokio::time::advance(seconds(30)).await;
        assert!(operation.poll().is_pending());
        let get = Request::get("https://example.com/").body(SimulatorBody::default()).unwrap();
        let mut other = tokio_test::task::spawn(client.clone().oneshot(get));
        let answer = other.poll();
        assert!(answer.is_ready(), "an operation that sleeps keeps others out");
    }
    operation.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_service_is_readied_after_the_delay() {
    // A service that must be ready before each call, and says when it was readied.
    #[derive(Clone)]
    struct Readied {
        is_ready: bool,
        readied: Arc<std::sync::Mutex<Vec<u128>>>,
        began: tokio::time::Instant,
        calls: Arc<AtomicUsize>,
    }

    impl Service<Request<String>> for Readied {
        type Response = Response<String>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Response<String>, BoxError>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
            self.is_ready = true;
            self.readied.lock().unwrap().push(self.began.elapsed().as_millis());
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<String>) -> Self::Future {
            assert!(std::mem::take(&mut self.is_ready), "called without being ready");
            let answer = operation("/1", &[r#"{"status": "Running"}"#, r#"{"status": "Succeeded"}"#]);
            std::future::ready(answer(self.calls.fetch_add(1, Ordering::SeqCst), &request.map(|_| ())))
        }
    }

    let service =
        Readied { is_ready: false, readied: Arc::default(), began: tokio::time::Instant::now(), calls: Arc::default() };
    let request = Request::post("https://example.com/").body(String::new()).unwrap();
    exact().layer(service.clone()).oneshot(request).await.unwrap();
    assert_eq!(*service.readied.lock().unwrap(), [0, 1000, 2500]);
}

#[tokio::test(start_paused = true)]
async fn works_over_a_buffer_whose_clones_must_be_ready() {
    let simulator = Simulator::new();
    let client = ServiceBuilder::new().layer(exact()).buffer(1).concurrency_limit(1).service(simulator.clone());
    let operations = (0..20).map(|_| client.clone().oneshot(start()));
    let outcomes = futures_util::future::join_all(operations).await;
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_ok_and(|response| response.status() == 200)));
    assert_eq!(simulator.started(), 20);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_nobody_needs_are_read_but_not_for_ever() {
    // They stall: they are read for five seconds, or less if the next poll is due. The delay counts from the head.
    let stalled = Reply::accepted().body("a body").fault(Fault::StalledAfter(3)).retry_after(seconds(2));
    let script = Script::new(stalled).polls([
        Reply::status_with_result("Running", 100).fault(Fault::StalledAfter(90)).retry_after(seconds(30)),
        Reply::http(503).body("later").fault(Fault::StalledAfter(1)).retry_after(seconds(30)),
        Reply::status("Succeeded"),
    ]);
    let (outcome, requests) = play(exact(), script).await;
    assert_eq!(outcome.unwrap().status(), 200);
    assert_eq!(crate::support::millis(&requests), [0, 2000, 32000, 62000]);
}

#[tokio::test(start_paused = true)]
async fn bodies_that_nobody_needs_may_be_large_or_broken() {
    let huge = "x".repeat(8 << 20);
    let script = Script::new(Reply::accepted().body(huge.clone())).polls([
        Reply::json(format!(r#"{{"status": "Running", "x": "{huge}"}}"#)),
        Reply::http(500).body(huge).chunks(1000),
        Reply::status("Running").fault(Fault::BrokenAfter(95)),
        Reply::status("Succeeded"),
    ]);
    let (outcome, requests) = play(exact(), script).await;
    assert_eq!((outcome.unwrap().status().as_u16(), requests.len()), (200, 5));
}

#[tokio::test(start_paused = true)]
async fn of_a_body_without_an_end_a_mebibyte_is_read_and_no_more() {
    const PIECE: usize = 1 << 14;
    for (status, body) in [(200, r#"{"status": "Running"}"#), (503, ""), (403, "")] {
        let read = Arc::new(AtomicUsize::new(0));
        let service = service_fn({
            let read = read.clone();
            move |request: Request<String>| {
                let read = read.clone();
                let is_poll = request.method() == Method::GET;
                let pieces = stream::iter(0..).map(move |index| {
                    read.fetch_add(usize::from(is_poll), Ordering::SeqCst);
                    let piece = if index == 0 { Bytes::from(body) } else { Bytes::from_static(&[b' '; PIECE]) };
                    Ok::<_, Infallible>(Frame::data(piece))
                });
                let response = Response::builder().header("operation-location", "/operations/1");
                let response = response.status(if is_poll { status } else { 202 }).body(StreamBody::new(pieces));
                async { Ok::<_, Infallible>(response.unwrap()) }
            }
        });
        let request = Request::post("https://example.com/").body(String::new()).unwrap();
        let mut operation = tokio_test::task::spawn(exact().layer(service).oneshot(request));
        for _ in 0..5 {
            if operation.poll().is_ready() {
                break;
            }
            tokio::time::advance(std::time::Duration::from_millis(400)).await;
        }
        // The frame that exceeds the limit has been read before that is known.
        assert_eq!(read.load(Ordering::SeqCst), 1 + (1 << 20) / PIECE + 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_always_ready_does_not_keep_the_thread() {
    let polled = Arc::new(AtomicUsize::new(0));
    let service = service_fn({
        let polled = polled.clone();
        move |_: Request<String>| {
            let answer = if polled.fetch_add(1, Ordering::SeqCst) == 0 {
                crate::support::accepted("/operations/1")
            } else {
                Ok(Response::new(r#"{"status": "Running"}"#.to_owned()))
            };
            async { answer }
        }
    });
    let layer = exact().backoff(tower_lro::Backoff::constant(seconds(0)));
    let request = Request::post("https://example.com/").body(String::new()).unwrap();
    let mut operation = tokio_test::task::spawn(layer.layer(service).oneshot(request));
    assert!(operation.poll().is_pending());
    let before = polled.load(Ordering::SeqCst);
    assert!(before > 1 && operation.is_woken());
    assert!(operation.poll().is_pending());
    assert!(polled.load(Ordering::SeqCst) > before, "it went on");
}

#[tokio::test(start_paused = true)]
async fn operations_of_one_layer_have_each_their_own_headers() {
    let layer = exact();
    let kinds: [&[(&str, &str)]; 5] = [
        &[("x-aa", "1"), ("authorization", "first")],
        &[("x-bb", "2"), ("authorization", "second")],
        &[("authorization", "third"), ("x-aa", "3")],
        &[("x-aa", "4"), ("x-aa", "5"), ("cookie", "c")],
        &[],
    ];
    for headers in kinds.into_iter().cycle().take(3 * kinds.len()) {
        let (service, log) = answering(operation("/operations/1", &[r#"{"status": "Succeeded"}"#]));
        let mut request = Request::post("https://a.example/start").body(String::new()).unwrap();
        for &(name, value) in headers {
            request.headers_mut().append(name, http::HeaderValue::from_static(value));
        }
        let sent = request.headers().clone();
        layer.layer(service).oneshot(request).await.unwrap();
        assert_eq!(log.requests()[1].headers(), &sent);
    }
}
