//! A `BoxError` below the layer is boxed again above, without `.map_err(Error::boxed)`.

use std::time::Duration;

use http::{Request, Response};
use tower::{BoxError, ServiceBuilder, service_fn};
use tower_lro::LroLayer;

fn main() {
    let service = service_fn(async |_: Request<String>| Ok::<_, BoxError>(Response::new(String::new())));
    let _ = ServiceBuilder::new().buffer(8).layer(LroLayer::new()).timeout(Duration::from_secs(30)).service(service);
}
