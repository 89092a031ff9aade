//! Canceling an operation at the service: what is sent, where to, and when nothing is.

use std::{future::Future, time::Duration};

use futures_util::{FutureExt, StreamExt};
use http::{Extensions, Request, Response, StatusCode};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower::{BoxError, Layer, Service, ServiceExt, limit::ConcurrencyLimit};
use tower_lro::{
    Canceller, Cause, Error, Event, Events, LroLayer, LroOverrides, Operation, OperationError, OperationState,
    OwnedEvent, Protocol,
    simulator::{Simulator, SimulatorBody},
};

use crate::support::{Server, accepted, answering, exact, quick, seconds, text};

/// Notes what it is to send.
fn noting() -> (Canceller, UnboundedReceiver<String>) {
    let (note, noted) = unbounded_channel();
    let canceller = Canceller::new(move |request: Request<String>| {
        note.send(format!("{} {}", request.method(), request.uri())).unwrap();
        async { Ok(StatusCode::OK) }
    });
    (canceller, noted)
}

fn running(protocol: &str, monitor: &str) -> Operation {
    serde_json::from_value(json!({"version": 1, "protocol": protocol, "monitor": monitor, "state": "Running"})).unwrap()
}

/// A job of OGC API Processes, with a result that does not come.
fn job(index: usize, _: &Request<()>) -> Result<Response<String>, BoxError> {
    let response = Response::builder();
    Ok(match index {
        0 => response.status(201).header("location", "/jobs/1").header("preference-applied", "respond-async"),
        1 => response.status(200),
        _ => response.status(503),
    }
    .body(r#"{"type": "process", "jobID": "1", "status": "successful"}"#.to_owned())?)
}

/// OGC API Processes delete the result of a job that has ended.
#[tokio::test(start_paused = true)]
async fn an_operation_that_has_ended_is_not_canceled() {
    let request = || Request::post("https://example.com/processes/a/execution").body(String::new()).unwrap();
    let (canceller, mut noted) = noting();
    let layer = || exact().protocols([Protocol::ogc_processes()]).max_consecutive_failures(u32::MAX);
    let (service, log) = answering(job);
    let error = layer().timeout(seconds(9)).cancel_on_timeout(canceller).layer(service).oneshot(request()).await;
    let Err(Error::Operation(error)) = error else { panic!() };
    assert!(matches!(error.cause(), Cause::Timeout));
    assert_eq!(error.operation().state(), OperationState::Succeeded);
    assert!(log.uris().len() > 2 && log.uris()[2].ends_with("/results"), "{:?}", log.uris());
    assert_eq!(noted.recv().await, None, "by the timeout");

    let (canceller, mut noted) = noting();
    let call = layer().cancel_on_drop(canceller).layer(answering(job).0).oneshot(request());
    assert!(tokio::time::timeout(seconds(9), call).await.is_err());
    assert_eq!(noted.recv().await, None, "by the drop");
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_canceled_where_it_is_and_not_at_a_page_to_sign_in_at() {
    let led_away = |index: usize, _: &Request<()>| {
        let (status, header, value) = match index {
            0 => (202, "content-location", "/op/1"),
            1 => (302, "location", "/login"),
            _ => (503, "x-none", ""),
        };
        Ok(Response::builder().status(status).header(header, value).body(String::new())?)
    };
    let request = || Request::get("https://example.com/$export").body(String::new()).unwrap();
    let layer = || exact().protocols([Protocol::fhir()]).max_consecutive_failures(u32::MAX);
    let canceled = || Some("DELETE https://example.com/op/1".to_owned());

    let (canceller, mut noted) = noting();
    let service = answering(led_away).0;
    let error = layer().timeout(seconds(9)).cancel_on_timeout(canceller).layer(service).oneshot(request()).await;
    assert_eq!(noted.recv().await, canceled(), "by the timeout");
    let Err(Error::Operation(error)) = error else { panic!() };
    assert_eq!(error.operation().monitor(), "https://example.com/op/1");

    let (canceller, mut noted) = noting();
    let call = layer().cancel_on_drop(canceller).layer(answering(led_away).0).oneshot(request());
    assert!(tokio::time::timeout(seconds(9), call).await.is_err());
    assert_eq!(noted.recv().await, canceled(), "by the drop");
}

#[tokio::test(start_paused = true)]
async fn a_canceller_that_panics_does_so_in_its_own_task() {
    let canceller = Canceller::new(|_| -> std::future::Ready<Result<StatusCode, BoxError>> { panic!("canceller") });
    let (call, events) = canceled_by(canceller);
    assert!(tokio::time::timeout(seconds(1), call).await.is_err());
    let events: Vec<OwnedEvent> = events.collect().await;
    assert!(matches!(events.last().unwrap().as_event(), Event::CancelSent { status: None, .. }), "{events:?}");
}

#[test]
fn a_cancel_request_that_no_runtime_sends_to_its_end_is_reported() {
    for has_runtime in [true, false] {
        let (call, events) = canceled_by(Canceller::new(|_| std::future::pending()));
        let mut call = Box::pin(call);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { assert!(tokio::time::timeout(Duration::from_millis(1), &mut call).await.is_err()) });
        {
            let _guard = has_runtime.then(|| runtime.enter());
            drop(call);
        }
        drop(runtime);
        let events: Vec<OwnedEvent> = events.collect().now_or_never().unwrap();
        assert!(matches!(events.last().unwrap().as_event(), Event::CancelSent { status: None, .. }), "{events:?}");
    }
}

/// An operation that does not end, and is canceled when it is dropped.
fn canceled_by(canceller: Canceller) -> (impl Future<Output: Sized>, Events) {
    let (service, _) =
        answering(|_, _| Ok(Response::builder().status(202).header("content-location", "/op/1").body(String::new())?));
    let (layer, events) = exact().protocols([Protocol::fhir()]).cancel_on_drop(canceller).events();
    let request = Request::get("https://example.com/$export").header("prefer", "respond-async");
    (layer.layer(service).oneshot(request.body(String::new()).unwrap()), events)
}

#[tokio::test(start_paused = true)]
async fn a_cancel_request_that_is_refused_holds_no_permit_of_the_service_below() {
    let limited = ConcurrencyLimit::new(answering(|_, _| Ok(Response::new(String::new()))).0, 1);
    let mut client = exact().layer(limited.clone());
    // The client does not speak its protocol.
    let cancel = running("fhir", "https://example.com/op/1").cancel().unwrap();
    let request = cancel.request::<String>("https://example.com/".parse().unwrap());
    let Err(Error::Operation(error)) = client.ready().await.unwrap().call(request).await else { panic!() };
    assert!(matches!(error.cause(), Cause::Protocol));
    assert!(limited.ready_oneshot().now_or_never().is_some(), "the client waits for nothing");
    drop(client);
}

/// Many services cancel asynchronously, too.
#[tokio::test(start_paused = true)]
async fn a_canceller_over_a_client_with_a_layer_starts_no_operation_by_it() {
    let (service, log) = answering(|index, request| match (index, request.method().as_str()) {
        (0, _) => Ok(Response::builder().status(202).header("content-location", "/op/1").body(String::new())?),
        (_, "DELETE") => Ok(Response::builder().status(202).header("content-location", "/end/1").body(String::new())?),
        _ => Ok(Response::builder().status(202).body(String::new())?),
    });
    let client = exact().protocols([Protocol::fhir()]).layer(service.clone());
    let canceller = Canceller::new(move |request: Request<String>| {
        let client = client.clone();
        async move { Ok(client.oneshot(request).await.map_err(|error| error.to_string())?.status()) }
    });
    let (answers, mut answered) = unbounded_channel();
    let layer = exact().protocols([Protocol::fhir()]).timeout(seconds(1)).cancel_on_timeout(canceller);
    let layer = layer.on_event(move |event| {
        if let Event::CancelSent { status, .. } = event {
            answers.send(*status).unwrap();
        }
    });
    let request = Request::get("https://example.com/$export").body(String::new()).unwrap();
    layer.layer(service).oneshot(request).await.unwrap_err();
    let answer = tokio::time::timeout(seconds(60), answered.recv()).await;
    assert_eq!(answer, Ok(Some(Some(StatusCode::ACCEPTED))));
    assert!(!log.uris().iter().any(|uri| uri.ends_with("/end/1")), "{:?}", log.uris());
}

#[tokio::test(start_paused = true)]
async fn an_explicit_host_does_not_go_to_another_address() {
    for (layer, is_sent) in [
        (exact().trust_origin("https://eu.test".parse().unwrap()), true),
        (exact().allow_anonymous_origin("https://eu.test".parse().unwrap()), true),
        (exact(), false),
    ] {
        let (service, log) = answering(|_, _| Ok(Response::new(String::new())));
        let cancel = running("fhir", "https://eu.test/op/1").cancel().unwrap();
        let mut request = cancel.request::<String>("https://api.test/".parse().unwrap());
        request.headers_mut().insert("host", "api.test".parse().unwrap());
        _ = layer.protocol(Protocol::fhir()).layer(service).oneshot(request).await;
        assert_eq!(log.requests().len(), usize::from(is_sent));
        assert!(log.requests().iter().all(|request| !request.headers().contains_key("host")));
    }
    // Where the address is a path alone, the header says what it is a path at.
    let (service, log) = answering(|_, _| Ok(Response::new(String::new())));
    let cancel = running("fhir", "https://api.test/op/1").cancel().unwrap();
    let mut request = cancel.request::<String>("/".parse().unwrap());
    request.headers_mut().insert("host", "api.test".parse().unwrap());
    exact().protocol(Protocol::fhir()).layer(service).oneshot(request).await.unwrap();
    let [request] = &log.requests()[..] else { panic!() };
    assert_eq!(request.uri(), "/op/1");
    assert_eq!(request.headers()["host"], "api.test");
}

#[tokio::test]
async fn the_extensions_of_a_middleware_say_what_is_canceled_or_resumed_before_those_of_the_request() {
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    let layer = quick().protocol(Protocol::fhir()).max_consecutive_failures(0);
    let client = ClientBuilder::new(reqwest::Client::new()).with(layer).build();
    let operation = |path| running("fhir", &server.url(path));
    let cancel = |path| operation(path).cancel().unwrap();
    let request = cancel("/request").request::<reqwest::Body>(server.url("/").parse().unwrap());
    let mut extensions = Extensions::new();
    extensions.insert(cancel("/middleware"));
    client.execute_with_extensions(request.try_into().unwrap(), &mut extensions).await.unwrap();

    let request = Request::get(server.url("/")).extension(operation("/request").resume());
    let request = request.body(reqwest::Body::default()).unwrap();
    let mut extensions = Extensions::new();
    extensions.insert(operation("/middleware").resume());
    client.execute_with_extensions(request.try_into().unwrap(), &mut extensions).await.unwrap();
    let paths: Vec<_> = simulator.recorded().iter().map(|request| request.uri.path().to_owned()).collect();
    assert_eq!(paths, ["/middleware", "/middleware"]);
}

/// It would delete something else.
#[tokio::test]
async fn a_disabled_layer_does_not_send_a_cancel_request_to_the_service_itself() {
    let cancel = |service: &str| {
        let cancel = running("fhir", &format!("{service}op/1")).cancel().unwrap();
        cancel.request::<reqwest::Body>(service.parse().unwrap())
    };
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    let service = server.url("/");
    for is_per_request in [false, true] {
        let layer = if is_per_request { quick().protocol(Protocol::fhir()) } else { LroLayer::disabled() };
        let request = || {
            let mut request = cancel(&service);
            if is_per_request {
                request.extensions_mut().insert(LroOverrides::disabled());
            }
            request
        };
        let is_refused = |error: &OperationError<reqwest::Error>| matches!(error.cause(), Cause::Protocol);

        let (http, log) = answering(|_, _| Ok(Response::new(String::new())));
        let outcome = layer.layer(http).oneshot(request().map(|_| String::new())).await;
        assert!(matches!(outcome, Err(Error::Operation(error)) if matches!(error.cause(), Cause::Protocol)));
        assert!(log.uris().is_empty());

        let client = layer.layer(reqwest::Client::new());
        let outcome = client.oneshot(reqwest::Request::try_from(request()).unwrap()).await;
        assert!(matches!(outcome, Err(Error::Operation(error)) if is_refused(&error)));

        let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(layer).build();
        let error = client.execute(request().try_into().unwrap()).await.unwrap_err();
        let found = OperationError::find(&error).expect("the layer's own error");
        assert!(matches!(found.cause(), Cause::Protocol), "{error:?}");
    }
    assert!(simulator.recorded().is_empty());
}

/// A request shows its extensions in the form of `http` alone, and a middleware's are others.
#[tokio::test]
async fn reqwest_middleware_finds_what_is_in_the_request_itself() {
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    let client = |layer: LroLayer| {
        reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(layer.protocol(Protocol::fhir())).build()
    };
    let cancel = running("fhir", &server.url("/op/1")).cancel().unwrap();
    let request = cancel.request::<reqwest::Body>(server.url("/").parse().unwrap());
    client(quick()).execute(request.try_into().unwrap()).await.unwrap();
    let [request] = &simulator.recorded()[..] else { panic!() };
    assert_eq!((request.method.as_str(), request.uri.path()), ("DELETE", "/op/1"));

    let mut request = Request::post(server.url("/")).body(reqwest::Body::default()).unwrap();
    request.extensions_mut().insert(LroOverrides::new(|layer| layer.max_wait(Duration::ZERO)));
    let layer = quick().min_delay(Duration::from_millis(1));
    let error = client(layer).execute(request.try_into().unwrap()).await.unwrap_err();
    assert!(OperationError::find(&error).unwrap().operation().polls() == 0, "{error:?}");
}

#[tokio::test]
async fn a_simulated_operation_that_is_canceled_has_not_been_polled() {
    let simulator = Simulator::new();
    let request =
        |method: &str, uri: &str| Request::builder().method(method).uri(uri).body(SimulatorBody::default()).unwrap();
    let accepted = simulator.clone().oneshot(request("POST", "https://example.com/mapData")).await.unwrap();
    let monitor = accepted.headers()["operation-location"].to_str().unwrap();
    let canceled = simulator.clone().oneshot(request("DELETE", monitor)).await.unwrap();
    assert_eq!((canceled.status(), simulator.started()), (StatusCode::NO_CONTENT, 1));
    let polled = simulator.clone().oneshot(request("GET", monitor)).await.unwrap();
    assert!(text(polled).await.contains("NotStarted"));
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_cancel_request_is_the_callers_whatever_a_layer_below_would_make_of_it() {
    let (service, log) = answering(|_, _| {
        Ok(Response::builder().status(202).header("operation-location", "/op/2").body(String::new())?)
    });
    let cancel = running("fhir", "https://api.test/op/1").cancel().unwrap();
    let request = cancel.request::<String>("https://api.test/".parse().unwrap());
    let stack = exact().protocol(Protocol::fhir()).layer(exact().layer(service));
    let error = stack.oneshot(request).await.map(|response| response.status());
    assert_eq!(error.unwrap(), 202);
    assert_eq!(log.uris(), ["https://api.test/op/1"]);
}

#[tokio::test]
async fn the_same_holds_for_middleware_below() {
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new());
    let client = client.with(quick().protocol(Protocol::fhir())).with(quick()).build();
    // At an address where the simulator starts an operation.
    let cancel = running("fhir", &server.url("/another")).cancel().unwrap();
    let request = cancel.clone().request::<reqwest::Body>(server.url("/").parse().unwrap());
    assert_eq!(client.execute(request.try_into().unwrap()).await.unwrap().status(), 202);
    let response = client.delete(server.url("/")).with_extension(cancel).send().await.unwrap();
    assert_eq!((response.status().as_u16(), simulator.recorded().len()), (202, 2));
}

/// Sends every request twice, and waits for the first only so long.
struct Twice(Duration);

#[async_trait::async_trait]
impl Middleware for Twice {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let again = request.try_clone().expect("its body does not stream");
        _ = tokio::time::timeout(self.0, next.clone().run(request, extensions)).await;
        next.run(again, extensions).await
    }
}

/// It would delete something else.
#[tokio::test]
async fn a_middleware_above_that_sends_a_cancel_request_again_cancels_again() {
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    for patience in [seconds(10), Duration::ZERO] {
        let layer = quick().protocol(Protocol::fhir());
        let client = ClientBuilder::new(reqwest::Client::new()).with(Twice(patience)).with(layer).build();
        let cancel = running("fhir", &server.url("/op/1")).cancel().unwrap();
        let request = reqwest::Client::new().delete(server.url("/")).build().unwrap();
        let mut extensions = Extensions::new();
        extensions.insert(cancel);
        client.execute_with_extensions(request, &mut extensions).await.unwrap();
        assert!(extensions.get::<LroOverrides>().is_none(), "those are not the caller's");
    }
    let paths: Vec<_> = simulator.recorded().iter().map(|request| request.uri.path().to_owned()).collect();
    assert!(paths.len() >= 3 && paths.iter().all(|path| path == "/op/1"), "{paths:?}");
}

#[tokio::test(start_paused = true)]
async fn polls_do_not_cancel() {
    let (service, log) = answering(|_, _| Ok(Response::new(r#"{"status": "Succeeded"}"#.to_owned())));
    let cancel = running("fhir", "https://api.test/op/1").cancel().unwrap();
    let (head, _) = cancel.request::<String>("https://api.test/".parse().unwrap()).into_parts();
    let accepted = accepted("https://api.test/op/2").unwrap();
    exact().follow::<_, Request<String>>(head, accepted, service).await.unwrap();
    assert!(log.requests()[0].extensions().get::<tower_lro::Cancel>().is_none());
}
