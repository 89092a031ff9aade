//! The start request and its response.

use crate::{
    client::{Ended, INTEGRATIONS, quick},
    server::{any_port, refusing},
    server_script::{Act, MONITOR, accepted, chunks, head, nothing, of_length, raw, reply, running, succeeded},
    table::{Case, check},
};

/// Its polls are of no use to anybody.
fn lost(name: &str, start: Act) -> Case {
    Case::new(name, []).start(start).ends(Ended::Service)
}

#[tokio::test]
async fn a_connection_that_is_refused_is_the_clients_own_error() {
    let socket = refusing(any_port());
    let url = format!("http://{}/start", socket.local_addr().unwrap());
    for integration in INTEGRATIONS {
        let report = integration.send(quick(), &url).await;
        assert_eq!(report.ended, Ended::Service, "{integration:?}: {report:?}");
    }
}

#[tokio::test]
async fn a_start_without_a_whole_head_is_not_accepted_and_not_sent_again() {
    let two_lengths = head(202, &[MONITOR, "content-length: 2", "content-length: 3"]) + "{} ";
    check([
        lost("reset before the head", nothing().reset()),
        lost("closed before the head", nothing().close()),
        lost("reset in the head", raw("HTTP/1.1 202 Accepted\r\nOperation-Loc").reset()),
        lost("closed in the head", raw("HTTP/1.1 202 Accepted\r\nOperation-Loc").close()),
        lost("closed before the head's empty line", raw(format!("HTTP/1.1 202 Accepted\r\n{MONITOR}\r\n")).close()),
        lost("closed after an informational head", raw(head(103, &[MONITOR])).close()),
        lost("another protocol", raw("SSH-2.0-OpenSSH_9.6\r\n").close()),
        lost("another version", raw(format!("HTTP/7.0 202 Accepted\r\n{MONITOR}\r\n\r\n")).close()),
        lost("a status that is no number", raw(format!("HTTP/1.1 2O2 Accepted\r\n{MONITOR}\r\n\r\n")).close()),
        lost("a header without a colon", raw("HTTP/1.1 202 Accepted\r\noperation-location\r\n\r\n").close()),
        lost("a head without an end", raw("HTTP/1.1 202 Accepted\r\n").flood("x-header: banana\r\n".repeat(1000))),
        lost("two lengths that differ", raw(two_lengths).close()),
        lost("a length that is no number", raw(head(202, &[MONITOR, "content-length: two"])).close()),
    ])
    .await;
}

/// The 202 is there, whatever becomes of the rest.
fn started(name: &str, start: Act) -> Case {
    Case::new(name, [running(), succeeded()]).start(start)
}

#[tokio::test]
async fn a_202_whose_body_breaks_off_has_been_accepted() {
    check([
        started("shorter than its length", of_length(202, &[MONITOR], 100, r#"{"sta"#).close()),
        started("nothing of its length", of_length(202, &[MONITOR], 100, "").close()),
        started("reset", of_length(202, &[MONITOR], 100, r#"{"sta"#).until_accepted().reset()),
        started("in a chunk", chunks(202, &[MONITOR], [r#"{"sta"#]).then("64\r\ntus").close()),
        started("between chunks", chunks(202, &[MONITOR], [r#"{"sta"#]).close()),
        started("a chunk whose size is no number", chunks(202, &[MONITOR], ["{}"]).then("zz\r\n").close()),
        started("reset between chunks", chunks(202, &[MONITOR], ["{}"]).until_accepted().reset()),
    ])
    .await;
}

#[tokio::test]
async fn a_202_with_more_body_than_anybody_needs_has_been_accepted() {
    const FORGED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"status\":\"Failed\"}";
    let soon = ["retry-after: 1", MONITOR];
    check([
        started("up to the close", raw(head(202, &[MONITOR]) + "it has begun").close()),
        // The rest belongs to no response. The clients find it before or after they send the next request.
        started("longer than its length", of_length(202, &[MONITOR], 2, "{} and more"))
            .forever(succeeded())
            .may_fail()
            .polls_at_least(2),
        started("longer by what looks like the first status", reply(202, &[MONITOR], "{}").then(FORGED))
            .forever(succeeded())
            .may_fail()
            .polls_at_least(2),
        started("without an end", chunks(202, &soon, ["{"]).flood_of_chunks()),
        started("with an end that does not come", of_length(202, &soon, 100, "{").stall()),
        started("byte by byte", reply(202, &[MONITOR], "a body of some length").dripping()),
    ])
    .await;
}

#[tokio::test]
async fn informational_responses_before_the_202_change_nothing() {
    let with = |informational: String| {
        let mut act = raw(informational);
        act.steps.extend(accepted().steps);
        act
    };
    check([
        started("100", with(head(100, &[]))),
        started("103", with(head(103, &["link: </style.css>; rel=preload"]))),
        started("100, 102, 103", with(head(100, &[]) + &head(102, &[]) + &head(103, &[]))),
        started("103 with another monitor", with(head(103, &["operation-location: http://127.0.0.1:9/stolen"]))),
        started("103, byte by byte", with(head(103, &[])).dripping()),
    ])
    .await;
}
