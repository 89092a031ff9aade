//! HTTP/2: many requests on one connection, each of which can end on its own.

use std::sync::{Arc, Mutex};

use h2::Reason;
use http::Extensions;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tower::{ServiceBuilder, ServiceExt};
use tower_lro::{Event, LroLayer, OperationState, PollFailure};

use crate::{
    client::{
        Body, Ended, INTEGRATIONS, Integration, Package, Report, Why, quick, reqwest_client_builder,
        through_middleware, through_tower,
    },
    h2c::{Act, Reply, Server},
    server_script::{RUNNING, SUCCEEDED},
};

const fn reply(status: u16, body: &'static str) -> Reply {
    Reply { status, headers: &[], body, trailers: &[] }
}

const START: Act = Act::Reply(Reply { headers: &[("operation-location", "/operations/1")], ..reply(202, "{}") });
const IS_RUNNING: Act = Act::Reply(reply(200, RUNNING));
const HAS_SUCCEEDED: Act = Act::Reply(reply(200, SUCCEEDED));

fn http2<B>() -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(true).pool_timer(TokioTimer::new()).build(connector)
}

/// Tells the server of heads.
struct Telling(Server);

#[async_trait::async_trait]
impl Middleware for Telling {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let response = next.run(request, extensions).await?;
        self.0.head_arrived();
        Ok(response)
    }
}

async fn send(integration: Integration, layer: LroLayer, server: &Server) -> Report {
    let of_server = server.clone();
    match integration {
        Integration::Tower => {
            let client = http2::<Package>().map_response(move |response| {
                of_server.head_arrived();
                response
            });
            through_tower(ServiceBuilder::new().layer(layer).service(client), &server.url).await
        }
        Integration::Middleware => {
            let client = reqwest_client_builder().http2_prior_knowledge().build().unwrap();
            let client = ClientBuilder::new(client).with(layer).with(Telling(of_server)).build();
            through_middleware(&client, &server.url).await
        }
    }
}

struct Row {
    name: &'static str,
    start: Act,
    polls: Vec<Act>,
    connections: usize,
    failures: Vec<PollFailure>,
    ended: Ended,
}

impl Row {
    fn new(name: &'static str, polls: impl Into<Vec<Act>>) -> Self {
        let ended = Ended::succeeded(SUCCEEDED);
        Self { name, start: START, polls: polls.into(), connections: 1, failures: Vec::new(), ended }
    }

    /// A fault between good polls, twice.
    fn failing(name: &'static str, fault: Act, failure: PollFailure) -> Self {
        let polls = [IS_RUNNING, fault.clone(), fault, IS_RUNNING, HAS_SUCCEEDED];
        Self { failures: vec![failure; 2], ..Self::new(name, polls) }
    }

    async fn play(&self, integration: Integration) -> Report {
        let name = format!("{}, {integration:?}", self.name);
        let server = Server::of(self.start.clone(), self.polls.clone()).await;
        let failures = Arc::<Mutex<Vec<PollFailure>>>::default();
        let log = failures.clone();
        let layer = quick().max_consecutive_failures(2).on_event(move |event| {
            if let Event::PollFailed { failure, .. } = event {
                log.lock().unwrap().push(*failure);
            }
        });
        let report = send(integration, layer, &server).await;
        assert_eq!(report.ended, self.ended, "{name}: {report:#?}");
        assert_eq!(server.seen(), (self.connections, 1, self.polls.len()), "{name}: {report:#?}");
        assert_eq!(*failures.lock().unwrap(), self.failures, "{name}: {report:#?}");
        report
    }
}

async fn check(rows: impl IntoIterator<Item = Row>) {
    for row in rows {
        for integration in INTEGRATIONS {
            row.play(integration).await;
        }
    }
}

#[tokio::test]
async fn an_operation_uses_one_connection() {
    check([Row::new("20 polls", [vec![IS_RUNNING; 19], vec![HAS_SUCCEEDED]].concat())]).await;
}

#[tokio::test]
async fn a_connection_that_takes_no_more_requests_is_followed_by_another() {
    const LAST_RUNNING: Act = Act::LastReply(reply(200, RUNNING));
    let accepted = Act::LastReply(Reply { headers: &[("operation-location", "/operations/1")], ..reply(202, "{}") });
    let polls = || [IS_RUNNING, HAS_SUCCEEDED];
    check([
        Row { start: accepted, connections: 2, ..Row::new("GOAWAY with the 202", polls()) },
        Row {
            connections: 2,
            ..Row::new("GOAWAY with a status", [IS_RUNNING, LAST_RUNNING, IS_RUNNING, HAS_SUCCEEDED])
        },
        Row {
            connections: 4,
            ..Row::new("again and again", [LAST_RUNNING, LAST_RUNNING, LAST_RUNNING, HAS_SUCCEEDED])
        },
        // The fate of the poll is unknown.
        Row {
            connections: 3,
            ..Row::failing("GOAWAY for an error", Act::GoAway(Reason::ENHANCE_YOUR_CALM), PollFailure::Service)
        },
    ])
    .await;
}

#[tokio::test]
async fn a_stream_that_is_reset_is_a_failed_poll() {
    const FAILURE: &str = r#"{"status":"Failed","error":{"code":"Inval"#;
    const BEGUN: &str = r#"{"operationId":"1","sta"#;
    let reset = |name, reason| Row::failing(name, Act::Reset(reason), PollFailure::Service);
    let in_body = |name, reason| Row::failing(name, Act::ResetInBody(BEGUN, reason), PollFailure::Body);
    check([
        reset("REFUSED_STREAM", Reason::REFUSED_STREAM),
        reset("INTERNAL_ERROR", Reason::INTERNAL_ERROR),
        reset("CANCEL", Reason::CANCEL),
        in_body("INTERNAL_ERROR in the body", Reason::INTERNAL_ERROR),
        in_body("CANCEL in the body", Reason::CANCEL),
        Row {
            ended: Ended::Response {
                status: 200,
                state: Some(OperationState::Failed),
                body: Body::Broken(FAILURE.to_owned()),
            },
            ..Row::new("in a final body", [IS_RUNNING, Act::ResetInBody(FAILURE, Reason::INTERNAL_ERROR)])
        },
        // The clients take that for the end of the body.
        Row {
            failures: vec![PollFailure::NoStatus; 3],
            ended: Ended::no_status(BEGUN),
            ..Row::new("NO_ERROR in the body", {
                let cut = Act::ResetInBody(BEGUN, Reason::NO_ERROR);
                [IS_RUNNING, cut.clone(), cut.clone(), cut]
            })
        },
        Row {
            failures: vec![PollFailure::Service; 3],
            ended: Ended::Operation(Why::Service),
            ..Row::new("too often", vec![Act::Reset(Reason::INTERNAL_ERROR); 3])
        },
    ])
    .await;
}

#[tokio::test]
async fn a_start_whose_stream_is_reset_is_not_accepted_and_not_sent_again() {
    let lost = |name, start| Row { start, ended: Ended::Service, ..Row::new(name, []) };
    check([
        lost("REFUSED_STREAM", Act::Reset(Reason::REFUSED_STREAM)),
        lost("INTERNAL_ERROR", Act::Reset(Reason::INTERNAL_ERROR)),
        lost("GOAWAY", Act::GoAway(Reason::INTERNAL_ERROR)),
    ])
    .await;
}

#[tokio::test]
async fn trailers_come_out_behind_the_final_body() {
    let with = |body, trailers| Act::Reply(Reply { trailers, ..reply(200, body) });
    let row =
        Row::new("trailers", [with(RUNNING, &[("x-checksum", "0000")]), with(SUCCEEDED, &[("x-checksum", "6f9a")])]);
    for integration in INTEGRATIONS {
        assert_eq!(row.play(integration).await.trailers["x-checksum"], "6f9a", "{integration:?}");
    }
}
