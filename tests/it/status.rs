//! The meaning of status responses.

use std::sync::{Arc, Mutex};

use tower_lro::{
    Cause, Error, Event, LroLayer, Operation, OperationState, Protocol, ResponseExt, StartRule, StatusErrorKind,
    StatusRule,
    simulator::{Fault, Reply, Script},
};

use crate::support::{chain, exact, play, polls, text};

async fn ends(word: &str) -> (OperationState, String) {
    let (outcome, _) = play(exact(), polls([Reply::status(word)])).await;
    let response = outcome.unwrap();
    let operation = response.operation().unwrap();
    (operation.state(), operation.status().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn terminal_words_end_the_operation_in_the_services_own_spelling() {
    for (word, state) in [
        ("Succeeded", OperationState::Succeeded),
        ("succeeded", OperationState::Succeeded),
        ("COMPLETED", OperationState::Succeeded),
        ("Success", OperationState::Succeeded),
        ("partiallySucceeded", OperationState::Succeeded),
        ("partiallyCompleted", OperationState::Succeeded),
        ("Failed", OperationState::Failed),
        ("ValidationFailed", OperationState::Failed),
        ("rejected", OperationState::Failed),
        ("Canceled", OperationState::Canceled),
        ("cancelled", OperationState::Canceled),
    ] {
        assert_eq!(ends(word).await, (state, word.to_owned()));
    }
    assert_eq!(ends(" Succeeded ").await.0, OperationState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn details_can_be_asked_for_when_the_response_is_gone_and_from_everywhere() {
    let body = r#"{"id": "7", "created": "today", "status": "Failed", "error": {"code": "C"}}"#;
    let (outcome, _) = play(exact(), polls([Reply::http(200).body(body)])).await;
    let response = outcome.unwrap();
    let operation = response.operation().unwrap().clone();
    drop(response);
    let failure = |operation: &Operation| operation.error().and_then(|failure| failure.code().map(str::to_owned));
    std::thread::scope(|scope| {
        let read = [(); 4].map(|()| scope.spawn(|| (operation.id().map(str::to_owned), failure(&operation.clone()))));
        for read in read {
            assert_eq!(read.join().unwrap(), (Some("7".to_owned()), Some("C".to_owned())));
        }
    });
    assert_eq!(operation.created(), Some("today"));
    assert!(format!("{operation:?}").contains("today"));
}

#[tokio::test(start_paused = true)]
async fn every_other_word_means_still_running_and_may_go_backwards() {
    let words = [
        "NotStarted",
        "Running",
        "notStarted",
        "Cancelling",
        "TransientFailure",
        "Not Started",
        "InProgress",
        "Waiting",
        "Queued",
        "CREATED",
        "",
        "Fail",
        "failing",
        "Succeededd",
        "成功",
    ];
    let mut replies: Vec<_> = words.iter().map(|word| Reply::status(word)).collect();
    replies.push(Reply::status("Succeeded"));
    let (outcome, requests) = play(exact(), Script::azure_maps().polls(replies)).await;
    assert_eq!(outcome.unwrap().operation().unwrap().polls() as usize, words.len() + 1);
    assert_eq!(requests.len(), words.len() + 2);
}

#[tokio::test(start_paused = true)]
async fn lookalikes_of_a_status_are_ignored() {
    let (outcome, requests) = play(
        exact(),
        polls([
            Reply::json(r#"{"properties": {"status": "Failed", "provisioningState": "Failed"}, "status": "Running"}"#),
            Reply::json(r#"{"error": {"code": "X", "status": "Failed"}, "status": "Running"}"#),
            Reply::http(202).body(r#"{"error": null}"#),
            Reply::http(202),
            Reply::http(202).body(r#"{"status": "Running"}"#),
            Reply::json(r#"{"status": "Succeeded", "error": {"code": "X"}}"#),
        ]),
    )
    .await;
    let response = outcome.unwrap();
    assert_eq!((response.operation().unwrap().state(), requests.len()), (OperationState::Succeeded, 7));
}

#[tokio::test(start_paused = true)]
async fn a_content_type_is_not_asked_for() {
    for (content_type, status) in [("text/plain", "Succeeded"), ("application/octet-stream", "Failed")] {
        let body = format!(r#"{{"status": "{status}"}}"#);
        let (outcome, _) =
            play(exact(), polls([Reply::http(200).header("content-type", content_type).body(body)])).await;
        assert_eq!(outcome.unwrap().operation().unwrap().status(), Some(status));
    }
}

#[tokio::test(start_paused = true)]
async fn a_202_with_a_terminal_status_is_final_and_a_204_has_succeeded() {
    let (outcome, _) = play(exact(), polls([Reply::http(202).body(r#"{"status": "completed"}"#)])).await;
    let response = outcome.unwrap();
    assert_eq!((response.status().as_u16(), response.operation().unwrap().state()), (202, OperationState::Succeeded));
    let (outcome, _) = play(exact(), polls([Reply::status("Running"), Reply::http(204)])).await;
    let response = outcome.unwrap();
    let operation = response.operation().unwrap();
    assert_eq!(
        (response.status().as_u16(), operation.state(), operation.status()),
        // The details of an earlier poll are outdated.
        (204, OperationState::Succeeded, None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_good_response_without_a_status_is_an_error_that_has_it_whole() {
    for (status, body) in [
        (200, ""),
        (200, "[]"),
        (200, r#"[{"modelId": "x", "details": {"status": "Success"}}]"#),
        (200, "7"),
        (200, "{}"),
        (200, r#"{"summary": {"status": "READY"}}"#),
        (200, r#"{"status": null}"#),
        (200, r#"{"status": 200}"#),
        (200, "<html>502 Bad Gateway</html>"),
        (200, r#"{"status": "Succ"#),
        (200, "{\"status\": \"\u{fffd}\\ud800\"}"),
        (201, "{}"),
        (203, "{}"),
        (205, ""),
        (206, r#""status""#),
    ] {
        let (outcome, requests) = play(exact(), polls([Reply::http(status).header("x", "y").body(body)])).await;
        let Err(Error::Operation(error)) = outcome else { panic!("{body}") };
        let Cause::Status(error) = error.cause() else { panic!("{body}: {error:?}") };
        assert_eq!(error.kind(), StatusErrorKind::Missing);
        let response = error.response();
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (status, body.as_bytes()));
        assert_eq!((response.headers()["x"].as_bytes(), requests.len()), (&b"y"[..], 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_comes_too_late_is_an_error() {
    let body = |before: usize| format!(r#"{{"x": "{}", "status": "Succeeded"}}"#, "x".repeat(before));
    let end = body(0).len() - 1;
    for (chunk, max) in [(1, 1000), (7, 1000), (500, 1000), (4096, 1000), (100, 100)] {
        let layer = || exact().max_status_bytes(max);
        let fits = body(max - end);
        let (outcome, _) = play(layer(), polls([Reply::json(fits.clone()).chunks(chunk)])).await;
        assert_eq!(text(outcome.unwrap()).await, fits);
        let (outcome, _) = play(layer(), polls([Reply::json(body(max - end + 1)).chunks(chunk)])).await;
        let Err(Error::Operation(error)) = outcome else { panic!("{chunk}") };
        let Cause::Status(error) = error.cause() else { panic!("{error:?}") };
        assert_eq!(error.kind(), StatusErrorKind::TooLong);
        assert!(error.response().body().len() >= max);
    }
}

#[tokio::test(start_paused = true)]
async fn failed_polls_are_repeated_and_a_status_forgives_them() {
    for failure in [
        Reply::http(408),
        Reply::http(429),
        Reply::http(500),
        Reply::http(502),
        Reply::http(503),
        Reply::http(504).body(r#"{"status": "Failed"}"#),
        Reply::http(200).fault(Fault::Refused),
        Reply::status("Succeeded").fault(Fault::BrokenAfter(20)),
    ] {
        let two = || [failure.clone(), failure.clone()].into_iter();
        let replies = two().chain([Reply::status("Running")]).chain(two()).chain([Reply::status("Succeeded")]);
        let (outcome, requests) = play(exact().max_consecutive_failures(2), Script::azure_maps().polls(replies)).await;
        assert_eq!((outcome.unwrap().status().as_u16(), requests.len()), (200, 7));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_survived_only_so_often_and_the_last_is_in_the_error() {
    for (max, polls) in [(0, 1), (2, 3), (10, 11)] {
        let script = Script::azure_maps().polls([Reply::http(503).header("x", "y").body("later")]);
        let (outcome, requests) = play(exact().max_consecutive_failures(max), script).await;
        let Err(Error::Operation(error)) = outcome else { panic!() };
        let Cause::Monitor(response) = error.cause() else { panic!("{error:?}") };
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (503, &b"later"[..]));
        assert_eq!((response.headers()["x"].as_bytes(), requests.len() - 1), (&b"y"[..], polls));
        assert_eq!(error.operation().polls() as usize, polls);
    }
    let refused = Script::azure_maps().polls([Reply::http(200).fault(Fault::Refused)]);
    let (outcome, requests) = play(exact().max_consecutive_failures(2), refused).await;
    let Err(Error::Operation(error)) = outcome else { panic!() };
    assert!(matches!(error.cause(), Cause::Service(_)), "{error:?}");
    assert_eq!(requests.len(), 4);
    let broken = Script::azure_maps().polls([Reply::status("Succeeded").fault(Fault::BrokenAfter(3))]);
    let (outcome, requests) = play(exact().max_consecutive_failures(2), broken).await;
    let Err(Error::Operation(error)) = outcome else { panic!() };
    assert!(matches!(error.cause(), Cause::Body(_)), "{error:?}");
    assert_eq!(requests.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn other_errors_end_it_at_once_with_the_whole_response() {
    for status in [300, 304, 400, 401, 403, 405, 409, 410, 501, 505] {
        let (outcome, requests) = play(exact(), polls([Reply::http(status).header("x", "y").body("no")])).await;
        let Err(Error::Operation(error)) = outcome else { panic!("{status}") };
        let Cause::Monitor(response) = error.cause() else { panic!("{error:?}") };
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (status, &b"no"[..]));
        assert_eq!((response.headers()["x"].as_bytes(), requests.len()), (&b"y"[..], 2));
    }
    // Its body may be broken, or stall, or be endless.
    let large = || Reply::http(403).body("x".repeat(3 << 20)).chunks(100_000);
    for (reply, length) in [
        (Reply::http(403).body("no").fault(Fault::BrokenAfter(1)), 1),
        (Reply::http(403).body("no").fault(Fault::StalledAfter(1)), 1),
        (large(), 1 << 20),
    ] {
        let (outcome, _) = play(exact(), polls([reply])).await;
        let Err(Error::Operation(error)) = outcome else { panic!() };
        assert!(matches!(error.cause(), Cause::Monitor(response) if response.body().len() == length), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_404_is_repeated_until_the_first_status_and_final_after_it() {
    let (outcome, requests) =
        play(exact(), polls([Reply::http(404), Reply::http(404), Reply::status("Succeeded")])).await;
    assert_eq!((outcome.unwrap().status().as_u16(), requests.len()), (200, 4));
    for first in [Reply::status("NotStarted"), Reply::http(202)] {
        let (outcome, requests) = play(exact(), polls([first, Reply::http(404).body("gone")])).await;
        let Err(Error::Operation(error)) = outcome else { panic!() };
        assert!(matches!(error.cause(), Cause::Monitor(response) if response.body() == "gone"));
        assert_eq!(requests.len(), 3);
    }
    let (outcome, requests) = play(exact(), polls([])).await;
    assert!(matches!(outcome, Err(Error::Operation(error)) if matches!(error.cause(), Cause::Monitor(_))));
    assert_eq!(requests.len(), 12);
}

fn plain(polls: impl IntoIterator<Item = Reply>) -> Script {
    Script::new(Reply::http(202).header("location", "/operations/{id}")).polls(polls)
}

#[tokio::test(start_paused = true)]
async fn under_the_location_protocol_the_http_status_decides_where_there_is_no_other() {
    let layer = || exact().protocols([Protocol::location()]);
    for (last, state) in [
        (Reply::json(r#"{"matrix": [[{"statusCode": 200}]]}"#), OperationState::Succeeded),
        (Reply::http(200), OperationState::Succeeded),
        (Reply::http(200).body("not JSON"), OperationState::Succeeded),
        (Reply::http(201).body("[]"), OperationState::Succeeded),
        (Reply::http(204), OperationState::Succeeded),
        (Reply::json(r#"{"status": "Failed"}"#), OperationState::Failed),
        (Reply::http(404).body("gone"), OperationState::Failed),
        (Reply::http(410), OperationState::Failed),
        (Reply::http(409).body(r#"{"status": "Canceled"}"#), OperationState::Canceled),
        (Reply::http(409).body(r#"{"status": "Running"}"#), OperationState::Failed),
        (Reply::http(400).body(r#"{"status": 400, "title": "no"}"#), OperationState::Failed),
    ] {
        let script = plain([
            Reply::http(202),
            Reply::http(429),
            Reply::http(503),
            Reply::http(202).body(r#"{"status": "InProgress"}"#),
            Reply::status("Running"),
            Reply::http(202).body("null"),
            last,
        ]);
        let (outcome, requests) = play(layer(), script).await;
        assert_eq!((outcome.unwrap().operation().unwrap().state(), requests.len()), (state, 8));
    }
    let (outcome, requests) = play(layer(), plain([Reply::http(404)])).await;
    assert_eq!((outcome.unwrap().status().as_u16(), requests.len()), (404, 2));
    let (outcome, requests) = play(layer(), plain([Reply::http(501)])).await;
    assert!(matches!(outcome, Err(Error::Operation(error)) if matches!(error.cause(), Cause::Monitor(_))));
    assert_eq!(requests.len(), 2);
    let (outcome, requests) = play(layer().max_consecutive_failures(3), plain([Reply::http(429)])).await;
    assert!(matches!(outcome, Err(Error::Operation(error)) if matches!(error.cause(), Cause::Monitor(_))));
    assert_eq!(requests.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn no_success_is_inferred_from_a_body_that_was_not_read() {
    let gzipped = || Reply::http(200).header("content-encoding", "gzip");
    for (reply, max) in [
        (Reply::json(r#"{"status": "Fai"#), 1000),
        (Reply::json(r#"{"result": {}"#), 1000),
        (gzipped().body(&b"\x1f\x8b\x08"[..]), 1000),
        (gzipped().body("x".repeat(100)), 10),
    ] {
        let layer = exact().protocols([Protocol::location()]).max_status_bytes(max);
        let (outcome, requests) = play(layer, plain([Reply::http(202), reply])).await;
        let Err(Error::Operation(error)) = outcome else { panic!("{max}") };
        assert!(matches!(error.cause(), Cause::Status(_)), "{error:?}");
        assert_eq!(requests.len(), 3);
    }
    let (outcome, _) = play(exact().protocols([Protocol::location()]), plain([gzipped().code(204)])).await;
    assert_eq!(outcome.unwrap().status(), 204);
    // What is in no encoding can be read, however that is said.
    for (encoding, is_read) in [("", true), ("identity, Identity", true), ("identity, gzip", false)] {
        let reply = Reply::json(r#"{"result": 1}"#).header("content-encoding", encoding);
        let (outcome, _) = play(exact().protocols([Protocol::location()]), plain([reply])).await;
        assert_eq!(outcome.is_ok(), is_read, "{encoding:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_by_http_status_alone_is_named_by_it() {
    let script = || plain([Reply::status("Running"), Reply::http(410)]);
    let (outcome, _) = play(exact().protocols([Protocol::location()]), script()).await;
    let failed = outcome.unwrap().error_for_operation().unwrap_err();
    assert_eq!(failed.to_string(), "the operation failed (410 Gone)");
    let (outcome, _) = play(exact().protocols([Protocol::location()]).error_on_failure(true), script()).await;
    assert_eq!(chain(&outcome.unwrap_err())[1], "the operation failed (410 Gone)");
}

#[tokio::test(start_paused = true)]
async fn a_long_202_without_a_status_is_running() {
    let long = Reply::http(202).body(format!("{{\"x\": \"{}\"}}", "x".repeat(1000)));
    let (outcome, requests) = play(exact().max_status_bytes(10), polls([long, Reply::http(204)])).await;
    assert_eq!((outcome.unwrap().status().as_u16(), requests.len()), (204, 3));
}

#[tokio::test(start_paused = true)]
async fn words_that_are_too_long_are_not_known() {
    let long = format!("Succeeded{}garbage", " ".repeat(60));
    let (outcome, _) = play(exact(), polls([Reply::status(&long), Reply::status("Succeeded")])).await;
    assert_eq!(outcome.unwrap().operation().unwrap().polls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_plain_result_is_handed_over_however_long_it_is() {
    let layer = exact().protocols([Protocol::location()]).max_status_bytes(1000);
    let result = format!(r#"{{"result": "{}"}}"#, "x".repeat(100_000));
    let (outcome, _) = play(layer, plain([Reply::json(result.clone()).chunks(64)])).await;
    assert_eq!(text(outcome.unwrap()).await, result);
}

/// The percentages that are reported with the polls.
async fn percentages<const N: usize>(layer: LroLayer, script: Script, polls: [Reply; N]) -> Vec<Option<f64>> {
    let percents = Arc::new(Mutex::new(Vec::new()));
    let layer = layer.on_event({
        let percents = percents.clone();
        move |event| {
            if let Event::Polled { operation, .. } = event {
                percents.lock().unwrap().push(operation.percent_complete());
            }
        }
    });
    play(layer, script.polls(polls)).await.0.unwrap();
    std::mem::take(&mut *percents.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn percentages_are_reported_as_they_come() {
    let polls = [
        Reply::status("NotStarted"),
        Reply::json(r#"{"status": "Running", "percentComplete": 10}"#),
        Reply::json(r#"{"percentCompleted": 27.5, "status": "Running"}"#),
        Reply::status("Running"),
        Reply::status("Running").header("x-progress", "Exporting: 60 % done"),
        Reply::http(202).header("x-progress", "65"),
        Reply::status("Running").header("x-progress", "in progress"),
        Reply::json(format!(r#"{{"status": "Running", "log": "{}", "percentComplete": 90}}"#, "x".repeat(70_000))),
        Reply::json(r#"{"status": "Succeeded", "percentageComplete": 100}"#),
    ];
    let expected = [10.0, 27.5, 27.5, 60.0, 65.0, 65.0, 90.0, 100.0].map(Some);
    let percents = percentages(exact(), Script::azure_maps(), polls).await;
    assert_eq!(percents.split_first(), Some((&None, &expected[..])));
}

/// A member may be the status and the percentage.
#[tokio::test(start_paused = true)]
async fn a_percentage_is_found_where_the_status_is() {
    let monitors = [
        StatusRule::new().status_scalar_at("/progress").percent_at("/progress"),
        StatusRule::new().status_at("/state").status_scalar_at("/progress").percent_at("/x").percent_at("/progress"),
    ];
    for (monitor, chunk) in monitors.into_iter().flat_map(|monitor| [(monitor.clone(), 1), (monitor, 1000)]) {
        let rule = StartRule::by_header("operation-location").monitor(monitor);
        let protocol = Protocol::builder("own").announced(rule).succeeded(["100", "100 %"]).build().unwrap();
        let polls = [r#"{"progress": 30}"#, r#"{"progress": "45%", "a": 1}"#, r#"{"progress": "100 %"}"#]
            .map(|body| Reply::json(body).chunks(chunk));
        let percents = percentages(exact().protocols([protocol]), Script::azure_maps(), polls).await;
        assert_eq!(percents, [30.0, 45.0, 100.0].map(Some));
    }
}

#[tokio::test(start_paused = true)]
async fn a_percentage_is_found_behind_what_is_no_json() {
    for rest in [
        &br#""ratio": NaN, "percentComplete": 50}"#[..],
        br#""number": 007, "percentComplete": 50}"#,
        b"\"message\": \"\xe9chec\", \"percentComplete\": 50}",
        br#""parent": {"percentComplete": 7, "x": oops}, "percentComplete": 50}"#,
    ] {
        let running = Reply::json(r#"{"status": "Running", "percentComplete": 10}"#);
        let failed = Reply::http(200).body([&br#"{"status": "Failed", "#[..], rest].concat());
        let percents = percentages(exact(), Script::azure_maps(), [running, failed]).await;
        assert_eq!(percents, [10.0, 50.0].map(Some), "{}", rest.escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_place_of_a_percentage_counts_wherever_it_stands() {
    let rule = StatusRule::new().status_at("/status").percent_at("/meta/progress");
    let start = StartRule::by_header("operation-location").monitor(rule);
    let own = Protocol::builder("own").announced(start).build().unwrap();
    for (body, expected) in [
        (r#"{"meta": {"progress": 50}, "status": "Failed", "percentComplete": 7}"#, Some(50.0)),
        (r#"{"status": "Failed", "percentComplete": 7, "meta": {"eta": NaN, "progress": 50}}"#, Some(50.0)),
        (r#"{"status": "Failed", "meta": {"eta": 50}, "percentComplete": 7}"#, Some(7.0)),
    ] {
        let layer = exact().protocols([own.clone()]);
        assert_eq!(percentages(layer, Script::azure_maps(), [Reply::json(body)]).await, [expected], "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_percentage_is_found_wherever_http_decides_that_it_is_running() {
    let running = Reply::json(r#"{"properties": {"provisioningState": "Succeeded"}, "percentComplete": 50}"#);
    let ended = Reply::json(r#"{"properties": {"provisioningState": "Succeeded"}}"#);
    let layer = exact().protocols([Protocol::azure_resource_manager()]);
    let script = Script::new(Reply::http(202).header("location", "/operations/{id}"));
    assert_eq!(percentages(layer, script, [running.code(202), ended]).await, [Some(50.0), None]);
}

#[tokio::test(start_paused = true)]
async fn a_large_result_is_not_searched_for_a_percentage_behind_its_status() {
    let rest = format!(r#""percentComplete": 50, "rows": "{}"}}"#, "x".repeat(70_000));
    for (begin, expected) in
        [(r#"{"status": "Failed", "#, None), (r#"{"percentComplete": 7, "status": "Failed", "#, Some(7.0))]
    {
        let body = Reply::json([begin, &rest].concat());
        for body in [body.clone(), body.chunks(70_000)] {
            assert_eq!(percentages(exact(), Script::azure_maps(), [body]).await, [expected]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn resource_locations_are_found_in_head_and_body() {
    async fn resource(reply: Reply) -> Option<String> {
        let (outcome, _) = play(exact(), polls([reply])).await;
        outcome.unwrap().operation().unwrap().resource().map(ToString::to_string)
    }
    let origin = "https://atlas.microsoft.com";
    let done = || Reply::status("Succeeded");
    for quoted in ["/tilesets/1", "\"/tilesets/1\"", " \"https://atlas.microsoft.com/tilesets/1\" "] {
        assert_eq!(resource(done().header("resource-location", quoted)).await, Some(format!("{origin}/tilesets/1")));
    }
    let body = Reply::json(r#"{"status": "Succeeded", "resourceLocation": "https://other.test/1?a=b"}"#);
    assert_eq!(resource(body.clone()).await.as_deref(), Some("https://other.test/1?a=b"));
    assert_eq!(resource(body.header("resource-location", "/1")).await, Some(format!("{origin}/1")));
    assert_eq!(resource(done()).await, None);
    assert_eq!(resource(done().header("resource-location", "\"\"")).await, None);
    assert_eq!(resource(done().header("resource-location", "https://[")).await, None);
    assert_eq!(resource(done().header("resource-location", "https://u:p@x/")).await, None);
}
