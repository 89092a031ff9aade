//! Each protocol in its services' own words and shapes, through the tower door and through that of reqwest-middleware.

use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use reqwest_middleware::ClientBuilder;
use tower::{Layer, ServiceExt};
use tower_lro::{
    Cause, Error, FinalResponse, LroLayer, Operation, OperationError, Protocol, ResponseExt, State,
    simulator::{Fault, Recorded, Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{Transport, exact, millis, text};

/// A start request.
#[derive(Clone, Copy)]
struct Start {
    method: &'static str,
    uri: &'static str,
    headers: &'static [(&'static str, &'static str)],
}

impl Start {
    const fn new(method: &'static str, uri: &'static str) -> Self {
        Self { method, uri, headers: &[("authorization", "Bearer token"), ("x-ms-client-request-id", "7")] }
    }
}

/// What came of it.
#[derive(Debug)]
struct Ended {
    /// The status, the headers and the body that were handed over, and the operation; or the kind of error.
    outcome: Result<(StatusCode, HeaderMap, String, Option<Operation>), String>,
    requests: Vec<Recorded>,
}

impl Ended {
    #[track_caller]
    fn handed_over(&self) -> (u16, &str, Option<&Operation>) {
        let (status, _, body, operation) = self.outcome.as_ref().unwrap();
        (status.as_u16(), body, operation.as_ref())
    }

    #[track_caller]
    fn state(&self) -> State {
        self.handed_over().2.expect("an operation").state()
    }

    /// The paths that were asked for, with their methods.
    fn paths(&self) -> Vec<String> {
        self.requests.iter().map(|request| format!("{} {}", request.method, request.uri.path())).collect()
    }

    fn hosts(&self) -> Vec<&str> {
        self.requests.iter().map(|request| request.uri.host().unwrap_or_default()).collect()
    }
}

fn kind<E>(cause: &Cause<E>) -> String {
    let kind = match cause {
        Cause::Monitor(response) => return format!("Monitor {}", response.status().as_u16()),
        Cause::Address(error) => return format!("Address {:?}", error.kind()),
        Cause::Timeout => "Timeout",
        Cause::Service(_) => "Service",
        Cause::Body(_) => "Body",
        Cause::Status(_) => "Status",
        Cause::Failed(_) => "Failed",
        _ => "?",
    };
    kind.to_owned()
}

async fn through_tower(layer: LroLayer, script: Script, start: Start) -> Ended {
    let simulator = Simulator::new().script(script).recording();
    let mut request = http::Request::builder().method(start.method).uri(start.uri);
    for (name, value) in start.headers {
        request = request.header(*name, *value);
    }
    let request = request.body(SimulatorBody::from("body")).unwrap();
    let outcome = match layer.layer(simulator.clone()).oneshot(request).await {
        Ok(response) => {
            let operation = response.operation().cloned();
            let (head, body) = response.into_parts();
            let body = text(http::Response::new(body)).await;
            Ok((head.status, head.headers, body, operation))
        }
        Err(Error::Operation(error)) => Err(kind(error.cause())),
        Err(error) => panic!("{error:?}"),
    };
    Ended { outcome, requests: simulator.recorded() }
}

async fn through_middleware(layer: LroLayer, script: Script, start: Start) -> Ended {
    let simulator = Simulator::new().script(script).recording();
    let client = ClientBuilder::new(reqwest::Client::new()).with(layer).with(Transport(simulator.clone())).build();
    let mut request = client.request(start.method.parse().unwrap(), start.uri).body("body");
    for (name, value) in start.headers {
        request = request.header(*name, *value);
    }
    let outcome = match request.send().await {
        Ok(response) => {
            let (status, headers) = (response.status(), response.headers().clone());
            let operation = response.operation().cloned();
            let body = http::Response::from(response).into_body().collect().await.unwrap().to_bytes();
            Ok((status, headers, String::from_utf8(body.to_vec()).unwrap(), operation))
        }
        Err(error) => Err(kind(OperationError::find(&error).unwrap().cause())),
    };
    Ended { outcome, requests: simulator.recorded() }
}

/// Runs it through both doors, which must come to the same.
async fn run(protocol: Protocol, script: &Script, start: Start) -> Ended {
    run_with(exact().protocols([protocol]), script, start).await
}

async fn run_with(layer: LroLayer, script: &Script, start: Start) -> Ended {
    let tower = through_tower(layer.clone(), script.clone(), start).await;
    let middleware = through_middleware(layer, script.clone(), start).await;
    let seen = |ended: &Ended| {
        let outcome = ended.outcome.as_ref().map(|(status, headers, body, operation)| {
            let operation = operation.as_ref().map(|operation| {
                let resource = operation.resource().map(ToString::to_string);
                (operation.state(), operation.monitor().to_string(), resource, operation.polls(), operation.elapsed())
            });
            (*status, headers.clone(), body.clone(), operation)
        });
        let requests: Vec<_> = ended
            .requests
            .iter()
            .map(|request| (request.method.clone(), request.uri.clone(), request.headers.get("authorization").cloned()))
            .collect();
        (outcome.map_err(Clone::clone), requests, millis(&ended.requests))
    };
    assert_eq!(seen(&tower), seen(&middleware), "the doors differ");
    tower
}

const ID: &str = "00000001-add9-4ef7-9788-1635bed9a87e";

// ── Azure Resource Manager ──────────────────────────────────────────────────────────────────────────────────────────

const TOPIC: &str =
    "https://management.azure.com/subscriptions/0/providers/Microsoft.EventGrid/topics/topic1?api-version=2018-01-01";

fn resource(state: &str) -> Reply {
    Reply::json(format!(r#"{{"properties": {{"provisioningState": "{state}"}}, "name": "topic1"}}"#))
}

fn asynchronous(reply: Reply) -> Reply {
    reply.header("azure-asyncoperation", "{origin}/providers/operations/{id}?api-version=2018-01-01")
}

fn arm_status(word: &str) -> Reply {
    Reply::json(format!(r#"{{"name": "{{id}}", "status": "{word}"}}"#))
}

#[tokio::test(start_paused = true)]
async fn arm_put_201_ends_with_the_resource_at_its_own_address() {
    let ended =
        run(Protocol::azure_resource_manager(), &Script::azure_resource_manager(), Start::new("PUT", TOPIC)).await;
    let (status, body, operation) = ended.handed_over();
    assert_eq!(status, 200);
    assert!(body.contains(r#""provisioningState": "Succeeded""#), "{body}");
    let operation = operation.unwrap();
    assert_eq!((operation.state(), operation.polls(), operation.status()), (State::Succeeded, 3, Some("Succeeded")));
    let topic = "/subscriptions/0/providers/Microsoft.EventGrid/topics/topic1";
    let monitor = format!("GET /subscriptions/0/providers/Microsoft.EventGrid/locations/westus2/operations/{ID}");
    assert_eq!(
        ended.paths(),
        [format!("PUT {topic}"), monitor.clone(), monitor.clone(), monitor, format!("GET {topic}")]
    );
    // 1 s, the hint, the backoff, and the resource at once; all with the caller's headers and the resource's own query.
    assert_eq!(millis(&ended.requests), [0, 1000, 11_000, 12_500, 12_500]);
    assert!(ended.requests.iter().all(|request| request.headers["x-ms-client-request-id"] == "7"));
    assert!(ended.requests.iter().all(|request| request.uri.query() == Some("api-version=2018-01-01")));
}

#[tokio::test(start_paused = true)]
async fn arm_what_is_finished_passes_through_and_no_further_request_follows() {
    let both = |reply: Reply| asynchronous(reply).header("location", "{origin}/operations/{id}");
    for (method, start) in [
        ("PUT", resource("Succeeded")),
        ("PUT", resource("Succeeded").code(201)),
        ("PUT", resource("Failed")),
        ("PUT", Reply::json(r#"{"name": "x"}"#)),
        ("PUT", Reply::json(r#"{"properties": {}}"#)),
        ("PUT", Reply::json(r#"{"properties": null}"#).code(201)),
        ("PUT", Reply::http(200)),
        ("PUT", Reply::http(201).body("no JSON").chunks(1)),
        ("PUT", Reply::http(204)),
        ("PATCH", both(resource("Succeeded"))),
        ("PUT", both(resource("canceled"))),
        ("PUT", Reply::json(r#"{"name": "x"}"#).code(201).header("location", "/somewhere")),
        ("POST", resource("Creating")),
        ("GET", resource("Creating")),
        ("DELETE", Reply::http(200)),
        ("PUT", both(resource("Creating").code(500))),
        ("PUT", both(Reply::http(409))),
    ] {
        let script = Script::new(start).polls([Reply::status("Succeeded")]).starts_on_get();
        let ended = run(Protocol::azure_resource_manager(), &script, Start::new(method, TOPIC)).await;
        assert!(ended.handed_over().2.is_none(), "{method} {script:?}");
        assert_eq!(ended.requests.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn arm_what_is_read_of_a_finished_response_comes_out_whole() {
    let large =
        format!(r#"{{"properties": {{"x": "{}", "provisioningState": "Succeeded"}}, "y": 1}}"#, "x".repeat(100_000));
    let script = Script::new(Reply::json(large.clone()).chunks(777).header("x", "y"));
    let ended = run(Protocol::azure_resource_manager(), &script, Start::new("PUT", TOPIC)).await;
    let (status, headers, body, operation) = ended.outcome.unwrap();
    assert_eq!((status, &headers["x"], operation.is_none()), (StatusCode::OK, &"y".parse().unwrap(), true));
    assert_eq!(body, large);
    // One that is too long to be read passes through, too.
    let layer = exact().protocols([Protocol::azure_resource_manager()]).max_status_bytes(1000);
    let ended = run_with(layer, &script, Start::new("PUT", TOPIC)).await;
    assert_eq!(ended.handed_over().1, large);
    // And one that breaks off does so for the caller.
    let broken = Script::new(Reply::json(large).fault(Fault::BrokenAfter(50)));
    let simulator = Simulator::new().script(broken);
    let request = http::Request::put(TOPIC).body(SimulatorBody::default()).unwrap();
    let layer = exact().protocols([Protocol::azure_resource_manager()]);
    let response = layer.layer(simulator).oneshot(request).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn arm_starts_of_every_kind_are_seen_through() {
    let done = || [arm_status("InProgress"), arm_status("Succeeded")];
    let location = |reply: Reply| reply.header("location", "{origin}/operations/{id}");
    for (what, method, start, polls, last) in [
        ("202 with both", "PUT", asynchronous(location(Reply::http(202))), done(), "GET /r"),
        ("200 with the header", "PUT", asynchronous(resource("Updating")), done(), "GET /r"),
        ("200 with the header and no state", "PATCH", asynchronous(Reply::json("{}")), done(), "GET /r"),
        ("202 that says Succeeded", "PATCH", asynchronous(resource("Succeeded").code(202)), done(), "GET /r"),
        (
            "201 with Location",
            "PUT",
            location(resource("Creating").code(201)),
            [Reply::http(202), Reply::http(200)],
            "GET /r",
        ),
        (
            "Location, which answers with the resource itself",
            "PUT",
            location(Reply::http(202)),
            [Reply::http(202), resource("Succeeded")],
            "GET /operations/ID",
        ),
        (
            "Location, which answers with a status",
            "PATCH",
            location(Reply::http(202)),
            [Reply::http(202), arm_status("Succeeded")],
            "GET /r",
        ),
        (
            "DELETE with both",
            "DELETE",
            asynchronous(location(Reply::http(202))),
            done(),
            "GET /providers/operations/ID",
        ),
        ("POST without Location", "POST", asynchronous(Reply::http(202)), done(), "GET /providers/operations/ID"),
        (
            "POST at Location",
            "POST",
            location(Reply::http(202)),
            [Reply::http(202), Reply::json("[1]")],
            "GET /operations/ID",
        ),
        (
            "DELETE at Location",
            "DELETE",
            location(Reply::http(202)),
            [Reply::http(202), Reply::http(204)],
            "GET /operations/ID",
        ),
    ] {
        let script = Script::new(start).polls(polls);
        let ended =
            run(Protocol::azure_resource_manager(), &script, Start::new(method, "https://management.azure.com/r"))
                .await;
        assert_eq!(ended.state(), State::Succeeded, "{what}");
        assert_eq!(ended.paths().last().unwrap(), &last.replace("ID", ID), "{what}");
        assert_eq!(ended.handed_over().2.unwrap().polls(), 2, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn arm_a_post_ends_with_what_is_at_its_location() {
    let start = asynchronous(Reply::http(202)).header("location", "{origin}/resources/{id}");
    let script = Script::new(start).polls([arm_status("Succeeded")]).resource(Reply::json(r#"{"secret": "key"}"#));
    let start = Start::new("POST", "https://management.azure.com/r/listKeys");
    let ended = run(Protocol::azure_resource_manager(), &script, start).await;
    assert_eq!(ended.handed_over().1, r#"{"secret": "key"}"#);
    assert_eq!(ended.paths()[2], format!("GET /resources/{ID}"));
    for (choice, path, body) in [
        (FinalResponse::Status, format!("/providers/operations/{ID}"), "Succeeded"),
        (FinalResponse::Location, format!("/resources/{ID}"), "key"),
        (FinalResponse::OriginalUri, "/r/listKeys".to_owned(), "listKeys"),
        (FinalResponse::Resource, format!("/providers/operations/{ID}"), "Succeeded"),
    ] {
        let layer = exact().protocols([Protocol::azure_resource_manager()]).final_response(choice);
        let ended = run_with(layer, &script, start).await;
        assert_eq!(ended.paths().last().unwrap(), &format!("GET {path}"), "{choice:?}");
        assert!(ended.handed_over().1.contains(body), "{choice:?}");
    }
    // A malformed `Location` is of no consequence while a status header is there.
    let start_reply = asynchronous(Reply::http(202)).header("location", "https://[");
    let script = Script::new(start_reply).polls([arm_status("Succeeded")]);
    let ended = run(Protocol::azure_resource_manager(), &script, start).await;
    assert!(ended.handed_over().1.contains("Succeeded"));
}

#[tokio::test(start_paused = true)]
async fn arm_a_resource_alone_is_polled_at_its_own_address() {
    let script = Script::new(resource("Creating").code(201))
        .polls([resource("Creating"), resource("Running"), Reply::http(503), resource("Succeeded")])
        .own_monitor();
    let ended = run(Protocol::azure_resource_manager(), &script, Start::new("PUT", TOPIC)).await;
    let (_, body, operation) = ended.handed_over();
    assert!(body.contains("Succeeded"));
    assert_eq!((operation.unwrap().polls(), ended.requests.len()), (4, 5));
    assert!(ended.requests[1..].iter().all(|request| request.uri == TOPIC && request.method == Method::GET));
    // A state that is absent has succeeded.
    let script = Script::new(resource("Creating")).polls([Reply::json(r#"{"name": "x"}"#)]).own_monitor();
    let ended = run(Protocol::azure_resource_manager(), &script, Start::new("PATCH", TOPIC)).await;
    assert_eq!((ended.state(), ended.requests.len()), (State::Succeeded, 2));
}

#[tokio::test(start_paused = true)]
async fn arm_failures_are_handed_over_wherever_they_are_told() {
    let location = || Reply::http(202).header("location", "{origin}/operations/{id}");
    let error = r#"{"status": "Failed", "error": {"code": "InvalidTemplate", "message": "Deployment template validation failed"}}"#;
    for (what, start, polls, state) in [
        ("a status", asynchronous(Reply::http(202)), vec![arm_status("InProgress"), Reply::json(error)], State::Failed),
        ("canceled", asynchronous(Reply::http(202)), vec![arm_status("Canceled")], State::Canceled),
        ("Location with a status", location(), vec![Reply::http(202), Reply::json(error)], State::Failed),
        ("Location with a state", location(), vec![resource("Failed")], State::Failed),
        ("a 202 with a status", location(), vec![Reply::json(error).code(202)], State::Failed),
    ] {
        let script = Script::new(start).polls(polls);
        let ended = run(Protocol::azure_resource_manager(), &script, Start::new("PUT", TOPIC)).await;
        assert_eq!(ended.state(), state, "{what}");
        // Nothing is fetched.
        assert!(ended.paths().last().unwrap().contains("/operations/"), "{what}");
    }
    // Location polls after a delete may end in 404.
    let script = Script::new(location()).polls([Reply::http(202), Reply::http(404)]);
    let ended = run(Protocol::azure_resource_manager(), &script, Start::new("DELETE", TOPIC)).await;
    assert_eq!(ended.outcome.unwrap_err(), "Monitor 404");
}

#[tokio::test(start_paused = true)]
async fn arm_location_may_move_on_a_poll_or_be_missing_from_it() {
    let script = Script::new(Reply::http(202).header("location", "{origin}/operations/{id}?t=1")).polls([
        Reply::http(202).header("location", "{origin}/operations/{id}?t=2"),
        Reply::http(202),
        Reply::http(202).header("location", "{origin}/operations/{id}?t=3"),
        Reply::json(r#"{"value": 1}"#),
    ]);
    let ended =
        run(Protocol::azure_resource_manager(), &script, Start::new("POST", "https://management.azure.com/r")).await;
    let queries: Vec<_> = ended.requests[1..].iter().map(|request| request.uri.query().unwrap().to_owned()).collect();
    assert_eq!(queries, ["t=1", "t=2", "t=2", "t=3"]);
}

// ── Azure, data plane ───────────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test(start_paused = true)]
async fn what_is_at_the_monitor_itself_is_fetched_but_once() {
    let location = |reply: Reply| reply.header("location", "{origin}/operations/{id}");
    let done = Reply::json(r#"{"status": "Succeeded", "resourceLocation": "/operations/{id}"}"#);
    for (method, start, last) in [
        ("POST", location(Reply::accepted()), Reply::status("Succeeded")),
        ("POST", Reply::accepted(), done),
        ("PUT", Reply::http(202).header("operation-location", "{start}"), Reply::status("Succeeded")),
    ] {
        let script = Script::new(start).polls([Reply::status("Running"), last]).own_monitor();
        let start = Start { headers: &[], ..Start::new(method, "https://example.com/jobs/1?subscription-key=key") };
        let ended = run(Protocol::azure_core(), &script, start).await;
        assert_eq!((ended.state(), ended.requests.len()), (State::Succeeded, 3), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn azure_core_concludes_by_method_and_by_resource_location() {
    let user = "https://example.azure.com/users/madge";
    let ended = run(Protocol::azure_core(), &Script::azure_core(), Start::new("PUT", user)).await;
    assert_eq!((ended.handed_over().1, ended.requests.len()), (r#"{"role": "contributor", "name": "madge"}"#, 4));

    let status = |more: &str| Reply::json(format!(r#"{{"id": "{{id}}", "status": "Succeeded"{more}}}"#));
    let named = status(r#", "resourceLocation": "/resources/{id}""#);
    for (method, poll, last) in [
        ("PUT", status(""), "/users/madge"),
        ("PATCH", status(""), "/users/madge"),
        ("PUT", named.clone(), "/resources/ID"),
        ("POST", named.clone(), "/resources/ID"),
        ("POST", status("").header("resource-location", "\"{origin}/resources/{id}\""), "/resources/ID"),
        ("POST", status(""), "/operations/ID"),
        ("DELETE", status(""), "/operations/ID"),
        ("POST", named.chunks(3), "/resources/ID"),
    ] {
        for code in [200, 201, 202] {
            let start = Reply::http(code).header("operation-location", "/operations/{id}");
            let script = Script::new(start).polls([Reply::json(r#"{"status": "Running"}"#), poll.clone()]);
            let ended = run(Protocol::azure_core(), &script, Start::new(method, user)).await;
            assert_eq!(ended.paths().last().unwrap(), &format!("GET {}", last.replace("ID", ID)), "{method} {code}");
        }
    }
    // `Location` beside it is the result of a POST.
    let start = Reply::accepted().header("location", "/resources/{id}");
    let script = Script::new(start).polls([status("")]);
    let ended = run(Protocol::azure_core(), &script, Start::new("POST", user)).await;
    assert_eq!(ended.paths()[2], format!("GET /resources/{ID}"));
}

#[tokio::test(start_paused = true)]
async fn the_result_is_fetched_by_the_rules_for_polls() {
    let named = |address: &str| {
        let body = format!(r#"{{"status": "Succeeded", "resourceLocation": "{address}"}}"#);
        Script::new(Reply::accepted()).polls([Reply::json(body)])
    };
    let start = Start::new("POST", "https://example.azure.com/jobs");
    let here = named("/resources/{id}");
    // Failures in passing are repeated.
    for (resource, outcome) in [
        (Reply::json("[]"), Ok(200)),
        (Reply::http(202), Ok(202)),
        (Reply::http(503), Err("Monitor 503")),
        (Reply::http(404), Err("Monitor 404")),
        (Reply::http(302).header("location", "https://evil.test/"), Err("Address Untrusted")),
        (Reply::http(200).fault(Fault::Refused), Err("Service")),
    ] {
        let ended = run(Protocol::azure_core(), &here.clone().resource(resource), start).await;
        let seen = ended.outcome.as_ref().map(|outcome| outcome.0.as_u16()).map_err(String::as_str);
        assert_eq!(seen, outcome);
    }
    // Of another origin it is refused, and the error says where it is.
    let layer = exact().protocols([Protocol::azure_core()]);
    let simulator = Simulator::new().script(named("https://evil.test/x"));
    let request = http::Request::post(start.uri).body(SimulatorBody::default()).unwrap();
    let error = layer.layer(simulator).oneshot(request).await.unwrap_err();
    let operation = error.operation().unwrap();
    assert_eq!((operation.state(), operation.resource().unwrap().host()), (State::Succeeded, Some("evil.test")));
    // The deadline holds for it.
    let layer = exact().protocols([Protocol::azure_core()]).timeout(std::time::Duration::from_secs(5));
    let ended = run_with(layer, &here.resource(Reply::http(200).fault(Fault::Stalled)), start).await;
    assert_eq!(ended.outcome.unwrap_err(), "Timeout");
}

#[tokio::test(start_paused = true)]
async fn a_resource_location_that_never_comes_is_waited_for_till_the_deadline_only() {
    let body = r#"{"status": "Succeeded", "x": 1}"#;
    let script = Script::new(Reply::accepted()).polls([Reply::json(body).fault(Fault::StalledAfter(25))]);
    let layer = exact().protocols([Protocol::azure_core()]).timeout(std::time::Duration::from_secs(5));
    let simulator = Simulator::new().script(script);
    let request = http::Request::post("https://example.azure.com/jobs").body(SimulatorBody::default()).unwrap();
    let response = layer.layer(simulator).oneshot(request).await.unwrap();
    assert_eq!(response.operation().unwrap().elapsed().as_secs(), 5);
}

// ── Fabric, Graph ───────────────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test(start_paused = true)]
async fn fabric_is_followed_to_its_regions_and_to_the_result() {
    let start = Start::new("POST", "https://api.fabric.microsoft.com/v1/workspaces/1/items");
    let ended = run(Protocol::fabric(), &Script::fabric(), start).await;
    let (_, body, operation) = ended.handed_over();
    assert!(body.contains("Lakehouse"));
    let operation = operation.unwrap();
    assert_eq!((operation.id(), operation.percent_complete(), operation.polls()), (Some(ID), Some(100.0), 3));
    let region = "wabi-us-central-b-primary-redirect.analysis.windows.net";
    assert_eq!(ended.hosts(), ["api.fabric.microsoft.com", region, region, region, region]);
    assert_eq!(ended.paths()[4], format!("GET /v1/operations/{ID}/result"));
    assert!(ended.requests.iter().all(|request| request.headers["authorization"] == "Bearer token"));
    assert_eq!(millis(&ended.requests), [0, 20_000, 40_000, 60_000, 60_000]);

    // The protocol knows what that means.
    let layer = exact().protocols([Protocol::fabric()]).final_response(FinalResponse::Auto);
    let ended = run_with(layer, &Script::fabric(), start).await;
    assert!(ended.handed_over().1.contains("Lakehouse"));

    // Nobody else gets there.
    let ended = run(Protocol::fabric(), &Script::fabric(), Start::new("POST", "https://example.com/v1/items")).await;
    assert_eq!(ended.outcome.unwrap_err(), "Address Untrusted");
    // Without a result, and after a failure, it is the status.
    for (last, state) in [("Succeeded", State::Succeeded), ("Failed", State::Failed), ("Deduped", State::Canceled)] {
        let last = Reply::json(format!(r#"{{"status": "{last}", "error": null}}"#));
        let ended = run(Protocol::fabric(), &Script::fabric().polls([last]), start).await;
        assert_eq!((ended.state(), ended.requests.len()), (state, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn graph_monitors_elsewhere_get_no_credentials() {
    let start = Start::new("POST", "https://graph.microsoft.com/v1.0/me/drive/items/1/copy");
    let ended = run(Protocol::graph(), &Script::graph(), start).await;
    let (status, body, operation) = ended.handed_over();
    assert_eq!((status, operation.unwrap().percent_complete()), (202, Some(100.0)));
    assert!(body.contains("completed"));
    assert_eq!(ended.hosts()[1..], ["contoso.sharepoint.com"; 3]);
    for poll in &ended.requests[1..] {
        assert!(poll.headers.get("authorization").is_none() && poll.headers.get("x-ms-client-request-id").is_none());
    }
    // On its own host there are credentials, and the result of a 303 is fetched.
    let own = Script::new(Reply::http(202).header("location", "/v1.0/teams/1/operations/{id}"));
    let script =
        own.clone().polls([Reply::json(r#"{"status": "inProgress"}"#), Reply::json(r#"{"status": "succeeded"}"#)]);
    let ended = run(Protocol::graph(), &script, start).await;
    assert!(ended.requests.iter().all(|request| request.headers["authorization"] == "Bearer token"));
    assert_eq!(ended.state(), State::Succeeded);
    let script = own.clone().polls([Reply::http(303).header("location", "/resources/{id}")]);
    assert!(run(Protocol::graph(), &script, start).await.handed_over().1.contains(ID));
    // A 303 without an address that may be asked is the end itself.
    for odd in ["", "https://[", "http://insecure.test/x"] {
        let reply = if odd.is_empty() { Reply::http(303) } else { Reply::http(303).header("location", odd) };
        let ended = run(Protocol::graph(), &own.clone().polls([reply]), start).await;
        assert_eq!((ended.handed_over().0, ended.state(), ended.requests.len()), (303, State::Succeeded, 2), "{odd}");
    }
    let script = own.polls([Reply::json(r#"{"status": "deleteFailed"}"#)]);
    assert_eq!(run(Protocol::graph(), &script, start).await.state(), State::Failed);
}

// ── OData, FHIR ─────────────────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test(start_paused = true)]
async fn odata_gives_the_outcome_with_its_own_status() {
    let start =
        Start { headers: &[("prefer", "respond-async")], ..Start::new("POST", "https://example.com/service/Orders") };
    let ended = run(Protocol::odata(), &Script::odata(), start).await;
    let (status, body, operation) = ended.handed_over();
    assert_eq!((status, operation.unwrap().state()), (201, State::Succeeded));
    assert!(body.contains("$metadata#Orders"));
    assert!(ended.requests[1..].iter().all(|poll| poll.headers.get("prefer").is_none()));
    assert_eq!(millis(&ended.requests), [0, 5000, 10_000]);

    let accepted = || Script::new(Reply::http(202).header("location", "async/operations/{id}"));
    for (last, status, state) in [
        (Reply::json("{}"), 200, State::Succeeded),
        (Reply::json("{}").header("asyncresult", "200"), 200, State::Succeeded),
        (Reply::http(200).header("asyncresult", "204"), 204, State::Succeeded),
        (Reply::json(r#"{"error": {"code": "X"}}"#).header("AsyncResult", "404"), 404, State::Failed),
        (Reply::http(200).header("asyncresult", "junk"), 200, State::Succeeded),
    ] {
        let ended = run(Protocol::odata(), &accepted().polls([Reply::http(202), last]), start).await;
        assert_eq!((ended.handed_over().0, ended.state()), (status, state));
    }
    let ended = run(Protocol::odata(), &accepted().polls([Reply::http(410)]), start).await;
    assert_eq!(ended.outcome.unwrap_err(), "Monitor 410");
}

#[tokio::test(start_paused = true)]
async fn odata_messages_are_handed_over_as_responses() {
    let accepted = || Script::new(Reply::http(202).header("location", "async/operations/{id}"));
    let start = Start::new("POST", "https://example.com/service/Orders");
    let message = |head: &str, body: &str| {
        Reply::http(200)
            .header("content-type", "application/http")
            .header("x-outer", "1")
            .body(format!("{head}\r\n\r\n{body}"))
    };
    let created = message("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX-Inner: 1", "{\"ID\": 1}");
    for chunk in [1, 3, 20, 1000] {
        let ended = run(Protocol::odata(), &accepted().polls([created.clone().chunks(chunk)]), start).await;
        let (status, headers, body, operation) = ended.outcome.unwrap();
        assert_eq!(
            (status.as_u16(), body.as_str(), operation.unwrap().state()),
            (201, "{\"ID\": 1}", State::Succeeded)
        );
        assert_eq!(
            (&headers["content-type"], headers.get("x-outer"), headers.len()),
            (&"application/json".parse().unwrap(), None, 2)
        );
    }
    let failed = message("HTTP/1.1 409 Conflict\r\nContent-Type: application/json", r#"{"error": {"code": "Taken"}}"#);
    let ended = run(Protocol::odata(), &accepted().polls([failed]), start).await;
    assert_eq!((ended.handed_over().0, ended.state()), (409, State::Failed));
    assert_eq!(ended.handed_over().2.unwrap().failure().unwrap().code(), Some("Taken"));
    // What is no message is handed over as it is.
    for junk in ["", "no message", "HTTP/1.1 201", "GET / HTTP/1.1\r\n\r\nx", &"x".repeat(100_000)] {
        let reply = Reply::http(200).header("content-type", "application/http").body(junk.to_owned());
        let ended = run(Protocol::odata(), &accepted().polls([reply]), start).await;
        assert_eq!((ended.handed_over().0, ended.handed_over().1), (200, junk));
    }
}

#[tokio::test(start_paused = true)]
async fn fhir_exports_are_started_by_a_get_and_end_with_the_manifest_or_an_outcome() {
    let start = Start {
        headers: &[("prefer", "respond-async")],
        ..Start::new("GET", "https://example.org/fhir/Patient/$export")
    };
    let ended = run(Protocol::fhir(), &Script::fhir(), start).await;
    let (status, body, operation) = ended.handed_over();
    assert_eq!((status, operation.unwrap().percent_complete()), (200, Some(45.0)));
    assert!(body.contains("\"output\": []"));
    assert_eq!(operation.unwrap().failure(), None, "the manifest's own list of errors is none");
    assert_eq!(millis(&ended.requests), [0, 1000, 121_000]);

    let outcome = r#"{"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}"#;
    for (code, is_outcome) in [(500, true), (404, true), (410, true), (501, true), (429, false), (503, false)] {
        let failed = Reply::json(outcome).code(code);
        let polls = [Reply::http(202), failed, Reply::json("{}")];
        let ended = run(Protocol::fhir(), &Script::fhir().polls(polls), start).await;
        let expected = if is_outcome { (code, State::Failed) } else { (200, State::Succeeded) };
        assert_eq!((ended.handed_over().0, ended.state()), expected);
    }
}

// ── the others ──────────────────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test(start_paused = true)]
async fn the_request_reply_pattern_redirects_to_the_resource() {
    let start = Start::new("POST", "https://example.com/api/work");
    let ended = run(Protocol::async_request_reply(), &Script::async_request_reply(), start).await;
    assert_eq!((ended.handed_over().1, ended.state()), (r#"{"it": "is done"}"#, State::Succeeded));
    assert_eq!(
        ended.paths()[1..],
        [
            format!("GET /api/status/operations/{ID}"),
            format!("GET /api/status/operations/{ID}"),
            format!("GET /resources/{ID}")
        ]
    );
    for redirect in [302, 303] {
        let polls = [Reply::http(202), Reply::http(redirect).header("location", "/resources/{id}")];
        let ended = run(Protocol::async_request_reply(), &Script::async_request_reply().polls(polls), start).await;
        assert_eq!(ended.handed_over().1, r#"{"it": "is done"}"#);
    }
    // Without a redirect the answer is the outcome.
    let ended =
        run(Protocol::async_request_reply(), &Script::async_request_reply().polls([Reply::json("[7]")]), start).await;
    assert_eq!(ended.handed_over().1, "[7]");
}

#[tokio::test(start_paused = true)]
async fn key_vault_ends_at_its_target() {
    let start = Start::new("POST", "https://example.vault.azure.net/certificates/cert1/create?api-version=7.4");
    let ended = run(Protocol::key_vault(), &Script::key_vault(), start).await;
    assert!(ended.handed_over().1.contains("attributes"));
    assert_eq!(ended.paths()[3], format!("GET /certificates/cert1/resources/{ID}"));
    assert!(ended.requests.iter().all(|request| request.uri.query() == Some("api-version=7.4")));
    assert_eq!(millis(&ended.requests), [0, 10_000, 20_000, 20_000]);
    for (last, state) in [
        (Reply::json(r#"{"status": "cancelled"}"#), State::Canceled),
        (Reply::json(r#"{"error": {"code": "PendingCertificateNotFound"}}"#).code(404), State::Failed),
    ] {
        let polls = [Reply::json(r#"{"status": "inProgress"}"#), last];
        let ended = run(Protocol::key_vault(), &Script::key_vault().polls(polls), start).await;
        assert_eq!((ended.state(), ended.requests.len()), (state, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn aip_151_is_polled_by_the_operations_name() {
    let start =
        Start::new("POST", "https://translation.googleapis.com/v3/projects/p/locations/us-central1:batchTranslateText");
    let ended = run(Protocol::aip_151(), &Script::aip_151(), start).await;
    let (_, body, operation) = ended.handed_over();
    assert!(body.contains("totalCharacters"));
    let operation = operation.unwrap();
    let name = format!("projects/p/locations/us-central1/operations/{ID}");
    assert_eq!((operation.id(), operation.state(), operation.polls()), (Some(name.as_str()), State::Succeeded, 3));
    assert_eq!(ended.paths()[1], format!("GET /v3/{name}"));

    let failed = Reply::json(
        r#"{"name": "operations/{id}", "done": true, "error": {"code": 3, "message": "bad input", "details": []}}"#,
    );
    let ended = run(Protocol::aip_151(), &Script::aip_151().polls([failed]), start).await;
    let failure = ended.handed_over().2.unwrap().failure().unwrap();
    assert_eq!((ended.state(), failure.code(), failure.message()), (State::Failed, Some("3"), Some("bad input")));

    // What is no operation, or has ended, passes through; so do reads.
    for (method, body) in [
        ("POST", r#"{"name": "projects/p"}"#),
        ("POST", r#"{"id": 1}"#),
        ("POST", "[]"),
        ("POST", ""),
        ("POST", r#"{"name": "operations/1", "done": true, "response": {}}"#),
        ("POST", r#"{"name": "operations/1", "done": true, "error": {"code": 3}}"#),
        ("POST", r#"{"name": 7}"#),
        ("GET", r#"{"name": "operations/1"}"#),
    ] {
        let script = Script::new(Reply::http(200).body(body)).starts_on_get();
        let ended = run(Protocol::aip_151(), &script, Start { method, ..start }).await;
        assert_eq!((ended.handed_over().1, ended.requests.len()), (body, 1));
        assert!(ended.handed_over().2.is_none(), "{body}");
    }
}

// ── several, and one's own ──────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test(start_paused = true)]
async fn of_several_protocols_the_first_that_matches_wins() {
    let start = Start::new("PUT", "https://management.azure.com/r");
    let both = Reply::http(202).header("location", "/operations/{id}?by=location");
    let both = both
        .header("azure-asyncoperation", "/operations/{id}?by=arm")
        .header("operation-location", "/operations/{id}?by=core");
    let script = Script::new(both).polls([Reply::status("Succeeded")]);
    for (protocols, by) in [
        (vec![Protocol::operation_location(), Protocol::azure_resource_manager()], "core"),
        (vec![Protocol::azure_resource_manager(), Protocol::operation_location()], "arm"),
        (vec![Protocol::location(), Protocol::azure_resource_manager()], "core"),
        (vec![Protocol::fabric(), Protocol::azure_core()], "location"),
        (vec![Protocol::aip_151(), Protocol::azure_core()], "core"),
    ] {
        let ended = run_with(exact().protocols(protocols), &script, start).await;
        assert_eq!(ended.requests[1].uri.query(), Some(format!("by={by}").as_str()));
    }
    // One that has to read the body steps back for the next.
    let script = Script::new(resource("Succeeded").header("operation-location", "/operations/{id}"))
        .polls([Reply::status("Succeeded")]);
    let layer = exact().protocols([Protocol::azure_resource_manager(), Protocol::aip_151(), Protocol::azure_core()]);
    let ended = run_with(layer, &script, start).await;
    assert_eq!((ended.state(), ended.handed_over().2.unwrap().polls()), (State::Succeeded, 1));
}

#[tokio::test(start_paused = true)]
async fn the_default_layer_reads_no_response_of_200_or_201() {
    let start = Start::new("PUT", TOPIC);
    for reply in [resource("Creating"), asynchronous(resource("Creating").code(201)), Reply::accepted().code(201)] {
        let ended = run_with(exact(), &Script::new(reply), start).await;
        assert_eq!((ended.handed_over().2.is_none(), ended.requests.len()), (true, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn every_known_protocol_and_its_script_fit() {
    let scripts = [
        ("operation-location", Script::azure_maps()),
        ("location", Script::azure_maps_v1()),
        ("azure-core", Script::azure_core()),
        ("azure-resource-manager", Script::azure_resource_manager()),
        ("fabric", Script::fabric()),
        ("graph", Script::graph()),
        ("odata", Script::odata()),
        ("fhir", Script::fhir()),
        ("async-request-reply", Script::async_request_reply()),
        ("key-vault", Script::key_vault()),
        ("aip-151", Script::aip_151()),
    ];
    let names: Vec<String> = Protocol::known().map(|known| known.name().to_owned()).collect();
    assert_eq!(names, scripts.each_ref().map(|(name, _)| *name));
    for (protocol, (_, script)) in Protocol::known().zip(scripts) {
        let method = if ["azure-core", "azure-resource-manager"].contains(&protocol.name()) { "PUT" } else { "POST" };
        let ended = run(protocol, &script, Start::new(method, "https://api.fabric.microsoft.com/v1/things")).await;
        assert_eq!(ended.state(), State::Succeeded);
    }
}
