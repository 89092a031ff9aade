//! Servers that stall, and the settings that bound them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Extensions, Method, Request, StatusCode};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn, timeout::TimeoutLayer};
use tower_http::timeout::ResponseBodyTimeoutLayer;
use tower_lro::{Error, Event, LroLayer, OperationState, PollFailure};

use crate::{
    client::{
        Body, Ended, INTEGRATIONS, Integration, Package, Report, Why, hyper, quick, reqwest, through_middleware,
        through_tower,
    },
    server::{Script, Server},
    server_script::{
        Act, MONITOR, RUNNING, SUCCEEDED, accepted, head, nothing, of_length, raw, reply, running, succeeded,
    },
    table::{Case, check},
};

const PATIENCE: Duration = Duration::from_millis(50);

#[tokio::test]
async fn the_timeout_ends_an_operation_that_does_not_end() {
    let late = |case: Case| case.layer(|layer| layer.timeout(PATIENCE)).ends(Ended::Operation(Why::Timeout));
    // However many polls that takes.
    let always = |name, act| late(Case::new(name, []).forever(act)).polls_at_least(0);
    // A machine that is busy with other things may not get so far.
    let endless = |name, start, polls: Vec<Act>| {
        let most = polls.len();
        late(Case::new(name, polls).start(start)).polls_at_most(most)
    };
    check([
        always("always running", running()),
        always("always moving", reply(200, &["operation-location: /operations/1"], RUNNING)),
        endless("no end of the 202", of_length(202, &[MONITOR], 100, "{").stall(), vec![]),
        endless("no answer", accepted(), vec![nothing().stall()]),
        endless("no answer after some", accepted(), vec![running(), running(), nothing().stall()]),
        endless("half a head", accepted(), vec![raw("HTTP/1.1 200 OK\r\nCon").stall()]),
        endless("informational heads", accepted(), vec![nothing().flood(head(103, &[]).repeat(100))]),
        endless("half a body", accepted(), vec![of_length(200, &[], 100, r#"{"sta"#).stall()]),
        endless("no end of a status that is not final", accepted(), vec![of_length(200, &[], 100, RUNNING).stall()]),
    ])
    .await;
}

/// A timeout of the layers below for each poll, and none for the start, which a busy machine may be slow with.
struct Impatient;

#[async_trait::async_trait]
impl Middleware for Impatient {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        if request.method() == Method::GET {
            *request.timeout_mut() = Some(PATIENCE);
        }
        next.run(request, extensions).await
    }
}

async fn impatient(integration: Integration, layer: LroLayer, url: &str) -> Report {
    if let Integration::Middleware = integration {
        return through_middleware(&ClientBuilder::new(reqwest()).with(layer).with(Impatient).build(), url).await;
    }
    let patient = ResponseBodyTimeoutLayer::new(PATIENCE).layer(hyper());
    let impatient = ServiceBuilder::new().layer(TimeoutLayer::new(PATIENCE)).service(patient.clone());
    let service = service_fn(move |request: Request<Package>| {
        let (patient, impatient) = (patient.clone(), impatient.clone());
        async move {
            match *request.method() {
                Method::GET => impatient.oneshot(request).await,
                _ => patient.oneshot(request).await.map_err(BoxError::from),
            }
        }
    });
    let service = ServiceBuilder::new().map_err(Error::boxed).layer(layer).service(service);
    through_tower(service, url).await
}

#[tokio::test]
async fn a_timeout_below_makes_a_failed_poll_of_a_stall() {
    for (name, stalled, failure) in [
        ("no answer", nothing().stall(), PollFailure::Service),
        ("half a head", raw("HTTP/1.1 200 OK\r\nCon").stall(), PollFailure::Service),
        ("half a body", of_length(200, &[], 100, r#"{"sta"#).stall(), PollFailure::Body),
    ] {
        for integration in INTEGRATIONS {
            let mut script = Script::new([running(), stalled.clone(), stalled.clone()]);
            script.last = Some(succeeded());
            let server = Server::of(script);
            let (layer, failures) = watched(quick());
            let report = impatient(integration, layer, &server.url("/start")).await;
            assert_eq!(report.ended, Ended::succeeded(SUCCEEDED), "{name}, {integration:?}: {report:?}");
            // A busy machine may make it more, and be late with the head already.
            let failures = failures.lock().unwrap().clone();
            let is_right = failures.len() >= 2 && failures.contains(&failure);
            assert!(is_right, "{name}, {integration:?}: {failures:?}, {report:?}");
            assert_eq!(server.starts(), 1, "{name}, {integration:?}");
        }
    }
}

fn watched(layer: LroLayer) -> (LroLayer, Arc<Mutex<Vec<PollFailure>>>) {
    let failures = Arc::<Mutex<Vec<PollFailure>>>::default();
    let log = failures.clone();
    let layer = layer.on_event(move |event| {
        if let Event::PollFailed { failure, .. } = event {
            log.lock().unwrap().push(*failure);
        }
    });
    (layer, failures)
}

#[tokio::test]
async fn a_timeout_below_ends_it_where_nothing_ever_answers() {
    for integration in INTEGRATIONS {
        let mut script = Script::new([]);
        script.last = Some(nothing().stall());
        let server = Server::of(script);
        let report = impatient(integration, quick().max_consecutive_failures(1), &server.url("/start")).await;
        assert_eq!(report.ended, Ended::Operation(Why::Service), "{integration:?}: {report:?}");
        assert_eq!(report.operation.unwrap().polls(), 2, "{integration:?}");
        assert_eq!(server.starts(), 1, "{integration:?}");
    }
}

#[tokio::test]
async fn a_final_body_that_stalls_is_handed_over_and_stalls_for_the_caller() {
    const RESULT: &str = r#"{"status":"Succeeded","result":"so mu"#;
    for integration in INTEGRATIONS {
        let mut script = Script::new([running()]);
        script.last = Some(of_length(200, &[], 100, RESULT).stall());
        let server = Server::of(script);
        let report = impatient(integration, quick(), &server.url("/start")).await;
        let body = Body::Broken(RESULT.to_owned());
        let ended = Ended::Response { status: 200, state: Some(OperationState::Succeeded), body };
        assert_eq!(report.ended, ended, "{integration:?}: {report:?}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_needs_is_not_waited_for() {
    let soon = ["retry-after: 1"];
    check([
        Case::new("longer than the server's hint", [of_length(200, &soon, 100, RUNNING).stall(), succeeded()]),
        Case::new("for long", [of_length(200, &[], 100, RUNNING).stall(), succeeded()]),
        Case::new("of a failed poll", [of_length(503, &soon, 100, "b").stall(), succeeded()])
            .fails([PollFailure::Http(StatusCode::SERVICE_UNAVAILABLE)]),
    ])
    .await;
}
