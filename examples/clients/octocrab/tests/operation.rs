//! Operations that octocrab starts.

use hyper_util::client::legacy;
use mock::{FAILED, Mock, SUCCEEDED, layer, operation};
use octocrab_example::client;
use serde_json::{Value, json};
use tower_lro::{Cause, OperationError};

#[tokio::test]
async fn the_final_response_is_returned() {
    let mock = Mock::of(operation(SUCCEEDED)).await;
    let octocrab = client(mock.url.parse().unwrap(), layer()).unwrap();
    let finished: Value = octocrab.post("/conversions", Some(&json!({"name": "a"}))).await.unwrap();
    assert_eq!(finished["pages"], 3);
    assert_eq!(mock.requests().len(), 3);
}

#[tokio::test]
async fn a_failed_operation_is_an_error_that_is_found() {
    let mock = Mock::of(operation(FAILED)).await;
    let octocrab = client(mock.url.parse().unwrap(), layer()).unwrap();
    let error = octocrab.post::<_, Value>("/conversions", Some(&json!({"name": "a"}))).await.unwrap_err();
    let octocrab::Error::Service { source, .. } = &error else { panic!("{error:?}") };
    let found = OperationError::<legacy::Error>::find(source).unwrap();
    assert!(matches!(found.cause(), Cause::Failed(failed) if failed.to_string().contains("NoDrawing")));
    assert_eq!(mock.simulator.started(), 1);
}
