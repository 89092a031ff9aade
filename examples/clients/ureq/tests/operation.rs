//! Operations that ureq starts.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use mock::{FAILED, Mock, SUCCEEDED, layer, operation};
use tower_lro::{
    Cause, Error, LroBody, ResponseExt,
    simulator::{Reply, Script},
};
use ureq_example::{Streamed, complete};

/// As it is done without the layer, but that the head of the request is kept.
fn post(url: &str) -> Result<Response<LroBody<Streamed>>, Error<ureq::Error>> {
    let (head, body) = Request::post(format!("{url}/conversions")).body("{}").unwrap().into_parts();
    let started = ureq::Agent::new_with_defaults().run(Request::from_parts(head.clone(), body));
    complete(&layer(), head, started.map_err(Error::Service)?)
}

/// On a thread without a runtime.
async fn posted(mock: &Mock) -> Result<Response<LroBody<Streamed>>, Error<ureq::Error>> {
    let url = mock.url.clone();
    std::thread::spawn(move || post(&url)).join().unwrap()
}

async fn read(response: Response<LroBody<Streamed>>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// More than the 10 MiB that ureq reads into memory by default.
const LARGE: usize = 11 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_final_response_is_returned() {
    let mock = Mock::of(operation(SUCCEEDED)).await;
    let finished = posted(&mock).await.unwrap();
    assert_eq!(finished.operation().unwrap().polls(), 2);
    assert_eq!(read(finished).await, SUCCEEDED);
    assert_eq!(mock.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_operation_is_an_error() {
    let mock = Mock::of(operation(FAILED)).await;
    let Err(Error::Operation(error)) = posted(&mock).await else { panic!() };
    assert!(matches!(error.cause(), Cause::Failed(failed) if failed.to_string().contains("NoDrawing")));
    assert_eq!(mock.simulator.started(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_is_returned_by_the_poll_that_got_it() {
    let result = format!(r#"{{"status": "Succeeded", "result": "{}"}}"#, "x".repeat(LARGE));
    let mock = Mock::of(operation(&result)).await;
    assert_eq!(read(posted(&mock).await.unwrap()).await, result);
    assert_eq!(mock.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_response_that_starts_nothing_passes_through() {
    let mock = Mock::of(Script::new(Reply::http(200).body(vec![b'x'; LARGE]))).await;
    assert_eq!(read(posted(&mock).await.unwrap()).await.len(), LARGE);
    assert_eq!(mock.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_of_tokio_on_the_same_thread_does_not_matter() {
    let mock = Mock::of(operation(SUCCEEDED)).await;
    // Here, as a mistake that blocks the thread, and where tokio wants such things.
    assert_eq!(read(post(&mock.url).unwrap()).await, SUCCEEDED);
    let url = mock.url.clone();
    let finished = tokio::task::spawn_blocking(move || post(&url)).await.unwrap().unwrap();
    assert_eq!(read(finished).await, SUCCEEDED);
    assert_eq!(mock.simulator.started(), 2);
}
