//! Faults that hard use by strangers found, through the public API: each of these was wrong once.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tower::{BoxError, Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_lro::{
    CancelRule, Cause, Error, ErrorObject, Event, FinalResponse, LroLayer, LroOverrides, Operation, OperationState,
    Protocol, ResponseExt, StartRule, StatusRule,
    simulator::{Reply, Script, Simulator},
};

use crate::support::{accepted, answering, exact, seconds, start, text};

type Answer = Result<Response<String>, BoxError>;

fn post() -> Request<String> {
    Request::post("https://api.test/start").body(String::new()).unwrap()
}

/// 202 with `header`, and then what the monitor answers.
fn service_that(
    header: &'static str,
    monitor: impl Fn(usize) -> Answer + Clone + Send + Sync + 'static,
) -> impl Fn(usize, &Request<()>) -> Answer + Clone + Send + Sync + 'static {
    move |index, _| match index {
        0 => Ok(Response::builder().status(202).header(header, "/operations/1").body(String::new())?),
        _ => monitor(index),
    }
}

fn ok(body: &str) -> Answer {
    Ok(Response::new(body.to_owned()))
}

/// The operation at its end, whatever that is.
async fn ends(layer: LroLayer, header: &'static str, bodies: &'static [&'static str]) -> Operation {
    let (service, _) = answering(service_that(header, |index| ok(bodies[index.min(bodies.len()) - 1])));
    let response = layer.layer(service).oneshot(post()).await.unwrap();
    response.operation().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn polls_do_not_repeat_what_would_make_another_method_of_them() {
    let (service, log) = answering(service_that("operation-location", |_| ok(r#"{"status": "Succeeded"}"#)));
    let mut request = post();
    let dropped = [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "digest",
        "repr-digest",
        "content-digest",
        "x-idempotency-key",
    ];
    for name in dropped {
        request.headers_mut().insert(name, "DELETE".parse().unwrap());
    }
    exact().layer(service).oneshot(request).await.unwrap();
    let poll = &log.requests()[1];
    assert_eq!(dropped.map(|name| poll.headers().contains_key(name)), [false; 7]);
}

/// LXD, Ironic and Glacier answer 200 while they work.
#[tokio::test(start_paused = true)]
async fn a_success_that_no_status_says_is_called_assumed() {
    let lxd = r#"{"type": "sync", "status_code": 200, "metadata": {"status": "Running", "status_code": 103}}"#;
    let ironic = r#"{"provision_state": "deploying", "target_provision_state": "active"}"#;
    let glacier = r#"{"Completed": false, "StatusCode": "InProgress"}"#;
    for body in [lxd, ironic, glacier] {
        let (service, _) = answering(service_that("location", move |_| ok(body)));
        let layer = exact().protocols([Protocol::location()]);
        let response = layer.layer(service.clone()).oneshot(post()).await.unwrap();
        let operation = response.operation().unwrap();
        assert!(operation.is_success_assumed() && operation.status().is_none(), "{body}");

        let (service, _) = answering(service_that("location", move |_| ok(body)));
        let error =
            exact().protocols([Protocol::location().strict()]).layer(service).oneshot(post()).await.unwrap_err();
        let Error::Operation(error) = error else { panic!("{error}") };
        assert!(matches!(error.cause(), Cause::Status(status) if status.response().body() == body), "{body}");
    }
    // A monitor that has answered 202 has said how it speaks.
    for protocol in [Protocol::location(), Protocol::location().strict()] {
        let (service, _) = answering(service_that("location", move |index| match index {
            1 => Ok(Response::builder().status(202).body(String::new())?),
            _ => ok(ironic),
        }));
        let response = exact().protocols([protocol]).layer(service.clone()).oneshot(post()).await.unwrap();
        assert!(!response.operation().unwrap().is_success_assumed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_says_nothing_is_none() {
    for body in [
        r#"{"status": "Succeeded", "error": ""}"#,
        r#"{"status": "Succeeded", "error": {}}"#,
        r#"{"status": "Succeeded", "error": false}"#,
        r#"{"status": "Succeeded", "error": 0}"#,
        r#"{"status": "Succeeded", "error": {"code": "", "message": ""}}"#,
        r#"{"status": "Succeeded", "error": {"code": "Warning", "message": "of no matter"}}"#,
        r#"{"status": "Failed", "error": {"code": "", "message": ""}}"#,
        r#"{"status": "Failed", "error": false}"#,
    ] {
        let (service, _) = answering(service_that("operation-location", move |_| ok(body)));
        let response = exact().layer(service).oneshot(post()).await.unwrap();
        assert_eq!(response.operation().unwrap().error(), None, "{body}");
        if let Err(failed) = response.error_for_operation() {
            assert!(!failed.to_string().contains([',', '[']), "{failed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_no_utf_8_is_read_all_the_same() {
    let body = Bytes::from_static(
        b"{\"status\": \"Failed\", \"error\": {\"message\": \"a\xe9\", \"code\": \"X\"}, \"id\": \"7\"}",
    );
    let service = service_fn(|request: Request<String>| {
        let is_start = request.method() == http::Method::POST;
        let response = Response::builder().status(if is_start { 202 } else { 200 }).header("operation-location", "/1");
        let response = response.body(Full::new(body.clone())).unwrap();
        async move { Ok::<_, Infallible>(response) }
    });
    let response = exact().layer(service).oneshot(post()).await.unwrap();
    let operation = response.operation().unwrap();
    let error = operation.error().unwrap();
    assert_eq!((operation.id(), error.code(), error.message()), (Some("7"), Some("X"), Some("a\u{fffd}")));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body);
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_number_that_is_not_json_is_read_all_the_same() {
    let failed = |rest: &str| format!(r#"{{"status": "Failed", "loss": NaN, {rest}}}"#);
    for (rest, code, id) in [
        (r#""error": {"code": "X"}, "id": "7""#, Some("X"), Some("7")),
        (r#""losses": [NaN, -Infinity], "id": 7, "error": {"code": "X"}"#, Some("X"), Some("7")),
        // What is given away as JSON is JSON.
        (r#""error": {"code": "X", "loss": NaN}, "id": "7""#, None, Some("7")),
        (r#""id": 007, "error": {"code": "X"}"#, Some("X"), None),
    ] {
        let body = failed(rest);
        let (service, _) = answering(service_that("operation-location", move |_| ok(&body)));
        let response = exact().layer(service).oneshot(post()).await.unwrap();
        let operation = response.operation().unwrap();
        let found = (operation.error().and_then(ErrorObject::code), operation.id());
        assert_eq!(found, (code, id), "{rest}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_an_earlier_poll_is_left_at_the_end() {
    let bodies: &[&str] = &[r#"{"status": "Running", "percentComplete": 75}"#, r#"{"status": "Succeeded"}"#];
    let operation = ends(exact(), "operation-location", bodies).await;
    assert_eq!((operation.status(), operation.percent_complete()), (Some("Succeeded"), None));
    // The protocol ends without a word.
    let bodies: &[&str] = &[r#"{"status": "Running", "percentComplete": 75}"#, r#"{"rows": []}"#];
    let operation = ends(exact().protocols([Protocol::location()]), "location", bodies).await;
    assert_eq!((operation.state(), operation.status()), (OperationState::Succeeded, None));
    assert_eq!(operation.percent_complete(), None);
    // A redirect names the result, or a result that must not be asked.
    for (location, resource) in [("/result", "/result"), ("https://elsewhere.test/a", "/a"), ("ftp://x/", "/known")] {
        let (service, _) = answering(service_that("operation-location", move |index| match index {
            1 => Ok(Response::builder()
                .header("resource-location", "/known")
                .body(r#"{"status": "Running", "percentComplete": 75}"#.to_owned())?),
            2 => Ok(Response::builder().status(303).header("location", location).body(String::new())?),
            _ => ok("the result"),
        }));
        let operation = match exact().layer(service).oneshot(post()).await {
            Ok(response) => response.operation().unwrap().clone(),
            Err(Error::Operation(error)) => error.operation().clone(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!((operation.state(), operation.status()), (OperationState::Succeeded, None), "{location}");
        assert_eq!(operation.percent_complete(), None, "{location}");
        if resource != "/known" {
            assert_eq!(operation.resource().map(http::Uri::path), Some(resource));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn integers_in_bodies_are_names() {
    for (pointer, body) in [("/ID", r#"{"ID": 3, "State": 0}"#), ("/taskUid", r#"{"taskUid": 0}"#)] {
        let rule = StartRule::by_body(pointer, "/tasks/{name}")
            .statuses([202])
            .monitor(StatusRule::new().status_at("/status"));
        let protocol = Protocol::builder("tasks").announced(rule).build().unwrap();
        let (service, log) = answering(move |index, _| match index {
            0 => {
                let response = Response::builder().status(202).header("content-type", "application/json");
                Ok(response.body(body.to_owned())?)
            }
            _ => ok(r#"{"status": "Succeeded"}"#),
        });
        exact().protocols([protocol]).layer(service).oneshot(post()).await.unwrap();
        let name = if body.contains('3') { 3 } else { 0 };
        assert_eq!(log.uris()[1], format!("https://api.test/tasks/{name}"));
    }
}

/// `/jobs/..` is `/`, whose 200 says nothing.
#[tokio::test(start_paused = true)]
async fn a_name_of_dots_leads_to_no_other_address() {
    for name in [".", ".."] {
        let monitor = StatusRule::new().http_status_only();
        let rule = StartRule::by_name_header("x-job", "/jobs/{name}").monitor(monitor);
        let protocol = Protocol::builder("jobs").announced(rule).cancel(CancelRule::new("DELETE", "/jobs/{name}"));
        let (service, log) = answering(move |index, _| match index {
            0 => Ok(Response::builder().status(202).header("x-job", name).body(String::new())?),
            _ => ok("[]"),
        });
        let client = exact().protocols([protocol.build().unwrap()]).layer(service);
        let Err(Error::Operation(error)) = client.oneshot(post()).await else { panic!("{name}: {:?}", log.uris()) };
        assert!(matches!(error.cause(), Cause::Address(_)) && log.requests().len() == 1, "{name}: {error}");
        assert!(error.operation().cancel().is_none(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_response_without_a_usable_name_is_an_error_that_says_so() {
    for name in [HeaderValue::from_static(""), HeaderValue::from_bytes(b"\xff").unwrap()] {
        let rule = StartRule::by_name_header("x-job", "/jobs/{name}");
        let protocol = Protocol::builder("jobs").announced(rule.monitor(StatusRule::new().status_at("/status")));
        let (service, log) = answering(move |_, _| {
            Ok(Response::builder().status(202).header("x-job", name.clone()).body(String::new())?)
        });
        let layer = exact().protocols([protocol.build().unwrap()]);
        let Err(Error::Operation(error)) = layer.layer(service).oneshot(post()).await else { panic!() };
        let Cause::Address(error) = error.cause() else { panic!("{error:?}") };
        assert_eq!(error.to_string(), "the start response does not name its operation");
        assert_eq!(log.uris().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_disabled_reports_nothing_of_a_202_that_it_is_given() {
    let reports = Arc::new(AtomicUsize::new(0));
    let counted = reports.clone();
    let layer = exact().on_event(move |_| _ = counted.fetch_add(1, Ordering::SeqCst));
    let (mut head, body) = post().into_parts();
    head.extensions.insert(LroOverrides::disabled());
    let (service, _) = answering(|_, _| panic!("nothing is sent"));
    let accepted = Response::builder().status(202).body(body).unwrap();
    let response = layer.follow(head, accepted, service).await.unwrap();
    assert_eq!((response.status(), reports.load(Ordering::SeqCst)), (StatusCode::ACCEPTED, 0));
}

#[tokio::test(start_paused = true)]
async fn a_202_that_no_protocol_matches_is_reported_once_by_its_headers_names() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let layer = exact().on_event({
        let seen = seen.clone();
        move |event| {
            let Event::Unmatched { method, uri, headers, .. } = event else { panic!("{event:?}") };
            let names: Vec<_> = headers.iter().map(|name| name.as_str().to_owned()).collect();
            seen.lock().unwrap().push((method.to_string(), uri.to_string(), names));
        }
    });
    for (headers, names) in [
        (&[("x-job-url", "/jobs/1"), ("location", "/x?sig=SECRET")][..], &["location"][..]),
        // One of these may announce it.
        (&[("x-job-url", "/jobs/1"), ("x-key", "SECRET")], &["x-job-url", "x-key"]),
        (&[], &[]),
    ] {
        let (service, _) = answering(move |_, _| {
            let response = Response::builder().status(202);
            let response = headers.iter().fold(response, |response, &(name, value)| response.header(name, value));
            Ok(response.body(String::new())?)
        });
        let response = layer.layer(service).oneshot(post()).await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let expected = ("POST".to_owned(), "https://api.test/start".to_owned(), names);
        assert_eq!(seen.lock().unwrap().drain(..).collect::<Vec<_>>(), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_202_whose_body_does_not_match_is_reported_too_and_one_that_is_a_final_response_is_not() {
    let unmatched = Arc::new(AtomicUsize::new(0));
    let reported = unmatched.clone();
    let layer = exact().protocols([Protocol::meilisearch()]).on_event(move |event| {
        assert!(matches!(event, Event::Unmatched { .. }), "{event:?}");
        reported.fetch_add(1, Ordering::SeqCst);
    });
    for (kind, body) in [("text/plain", r#"{"taskUid": 1}"#), ("application/json", r#"{"task": 1}"#)] {
        let (service, _) = answering(move |_, _| {
            Ok(Response::builder().status(202).header("content-type", kind).body(body.to_owned())?)
        });
        let response = layer.layer(service).oneshot(post()).await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(unmatched.swap(0, Ordering::SeqCst), 1, "{kind}");
    }
    let (service, _) = answering(|index, _| match index {
        0 => accepted("/operations/1"),
        _ => Ok(Response::builder().status(202).body(r#"{"status": "Succeeded"}"#.to_owned())?),
    });
    let response = layer.layer(exact().layer(service)).oneshot(post()).await.unwrap();
    assert_eq!((response.status(), unmatched.load(Ordering::SeqCst)), (StatusCode::ACCEPTED, 0));
}

/// A body of these pieces, each in a frame of its own.
struct Pieces(std::vec::IntoIter<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_ends_anywhere_in_a_status_is_an_error_and_no_panic() {
    let body = r#"{"a": [1], "status" : "Succeeded", "b": "more and more"}"#;
    for limit in 0..=body.len() {
        for size in [1, 2, 7, body.len()] {
            let service = service_fn(move |request: Request<String>| async move {
                let is_start = request.method() == "POST";
                let pieces = match is_start {
                    true => Vec::new(),
                    false => body.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect(),
                };
                let mut response = Response::new(Pieces(pieces.into_iter()));
                if is_start {
                    *response.status_mut() = StatusCode::ACCEPTED;
                    response.headers_mut().insert("operation-location", "/operations/1".parse().unwrap());
                }
                Ok::<_, Infallible>(response)
            });
            let outcome = exact().max_status_bytes(limit).layer(service).oneshot(post()).await;
            let has_room = limit > body.find("\", \"b\"").unwrap();
            match outcome {
                Ok(response) => {
                    assert!(has_room, "{limit}");
                    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body, "{limit} {size}");
                }
                Err(Error::Operation(error)) => {
                    assert!(!has_room && matches!(error.cause(), Cause::Status(_)), "{limit} {size}: {error}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A status, and then frames without data for ever, none of which has to be waited for.
struct EmptyForEver(Option<&'static str>);

impl Body for EmptyForEver {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.0.take().map_or_else(Bytes::new, |text| Bytes::from_static(text.as_bytes()));
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

#[tokio::test]
async fn empty_frames_for_ever_end_nowhere_but_here() {
    for status in [r#"{"status": "Succeeded", "#, r#"{"status": "Failed", "#] {
        let service = service_fn(move |request: Request<String>| async move {
            let is_start = request.method() == "POST";
            let mut response = Response::new(EmptyForEver((!is_start).then_some(status)));
            if is_start {
                *response.status_mut() = StatusCode::ACCEPTED;
                response.headers_mut().insert("operation-location", "/operations/1".parse().unwrap());
                response.headers_mut().insert("retry-after-ms", "1".parse().unwrap());
            }
            Ok::<_, Infallible>(response)
        });
        let call = exact().layer(service).oneshot(post());
        // So that the test ends, whatever the layer does: a future that never waits cannot be timed out from within.
        let response = tokio::spawn(call).await.unwrap().unwrap();
        assert!(response.operation().unwrap().state().is_terminal());
    }
}

#[test]
fn without_a_timer_nothing_is_sent() {
    let sent = Arc::new(Mutex::new(0));
    let service = service_fn({
        let sent = sent.clone();
        move |_: Request<Full<Bytes>>| {
            // Some services begin their work when they are called, and not when their future is polled.
            *sent.lock().unwrap() += 1;
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let request = || Request::post("https://api.test/start").body(Full::default()).unwrap();
    let error = runtime.block_on(exact().layer(service.clone()).oneshot(request())).unwrap_err();
    assert!(matches!(error, Error::NoTimer), "{error}");
    let call = |service| Service::call(&mut exact().layer(service), request());
    let error = futures_util::FutureExt::now_or_never(call(service.clone())).unwrap().unwrap_err();
    assert!(matches!(error, Error::NoTimer), "{error}");
    assert_eq!(*sent.lock().unwrap(), 0);

    // Nor does a client that is kept hold the permit that its request would have taken.
    let limited = ConcurrencyLimit::new(service.clone(), 1);
    let mut client = exact().layer(limited.clone());
    let error = runtime.block_on(async { client.ready().await.unwrap().call(request()).await }).unwrap_err();
    assert!(matches!(error, Error::NoTimer), "{error}");
    assert!(futures_util::FutureExt::now_or_never(limited.ready_oneshot()).is_some());
    drop(client);

    // A request that is made outside of a runtime is sent in the runtime in which it is awaited.
    let future = call(service);
    assert_eq!(*sent.lock().unwrap(), 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert_eq!(runtime.block_on(future).unwrap().status(), StatusCode::OK);
    assert_eq!(*sent.lock().unwrap(), 1);
}

#[test]
fn a_request_that_was_sent_is_not_said_to_be_unsent_when_its_future_leaves_the_runtime() {
    let service = service_fn(|_: Request<String>| async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let mut call = Box::pin(exact().layer(service).oneshot(post()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let polled = runtime.block_on(async { futures_util::FutureExt::now_or_never(&mut call) });
    assert!(polled.is_none());
    let elsewhere = std::thread::spawn(move || futures_util::FutureExt::now_or_never(&mut call));
    assert_eq!(elsewhere.join().unwrap().unwrap().unwrap().status(), StatusCode::OK);

    // A service that sends when it is called.
    let (service, log) = answering(|_, _| ok("{}"));
    let call = {
        let _entered = runtime.enter();
        Service::call(&mut exact().layer(service), post())
    };
    assert_eq!(log.uris().len(), 1);
    let elsewhere = std::thread::spawn(move || futures_util::FutureExt::now_or_never(call));
    assert_eq!(elsewhere.join().unwrap().unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn an_assumption_ends_with_a_status() {
    let stored = r#"{"version": 1, "protocol": "location", "monitor": "https://api.test/1", "state": "Succeeded", "assumed": true}"#;
    for (status, body) in [(200, r#"{"status": "Succeeded"}"#), (200, r#"{"status": "Failed"}"#), (303, "")] {
        let (service, _) = answering(move |index, _| match index {
            0 => Ok(Response::builder().status(status).header("location", "/result").body(body.to_owned())?),
            _ => ok("the result"),
        });
        let stored: Operation = serde_json::from_str(stored).unwrap();
        let request = Request::get("https://api.test/").extension(stored.resume()).body(String::new()).unwrap();
        let response = exact().protocols([Protocol::location()]).layer(service).oneshot(request).await.unwrap();
        assert!(!response.operation().unwrap().is_success_assumed(), "{status} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_name_or_link_hides_none_that_is_not() {
    let (service, _) = answering(|index, _| match index {
        0 => Ok(Response::builder()
            .status(202)
            .header("operation-location", "/operations/1")
            .header("operation-id", "")
            .header("x-ms-operation-id", "abc")
            .body(String::new())?),
        1 => Ok(Response::builder()
            .header("link", "<>; rel=\"result\"")
            .body(r#"{"status": "Succeeded", "links": {"result": "/result"}}"#.to_owned())?),
        _ => ok("the result"),
    });
    let rule = StartRule::by_header("operation-location").monitor(StatusRule::new().status_at("/status"));
    let protocol = Protocol::builder("own").announced(rule).resource_link("result");
    let protocol = protocol.final_response(tower_lro::FinalResponse::Resource).build().unwrap();
    let response = exact().protocols([protocol]).layer(service).oneshot(post()).await.unwrap();
    assert_eq!(response.operation().unwrap().id(), Some("abc"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "the result");
}

#[tokio::test(start_paused = true)]
async fn no_body_but_json_is_looked_into() {
    /// Gives nothing, ever.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    for content_type in ["text/event-stream", "application/x-ndjson", "text/html; charset=utf-8", "application/jsonl"] {
        let service = service_fn(move |_: Request<String>| async move {
            Ok::<_, Infallible>(Response::builder().header("content-type", content_type).body(Silent).unwrap())
        });
        let begun = tokio::time::Instant::now();
        let call = exact().protocols([Protocol::aip_151()]).layer(service).oneshot(post());
        let response = tokio::time::timeout(seconds(60), call).await.expect(content_type).unwrap();
        assert_eq!((response.status(), begun.elapsed()), (StatusCode::OK, Duration::ZERO), "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_kinds_of_json_are_looked_into() {
    for content_type in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
        let (service, log) = answering(move |index, _| {
            let body = if index == 0 { r#"{"name": "operations/1"}"# } else { r#"{"done": true, "response": {}}"# };
            Ok(Response::builder().header("content-type", content_type).body(body.to_owned())?)
        });
        exact().protocols([Protocol::aip_151()]).layer(service).oneshot(post()).await.unwrap();
        assert_eq!(log.uris().len(), 2, "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn polls_ask_for_json_whatever_the_caller_asked_for() {
    let (service, log) = answering(service_that("operation-location", |_| ok(r#"{"status": "Succeeded"}"#)));
    let mut request = post();
    request.headers_mut().insert("accept", "text/html".parse().unwrap());
    exact().layer(service).oneshot(request).await.unwrap();
    let accepts: Vec<_> = log.requests().iter().map(|it| it.headers()["accept"].to_str().unwrap().to_owned()).collect();
    assert_eq!(accepts, ["text/html", "application/json, text/html;q=0.9"]);
}

#[tokio::test(start_paused = true)]
async fn a_decimal_retry_after_is_rounded_up() {
    let (service, log) = answering(|index, _| match index {
        0 => {
            let mut response = accepted("/operations/1")?;
            response.headers_mut().insert("retry-after", "299.997".parse()?);
            Ok(response)
        }
        _ => ok(r#"{"status": "Succeeded"}"#),
    });
    exact().layer(service).oneshot(post()).await.unwrap();
    assert_eq!(log.millis(), [0, 300_000]);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_at_http_of_the_same_host_is_polled_over_https() {
    let start = || Request::post("https://api.test/start").header("api-key", "SECRET").body(String::new()).unwrap();
    let (service, log) = answering(|index, _| match index {
        0 => accepted("http://api.test/operations/1"),
        _ => ok(r#"{"status": "Succeeded"}"#),
    });
    exact().layer(service).oneshot(start()).await.unwrap();
    assert_eq!(log.uris()[1], "https://api.test/operations/1");
    for other in ["http://api.test:8080/operations/1", "http://other.test/operations/1"] {
        let (service, log) = answering(move |_, _| accepted(other));
        let error = exact().layer(service).oneshot(start()).await.unwrap_err();
        assert!(matches!(&error, Error::Operation(error) if matches!(error.cause(), Cause::Address(_))), "{other}");
        assert_eq!(log.uris().len(), 1);
    }
    // Another port than the default one is its own, encrypted or not.
    let (service, log) = answering(|index, _| match index {
        0 => accepted("http://api.test:8080/operations/1"),
        _ => ok(r#"{"status": "Succeeded"}"#),
    });
    let request = Request::post("https://api.test:8080/start").body(String::new()).unwrap();
    assert!(exact().layer(service).oneshot(request).await.is_err());
    assert_eq!(log.uris().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn joined_and_repeated_headers_are_one_address_or_an_error() {
    for (values, is_one) in [
        (&["/op/1, /op/1"][..], true),
        (&["https://api.test/op/1, /op/1"], true),
        (&["/op/1", "/op/1"], true),
        (&["\"/op/1\""], true),
        (&["\"/op/1\", \"/op/1\""], true),
        (&["/op/1, /op/2"], false),
        (&["/op/1", "/op/2"], false),
    ] {
        let (service, log) = answering(move |index, _| match index {
            0 => {
                let mut response = Response::builder().status(202);
                for value in values {
                    response = response.header("operation-location", *value);
                }
                Ok(response.body(String::new())?)
            }
            _ => ok(r#"{"status": "Succeeded"}"#),
        });
        let outcome = exact().layer(service).oneshot(post()).await;
        match outcome {
            Ok(_) => assert!(is_one && log.uris()[1] == "https://api.test/op/1", "{values:?} {:?}", log.uris()),
            Err(error) => {
                assert!(!is_one, "{values:?}: {error}");
                let Error::Operation(error) = error else { panic!("{error}") };
                assert!(matches!(error.cause(), Cause::Address(_)) && log.uris().len() == 1, "{error}");
            }
        }
    }
}

/// Resolving thousands of them would hold the thread, and no timeout would help.
#[tokio::test(start_paused = true)]
async fn no_more_than_16_addresses_of_a_header_are_resolved_joined_or_repeated() {
    for (count, is_polled) in [(16, true), (17, false), (10_000, false)] {
        for per_value in [1, 4, count] {
            let mut values = vec![vec!["/op/1"; per_value].join(", "); count / per_value];
            values.extend((count % per_value > 0).then(|| vec!["/op/1"; count % per_value].join(", ")));
            let (service, _) = answering(move |index, _| match index {
                0 => {
                    let accepted = Response::builder().status(202);
                    let add =
                        |builder: http::response::Builder, value: &String| builder.header("operation-location", value);
                    Ok(values.iter().fold(accepted, add).body(String::new())?)
                }
                _ => ok(r#"{"status": "Succeeded"}"#),
            });
            let outcome = exact().layer(service).oneshot(post()).await;
            assert_eq!(outcome.is_ok(), is_polled, "{count} addresses, {per_value} in a value");
        }
    }
}

/// The layer, and the statuses that it reports because nobody knows them.
fn reporting(layer: LroLayer) -> (LroLayer, Arc<Mutex<Vec<String>>>) {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let sink = reported.clone();
    let layer = layer.on_event(move |event| {
        if let Event::Polled { operation, is_unrecognized: true, .. } = event {
            sink.lock().unwrap().push(operation.status().unwrap_or_default().to_owned());
        }
    });
    (layer, reported)
}

#[tokio::test(start_paused = true)]
async fn a_status_that_nobody_knows_is_reported_once() {
    let bodies: &[&str] = &[
        r#"{"status": "Baking"}"#,
        r#"{"status": "BAKING"}"#,
        r#"{"status": "Running"}"#,
        r#"{"status": "baking"}"#,
        r#"{"status": "Done"}"#,
        r#"{"status": "Succeeded"}"#,
    ];
    let (layer, reported) = reporting(exact());
    let operation = ends(layer.clone(), "operation-location", bodies).await;
    assert_eq!(operation.state(), OperationState::Succeeded);
    assert_eq!(*reported.lock().unwrap(), ["Baking", "Done"]);
    // Nor are more than eight of an operation.
    let (service, log) = answering(service_that("operation-location", |index| match index {
        ..30 => ok(&format!(r#"{{"status": "Step {index}"}}"#)),
        _ => ok(r#"{"status": "Succeeded"}"#),
    }));
    layer.layer(service).oneshot(post()).await.unwrap();
    assert_eq!((log.uris().len(), reported.lock().unwrap().len()), (31, 2 + 8));
}

#[tokio::test(start_paused = true)]
async fn a_status_that_nobody_knows_is_reported_once_in_several_steps() {
    let words = ["Baking", "baking", "Cooling", "Cooling", "Running", "Succeeded"];
    let (service, _) = answering(service_that("operation-location", move |index| {
        ok(&format!(r#"{{"status": "{}"}}"#, words[index - 1]))
    }));
    let (layer, reported) = reporting(exact().max_wait(Duration::ZERO));
    let mut outcome = layer.clone().layer(service.clone()).oneshot(post()).await;
    while let Err(error) = outcome {
        let (operation, _) = error.pending().unwrap();
        let step = Request::get("https://api.test/").extension(operation.resume()).body(String::new()).unwrap();
        outcome = layer.clone().layer(service.clone()).oneshot(step).await;
    }
    assert_eq!(*reported.lock().unwrap(), ["Baking", "Cooling"]);
}

/// In the order of a hash map, any of them would answer.
#[tokio::test(start_paused = true)]
async fn the_simulator_answers_at_a_shared_address_for_the_last_operation() {
    let running = Reply::http(202).header("operation-location", "{start}");
    let script = Script::new(running).polls([Reply::status("Running"), Reply::status("Succeeded")]).own_monitor();
    let client = exact().final_response(FinalResponse::OriginalUri).layer(Simulator::new().script(script.clone()));
    for _ in 0..9 {
        let response = client.clone().oneshot(start()).await.unwrap();
        assert_eq!(response.operation().unwrap().polls(), 2);
    }
    let client = exact().final_response(FinalResponse::OriginalUri).layer(Simulator::new());
    for number in 1..9 {
        let body = text(client.clone().oneshot(start()).await.unwrap()).await;
        assert!(body.contains(&format!("\"0000000{number}-")), "{number}: {body}");
    }
}
