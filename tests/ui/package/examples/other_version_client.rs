//! The client is one of reqwest 0.12, and the feature that of 0.13.

use reqwest_0_12 as reqwest;
use reqwest_middleware_0_4 as reqwest_middleware;
use tower_lro::LroLayer;

fn main() {
    reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(LroLayer::new()).build();
}
