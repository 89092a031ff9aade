//! A service that announces, reports and concludes its operations like no other, described by `Protocol::builder`; and how
//! mistakes in such a description show: some when it is built, and the others when the service is asked.
//!
//! `cargo run --example custom_protocol`

use std::{error::Error, time::Duration};

use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};
use tower_lro::{
    Cause, FinalResponse, LroBody, LroLayer, OperationError, Protocol, ProtocolError, ResponseExt, StartRule,
    StatusRule,
    simulator::{ConnectionLost, Reply, Script, Simulator, SimulatorBody},
};

/// 201 with `X-Job`, whose JSON has `{"job": {"phase": "…"}}`, and `{"job": {"href": "…"}}` when there is a result.
fn shipments() -> Result<Protocol, ProtocolError> {
    let monitor = StatusRule::new().status_at("/job/phase");
    Protocol::builder("shipments")
        .announced(StartRule::by_header("x-job").statuses([201]).monitor(monitor))
        .succeeded(["Shipped"])
        .failed(["Lost"])
        .resource_at("/job/href")
        .final_response(FinalResponse::Resource)
        .build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // The service is simulated, and so are the seconds that it wants to be waited for.
    tokio::time::pause();
    let service = Simulator::new().script(shipment("Shipped", r#""{origin}/resources/{id}""#));
    let settings = LroLayer::new().timeout(Duration::from_secs(600));

    println!("What the protocol describes:");
    let client = settings.clone().protocol(shipments()?).layer(service.clone());
    let response = client.clone().oneshot(order()?).await?;
    println!("  {}", described(response).await?);

    println!("An operation that fails:");
    service.queue(shipment("Lost", "null"));
    match client.clone().oneshot(order()?).await?.error_for_operation() {
        Ok(response) => println!("  {}", described(response).await?),
        Err(failed) => println!("  {failed}"),
    }

    println!("A 201 that announces nothing:");
    service.queue(Script::new(Reply::json(r#"{"draft": 7}"#).code(201)));
    let response = client.oneshot(order()?).await?;
    println!("  {}", described(response).await?);

    println!("Errors that `build` finds:");
    let mistaken = [
        Protocol::builder("nothing announces it"),
        Protocol::builder("a space").announced(StartRule::by_header("x job")),
        Protocol::builder("no pointer")
            .announced(StartRule::at_request_uri().monitor(StatusRule::new().status_at("job.phase"))),
        Protocol::builder("on an error").announced(StartRule::by_header("x-job").statuses([404])),
    ];
    for mistake in mistaken.into_iter().filter_map(|builder| builder.build().err()) {
        println!("  {mistake}");
    }

    println!("The status looked for in the wrong place:");
    let announced = |status| StartRule::by_header("x-job").statuses([201]).monitor(StatusRule::new().status_at(status));
    let misplaced = Protocol::builder("misplaced").announced(announced("/phase")).build()?;
    let error = lost(settings.clone().protocol(misplaced), &service).await?;
    println!("  {error}");
    if let Cause::Status(status) = error.cause() {
        println!("  It was {}", String::from_utf8_lossy(status.response().body()));
    }

    println!("A terminal status that the protocol does not know is treated as running, until the timeout:");
    let wordless = Protocol::builder("wordless").announced(announced("/job/phase")).build()?;
    let error = lost(settings.protocol(wordless), &service).await?;
    println!("  {error}");
    println!("  The last word was {:?}", error.operation().status());
    Ok(())
}

/// The answers of the made-up service.
fn shipment(last: &str, href: &str) -> Script {
    let job = |phase: &str, href: &str| {
        Reply::json(format!(r#"{{"job": {{"number": "{{id}}", "phase": "{phase}", "href": {href}}}}}"#))
    };
    let created = job("Packing", "null").code(201).header("x-job", "/jobs/operations/{id}");
    Script::new(created.retry_after(Duration::from_secs(30)))
        .polls([job("Packing", "null"), job("OnTheRoad", "null"), job(last, href)])
        .resource(Reply::json(r#"{"signedBy": "the neighbor"}"#))
}

fn order() -> http::Result<Request<SimulatorBody>> {
    Request::post("https://shipments.example/orders").body(SimulatorBody::from("three chairs"))
}

async fn described(response: Response<LroBody<SimulatorBody>>) -> Result<String, Box<dyn Error>> {
    let (status, operation) = (response.status(), response.operation().cloned());
    let body = response.into_body().collect().await?.to_bytes();
    let polls = operation.map_or("passed through".to_owned(), |operation| format!("after {} polls", operation.polls()));
    Ok(format!("{status} {polls}: {}", String::from_utf8_lossy(&body)))
}

async fn lost(settings: LroLayer, service: &Simulator) -> Result<OperationError<ConnectionLost>, Box<dyn Error>> {
    match settings.layer(service.clone()).oneshot(order()?).await {
        Err(tower_lro::Error::Operation(error)) => Ok(error),
        Err(error) => Err(error.into()),
        Ok(response) => Err(described(response).await?.into()),
    }
}
