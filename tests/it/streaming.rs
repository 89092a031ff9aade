//! The final response is returned as soon as its status is known, and is the server's, byte for byte and frame for frame.

use std::{
    collections::VecDeque,
    convert::Infallible,
    marker::PhantomPinned,
    pin::{Pin, pin},
    sync::Mutex,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, buf::Chain};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either, Full, StreamBody, channel::Channel};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_lro::{
    Cause, Error, LroBody, Operation, ResponseExt,
    simulator::{ConnectionLost, Fault, Reply},
};

use crate::support::{exact, play, polls, text};

/// Starts an operation whose first status response has the body that `body` makes.
async fn final_body<B>(body: impl Fn() -> B + Clone) -> Response<LroBody<Either<Full<Bytes>, B>>>
where
    B: Body<Data = Bytes, Error: Into<BoxError> + std::fmt::Debug>,
{
    let service = service_fn(move |request: Request<String>| {
        let response = match request.uri().path() {
            "/start" => {
                let accepted = Response::builder().status(202).header("operation-location", "/operations/1");
                accepted.body(Either::Left(Full::default())).unwrap()
            }
            _ => Response::new(Either::Right(body())),
        };
        async { Ok::<_, Infallible>(response) }
    });
    let request = Request::post("https://example.com/start").body(String::new()).unwrap();
    exact().layer(service).oneshot(request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_is_not_held_up_by_the_last() {
    let (mut sender, receiver) = Channel::<Bytes, Infallible>::new(8);
    sender.send_data("{\"status\": \"Succeeded\", \"result\": [".into()).await.unwrap();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let receiver = std::sync::Arc::new(receiver);
    let response = final_body(move || receiver.lock().unwrap().take().unwrap()).await;
    // Returned, though there is no more yet.
    assert_eq!(response.operation().unwrap().status(), Some("Succeeded"));
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "{\"status\": \"Succeeded\", \"result\": [");
    let mut next = tokio_test::task::spawn(body.frame());
    assert!(next.poll().is_pending());
    sender.send_data("1, 2]}".into()).await.unwrap();
    let trailers: HeaderMap = [(http::header::ETAG, "x".parse().unwrap())].into_iter().collect();
    sender.send_trailers(trailers.clone()).await.unwrap();
    drop(sender);
    assert_eq!(next.await.unwrap().unwrap().into_data().unwrap(), "1, 2]}");
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_large_result_is_not_held() {
    // 100 MB with the status first: made on demand, and counted.
    let made = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = made.clone();
    let response = final_body(move || {
        let made = counted.clone();
        let rest = stream::iter(0..6400).map(move |_| {
            made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b'1'; 16 * 1024])))
        });
        let first = Frame::data(Bytes::from_static(b"{\"status\": \"Succeeded\", \"result\": "));
        StreamBody::new(stream::iter([Ok(first)]).chain(rest))
    })
    .await;
    let read = made.load(std::sync::atomic::Ordering::SeqCst);
    assert!(read <= 5, "{read} pieces of 16 KiB were read for the details");
    let mut bytes = 0;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        bytes += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(bytes, 34 + 6400 * 16 * 1024);
}

/// A body in frames that says how long it is, with trailers. It is not `Unpin`, and its data are in two pieces each.
struct Framed {
    frames: Mutex<VecDeque<&'static str>>,
    trailers: Mutex<Option<HeaderMap>>,
    _pinned: PhantomPinned,
}

const FRAMES: [&str; 5] = ["{\"sta", "tus\": \"Succ", "", "eeded\", \"x\"", ": 1}"];

impl Framed {
    fn new() -> Self {
        let trailers = [(http::header::ETAG, "x".parse().unwrap())].into_iter().collect();
        Self { frames: Mutex::new(FRAMES.into()), trailers: Mutex::new(Some(trailers)), _pinned: PhantomPinned }
    }
}

impl Body for Framed {
    type Data = Chain<&'static [u8], &'static [u8]>;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        let data = self.frames.lock().unwrap().pop_front().map(|text| {
            let (head, tail) = text.as_bytes().split_at(text.len() / 2);
            Frame::data(head.chain(tail))
        });
        Poll::Ready(data.or_else(|| self.trailers.lock().unwrap().take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.lock().unwrap().is_empty() && self.trailers.lock().unwrap().is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.frames.lock().unwrap().iter().map(|frame| frame.len() as u64).sum())
    }
}

#[tokio::test(start_paused = true)]
async fn frames_trailers_and_size_hints_come_out_as_if_nothing_had_been_read() {
    let service = service_fn(|request: Request<String>| {
        let is_start = request.uri().path() == "/start";
        let response = Response::builder().status(if is_start { 202 } else { 200 }).header("operation-location", "/1");
        async { Ok::<_, Infallible>(response.body(Framed::new()).unwrap()) }
    });
    let request = Request::post("https://example.com/start").body(String::new()).unwrap();
    let response = exact().layer(service).oneshot(request).await.unwrap();
    let mut left: u64 = FRAMES.iter().map(|frame| frame.len() as u64).sum();
    let mut body = pin!(response.into_body());
    for expected in FRAMES {
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(left), false));
        let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(data, expected);
        left -= data.len() as u64;
    }
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), false));
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap().len(), 1);
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_to_its_end_is_still_to_be_handed_over() {
    let (outcome, _) = play(exact(), polls([Reply::status("Succeeded")])).await;
    let mut body = outcome.unwrap().into_body();
    assert!(!body.is_end_stream());
    assert!(body.frame().await.unwrap().unwrap().is_data());
    assert!(body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_length_that_is_not_known_stays_so() {
    let (outcome, _) = play(exact(), polls([Reply::status("Succeeded").chunks(7)])).await;
    let hint = outcome.unwrap().body().size_hint();
    assert_eq!(hint.upper(), None);
}

#[tokio::test(start_paused = true)]
async fn the_details_are_there_as_soon_as_the_object_is_whole() {
    // The end of the body comes later than that of the object.
    let (mut sender, receiver) = Channel::<Bytes, Infallible>::new(8);
    sender.send_data("{\"status\": \"Succeeded\",".into()).await.unwrap();
    sender.send_data(" \"id\": \"7\"}".into()).await.unwrap();
    let receiver = std::sync::Arc::new(Mutex::new(Some(receiver)));
    let response = final_body(move || receiver.lock().unwrap().take().unwrap()).await;
    assert_eq!(
        (response.operation().unwrap().id(), response.operation().unwrap().elapsed().as_millis()),
        (Some("7"), 1000)
    );
    drop(sender);
}

#[tokio::test(start_paused = true)]
async fn errors_after_the_handover_are_the_inner_bodys_own() {
    for (after, chunk) in [(90, 1000), (100, 7), (200, 64)] {
        let reply = Reply::status_with_result("Succeeded", 1000).chunks(chunk).fault(Fault::BrokenAfter(after));
        let (outcome, requests) = play(exact(), polls([reply])).await;
        let mut body = outcome.unwrap().into_body();
        let mut read = 0;
        let error = loop {
            match body.frame().await.expect("an error comes before the end") {
                Ok(frame) => read += frame.into_data().unwrap().remaining(),
                Err(error) => break error,
            }
        };
        assert_eq!((error, read, requests.len()), (ConnectionLost, after, 2));
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_result_that_breaks_off_there_are_no_details() {
    let body = r#"{"status": "Succeeded", "id": 1234}"#;
    // Within the number, and behind the object.
    for (after, id) in [(32, None), (body.len(), Some("1234"))] {
        let reply = Reply::json(body).chunks(8).fault(Fault::BrokenAfter(after));
        let (outcome, _) = play(exact(), polls([reply])).await;
        let response = outcome.unwrap();
        assert_eq!(response.operation().unwrap().id(), id);
        assert!(response.into_body().collect().await.is_err());
    }
    // A failure has details, as far as they are whole.
    let body = r#"{"status": "Failed", "error": {"code": "C"}, "percentComplete": 70, "id": 1234}"#;
    for (after, percent, id) in [(65, None, None), (66, None, None), (67, Some(70.0), None), (77, Some(70.0), None)] {
        for fault in [Fault::BrokenAfter(after), Fault::StalledAfter(after)] {
            let (outcome, _) = play(exact(), polls([Reply::json(body).chunks(8).fault(fault)])).await;
            let response = outcome.unwrap();
            let operation = response.operation().unwrap();
            assert_eq!((operation.percent_complete(), operation.id()), (percent, id), "{after}");
            assert_eq!(operation.error().unwrap().code(), Some("C"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn details_are_read_of_a_small_response_only() {
    const MAX: usize = 64 * 1024;
    let body = |length: usize| {
        let rest = r#"{"id": "7", "status": "Succeeded", "x": ""}"#;
        rest.replace(r#""""#, &format!("\"{}\"", "x".repeat(length - rest.len())))
    };
    for (length, chunk, id) in [
        (MAX, MAX, Some("7")),
        (MAX, 100, Some("7")),
        (MAX + 1, MAX + 1, None),
        (MAX + 1, MAX, None),
        (MAX + 1, 100, None),
    ] {
        let (outcome, _) = play(exact(), polls([Reply::json(body(length)).chunks(chunk)])).await;
        assert_eq!(outcome.unwrap().operation().unwrap().id(), id, "{length} in {chunk}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_result_is_handed_over_and_a_stalled_failure_after_a_second() {
    let stalled = |word| Reply::status_with_result(word, 100).fault(Fault::StalledAfter(50));
    let (outcome, _) = play(exact(), polls([stalled("Succeeded")])).await;
    assert_eq!(outcome.unwrap().operation().unwrap().elapsed().as_millis(), 1000);
    let (outcome, _) = play(exact(), polls([stalled("Failed")])).await;
    assert_eq!(outcome.unwrap().operation().unwrap().elapsed().as_millis(), 2000);
}

#[tokio::test(start_paused = true)]
async fn the_error_object_of_a_failure_is_waited_for() {
    let (mut sender, receiver) = Channel::<Bytes, Infallible>::new(8);
    sender.send_data("{\"status\": \"Failed\", ".into()).await.unwrap();
    let receiver = std::sync::Arc::new(std::sync::Mutex::new(Some(receiver)));
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        sender.send_data("\"error\": {\"code\": \"Late\"}}".into()).await.unwrap();
    });
    let response = final_body(move || receiver.lock().unwrap().take().unwrap()).await;
    assert_eq!(response.operation().unwrap().error().unwrap().code(), Some("Late"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "{\"status\": \"Failed\", \"error\": {\"code\": \"Late\"}}");
}

#[tokio::test(start_paused = true)]
async fn every_chunking_gives_the_same_outcome() {
    let body = r#" {"id":"x","nested":{"status":"Failed","a":[1,"]"]},"st\u0061tus":"Succeeded","percentComplete":100,"tail":"é"}"#;
    let mut operations: Vec<(String, Option<String>)> = Vec::new();
    for chunk in 1..=body.len() {
        let (outcome, _) =
            play(exact(), polls([Reply::status("Running").chunks(chunk), Reply::json(body).chunks(chunk)])).await;
        let response = outcome.unwrap();
        let operation: &Operation = response.operation().unwrap();
        operations.push((format!("{operation:?}"), operation.id().map(str::to_owned)));
        assert_eq!(text(response).await, body);
    }
    operations.dedup();
    assert_eq!(operations.len(), 1, "{operations:?}");
    assert_eq!(operations[0].1.as_deref(), Some("x"));
}

#[tokio::test(start_paused = true)]
async fn error_on_failure_keeps_the_response() {
    let script = || tower_lro::simulator::Script::azure_maps_failed();
    let (outcome, _) = play(exact().error_on_failure(true), script()).await;
    let Err(Error::Operation(error)) = outcome else { panic!() };
    let Cause::Failed(failed) = error.cause() else { panic!("{error:?}") };
    assert_eq!(failed.error().unwrap().code(), Some("InvalidFeature"));
    let response = failed.response().unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.body().ends_with(b"}\n}"));
    assert!(error.to_string().starts_with("the operation failed: [InvalidFeature]"), "{error}");
    let (outcome, _) = play(exact().error_on_failure(true), polls([Reply::status("Canceled")])).await;
    assert!(matches!(outcome, Err(Error::Operation(error)) if matches!(error.cause(), Cause::Failed(_))));
    let (outcome, _) = play(exact().error_on_failure(true), polls([Reply::status("Succeeded")])).await;
    assert!(outcome.unwrap().error_for_operation().is_ok());
}
