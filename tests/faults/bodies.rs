//! Bodies of status responses that are whole, but malformed.

use http::{StatusCode, header::CONTENT_ENCODING};
use tower_lro::{OperationState, PollFailure, StatusErrorKind};

use crate::{
    client::{Body, Ended, INTEGRATIONS, Why},
    server_script::{
        Act, GZIPPED, MONITOR, RUNNING, SUCCEEDED, chunks, gzipped, head, of_length, raw, reply, running, succeeded,
    },
    table::{Case, check},
};

#[tokio::test]
async fn a_body_that_ends_too_early_or_too_late_is_taken_as_it_is() {
    check([
        Case::new("before the status", [running(), of_length(200, &[], 8, SUCCEEDED)])
            .without_a_status()
            .ends(Ended::no_status(&SUCCEEDED[..8])),
        // Nothing says that there should have been more.
        Case::new("up to a close that is too early", [running(), raw(head(200, &[]) + &SUCCEEDED[..8]).close()])
            .without_a_status()
            .ends(Ended::no_status(&SUCCEEDED[..8])),
        Case::new("of nothing", [running(), of_length(200, &[], 0, SUCCEEDED)])
            .without_a_status()
            .ends(Ended::no_status("")),
        Case::new(
            "behind the object",
            [running(), of_length(200, &[], SUCCEEDED.len(), "").then(SUCCEEDED).then("more")],
        ),
        // The clients find what is left over before or after they send the next poll.
        Case::new("behind a status that is not final", [reply(200, &[], RUNNING).then("more"), running(), succeeded()])
            .forever(succeeded())
            .may_fail()
            .polls_at_least(2),
    ])
    .await;
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_read() {
    let drip = |act: Act| act.dripping();
    check([
        Case::new("of a length", [drip(running()), drip(succeeded())]),
        Case::new("in chunks of one byte", {
            let bytes = SUCCEEDED.bytes().map(|byte| format!("1\r\n{}\r\n", char::from(byte))).collect::<String>();
            let body = head(200, &["transfer-encoding: chunked"]) + &bytes + "0\r\n\r\n";
            [running(), drip(raw(body))]
        }),
        Case::new(
            "up to the close",
            [raw(head(200, &[]) + RUNNING).close(), drip(raw(head(200, &[]) + SUCCEEDED)).close()],
        ),
        Case::new("of a failed poll", [running(), drip(reply(503, &[], "busy")), succeeded()])
            .fails([PollFailure::Http(StatusCode::SERVICE_UNAVAILABLE)]),
    ])
    .await;
}

#[tokio::test]
async fn trailers_come_out_behind_the_final_body() {
    const CHECKSUM: &str = "0\r\nX-Checksum: 6f9a\r\nX-Another: one\r\n\r\n";
    const OPEN: &str = r#"{"status":"Failed","#;
    let last = chunks(200, &["trailer: x-checksum"], [&SUCCEEDED[..5], &SUCCEEDED[5..]]).then(CHECKSUM);
    // The layer is waiting for the error object when they come.
    let last_of_open = chunks(200, &[], [OPEN]).then(CHECKSUM);
    let open = Ended::Response { status: 200, state: Some(OperationState::Failed), body: Body::Whole(OPEN.to_owned()) };
    // Trailers of other responses are skipped, and the connection is used again.
    let before = chunks(200, &[], [RUNNING]).then("0\r\nX-Checksum: 0000\r\n\r\n");
    let start = chunks(202, &[MONITOR], ["{}"]).then("0\r\nX-Checksum: 0000\r\n\r\n");
    let of = |name, last| Case::new(name, [before.clone(), before.clone(), last]).start(start.clone());
    for case in [of("of an object", last), of("of an object without an end", last_of_open).ends(open)] {
        for integration in INTEGRATIONS {
            let played = case.play(integration).await;
            let trailers = &played.report.trailers;
            assert_eq!((trailers["x-checksum"].as_bytes(), trailers.len()), (&b"6f9a"[..], 2), "{integration:?}");
            assert_eq!(played.server.connections(), 1, "{integration:?}");
        }
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_read_for_as_long_as_it_matters() {
    const LIMIT: usize = 100_000;
    let limited = |name, act| Case::new(name, [running(), act]).layer(|layer| layer.max_status_bytes(LIMIT));
    let flood = |status, begin| chunks(status, &[], [begin]).flood_of_chunks();
    let too_long = || Ended::Operation(Why::Status(StatusErrorKind::TooLong, None));
    let endless = Ended::Response { status: 200, state: Some(OperationState::Succeeded), body: Body::Endless };
    let late = format!("{{\"x\":\"{}\",\"status\":\"Succeeded\"}}", "a".repeat(LIMIT));
    check([
        limited("with a final status", flood(200, r#"{"status":"Succeeded","x":""#)).ends(endless),
        limited("without a status", flood(200, r#"{"x":""#)).without_a_status().ends(too_long()),
        limited("no JSON", flood(200, "x"))
            .without_a_status()
            .ends(Ended::Operation(Why::Status(StatusErrorKind::Missing, None))),
        limited("with a status behind the limit", reply(200, &[], &late)).without_a_status().ends(too_long()),
        Case::new("with a status that is not final", [flood(200, r#"{"status":"Running","x":""#), succeeded()]),
        Case::new("of a failed poll", [running(), flood(503, "x"), succeeded()])
            .fails([PollFailure::Http(StatusCode::SERVICE_UNAVAILABLE)]),
        Case::new("of a redirect", [chunks(307, &["location: 2"], ["x"]).flood_of_chunks(), succeeded()]),
        Case::new("of an error", [running(), flood(403, "x")]).ends(Ended::Operation(Why::Monitor(403, None))),
    ])
    .await;
}

#[tokio::test]
async fn a_compressed_body_has_no_status_where_nothing_below_decompresses_it() {
    let case = Case::new("gzip", [running(), gzipped()])
        .without_a_status()
        .ends(Ended::no_status(&String::from_utf8_lossy(GZIPPED)));
    for integration in INTEGRATIONS {
        let headers = case.play(integration).await.report.headers;
        assert_eq!(headers[CONTENT_ENCODING], "gzip", "{integration:?}");
    }
}
