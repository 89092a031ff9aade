//! The layer over a `reqwest::Client` as a tower service, without reqwest-middleware.
//!
//! `cargo run --example reqwest_tower`

mod common;

use std::{error::Error, time::Duration};

use reqwest::redirect::Policy;
use tower::{ServiceBuilder, ServiceExt};
use tower_lro::{
    LroLayer, ResponseExt,
    simulator::{Reply, Script, Simulator},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let moment = Duration::from_millis(300);
    let script = Script::azure_maps_failed();
    let slow = Script::new(Reply::accepted().retry_after(moment)).polls([Reply::status("Succeeded")]);
    let simulator = Simulator::new().script(slow);
    // The first operation fails, the second does not.
    simulator.queue(script);
    let address = common::serve(simulator).await?;

    // Redirects of polls are the layer's to follow, within the origins that it may go to.
    let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let client = ServiceBuilder::new().layer(LroLayer::new()).service(http.clone());
    for _ in 0..2 {
        let request = http.post(format!("http://{address}/mapData")).body("a drawing package").build()?;
        let response = client.clone().oneshot(request).await?;
        println!("The final response: {} from {}", response.status(), response.url());
        match response.error_for_operation() {
            Ok(response) => println!("The operation succeeded: {}\n", response.text().await?),
            Err(error) => println!("{error}\n"), // “the operation failed: …”
        }
    }
    Ok(())
}
