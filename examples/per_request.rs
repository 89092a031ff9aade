//! Settings for a single request: a deadline of its own, none of the layer at all, an error where the operation fails, and
//! another protocol. By `with_extension` with reqwest-middleware, and by the request's extensions with tower.
//!
//! `cargo run --example per_request`

mod common;

use std::{error::Error, time::Duration};

use http::Request;
use reqwest::redirect::Policy;
use reqwest_middleware::ClientBuilder;
use tower::{Layer, ServiceExt};
use tower_lro::{
    LroLayer, OperationError, Protocol, ResponseExt,
    simulator::{Reply, Script, Simulator, SimulatorBody},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let moment = Duration::from_millis(100);
    let accepted = |header| Reply::http(202).header(header, "{origin}/operations/{id}").retry_after(moment);
    let polls = [Reply::status("Running").retry_after(moment), Reply::status_with_result("Succeeded", 8)];
    let announced_by = |header| Script::new(accepted(header)).polls(polls.clone());
    let simulator = Simulator::new().script(announced_by("operation-location"));
    let url = format!("http://{}/conversions", common::serve(simulator.clone()).await?);

    // An `LroLayer` in a request's extensions replaces these settings, so it is best made of a clone of them.
    let settings = LroLayer::new().max_consecutive_failures(3).timeout(Duration::from_secs(60));
    // Redirects are the layer's to follow, within the origins that it may go to.
    let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let client = ClientBuilder::new(http).with(settings.clone()).build();

    println!("The settings of the client:");
    let response = client.post(&url).body("a drawing package").send().await?;
    println!("  {} {}", response.status(), response.text().await?);

    println!("A deadline of its own:");
    let hasty = settings.clone().timeout(Duration::from_millis(50));
    let Err(error) = client.post(&url).body("a drawing package").with_extension(hasty).send().await else {
        return Err("50 ms were enough".into());
    };
    let error = OperationError::find(&error).ok_or("nothing was accepted")?;
    println!("  {error}");

    println!("Resumed, by the settings of the client:");
    let operation = error.operation();
    let response = client.get(&url).with_extension(operation.resume()).send().await?;
    println!("  {} {}", response.status(), response.text().await?);

    println!("Without the layer:");
    let response = client.post(&url).body("a drawing package").with_extension(LroLayer::disabled()).send().await?;
    println!("  {}, operation-location: {}", response.status(), response.headers().contains_key("operation-location"));

    println!("An operation that fails, by the settings of the client:");
    simulator.queue(Script::azure_maps_failed());
    let pace = settings.clone().backoff(tower_lro::Backoff::constant(moment));
    let response = client.post(&url).body("a drawing package").with_extension(pace.clone()).send().await?;
    let status = response.operation().and_then(|operation| operation.status()).unwrap_or("no operation");
    println!("  {}, {status}", response.status());

    println!("The same as an error:");
    simulator.queue(Script::azure_maps_failed());
    let strict = pace.error_on_failure(true);
    match client.post(&url).body("a drawing package").with_extension(strict).send().await {
        Ok(response) => println!("  {}", response.status()),
        Err(error) => match OperationError::find(&error) {
            Some(error) => println!("  {error}"),
            None => println!("  {error}"),
        },
    }

    println!("A 202 with `Location`, which means nothing to the settings of the client:");
    simulator.queue(announced_by("location"));
    let response = client.post(&url).body("a drawing package").send().await?;
    println!("  {}, location: {}", response.status(), response.headers().contains_key("location"));

    println!("The same with a protocol that knows it:");
    simulator.queue(announced_by("location"));
    let located = settings.clone().protocol(Protocol::location());
    let response = client.post(&url).body("a drawing package").with_extension(located).send().await?;
    println!("  {} {}", response.status(), response.text().await?);

    println!("With tower, without the layer:");
    let client = settings.layer(simulator);
    let request = Request::post("https://service.example/conversions")
        .extension(LroLayer::disabled())
        .body(SimulatorBody::from("a drawing package"))?;
    let response = client.oneshot(request).await?;
    println!("  {}, operation-location: {}", response.status(), response.headers().contains_key("operation-location"));
    Ok(())
}
