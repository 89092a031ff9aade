//! Operations without a runtime of tokio's. The mock service has one, on threads of its own.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use mock::{FAILED, Mock, SUCCEEDED, layer, operation};
use smol_example::{SmolTimer, send};
use tokio::runtime::{Handle, Runtime};
use tower::{Layer, ServiceExt, service_fn};
use tower_lro::{Cause, Error, LroLayer, ResponseExt, simulator::Script};

fn mock(script: Script) -> (Runtime, Mock) {
    let runtime = Runtime::new().unwrap();
    let mock = runtime.block_on(Mock::of(script));
    (runtime, mock)
}

fn start(mock: &Mock) -> Request<Full<Bytes>> {
    Request::post(format!("{}/conversions", mock.url)).body("{}".into()).unwrap()
}

fn layer_of_smol() -> LroLayer {
    layer().timer(SmolTimer::start())
}

#[test]
fn the_final_response_is_returned() {
    let (_runtime, mock) = mock(operation(SUCCEEDED));
    smol::block_on(async {
        assert!(Handle::try_current().is_err());
        let finished = layer_of_smol().layer(service_fn(send)).oneshot(start(&mock)).await.unwrap();
        assert_eq!(finished.operation().unwrap().polls(), 2);
        assert_eq!(finished.into_body().collect().await.unwrap().to_bytes(), SUCCEEDED);
    });
    assert_eq!(mock.requests().len(), 3);
}

#[test]
fn a_failed_operation_is_an_error() {
    let (_runtime, mock) = mock(operation(FAILED));
    let outcome = smol::block_on(layer_of_smol().layer(service_fn(send)).oneshot(start(&mock)));
    let Err(Error::Operation(error)) = outcome else { panic!() };
    assert!(matches!(error.cause(), Cause::Failed(failed) if failed.to_string().contains("NoDrawing")));
    assert_eq!(mock.simulator.started(), 1);
}

#[test]
fn the_timeout_is_of_the_timer() {
    let (_runtime, mock) = mock(operation(SUCCEEDED));
    // It waits a second for its first poll.
    let slow = LroLayer::new().timer(SmolTimer::start()).timeout(Duration::from_millis(20));
    let outcome = smol::block_on(slow.layer(service_fn(send)).oneshot(start(&mock)));
    let Err(Error::Operation(error)) = outcome else { panic!() };
    assert!(matches!(error.cause(), Cause::Timeout), "{error}");
}

#[test]
fn nothing_is_sent_without_a_timer() {
    let (_runtime, mock) = mock(operation(SUCCEEDED));
    let outcome = smol::block_on(layer().layer(service_fn(send)).oneshot(start(&mock)));
    assert!(matches!(outcome, Err(Error::NoTimer)));
    assert_eq!(mock.requests().len(), 0);
}
