//! The body of requests is not `Default`.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_lro::LroLayer;

struct Upload;

async fn send(request: Request<Upload>) {
    let service = service_fn(async |_: Request<Upload>| Ok::<_, Infallible>(Response::new(String::new())));
    let _ = LroLayer::new().layer(service).oneshot(request).await;
}

fn main() {
    let _ = send;
}
