//! Operations that ureq starts.

use http::{Request, Response};
use http_body_util::BodyExt;
use mock::{FAILED, Mock, SUCCEEDED, layer, operation};
use tower_lro::{Cause, Error, LroBody, ResponseExt};
use ureq_example::{Text, complete};

/// As it is done without the layer, but that the head of the request is kept.
fn post(url: &str) -> Result<Response<LroBody<Text>>, Error<ureq::Error>> {
    let (head, body) = Request::post(format!("{url}/conversions")).body("{}").unwrap().into_parts();
    let started = ureq::Agent::new_with_defaults().run(Request::from_parts(head.clone(), body));
    complete(&layer(), head, started.map_err(Error::Service)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_final_response_is_returned() {
    let mock = Mock::of(operation(SUCCEEDED)).await;
    let url = mock.url.clone();
    let finished = std::thread::spawn(move || post(&url)).join().unwrap().unwrap();
    assert_eq!(finished.operation().unwrap().polls(), 2);
    assert_eq!(finished.into_body().collect().await.unwrap().to_bytes(), SUCCEEDED);
    assert_eq!(mock.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_operation_is_an_error() {
    let mock = Mock::of(operation(FAILED)).await;
    let url = mock.url.clone();
    let Err(Error::Operation(error)) = std::thread::spawn(move || post(&url)).join().unwrap() else { panic!() };
    assert!(matches!(error.cause(), Cause::Failed(failed) if failed.to_string().contains("NoDrawing")));
    assert_eq!(mock.simulator.started(), 1);
}
