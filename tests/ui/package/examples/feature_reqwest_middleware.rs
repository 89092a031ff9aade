//! The feature `reqwest-middleware` is forgotten.

use tower_lro::LroLayer;

fn main() {
    reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(LroLayer::new()).build();
}
