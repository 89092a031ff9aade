//! Operations that a pipeline of azure_core starts.

use std::sync::Arc;

use azure_core::http::{
    ClientOptions, Context, ExponentialRetryOptions, Method, Pipeline, RawResponse, Request, RetryOptions, StatusCode,
};
use azure_core_example::LroPolicy;
use mock::{FAILED, Mock, SUCCEEDED, layer, operation};
use tower_lro::{
    Cause, LroLayer, OperationError,
    simulator::{Reply, Script},
};

/// A client as the crates of the SDK make theirs of the options of their users.
async fn post(mock: &Mock, layer: LroLayer) -> azure_core::Result<RawResponse> {
    let retry = RetryOptions::exponential(ExponentialRetryOptions {
        initial_delay: azure_core::time::Duration::milliseconds(1),
        max_retries: 2,
        ..ExponentialRetryOptions::default()
    });
    let options =
        ClientOptions { per_call_policies: vec![Arc::new(LroPolicy(layer))], retry, ..ClientOptions::default() };
    let pipeline = Pipeline::new(Some("example"), Some("0.0.0"), options, vec![], vec![], None);
    let mut request = Request::new(format!("{}/conversions", mock.url).parse().unwrap(), Method::Post);
    request.set_body("{}");
    pipeline.send(&Context::new(), &mut request, None).await
}

#[tokio::test]
async fn the_final_response_is_returned() {
    let mock = Mock::of(operation(SUCCEEDED)).await;
    let finished = post(&mock, layer()).await.unwrap();
    assert_eq!(finished.status(), StatusCode::Ok);
    assert_eq!(finished.body().as_ref(), SUCCEEDED.as_bytes());
    assert_eq!(mock.requests().len(), 3);
}

#[tokio::test]
async fn a_failed_operation_is_an_error_that_is_found() {
    let mock = Mock::of(operation(FAILED)).await;
    let error = post(&mock, layer()).await.unwrap_err();
    let error: &(dyn std::error::Error + 'static) = &error;
    let found = OperationError::<azure_core::Error>::find(error).unwrap();
    assert!(matches!(found.cause(), Cause::Failed(failed) if failed.to_string().contains("NoDrawing")));
}

#[tokio::test]
async fn polls_are_retried_and_the_start_request_is_not() {
    let started = Reply::http(202).header("operation-location", "{origin}/operations/{id}");
    let mock = Mock::of(Script::new(started).polls([Reply::http(503)])).await;
    let error = post(&mock, layer().max_consecutive_failures(0)).await.unwrap_err();
    let error: &(dyn std::error::Error + 'static) = &error;
    let found = OperationError::<azure_core::Error>::find(error).unwrap();
    assert!(matches!(found.cause(), Cause::Monitor(response) if response.status() == 503));
    let polls = mock.requests().iter().filter(|request| request.starts_with("GET")).count();
    assert_eq!((mock.simulator.started(), polls), (1, 3));
}
