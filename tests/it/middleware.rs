//! The integration for reqwest-middleware.

use futures_util::{StreamExt, future::BoxFuture, stream};
use http::Extensions;
use reqwest::{Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use serde_json::Value;
use tower::{Layer, ServiceExt};
use tower_lro::{
    AddressErrorKind, Cause, Event, LroLayer, OperationError, OperationState, Protocol, ResponseExt, Resume,
    simulator::{Fault, Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{Server, chain, polls, quick, seconds, start};

fn client(layer: LroLayer) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new()).with(layer).build()
}

#[tokio::test]
async fn the_call_sites_do_not_change() {
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    let response = client(quick()).post(server.url("/mapData?a=b")).body("package").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let monitor = server.url("/operations/00000001-add9-4ef7-9788-1635bed9a87e");
    assert_eq!(response.url().as_str(), monitor);
    assert_eq!(response.remote_addr(), Some(server.address));
    assert_eq!(response.content_length(), Some(simulated_length()));
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
    assert!(response.error_for_status_ref().is_ok());
    let json: Value = response.error_for_operation().unwrap().json().await.unwrap();
    assert_eq!(json["status"], "Succeeded");
    assert_eq!((simulator.recorded().len(), server.connections()), (4, 1));
}

fn simulated_length() -> u64 {
    let body = "{\n    \"operationId\": \"\",\n    \"created\": \"2021-05-06T07:55:19.5256829+00:00\",\n    \"status\": \"Succeeded\"\n}";
    // And a space before it, as in the documentation.
    body.len() as u64 + 36 + 1
}

#[tokio::test]
async fn results_stream() {
    let script = Script::azure_maps().polls([Reply::status_with_result("Succeeded", 3_000_000)]);
    let server = Server::of(&Simulator::new().script(script)).await;
    let response = client(quick()).post(server.url("/")).send().await.unwrap();
    let length = response.content_length().unwrap();
    let mut read = 0;
    let mut stream = response.bytes_stream();
    while let Some(bytes) = stream.next().await {
        read += bytes.unwrap().len() as u64;
    }
    assert_eq!(read, length);
    // So long that what comes before the break does not stay in the server's buffer.
    let broken = Reply::status_with_result("Succeeded", 9_000_000).fault(Fault::BrokenAfter(8_000_000));
    let script = Script::azure_maps().polls([broken]);
    let server = Server::of(&Simulator::new().script(script)).await;
    let response = client(quick()).post(server.url("/")).send().await.unwrap();
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn uploads_stream() {
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    let parts = stream::iter((0..100).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 10_000])));
    let body = reqwest::Body::wrap_stream(parts);
    let response = client(quick()).post(server.url("/")).body(body).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let sent: Vec<_> = simulator.recorded().iter().map(|request| request.body_bytes).collect();
    assert_eq!(sent, [1_000_000, 0, 0, 0]);
}

/// Only where the layer and a protocol say so, and once: services may answer otherwise then.
#[tokio::test]
async fn a_start_asks_for_asynchronous_work_where_the_layer_is_told_to() {
    let fhir = || quick().protocols([Protocol::fhir()]);
    for (layer, own, expected) in [
        (fhir(), None, &[][..]),
        (fhir().ask_for_async(true), None, &["respond-async"]),
        (fhir().ask_for_async(true), Some("Respond-Async, wait=5"), &["Respond-Async, wait=5"]),
        (quick().ask_for_async(true), None, &[]),
    ] {
        let simulator = Simulator::new().script(Script::azure_maps_invalid()).recording();
        let server = Server::of(&simulator).await;
        let mut by_reqwest = client(layer.clone()).post(server.url("/"));
        let mut by_tower = http::Request::post("https://example.com/");
        if let Some(own) = own {
            by_reqwest = by_reqwest.header("prefer", own);
            by_tower = by_tower.header("prefer", own);
        }
        by_reqwest.send().await.unwrap();
        let service = layer.layer(simulator.clone());
        service.oneshot(by_tower.body(SimulatorBody::default()).unwrap()).await.unwrap();
        let recorded = simulator.recorded();
        assert_eq!(recorded.len(), 2);
        for request in &recorded {
            assert_eq!(request.headers.get_all("prefer").iter().collect::<Vec<_>>(), expected);
        }
    }
}

#[tokio::test]
async fn what_passes_through_is_untouched() {
    let server = Server::of(&Simulator::new().script(Script::azure_maps_invalid())).await;
    let url = server.url("/mapData");
    let response = client(quick()).post(&url).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.url().as_str()), (400, url.as_str()));
    assert!(response.operation().is_none());
    assert!(response.text().await.unwrap().contains("not a valid drawing package"));
    let error = client(quick()).post("http://127.0.0.1:1/").send().await.unwrap_err();
    assert!(error.is_connect(), "the client's own error comes out as it is: {error:?}");
}

#[tokio::test]
async fn settings_for_one_request_are_given_as_an_extension() {
    let server = Server::of(&Simulator::new()).await;
    let client = client(quick());
    let response = client.post(server.url("/")).with_extension(LroLayer::disabled()).send().await.unwrap();
    assert_eq!(response.status(), 202);
    let polls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = polls.clone();
    let layer = quick().on_event(move |event| {
        if let Event::Polled { .. } = event {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    client.post(server.url("/")).with_extension(layer).send().await.unwrap();
    client.post(server.url("/")).send().await.unwrap();
    assert_eq!(polls.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test]
async fn errors_are_found_and_hold_the_operation() {
    let server = Server::of(&Simulator::new().script(polls([Reply::http(403).body("no")]))).await;
    let error = client(quick()).post(server.url("/")).send().await.unwrap_err();
    let found = OperationError::find(&error).unwrap();
    let Cause::Monitor(response) = found.cause() else { panic!("{error:?}") };
    assert_eq!(response.body(), "no");
    // A response of reqwest knows its address.
    assert_eq!(Response::from(response.clone()).url().as_str(), found.operation().monitor().to_string());
    let which = format!("the operation {} did not complete", found.operation().monitor());
    assert_eq!(chain(&error), [&which, "the monitor answered 403 Forbidden"]);
    assert!(OperationError::find(&reqwest_middleware::Error::middleware(std::io::Error::other("x"))).is_none());

    let resumed = client(quick()).get(server.url("/")).with_extension(found.operation().resume());
    let error = resumed.send().await.unwrap_err();
    assert_eq!(OperationError::find(&error).unwrap().operation().polls(), 2);
}

#[tokio::test]
async fn an_operation_is_resumed_by_its_address() {
    let simulator = Simulator::new();
    let server = Server::of(&simulator).await;
    let layer = quick().backoff(tower_lro::Backoff::constant(seconds(60))).timeout(std::time::Duration::from_millis(1));
    let error = client(layer).post(server.url("/")).send().await.unwrap_err();
    let monitor = OperationError::find(&error).unwrap().operation().monitor().to_string();
    let response = client(quick()).get(&monitor).with_extension(Resume::new()).send().await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
    // Without it a GET is a GET.
    let response = client(quick()).get(&monitor).send().await.unwrap();
    assert!(response.operation().is_none());
    assert_eq!(simulator.started(), 1);
}

#[tokio::test]
async fn the_requests_own_timeout_bounds_every_poll_and_not_the_operation() {
    // One poll stalls for good; the others take half of the timeout each, and are more than two.
    let slow = |word| Reply::status(word).delay(std::time::Duration::from_millis(150));
    let script = polls([
        slow("Running"),
        Reply::http(200).fault(Fault::Stalled),
        slow("Running"),
        slow("Running"),
        slow("Succeeded"),
    ]);
    let server = Server::of(&Simulator::new().script(script)).await;
    let timeout = std::time::Duration::from_millis(300);
    let response = client(quick()).post(server.url("/")).timeout(timeout).send().await.unwrap();
    let operation = response.operation().unwrap();
    assert_eq!(operation.polls(), 5);
    assert!(operation.elapsed() > timeout);
}

/// Adds a header, and counts in the extensions how often.
struct Counting;

#[derive(Clone, Debug, PartialEq)]
struct Count(u32);

#[async_trait::async_trait]
impl Middleware for Counting {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let count = extensions.get_or_insert_with(|| Count(0));
        count.0 += 1;
        request.headers_mut().insert("x-count", count.0.into());
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn middleware_below_runs_for_every_poll_with_the_requests_extensions() {
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    let client = ClientBuilder::new(reqwest::Client::new()).with(quick()).with(Counting).build();
    let request = reqwest::Client::new().post(server.url("/")).build().unwrap();
    let mut extensions = Extensions::new();
    client.execute_with_extensions(request, &mut extensions).await.unwrap();
    let counts: Vec<_> = simulator.recorded().iter().map(|request| request.headers["x-count"].clone()).collect();
    assert_eq!(counts, ["1", "2", "3", "4"]);
    // The polls' changes of the extensions are there afterwards.
    assert_eq!(extensions.get(), Some(&Count(4)));
}

/// Puts a middleware of a closure into a chain.
fn below<F>(layer: LroLayer, middleware: F) -> ClientWithMiddleware
where
    F: for<'a> Fn(Request, &'a mut Extensions, Next<'a>) -> BoxFuture<'a, reqwest_middleware::Result<Response>>
        + Send
        + Sync
        + 'static,
{
    ClientBuilder::new(reqwest::Client::new()).with(layer).with(middleware).build()
}

/// A service whose monitor is at another port.
struct Elsewhere {
    elsewhere: Simulator,
    server: Server,
    other: Server,
}

impl Elsewhere {
    async fn with(polls: Script) -> Self {
        let elsewhere = Simulator::new().recording();
        elsewhere.queue(polls);
        let other = Server::of(&elsewhere).await;
        reqwest::Client::new().post(other.url("/")).send().await.unwrap();
        let monitor = other.url("/operations/00000001-add9-4ef7-9788-1635bed9a87e");
        let here = Simulator::new().script(Script::new(Reply::http(202).header("operation-location", &monitor)));
        Self { elsewhere, server: Server::of(&here).await, other }
    }
}

/// A credential that a middleware below adds to whatever has it among its extensions.
#[derive(Clone)]
struct Token(&'static str);

fn with_token(layer: LroLayer) -> ClientWithMiddleware {
    below(layer, |mut request, extensions, next| {
        if let Some(Token(token)) = extensions.get() {
            request.headers_mut().insert("authorization", token.parse().unwrap());
        }
        next.run(request, extensions)
    })
}

#[tokio::test]
async fn polls_elsewhere_have_none_of_the_extensions_but_the_timeout() {
    // It stalls for good.
    let polls = polls([Reply::http(200).fault(Fault::Stalled), Reply::status("Succeeded")]);
    let Elsewhere { elsewhere, server, other } = Elsewhere::with(polls).await;
    let client = with_token(quick().allow_anonymous_origin(other.url("").parse().unwrap()));
    let timeout = std::time::Duration::from_millis(200);
    let request = client.post(server.url("/")).with_extension(Token("secret")).timeout(timeout);
    let response = request.send().await.unwrap();
    assert_eq!(response.operation().unwrap().polls(), 2);
    assert!(elsewhere.recorded()[1..].iter().all(|poll| !poll.headers.contains_key("authorization")));
}

#[tokio::test]
async fn an_anonymous_resume_shows_the_monitor_neither_query_nor_headers_nor_extensions() {
    let polls = polls([Reply::status("Running"), Reply::status("Running"), Reply::status("Succeeded")]);
    let Elsewhere { elsewhere, server, other } = Elsewhere::with(polls).await;
    let layer = quick().allow_anonymous_origin(other.url("").parse().unwrap());
    let steps = with_token(layer.clone().max_wait(std::time::Duration::ZERO).min_delay(seconds(1)));
    let error = steps.post(server.url("/start")).with_extension(Token("SECRET")).send().await.unwrap_err();
    let operation = OperationError::find(&error).unwrap().operation().clone();
    assert!(operation.is_anonymous());

    let request = with_token(layer).get(server.url("/?subscription-key=SECRET&code=SECRET&api-version=1"));
    let request = request.header("api-key", "SECRET").with_extension(Token("SECRET"));
    let response = request.with_extension(operation.resume()).send().await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
    let polls = &elsewhere.recorded()[1..];
    assert_eq!(polls.len(), 3);
    for poll in polls {
        let printed = format!("{:?} {:?}", poll.uri, poll.headers);
        assert!(!printed.contains("SECRET") && poll.uri.query().is_none(), "{printed}");
    }
}

#[tokio::test]
async fn the_callers_extensions_are_there_afterwards_whatever_happened() {
    let script = polls([Reply::status("Running"), Reply::http(200).fault(Fault::Stalled)]);
    let server = Server::of(&Simulator::new().script(script)).await;
    for outer in [false, true] {
        let layer = if outer { quick() } else { quick().timeout(std::time::Duration::from_millis(300)) };
        let client = ClientBuilder::new(reqwest::Client::new()).with(layer).build();
        let request = reqwest::Client::new().post(server.url("/")).build().unwrap();
        let mut extensions = Extensions::new();
        extensions.insert("the caller's");
        let call = client.execute_with_extensions(request, &mut extensions);
        // Dropped from outside while a poll is in flight, or given up inside.
        let patience = std::time::Duration::from_millis(if outer { 300 } else { 10_000 });
        assert!(tokio::time::timeout(patience, call).await.map_or(true, |outcome| outcome.is_err()));
        assert_eq!(extensions.get(), Some(&"the caller's"), "{outer}");
    }
}

#[tokio::test]
async fn errors_of_polls_do_not_show_the_key() {
    let script = polls([Reply::http(200).fault(Fault::Refused)]);
    let server = Server::of(&Simulator::new().script(script)).await;
    let layer = quick().max_consecutive_failures(0);
    let error = client(layer).post(server.url("/mapData?subscription-key=SECRET")).send().await.unwrap_err();
    assert!(OperationError::find(&error).is_some());
    let printed = format!("{error} {error:?} {error:#?} {:?}", chain(&error));
    assert!(printed.contains("subscription-key=***") && !printed.contains("SECRET"), "{printed}");
}

/// An error of another middleware.
#[derive(Debug)]
struct TokenError;

impl std::fmt::Display for TokenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("token service answered 401")
    }
}

impl std::error::Error for TokenError {}

#[tokio::test]
async fn errors_of_requests_that_started_nothing_are_not_touched() {
    // The value of `page` is part of the error's text.
    let url = "http://127.0.0.1:1/list?page=40&subscription-key=KEY";
    let failing = below(quick(), |_, _, _| Box::pin(async { Err(reqwest_middleware::Error::middleware(TokenError)) }));
    let error = failing.get(url).send().await.unwrap_err();
    assert_eq!(error.to_string(), "token service answered 401");
    let reqwest_middleware::Error::Middleware(error) = error else { panic!() };
    assert!(error.downcast_ref::<TokenError>().is_some());

    let error = client(quick()).post(url).send().await.unwrap_err();
    let reqwest_middleware::Error::Reqwest(error) = error else { panic!() };
    assert_eq!(error.url().unwrap().as_str(), url);
    assert!(error.is_connect());
}

#[tokio::test]
async fn two_layers_in_a_chain_find_the_operation_and_start_it_once() {
    let simulator = Simulator::new().script(polls([Reply::http(403)]));
    let server = Server::of(&simulator).await;
    let client = ClientBuilder::new(reqwest::Client::new()).with(quick()).with(quick()).build();
    let error = client.post(server.url("/mapData?page=40&x=3")).send().await.unwrap_err();
    assert!(matches!(OperationError::find(&error).unwrap().cause(), Cause::Monitor(_)));
    assert_eq!(simulator.started(), 1);
}

#[tokio::test]
async fn a_middleware_above_that_sends_a_resumption_again_resumes_again() {
    let server = Server::of(&Simulator::new()).await;
    let started = client(LroLayer::disabled()).post(server.url("/")).send().await.unwrap();
    let monitor = started.headers()["operation-location"].to_str().unwrap().to_owned();
    let client = client(quick());
    let mut extensions = Extensions::new();
    extensions.insert(Resume::new());
    for _ in 0..2 {
        let request = reqwest::Client::new().get(&monitor).build().unwrap();
        let response = client.execute_with_extensions(request, &mut extensions).await.unwrap();
        assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
    }
}

#[tokio::test]
async fn a_page_that_the_client_has_been_redirected_to_is_no_success() {
    let script = |code: u16| {
        let page = Reply::http(200).header("content-type", "text/html").body("<html>Sign in</html>");
        polls([Reply::http(code).header("location", "/resources/{id}")])
            .start(
                Reply::http(202)
                    .header("location", "/operations/{id}")
                    .header("operation-location", "/operations/{id}"),
            )
            .resource(page)
    };
    for protocol in [Protocol::operation_location(), Protocol::location(), Protocol::odata(), Protocol::azure_core()] {
        for code in [302, 303, 307] {
            let server = Server::of(&Simulator::new().script(script(code))).await;
            let client = client(quick().protocols([protocol.clone()]));
            let error = client.post(server.url("/")).send().await.unwrap_err();
            let found = OperationError::find(&error).unwrap();
            let Cause::Status(status) = found.cause() else { panic!("{protocol:?} {code} {error:?}") };
            assert_eq!(status.response().body(), "<html>Sign in</html>");
            assert_eq!(found.operation().state(), OperationState::NotStarted);
        }
    }
    // The layer itself knows what 303 means.
    let server = Server::of(&Simulator::new().script(script(303))).await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = ClientBuilder::new(http).with(quick()).build().post(server.url("/")).send().await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
    assert!(response.url().path().starts_with("/resources/"));
}

#[tokio::test]
async fn an_origin_that_the_client_has_been_redirected_to_is_judged_like_any_other() {
    let login = Simulator::new().script(polls([]).resource(Reply::status("Succeeded")));
    login.clone().oneshot(start()).await.unwrap();
    let login_server = Server::of(&login).await;
    let elsewhere = login_server.url("/resources/00000001-add9-4ef7-9788-1635bed9a87e");
    let script = polls([Reply::http(302).header("location", &elsewhere)]);
    let script = script.start(Reply::http(202).header("location", "/operations/{id}"));
    let server = Server::of(&Simulator::new().script(script)).await;
    for protocol in [Protocol::location(), Protocol::async_request_reply()] {
        let layer = quick().protocols([protocol.clone()]).error_on_failure(true);
        let error = client(layer.clone()).post(server.url("/")).send().await.unwrap_err();
        let Cause::Address(error) = OperationError::find(&error).unwrap().cause() else { panic!("{error:?}") };
        assert_eq!(error.kind(), AddressErrorKind::Untrusted);
        // Where it may be asked, what it says counts.
        let layer = layer.allow_anonymous_origin(login_server.url("").parse().unwrap());
        assert!(client(layer).post(server.url("/")).send().await.is_ok(), "{protocol:?}");
    }
}

/// An answer that comes from an address, as that of a client that has followed redirects.
fn answer(url: &str, status: u16, header: (&str, &str), body: &'static str) -> Response {
    let response = http::Response::builder().status(status).url(url.parse().unwrap()).header(header.0, header.1);
    response.body(body).unwrap().into()
}

#[tokio::test]
async fn what_a_client_has_been_given_unencrypted_is_not_believed() {
    for (start, ended_at, is_believed) in [
        ("https://api.test/start", "http://api.test/operations/1", false),
        ("https://api.test/start", "http://api.test:443/operations/1", false),
        ("https://api.test/start", "https://api.test/moved/1", true),
        ("http://api.test/start", "http://api.test/moved/1", true),
    ] {
        let client = below(quick(), move |request, _, _| {
            let response = match request.method().as_str() {
                "POST" => answer(start, 202, ("operation-location", "/operations/1"), ""),
                _ => answer(ended_at, 200, ("x-a", "b"), r#"{"status": "Succeeded"}"#),
            };
            Box::pin(async { Ok(response) })
        });
        let outcome = client.post(start).send().await;
        assert_eq!(outcome.is_ok(), is_believed, "{ended_at}");
        let Err(error) = outcome else { continue };
        let Cause::Address(error) = OperationError::find(&error).unwrap().cause() else { panic!("{error:?}") };
        assert_eq!(error.kind(), AddressErrorKind::Untrusted);
        assert_eq!(error.uri().map(ToString::to_string).as_deref(), Some(ended_at));
    }
}

#[tokio::test]
async fn a_page_may_differ_from_the_monitor_by_its_query_alone() {
    for (protocol, ended_at, body, is_success) in [
        (Protocol::location(), "/index.php?page=login", "<html>Sign in</html>", false),
        (Protocol::location(), "/index.php/?q=a%27b", "<html>The result</html>", true),
        (Protocol::async_request_reply(), "/index.php?page=result", r#"{"status": "active"}"#, true),
    ] {
        let client = below(quick().protocols([protocol]), move |request, _, _| {
            let response = match request.method().as_str() {
                "POST" => answer("https://api.test/start", 202, ("location", "/index.php?q=a'b"), ""),
                _ => answer(&format!("https://api.test{ended_at}"), 200, ("x-a", "b"), body),
            };
            Box::pin(async { Ok(response) })
        });
        let outcome = client.post("https://api.test/start").send().await;
        assert_eq!(outcome.is_ok(), is_success, "{ended_at}");
        let Err(error) = outcome else { continue };
        assert!(matches!(OperationError::find(&error).unwrap().cause(), Cause::Status(_)));
    }
}

#[tokio::test]
async fn a_302_that_names_the_result_is_followed_by_the_client_or_the_layer() {
    // Resources have a status of their own, which is not the operation's.
    for status in ["active", "Failed"] {
        for redirects in [reqwest::redirect::Policy::default(), reqwest::redirect::Policy::none()] {
            let script = polls([Reply::http(202), Reply::http(302).header("location", "/resources/{id}")])
                .start(Reply::http(202).header("location", "/operations/{id}"))
                .resource(Reply::status(status));
            let server = Server::of(&Simulator::new().script(script)).await;
            let http = reqwest::Client::builder().redirect(redirects).build().unwrap();
            let layer = quick().protocols([Protocol::async_request_reply()]);
            let response = ClientBuilder::new(http).with(layer).build().post(server.url("/")).send().await.unwrap();
            assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
            assert!(response.url().path().starts_with("/resources/"));
        }
    }
}

#[tokio::test]
async fn an_error_of_the_result_is_no_success_whoever_has_followed_the_redirect() {
    for code in [401, 404, 410] {
        for redirects in [reqwest::redirect::Policy::default(), reqwest::redirect::Policy::none()] {
            let script = polls([Reply::http(202), Reply::http(302).header("location", "/resources/{id}")])
                .start(Reply::http(202).header("location", "/operations/{id}"))
                .resource(Reply::http(code));
            let server = Server::of(&Simulator::new().script(script)).await;
            let http = reqwest::Client::builder().redirect(redirects).build().unwrap();
            let layer = quick().protocols([Protocol::async_request_reply()]);
            let outcome = ClientBuilder::new(http).with(layer).build().post(server.url("/")).send().await;
            let error = outcome.expect_err("nobody has the result");
            let Cause::Monitor(response) = OperationError::find(&error).unwrap().cause() else { panic!("{error:?}") };
            assert_eq!(response.status().as_u16(), code);
        }
    }
}

#[tokio::test]
async fn what_an_answer_names_is_relative_to_where_it_came_from() {
    for redirects in [reqwest::redirect::Policy::default(), reqwest::redirect::Policy::none()] {
        let ended = Reply::status("Succeeded").header("resource-location", "result");
        let moved = Reply::http(307).header("location", "/moved/operations/{id}");
        let server = Server::of(&Simulator::new().script(polls([moved, ended]))).await;
        let http = reqwest::Client::builder().redirect(redirects).build().unwrap();
        let response = ClientBuilder::new(http).with(quick()).build().post(server.url("/")).send().await.unwrap();
        assert_eq!(response.operation().unwrap().resource().unwrap().path(), "/moved/operations/result");
    }
}

#[tokio::test]
async fn a_redirect_is_relative_to_where_the_client_was_redirected_to() {
    // A client that follows one redirect, and returns the second.
    let client = below(quick(), move |request, _, _| {
        let response = match (request.method().as_str(), request.url().path()) {
            ("POST", _) => answer("https://api.test/start", 202, ("operation-location", "/operations/1"), ""),
            (_, "/operations/1") => answer("https://api.test/v2/jobs/1", 307, ("location", "2"), ""),
            (_, "/v2/jobs/2") => answer(request.url().as_str(), 200, ("x-a", "b"), r#"{"status": "Succeeded"}"#),
            (_, path) => panic!("{path}"),
        };
        Box::pin(async { Ok(response) })
    });
    let response = client.post("https://api.test/start").send().await.unwrap();
    assert_eq!(response.operation().unwrap().monitor().path(), "/v2/jobs/2");
}

#[tokio::test]
async fn a_redirect_to_a_status_that_is_still_running_is_no_result() {
    // A service that adds a slash, and one that says by its status that it is not ready.
    let slash = |reply: Reply| [Reply::http(308).header("location", "/operations/{id}/"), reply];
    let elsewhere = |reply: Reply| [Reply::http(308).header("location", "/moved/operations/{id}"), reply];
    for polls_before in [slash(Reply::status("Running")), elsewhere(Reply::http(202))] {
        let script =
            polls([polls_before[0].clone(), polls_before[1].clone(), Reply::json(r#"{"status": "Succeeded"}"#)])
                .start(Reply::http(202).header("location", "/operations/{id}"));
        let server = Server::of(&Simulator::new().script(script)).await;
        let layer = quick().protocols([Protocol::async_request_reply()]);
        let response = client(layer).post(server.url("/")).send().await.unwrap();
        assert_eq!(response.operation().unwrap().polls(), 2);
        assert_eq!(response.json::<Value>().await.unwrap()["status"], "Succeeded");
    }
}
