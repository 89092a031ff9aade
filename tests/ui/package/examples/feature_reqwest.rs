//! The feature `reqwest` is forgotten.

use tower::{Layer, ServiceExt};
use tower_lro::LroLayer;

async fn send(client: reqwest::Client, request: reqwest::Request) {
    let _ = LroLayer::new().layer(client).oneshot(request).await;
}

fn main() {
    let _ = send;
}
