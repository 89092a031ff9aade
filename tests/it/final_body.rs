//! Details of the operation from the final body, however it arrives and whatever was read of it before.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame};
use tokio::time::{Sleep, sleep};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_lro::{
    Backoff, Cause, Error, FinalResponse, LroBody, LroLayer, Operation, OperationState, Protocol, ResponseExt, Resume,
    StartRule, StatusRule,
};

use crate::support::{exact, text};

/// Pieces of a body, each after some milliseconds.
#[derive(Default)]
struct Pieces {
    pieces: VecDeque<(u64, Bytes)>,
    sleep: Option<Pin<Box<Sleep>>>,
}

fn pieces<const N: usize>(pieces: [(u64, &str); N]) -> Pieces {
    let pieces = pieces.map(|(after, text)| (after, Bytes::copy_from_slice(text.as_bytes())));
    Pieces { pieces: pieces.into(), sleep: None }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(&(after, _)) = self.pieces.front() else { return Poll::Ready(None) };
        if after > 0 {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(after))));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(self.pieces.pop_front().map(|(_, data)| Ok(Frame::data(data))))
    }
}

type Answer = (u16, &'static [(&'static str, &'static str)], Pieces);

const ACCEPTED: Answer = (202, &[("operation-location", "/op")], Pieces { pieces: VecDeque::new(), sleep: None });

async fn play<const N: usize>(
    layer: LroLayer,
    request: Request<String>,
    answers: [Answer; N],
) -> Result<Response<LroBody<Pieces>>, Error<BoxError>> {
    let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
    let service = service_fn(move |_: Request<String>| {
        let answer = answers.lock().unwrap().pop_front();
        async move {
            let (status, headers, body) = answer.ok_or("no more answers")?;
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            Ok::<_, BoxError>(response.body(body)?)
        }
    });
    layer.layer(service).oneshot(request).await
}

fn start() -> Request<String> {
    Request::post("https://a.example/x").body(String::new()).unwrap()
}

/// The percentage, the resource and the code of the error.
type Said<'a> = (Option<f64>, Option<&'a str>, Option<&'a str>);

fn says(operation: &Operation) -> Said<'_> {
    let code = operation.error().and_then(|failure| failure.code());
    (operation.percent_complete(), operation.resource().map(Uri::path), code)
}

const ALL: Said<'_> = (Some(40.0), Some("/r"), Some("C"));

const REST: &str = r#""percentComplete":40,"resourceLocation":"/r","error":{"code":"C"}}"#;

#[tokio::test(start_paused = true)]
async fn what_is_collected_for_an_error_is_read_too() {
    let body = pieces([(0, r#"{"status":"Failed","#), (0, REST)]);
    let error = play(exact().error_on_failure(true), start(), [ACCEPTED, (200, &[], body)]).await.err().unwrap();
    assert_eq!(says(error.operation().unwrap()), ALL);
    // A failure by its head alone.
    let layer = exact().protocols([Protocol::fhir()]).error_on_failure(true);
    let accepted = (202, &[("content-location", "/op")][..], Pieces::default());
    let body = pieces([(0, r#"{"percentComplete":40,"error":{"code":"C"}}"#)]);
    let error = play(layer, start(), [accepted, (400, &[], body)]).await.err().unwrap();
    assert_eq!(says(error.operation().unwrap()), (ALL.0, None, ALL.2));
}

#[tokio::test(start_paused = true)]
async fn what_comes_beyond_where_a_status_is_looked_for_is_read_too() {
    let body = || (200, &[][..], pieces([(0, &format!(r#"{{"status":"Failed",{REST}"#))]));
    let response = play(exact().max_status_bytes(20), start(), [ACCEPTED, body()]).await.unwrap();
    assert_eq!(says(response.operation().unwrap()), ALL);
    let body = (200, &[][..], pieces([(0, r#"{"status":"Succeeded","resourceLocation":"/r"}"#)]));
    let layer = exact().max_status_bytes(24).final_response(FinalResponse::Resource);
    let response = play(layer, start(), [ACCEPTED, body, (201, &[], Pieces::default())]).await.unwrap();
    assert_eq!(response.status(), 201);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_out_between_the_pieces() {
    let result = (201, &[][..], Pieces::default());
    let body = pieces([(0, r#"{"status":"Succeeded","a":1,"#), (9, r#""b":2,"#), (9, r#""resourceLocation":"/r"}"#)]);
    let layer = exact().max_status_bytes(24).final_response(FinalResponse::Resource);
    let response = play(layer, start(), [ACCEPTED, (200, &[], body), result]).await.unwrap();
    assert_eq!(response.status(), 201);

    let body = pieces([(0, r#"{"status":"Failed","x":1,"#), (9, r#""y":2,"#), (9, REST)]);
    let response = play(exact().max_status_bytes(20), start(), [ACCEPTED, (200, &[], body)]).await.unwrap();
    assert_eq!(says(response.operation().unwrap()), ALL);

    // Longer than the limit.
    let long = format!(r#""y":"{}""#, "y".repeat(70_000));
    let body = pieces([(0, r#"{"status":"Failed","error":{"code":"C"},"#), (9, &long), (9, "}")]);
    let response = play(exact().max_status_bytes(20), start(), [ACCEPTED, (200, &[], body)]).await.unwrap();
    assert_eq!(says(response.operation().unwrap()).2, Some("C"));

    // Long, and not a message.
    let accepted = (202, &[("location", "/op")][..], Pieces::default());
    let body = pieces([(0, "{\"percentComplete\":40,\n\n"), (9, &long), (9, "}")]);
    let answer = (200, &[("content-type", "application/http")][..], body);
    let response = play(exact().protocols([Protocol::odata()]), start(), [accepted, answer]).await.unwrap();
    assert_eq!(response.operation().unwrap().percent_complete(), Some(40.0));

    // Nested members do not become top-level ones while the rest is skipped.
    let running = pieces([(0, r#"{"status":"Running","a":{"#), (9, r#""percentComplete":5}}"#)]);
    let done = (200, &[][..], pieces([(0, r#"{"status":"Failed"}"#)]));
    let layer = exact().max_status_bytes(20).backoff(Backoff::constant(Duration::from_secs(1)));
    let response = play(layer, start(), [ACCEPTED, (200, &[], running), done]).await;
    assert_eq!(response.unwrap().operation().unwrap().percent_complete(), None);
}

#[tokio::test(start_paused = true)]
async fn what_comes_with_the_deadline_is_read_too() {
    let body = pieces([(0, r#"{"status":"Failed","#), (500, REST)]);
    let layer = exact().backoff(Backoff::constant(Duration::from_secs(1))).timeout(Duration::from_millis(1500));
    let response = play(layer, start(), [ACCEPTED, (200, &[], body)]).await.unwrap();
    assert_eq!(says(response.operation().unwrap()), ALL);
}

#[tokio::test(start_paused = true)]
async fn what_calls_itself_a_message_and_is_none_is_read_as_it_is() {
    let accepted = (202, &[("location", "/op")][..], Pieces::default());
    let body = (200, &[("content-type", "application/http")][..], pieces([(0, r#"{"percentComplete":40}"#)]));
    let response = play(exact().protocols([Protocol::odata()]), start(), [accepted, body]).await.unwrap();
    assert_eq!(response.operation().unwrap().percent_complete(), Some(40.0));
}

#[tokio::test(start_paused = true)]
async fn keys_are_known_whatever_their_form_and_wherever_they_are_split() {
    let text = r#"{"status":"Succeeded","\u0070ercentComplete":7,"resource\u004cocation":"/r","\u0069d":"1"}"#;
    for at in 0..=text.len() {
        let (head, tail) = text.split_at(at);
        let body = pieces([(0, head), (0, tail)]);
        let response = play(exact(), start(), [ACCEPTED, (200, &[], body)]).await.unwrap();
        let operation = response.operation().unwrap();
        let seen = (operation.percent_complete(), operation.resource().map(Uri::path), operation.id());
        assert_eq!(seen, (Some(7.0), Some("/r"), Some("1")), "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_final_body_said_is_kept_where_the_next_says_nothing() {
    let take_up = |resume: Resume| Request::get("https://a.example/op").extension(resume).body(String::new()).unwrap();
    let body = |text| [(200, &[][..], pieces([(0, text)]))];
    let first = body(r#"{"id":"a","created":"c","status":"Failed","error":{"code":"C"}}"#);
    let first = play(exact(), take_up(Resume::new()), first).await.unwrap().operation().unwrap().clone();
    let second = body(r#"{"status":"Succeeded"}"#);
    let second = play(exact(), take_up(first.resume()), second).await.unwrap().operation().unwrap().clone();
    assert_eq!((second.id(), second.created(), second.error()), (Some("a"), Some("c"), None));
    let third = body(r#"{"status":"Succeeded","id":"b"}"#);
    let third = play(exact(), take_up(second.resume()), third).await.unwrap().operation().unwrap().clone();
    // The caller may know it by the first.
    assert_eq!((third.id(), third.created(), third.error()), (Some("a"), Some("c"), None));
}

/// As in the body of a failure, it costs nothing but the characters themselves.
#[tokio::test(start_paused = true)]
async fn details_are_read_behind_latin_1() {
    let text = b"{\"status\":\"Succeeded\",\"owner\":\"M\xfcller\",\"percentComplete\":40,\"resourceLocation\":\"/r\"}";
    for at in [0, 20, 40] {
        let (head, tail) = text.split_at(at);
        let body = Pieces { pieces: [head, tail].map(|part| (0, Bytes::from_static(part))).into(), sleep: None };
        let response = play(exact(), start(), [ACCEPTED, (200, &[], body)]).await.unwrap();
        assert_eq!(says(response.operation().unwrap()), (ALL.0, ALL.1, None), "{at}");
    }
    // It is a document about an operation, and not the resource.
    let document = Bytes::from_static(b"{\"owner\":\"M\xfcller\",\"status\":\"Succeeded\"}");
    let document = Pieces { pieces: [(0, document)].into(), sleep: None };
    let accepted = (202, &[("location", "/op")][..], Pieces::default());
    let answers = [accepted, (200, &[], document), (201, &[], Pieces::default())];
    let request = Request::put("https://a.example/x").body(String::new()).unwrap();
    let layer = exact().protocols([Protocol::azure_resource_manager()]);
    assert_eq!(play(layer, request, answers).await.unwrap().status(), 201);
}

/// What names the result may be in the part that has not come: then the part is not the result.
#[tokio::test(start_paused = true)]
async fn half_a_last_response_is_no_result() {
    let layer = || exact().final_response(FinalResponse::Resource).backoff(Backoff::constant(Duration::from_secs(1)));
    let half = || (200, &[][..], pieces([(0, r#"{"status":"Succeeded","#), (60_000, r#""resourceLocation":"/r"}"#)]));
    let error = play(layer().timeout(Duration::from_secs(30)), start(), [ACCEPTED, half()]).await.err().unwrap();
    let Error::Operation(error) = error else { panic!("{error:?}") };
    assert!(matches!(error.cause(), Cause::Timeout), "{error:?}");
    assert_eq!(error.operation().state(), OperationState::Succeeded);
    assert_eq!(error.to_string(), "its result did not come in time (Succeeded, after 30.0s and 1 poll)");
    // In time it is found.
    let result = || (201, &[][..], Pieces::default());
    let response = play(layer().timeout(Duration::from_secs(90)), start(), [ACCEPTED, half(), result()]).await.unwrap();
    assert_eq!(response.status(), 201);
    // Nothing is waited for where the caller wants the last response itself.
    let response = play(exact().timeout(Duration::from_secs(30)), start(), [ACCEPTED, half()]).await.unwrap();
    assert_eq!((response.status(), response.operation().unwrap().resource()), (http::StatusCode::OK, None));
}

/// A header without an address leaves the question to the body, which is waited for.
#[tokio::test(start_paused = true)]
async fn a_resource_header_without_an_address_is_none() {
    let monitor = StatusRule::new().status_at("/status");
    let protocol = Protocol::builder("own").announced(StartRule::by_header("operation-location").monitor(monitor));
    let protocol = protocol.resource_at("/self").final_response(FinalResponse::Resource).build().unwrap();
    for header in ["http://[", ""] {
        let body = pieces([(0, r#"{"status":"Succeeded","#), (1000, r#""self":"/resources/1"}"#)]);
        let headers: &'static [_] = Vec::leak(vec![("resource-location", header)]);
        let result = (200, &[][..], pieces([(0, "the result")]));
        let layer = exact().protocols([protocol.clone()]);
        let response = play(layer, start(), [ACCEPTED, (200, headers, body), result]).await.unwrap();
        assert_eq!(text(response).await, "the result", "{header:?}");
    }
}
