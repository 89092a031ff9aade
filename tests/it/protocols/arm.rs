//! Azure Resource Manager.

use super::*;

pub const TOPIC: &str =
    "https://management.azure.com/subscriptions/0/providers/Microsoft.EventGrid/topics/topic1?api-version=2018-01-01";

pub fn resource(state: &str) -> Reply {
    Reply::json(format!(r#"{{"properties": {{"provisioningState": "{state}"}}, "name": "topic1"}}"#))
}

pub fn asynchronous(reply: Reply) -> Reply {
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
    assert_eq!(
        (operation.state(), operation.polls(), operation.status()),
        (OperationState::Succeeded, 3, Some("Succeeded"))
    );
    let topic = "/subscriptions/0/providers/Microsoft.EventGrid/topics/topic1";
    let monitor = format!("GET /subscriptions/0/providers/Microsoft.EventGrid/locations/westus2/operations/{ID}");
    assert_eq!(
        ended.paths(),
        [format!("PUT {topic}"), monitor.clone(), monitor.clone(), monitor, format!("GET {topic}")]
    );
    // 1 s, `Retry-After`, the backoff, and the resource at once; all with the caller's headers and the resource's own query.
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
    // A body that is too long to be read passes through, too.
    let layer = exact().protocols([Protocol::azure_resource_manager()]).max_status_bytes(1000);
    let ended = run_with(layer, &script, Start::new("PUT", TOPIC)).await;
    assert_eq!(ended.handed_over().1, large);
    // A body that breaks off does so for the caller.
    let broken = Script::new(Reply::json(large).fault(Fault::BrokenAfter(50)));
    let simulator = Simulator::new().script(broken);
    let request = http::Request::put(TOPIC).body(SimulatorBody::default()).unwrap();
    let layer = exact().protocols([Protocol::azure_resource_manager()]);
    let response = layer.layer(simulator).oneshot(request).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn arm_starts_of_every_kind_are_polled_to_completion() {
    let done = || [arm_status("InProgress"), arm_status("Succeeded")];
    let location = |reply: Reply| reply.header("location", "{origin}/operations/{id}");
    for (what, method, start, polls, last) in [
        ("202 with both", "PUT", asynchronous(location(Reply::http(202))), done(), "GET /r"),
        ("200 with the header", "PUT", asynchronous(resource("Updating")), done(), "GET /r"),
        ("200 with the header and no state", "PATCH", asynchronous(Reply::json("{}")), done(), "GET /r"),
        ("200 with the header and no JSON", "PUT", asynchronous(Reply::http(200).body("{}")), done(), "GET /r"),
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
        assert_eq!(ended.state(), OperationState::Succeeded, "{what}");
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
    // The last `Location` is not a resource where `Location` is the monitor.
    let last = Reply::json(r#"{"secret": "key"}"#).header("location", "/elsewhere");
    let script = Script::new(Reply::http(202).header("location", "/operations/{id}")).polls([last]);
    let ended = run(Protocol::azure_resource_manager(), &script, start).await;
    assert_eq!(ended.paths()[1..], [format!("GET /operations/{ID}")]);
    // A malformed `Location` is of no consequence while a status header is there.
    let start_reply = asynchronous(Reply::http(202)).header("location", "https://[");
    let script = Script::new(start_reply).polls([arm_status("Succeeded")]);
    let ended = run(Protocol::azure_resource_manager(), &script, start).await;
    assert!(ended.handed_over().1.contains("Succeeded"));
}

#[tokio::test(start_paused = true)]
async fn arm_what_is_long_is_the_resource_unless_it_comes_from_a_monitor_of_statuses() {
    const MAX: usize = 64 * 1024;
    let status = |length: usize| {
        let rest = r#"{"x": "", "status": "Succeeded"}"#;
        Reply::json(rest.replacen(r#""""#, &format!("\"{}\"", "x".repeat(length - rest.len())), 1))
    };
    let location = Reply::http(202).header("location", "/operations/{id}");
    for (start, length, is_fetched) in
        [(location.clone(), MAX, true), (location, MAX + 1, false), (asynchronous(Reply::http(202)), MAX + 1, true)]
    {
        let script = Script::new(start).polls([status(length)]);
        let ended = run(Protocol::azure_resource_manager(), &script, Start::new("PUT", "https://example.com/r")).await;
        assert_eq!(ended.paths().last().unwrap() == "GET /r", is_fetched, "{length}");
    }
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
    assert!(ended.requests[1..].iter().all(|request| request.uri == TOPIC && request.method == http::Method::GET));
    // A state that is absent has succeeded.
    let script = Script::new(resource("Creating")).polls([Reply::json(r#"{"name": "x"}"#)]).own_monitor();
    let ended = run(Protocol::azure_resource_manager(), &script, Start::new("PATCH", TOPIC)).await;
    assert_eq!((ended.state(), ended.requests.len()), (OperationState::Succeeded, 2));
    // It is not fetched once more where its address was written in another way.
    let layer = exact().protocols([Protocol::azure_resource_manager()]);
    let ended = through_tower(layer, script, Start::new("PUT", "https://management.azure.com:443/r")).await;
    assert_eq!((ended.state(), ended.requests.len()), (OperationState::Succeeded, 2));
}

#[tokio::test(start_paused = true)]
async fn arm_failures_are_returned_wherever_they_are_reported() {
    let location = || Reply::http(202).header("location", "{origin}/operations/{id}");
    let error = r#"{"status": "Failed", "error": {"code": "InvalidTemplate", "message": "Deployment template validation failed"}}"#;
    for (what, start, polls, state) in [
        (
            "a status",
            asynchronous(Reply::http(202)),
            vec![arm_status("InProgress"), Reply::json(error)],
            OperationState::Failed,
        ),
        ("canceled", asynchronous(Reply::http(202)), vec![arm_status("Canceled")], OperationState::Canceled),
        ("Location with a status", location(), vec![Reply::http(202), Reply::json(error)], OperationState::Failed),
        ("Location with a state", location(), vec![resource("Failed")], OperationState::Failed),
        ("a 202 with a status", location(), vec![Reply::json(error).code(202)], OperationState::Failed),
    ] {
        let script = Script::new(start).polls(polls);
        let ended = run(Protocol::azure_resource_manager(), &script, Start::new("PUT", TOPIC)).await;
        assert_eq!(ended.state(), state, "{what}");
        // Nothing is fetched.
        assert!(ended.paths().last().unwrap().contains("/operations/"), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn arm_a_monitor_that_is_gone_means_that_the_deletion_has_succeeded() {
    let location = || Reply::http(202).header("location", "{origin}/operations/{id}");
    let gone_after = |polls: Vec<Reply>| Script::new(location()).polls(polls.into_iter().chain([Reply::http(404)]));
    let after_a_status = gone_after(vec![Reply::http(202)]);
    let ended = run(Protocol::azure_resource_manager(), &after_a_status, Start::new("DELETE", TOPIC)).await;
    assert_eq!((ended.state(), ended.handed_over().0, ended.requests.len()), (OperationState::Succeeded, 404, 3));
    // A monitor may be late, but not too late.
    let late = gone_after(vec![Reply::http(404), Reply::http(202)]);
    let ended = run(Protocol::azure_resource_manager(), &late, Start::new("DELETE", TOPIC)).await;
    assert_eq!((ended.state(), ended.requests.len()), (OperationState::Succeeded, 4));
    let ended = run(Protocol::azure_resource_manager(), &gone_after(vec![]), Start::new("DELETE", TOPIC)).await;
    assert_eq!((ended.state(), ended.requests.len()), (OperationState::Succeeded, 12));
    let ended = run(Protocol::azure_resource_manager(), &after_a_status, Start::new("POST", TOPIC)).await;
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

#[tokio::test(start_paused = true)]
async fn the_answer_that_is_no_status_document_is_the_result_however_it_is_split() {
    let start = Start::new("PUT", TOPIC);
    let location = Reply::http(202).header("location", "/operations/{id}");
    let state = r#"{"properties": {"provisioningState": "Succeeded"}"#;
    for (rest, path) in [(r#", "name": "topic1"}"#, "operations"), (r#", "status": "Succeeded"}"#, "topics")] {
        let whole = Reply::json(format!("{state}{rest}"));
        for reply in [whole.clone(), whole.clone().chunks(1), whole.chunks(state.len())] {
            let ended =
                run(Protocol::azure_resource_manager(), &Script::new(location.clone()).polls([reply]), start).await;
            assert!(ended.paths().last().unwrap().contains(path), "{rest}");
        }
    }
    // A body that pauses is waited for, until the deadline.
    let layer = exact().protocols([Protocol::azure_resource_manager()]).timeout(std::time::Duration::from_secs(60));
    let paused = Reply::json(format!("{state}, ")).fault(Fault::StalledAfter(state.len()));
    let simulator = Simulator::new().script(Script::new(location).polls([paused])).recording();
    let request = http::Request::put(TOPIC).body(SimulatorBody::default()).unwrap();
    let began = tokio::time::Instant::now();
    let outcome = layer.layer(simulator).oneshot(request).await;
    assert!(matches!(&outcome, Err(Error::Operation(error)) if matches!(error.cause(), Cause::Timeout)), "{outcome:?}");
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn operation_location_beats_location_and_reads_start_nothing() {
    let both = || Reply::http(202).header("location", "/result").header("operation-location", "/operations/{id}");
    for protocol in [Protocol::azure_resource_manager(), Protocol::key_vault(), Protocol::location()] {
        let script = Script::new(both()).polls([Reply::status("Succeeded")]);
        let ended = run(protocol.clone(), &script, Start::new("DELETE", "https://example.com/x")).await;
        assert_eq!(ended.paths()[1], format!("GET /operations/{ID}"), "{protocol:?}");
    }
    // A GET of a resource that somebody else is changing.
    let script = Script::new(asynchronous(Reply::json(r#"{"name": "r"}"#))).starts_on_get();
    let ended = run(Protocol::azure_resource_manager(), &script, Start::new("GET", TOPIC)).await;
    assert_eq!((ended.handed_over().0, ended.requests.len()), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn a_response_whose_body_hangs_or_breaks_is_what_its_head_says() {
    let began = tokio::time::Instant::now();
    let run = async |start: Reply| {
        let script = Script::new(start).polls([arm_status("Succeeded")]).original(resource("Succeeded"));
        let layer = exact().protocols([Protocol::azure_resource_manager()]);
        let request = http::Request::put(TOPIC).body(SimulatorBody::default()).unwrap();
        let before = began.elapsed();
        let response = layer.layer(Simulator::new().script(script)).oneshot(request).await.unwrap();
        (response.operation().map(Operation::polls), (began.elapsed() - before).as_secs())
    };
    let body = || Reply::json(r#"{"id": "/x", "properties": {"#).code(201);
    // The header announces an operation, unless the body says otherwise.
    assert_eq!(run(asynchronous(body().fault(Fault::StalledAfter(3)))).await, (Some(1), 11));
    assert_eq!(run(asynchronous(body().fault(Fault::BrokenAfter(3)))).await, (Some(1), 1));
    // `Location` does so only beside a state that has not ended.
    let location = || body().header("location", "/operations/{id}");
    assert_eq!(run(location().fault(Fault::StalledAfter(3))).await, (None, 10));
    assert_eq!(run(location().fault(Fault::BrokenAfter(3))).await, (None, 0));
}
