//! OData and FHIR.

use tower_lro::{MissingStatus, StartRule, StatusRule};

use super::*;

#[tokio::test(start_paused = true)]
async fn odata_gives_the_outcome_with_its_own_status() {
    let start =
        Start { headers: &[("prefer", "respond-async")], ..Start::new("POST", "https://example.com/service/Orders") };
    let ended = run(Protocol::odata(), &Script::odata(), start).await;
    let (status, body, operation) = ended.handed_over();
    assert_eq!((status, operation.unwrap().state()), (201, OperationState::Succeeded));
    assert!(body.contains("$metadata#Orders"));
    assert!(ended.requests[1..].iter().all(|poll| poll.headers.get("prefer").is_none()));
    assert_eq!(millis(&ended.requests), [0, 5000, 10_000]);

    let accepted = || Script::new(Reply::http(202).header("location", "async/operations/{id}"));
    for (last, status, state) in [
        (Reply::json("{}"), 200, OperationState::Succeeded),
        (Reply::json("{}").header("asyncresult", "200"), 200, OperationState::Succeeded),
        (Reply::http(200).header("asyncresult", "204"), 204, OperationState::Succeeded),
        (Reply::json(r#"{"error": {"code": "X"}}"#).header("AsyncResult", "404"), 404, OperationState::Failed),
        (Reply::http(200).header("asyncresult", "404 Not Found"), 404, OperationState::Failed),
        (Reply::http(200).header("asyncresult", "junk"), 200, OperationState::Succeeded),
        (Reply::http(200).header("asyncresult", "100"), 200, OperationState::Succeeded),
        (Reply::http(200).header("asyncresult", "4040"), 200, OperationState::Succeeded),
        (Reply::http(200).header("asyncresult", "9"), 200, OperationState::Succeeded),
    ] {
        let ended = run(Protocol::odata(), &accepted().polls([Reply::http(202), last]), start).await;
        assert_eq!((ended.handed_over().0, ended.state()), (status, state));
    }
    let ended = run(Protocol::odata(), &accepted().polls([Reply::http(410)]), start).await;
    assert_eq!(ended.outcome.unwrap_err(), "Monitor 410");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_a_header_says_is_no_assumption_at_the_first_poll_either() {
    let start = Start::new("POST", "https://example.com/service/Orders");
    let script = |last| Script::new(Reply::http(202).header("location", "async/operations/{id}")).polls([last]);
    for (result, state, is_assumed) in [
        (Some("404"), OperationState::Failed, false),
        (Some("204"), OperationState::Succeeded, false),
        (Some("junk"), OperationState::Succeeded, true),
        (None, OperationState::Succeeded, true),
    ] {
        let reply = result.into_iter().fold(Reply::json("{}"), |reply, result| reply.header("asyncresult", result));
        let (_, _, _, operation) = run(Protocol::odata(), &script(reply), start).await.outcome.unwrap();
        let operation = operation.unwrap();
        assert_eq!((operation.state(), operation.is_success_assumed()), (state, is_assumed), "{result:?}");
    }
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
        let operation = operation.unwrap();
        assert_eq!(
            (status.as_u16(), body.as_str(), operation.state(), operation.is_success_assumed()),
            (201, "{\"ID\": 1}", OperationState::Succeeded, false)
        );
        assert_eq!(
            (&headers["content-type"], headers.get("x-outer"), headers.len()),
            (&"application/json".parse().unwrap(), None, 2)
        );
    }
    let failed = message("HTTP/1.1 409 Conflict\r\nContent-Type: application/json", r#"{"error": {"code": "Taken"}}"#);
    let ended = run(Protocol::odata(), &accepted().polls([failed]), start).await;
    assert_eq!((ended.handed_over().0, ended.state()), (409, OperationState::Failed));
    assert_eq!(ended.handed_over().2.unwrap().error().unwrap().code(), Some("Taken"));
    let lines = Reply::http(200).header("content-type", "application/http").body("HTTP/1.1 404 Not Found\nA: b\n\nno");
    let ended = run(Protocol::odata(), &accepted().polls([lines]), start).await;
    assert_eq!((ended.handed_over().0, ended.handed_over().1), (404, "no"));
    // A body that is not a message is returned as it is.
    for junk in [
        "",
        "no message",
        "HTTP/1.1 201",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\nx",
        &"x".repeat(100_000),
    ] {
        let reply = Reply::http(200).header("content-type", "application/http").body(junk.to_owned());
        let ended = run(Protocol::odata(), &accepted().polls([reply]), start).await;
        assert_eq!((ended.handed_over().0, ended.handed_over().1), (200, junk));
        // Nobody has said that it has succeeded, unless a header has.
        assert!(ended.handed_over().2.unwrap().is_success_assumed(), "{junk}");
        let reply = Reply::http(200).header("content-type", "application/http").header("asyncresult", "201");
        let ended = run(Protocol::odata(), &accepted().polls([reply.body(junk.to_owned())]), start).await;
        assert!(!ended.handed_over().2.unwrap().is_success_assumed(), "{junk}");
    }
    // One without a body has none.
    let none = Reply::http(204).header("content-type", "application/http");
    let ended = run(Protocol::odata(), &accepted().polls([none]), start).await;
    assert!(!ended.handed_over().2.unwrap().is_success_assumed());
    // So is one that is not called a message, and one of another protocol.
    let message = "HTTP/1.1 404 Not Found\r\n\r\nno";
    for (protocol, content_type) in
        [(Protocol::odata(), "text/plain"), (Protocol::location(), "application/http"), (Protocol::odata(), "")]
    {
        let reply = Reply::http(200).header("content-type", content_type).body(message);
        let ended = run(protocol, &accepted().polls([reply]), start).await;
        assert_eq!((ended.handed_over().0, ended.handed_over().1), (200, message));
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_message_may_be_as_long_as_details_may() {
    let accepted = Script::new(Reply::http(202).header("location", "async/operations/{id}"));
    let start = Start::new("POST", "https://example.com/service/Orders");
    let head = "HTTP/1.1 404 Not Found\r\nA: ";
    for (length, status) in [(1 << 16, 404), ((1 << 16) + 1, 200)] {
        let body = format!("{head}{}\r\n\r\n", "x".repeat(length - head.len()));
        let reply = Reply::http(200).header("content-type", "application/http").body(body).chunks(length);
        let ended = run(Protocol::odata(), &accepted.clone().polls([reply]), start).await;
        assert_eq!(ended.handed_over().0, status, "{length}");
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
    assert_eq!((status, operation.unwrap().percent_complete()), (200, None));
    assert!(body.contains("\"output\": []"));
    assert_eq!(operation.unwrap().error(), None, "the manifest's own list of errors is not an error object");
    assert_eq!(millis(&ended.requests), [0, 1000, 121_000]);

    let outcome = r#"{"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}"#;
    for (code, is_outcome) in [(500, true), (404, true), (410, true), (501, true), (429, false), (503, false)] {
        let failed = Reply::json(outcome).code(code);
        let polls = [Reply::http(202), failed, Reply::json("{}")];
        let ended = run(Protocol::fhir(), &Script::fhir().polls(polls), start).await;
        let expected = if is_outcome { (code, OperationState::Failed) } else { (200, OperationState::Succeeded) };
        assert_eq!((ended.handed_over().0, ended.state()), expected);
    }
    // One with a `Retry-After` is not the outcome, and an expired token says nothing about the job.
    let again = Reply::json(outcome).code(500).retry_after(std::time::Duration::from_secs(5));
    let ended = run(Protocol::fhir(), &Script::fhir().polls([Reply::http(202), again, Reply::json("{}")]), start).await;
    assert_eq!((ended.handed_over().0, millis(&ended.requests)), (200, vec![0, 1000, 2500, 7500]));
    let ended = run(Protocol::fhir(), &Script::fhir().polls([Reply::http(202), Reply::http(401)]), start).await;
    assert_eq!(ended.outcome.unwrap_err(), "Monitor 401");
}

#[tokio::test(start_paused = true)]
async fn messages_that_failed_are_errors_to_those_who_want_them_whatever_is_missing_of_them() {
    let own = || {
        let monitor = StatusRule::new().status_at("/status").when_status_missing(MissingStatus::Succeeded);
        let rule = StartRule::by_header("location").monitor(monitor.unwrap_application_http());
        Protocol::builder("own").announced(rule).build().unwrap()
    };
    let failed = "HTTP/1.1 404 Not Found\r\n\r\n{}";
    for (protocol, result, body) in [
        (Protocol::odata(), Some("404"), ""),
        (Protocol::odata(), Some("404"), "HTTP/1.1 404"),
        (Protocol::odata(), None, failed),
        (own(), None, failed),
    ] {
        for chunk in [1, 1000] {
            let reply = Reply::http(200).header("content-type", "application/http").body(body).chunks(chunk);
            let reply = result.into_iter().fold(reply, |reply, result| reply.header("asyncresult", result));
            let script = Script::new(Reply::http(202).header("location", "async/operations/{id}")).polls([reply]);
            let layer = exact().protocols([protocol.clone()]).error_on_failure(true);
            let request =
                http::Request::post("https://example.com/service/Orders").body(SimulatorBody::default()).unwrap();
            let outcome = layer.layer(Simulator::new().script(script)).oneshot(request).await;
            let Err(Error::Operation(error)) = outcome else { panic!("{body}: no error") };
            assert_eq!(error.operation().state(), OperationState::Failed, "{body}");
            assert!(matches!(error.cause(), Cause::Failed(_)), "{body}: {error}");
        }
    }
}
