//! HTTP statuses of polls.

use http::{StatusCode, header::WWW_AUTHENTICATE};
use tower_lro::{DelayReason, OperationState, PollFailure};

use crate::{
    client::{Body, Ended, INTEGRATIONS},
    server_script::{head, raw, reply, running, succeeded},
    table::{Case, check},
};

const FAILED_POLLS: [u16; 20] =
    [408, 425, 429, 500, 502, 503, 504, 509, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 598, 599];

fn failure(status: u16) -> PollFailure {
    PollFailure::Http(StatusCode::from_u16(status).unwrap())
}

#[tokio::test]
async fn a_failed_poll_is_repeated_after_retry_after_or_the_backoff() {
    for status in FAILED_POLLS {
        for (headers, reason) in [(&[][..], DelayReason::Backoff), (&["retry-after: 1"], DelayReason::RetryAfter)] {
            let failed = || reply(status, headers, "later");
            let polls = [failed(), running(), failed(), failed(), succeeded()];
            let case = Case::new(format!("{status} {headers:?}"), polls).fails([failure(status); 3]);
            for integration in INTEGRATIONS {
                let played = case.play(integration).await;
                let reasons = [DelayReason::Backoff, reason, DelayReason::Backoff, reason, reason];
                assert_eq!(played.reasons(), reasons, "{status}, {headers:?}, {integration:?}");
                assert_eq!(played.server.connections(), 1, "{status}, {headers:?}, {integration:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_404_may_pass_until_there_is_a_status() {
    check([
        Case::new("before", [reply(404, &[], "?"), reply(404, &[], "?"), running(), succeeded()])
            .fails([failure(404), failure(404)]),
        Case::new("after", [running(), reply(404, &[], "gone")]).ends(Ended::monitor(404, "gone")),
        Case::new("before and after", [reply(404, &[], "?"), running(), reply(404, &[], "gone")])
            .fails([failure(404)])
            .ends(Ended::monitor(404, "gone")),
        Case::new("for ever", [])
            .forever(reply(404, &[], "?"))
            .layer(|layer| layer.max_consecutive_failures(3))
            .fails([failure(404); 4])
            .polls(4)
            .ends(Ended::monitor(404, "?")),
    ])
    .await;
}

#[tokio::test]
async fn every_other_error_is_the_callers_to_see_at_once() {
    let refused = |status: u16| Case::new(status.to_string(), [running(), reply(status, &[], "no")]);
    check(
        [400, 401, 403, 405, 409, 410, 418, 501, 505].map(|status| refused(status).ends(Ended::monitor(status, "no"))),
    )
    .await;
    check([Case::new("304", [raw(head(304, &[]))]).ends(Ended::monitor(304, ""))]).await;
}

#[tokio::test]
async fn a_response_without_a_status_is_a_failed_poll_once_there_was_one() {
    let page = || reply(200, &["content-type: text/html"], "<h1>We will be back soon</h1>");
    let bad = || [page(), reply(200, &[], ""), raw(head(304, &[]))];
    let polls = [&[running()][..], &bad(), &[running()], &bad(), &[succeeded()]].concat();
    check([
        Case::new("and is repeated", polls)
            .layer(|layer| layer.max_consecutive_failures(3))
            .fails([PollFailure::NoStatus; 6]),
        Case::new("but not for ever", [running()])
            .forever(page())
            .layer(|layer| layer.max_consecutive_failures(3))
            .fails([PollFailure::NoStatus; 4])
            .polls(5)
            .ends(Ended::no_status("<h1>We will be back soon</h1>")),
        Case::new("before that it is the wrong service", [page()])
            .ends(Ended::no_status("<h1>We will be back soon</h1>")),
    ])
    .await;
}

#[tokio::test]
async fn a_401_is_an_error_with_the_whole_response() {
    let refused = reply(401, &["www-authenticate: Bearer error=\"invalid_token\""], "expired");
    let case = Case::new("401", [running(), refused]).ends(Ended::monitor(401, "expired"));
    for integration in INTEGRATIONS {
        let headers = case.play(integration).await.report.headers;
        assert_eq!(headers[WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"", "{integration:?}");
    }
}

#[tokio::test]
async fn a_204_is_success() {
    let ended =
        Ended::Response { status: 204, state: Some(OperationState::Succeeded), body: Body::Whole(String::new()) };
    check([Case::new("204", [running(), raw(head(204, &[]))]).ends(ended)]).await;
}

#[tokio::test]
async fn informational_responses_before_a_status_change_nothing() {
    let after = |informational: String| {
        let mut act = raw(informational);
        act.steps.extend(succeeded().steps);
        act
    };
    check([
        Case::new("100", [running(), after(head(100, &[]))]),
        Case::new("103 with another monitor", [running(), after(head(103, &["operation-location: /operations/2"]))]),
        Case::new("103, byte by byte", [running(), after(head(103, &["retry-after: 100"])).dripping()]),
    ])
    .await;
}
