//! The layer in a tower stack over hyper-util's client, with a limit of concurrent requests and a timeout for each below it:
//! while operations wait, others get through.
//!
//! `cargo run --example tower_client`

mod common;

use std::{error::Error, time::Duration};

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};
use tower_lro::{
    LroLayer, ResponseExt,
    simulator::{Reply, Script, Simulator},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let moment = Duration::from_millis(300);
    let script = Script::new(Reply::accepted().retry_after(moment))
        .polls([Reply::status("Running").retry_after(moment), Reply::status_with_result("Succeeded", 20)]);
    let address = common::serve(Simulator::new().script(script)).await?;

    let client = ServiceBuilder::new()
        // Layers below run for the start request and for every poll.
        .layer(LroLayer::new().timeout(Duration::from_secs(60)))
        .concurrency_limit(2)
        .timeout(Duration::from_secs(5))
        .service(Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());

    println!("Ten operations of 0.6 s each, at most two requests at a time. All wait at once, so all end after 0.6 s:");
    let operations = (1..=10).map(|number| {
        let client = client.clone();
        async move {
            let request = Request::post(format!("http://{address}/mapData")).body(Full::from("a drawing package"))?;
            let response = client.oneshot(request).await.map_err(tower_lro::Error::boxed)?;
            let operation = response.operation().ok_or("no operation")?.clone();
            let body = response.into_body().collect().await?.to_bytes();
            println!(
                "  {number:2}: {:?} after {} polls and {:.1} s: {}",
                operation.state(),
                operation.polls(),
                operation.elapsed().as_secs_f64(),
                String::from_utf8_lossy(&body)
            );
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        }
    });
    try_join_all(operations).await?;
    Ok(())
}
