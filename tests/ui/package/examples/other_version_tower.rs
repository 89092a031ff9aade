//! The client is one of reqwest 0.12, and the feature that of 0.13.

use reqwest_0_12 as reqwest;
use tower::{Layer, ServiceExt};
use tower_lro::LroLayer;

async fn send(client: reqwest::Client, request: reqwest::Request) {
    let _ = LroLayer::new().layer(client).oneshot(request).await;
}

fn main() {
    let _ = send;
}
