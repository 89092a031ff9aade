//! Polls whose responses do not arrive, or not whole.

use tower_lro::{OperationState, PollFailure};

use crate::{
    client::{Body, Ended, Why},
    server_script::{Act, RUNNING, SUCCEEDED, chunks, head, nothing, of_length, raw, reply, running, succeeded},
    table::{Case, check},
};

/// Between good polls.
fn failing(failure: PollFailure, name: &str, act: Act) -> Case {
    Case::new(name, [running(), act.clone(), act, running(), succeeded()]).fails([failure, failure])
}

fn unanswered(name: &str, act: Act) -> Case {
    failing(PollFailure::Service, name, act)
}

fn broken(name: &str, act: Act) -> Case {
    failing(PollFailure::Body, name, act)
}

#[tokio::test]
async fn a_poll_without_a_whole_head_is_repeated() {
    let two_lengths = head(200, &["content-length: 22", "content-length: 23"]) + SUCCEEDED;
    check([
        unanswered("reset before the head", nothing().reset()),
        unanswered("closed before the head", nothing().close()),
        unanswered("reset in the head", raw("HTTP/1.1 200 OK\r\nContent-Le").reset()),
        unanswered("closed in the head", raw("HTTP/1.1 200 OK\r\nContent-Le").close()),
        unanswered("closed after an informational head", raw(head(100, &[])).close()),
        unanswered("another protocol", raw("220 mail.example.com ESMTP\r\n").close()),
        unanswered("a header without a colon", raw("HTTP/1.1 200 OK\r\nbanana\r\n\r\n").close()),
        unanswered("a head without an end", raw("HTTP/1.1 200 OK\r\n").flood("x-header: banana\r\n".repeat(1000))),
        unanswered("two lengths that differ", raw(two_lengths).close()),
        unanswered("a length that is no number", raw(head(200, &["content-length: -1"]) + SUCCEEDED).close()),
    ])
    .await;
}

const BEGUN: &str = r#"{"operationId":"1","sta"#;

#[tokio::test]
async fn a_poll_whose_body_breaks_off_before_its_status_is_repeated() {
    let begun = || chunks(200, &[], [BEGUN]);
    check([
        broken("closed", of_length(200, &[], 100, BEGUN).close()),
        broken("reset", of_length(200, &[], 100, BEGUN).reset()),
        broken("closed before its first byte", of_length(200, &[], 100, "").close()),
        broken("closed in the status word", of_length(200, &[], 100, r#"{"status":"Succ"#).close()),
        broken("closed in a chunk", begun().then("64\r\ntus").close()),
        broken("closed in the size of a chunk", begun().then("6").close()),
        broken("closed between chunks", begun().close()),
        broken("reset between chunks", begun().reset()),
        broken("a chunk whose size is no number", begun().then("zz\r\ntus\":\"Succeeded\"}\r\n0\r\n\r\n").close()),
        broken("a chunk of a negative size", begun().then("-6\r\ntus\":\"\r\n").close()),
        broken("a chunk whose size is too large a number", begun().then("fffffffffffffffff\r\ntus").close()),
        broken("a chunk without a size", begun().then("\r\ntus").close()),
        broken("a chunk that goes on behind its end", begun().then("2\r\ntus\":\"Succeeded\"}").close()),
    ])
    .await;
}

#[tokio::test]
async fn a_body_that_breaks_off_after_a_status_that_is_not_final_has_not_failed() {
    let going_on = |name, act: Act| Case::new(name, [act.clone(), act, succeeded()]);
    check([
        going_on("closed", of_length(200, &[], 100, RUNNING).close()),
        going_on("closed in the object", of_length(200, &[], 100, r#"{"status":"Running","x"#).close()),
        going_on("reset", of_length(200, &[], 100, RUNNING).reset()),
        going_on("closed between chunks", chunks(200, &[], [RUNNING]).close()),
        going_on("a chunk whose size is no number", chunks(200, &[], [RUNNING]).then("zz\r\n").close()),
    ])
    .await;
}

#[tokio::test]
async fn a_final_body_that_breaks_off_is_the_callers_to_see() {
    const RESULT: &str = r#"{"status":"Succeeded","result":"so mu"#;
    const FAILURE: &str = r#"{"status":"Failed","error":{"code":"Inval"#;
    let ending = |state, name, body: &str, act: Act| {
        let body = Body::Broken(body.to_owned());
        Case::new(name, [running(), act]).ends(Ended::Response { status: 200, state: Some(state), body })
    };
    let seen = |name, body, act| ending(OperationState::Succeeded, name, body, act);
    // Here the layer waits for more, and is the first to see it.
    let failed = |name, act| ending(OperationState::Failed, name, FAILURE, act);
    check([
        seen("closed in the object", RESULT, of_length(200, &[], 100, RESULT).close()),
        seen("closed behind the object", SUCCEEDED, of_length(200, &[], 100, SUCCEEDED).close()),
        seen("closed between chunks", SUCCEEDED, chunks(200, &[], [SUCCEEDED]).close()),
        seen("closed in the last chunk", SUCCEEDED, chunks(200, &[], [SUCCEEDED]).then("0\r\n").close()),
        seen("a chunk whose size is no number", RESULT, chunks(200, &[], [RESULT]).then("zz\r\n").close()),
        failed("closed in the error object", of_length(200, &[], 100, FAILURE).close()),
        failed("closed between chunks of the error object", chunks(200, &[], [FAILURE]).close()),
    ])
    .await;
}

#[tokio::test]
async fn polls_that_fail_too_often_in_a_row_end_it() {
    let ending = |name, failure, act: Act, ended| {
        // Two failures in a row are repeated, and a status in between resets the count.
        let polls = [act.clone(), act.clone(), running(), act.clone(), act.clone(), act];
        let case = Case::new(name, polls).layer(|layer| layer.max_consecutive_failures(2));
        case.fails([failure; 5]).ends(ended)
    };
    let busy = PollFailure::Http(http::StatusCode::SERVICE_UNAVAILABLE);
    check([
        ending("no head", PollFailure::Service, nothing().close(), Ended::Operation(Why::Service)),
        ending("half a body", PollFailure::Body, of_length(200, &[], 9, "{").close(), Ended::Operation(Why::Body)),
        ending("503", busy, reply(503, &[], "busy"), Ended::monitor(503, "busy")),
        // The error has the part of the body that arrived.
        ending("half a 503", busy, of_length(503, &[], 9, "bu").close(), Ended::monitor(503, "bu")),
    ])
    .await;
}
