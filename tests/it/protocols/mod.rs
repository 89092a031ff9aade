//! Each protocol in its services' own words and shapes, through tower and through reqwest-middleware.

mod aip;
mod arm;
mod azure;
mod graph;
mod odata_fhir;
mod transcripts;

use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use reqwest_middleware::ClientBuilder;
use tower::{Layer, ServiceExt};
use tower_lro::{
    Cause, Error, FinalResponse, LroLayer, Operation, OperationError, OperationState, Protocol, ResponseExt,
    simulator::{Fault, Recorded, Reply, Script, Simulator, SimulatorBody},
};

use self::arm::{TOPIC, asynchronous, resource};
use crate::support::{exact, millis, text};

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

/// The outcome.
#[derive(Debug)]
struct Ended {
    /// The status, the headers and the body of the response, and the operation; or the kind of error.
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
    fn state(&self) -> OperationState {
        self.handed_over().2.expect("an operation").state()
    }

    /// The paths of the requests, with their methods.
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
    let client = ClientBuilder::new(reqwest::Client::new()).with(layer).with(simulator.clone()).build();
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

/// Runs it through both integrations, which must give the same.
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
    assert_eq!(seen(&tower), seen(&middleware), "the integrations differ");
    tower
}

const ID: &str = "00000001-add9-4ef7-9788-1635bed9a87e";

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
    // A rule that must read the body gives way to the next.
    let script = Script::new(resource("Succeeded").header("operation-location", "/operations/{id}"))
        .polls([Reply::status("Succeeded")]);
    let layer = exact().protocols([Protocol::azure_resource_manager(), Protocol::aip_151(), Protocol::azure_core()]);
    let ended = run_with(layer, &script, start).await;
    assert_eq!((ended.state(), ended.handed_over().2.unwrap().polls()), (OperationState::Succeeded, 1));
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
        ("http-202", Script::http_202()),
        ("ogc-processes", Script::ogc_processes()),
        ("redfish", Script::redfish()),
        ("lxd", Script::lxd()),
        ("durable-functions", Script::durable_functions()),
        ("snowflake-sql", Script::snowflake_sql()),
        ("dataverse", Script::dataverse()),
        ("meilisearch", Script::meilisearch()),
    ];
    let names: Vec<String> = Protocol::known().map(|known| known.name().to_owned()).collect();
    assert_eq!(names, scripts.each_ref().map(|(name, _)| *name));
    for (protocol, (_, script)) in Protocol::known().zip(scripts) {
        let method = if ["azure-core", "azure-resource-manager"].contains(&protocol.name()) { "PUT" } else { "POST" };
        let ended = run(protocol, &script, Start::new(method, "https://api.fabric.microsoft.com/v1/things")).await;
        assert_eq!(ended.state(), OperationState::Succeeded);
    }
}
