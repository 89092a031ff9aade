//! Operations that a client of progenitor starts.

use mock::{FAILED, Mock, SUCCEEDED, layer, operation};
use progenitor_example::{
    conversions::{Client, types::Drawing},
    failure,
};
use tower_lro::Cause;

fn drawing() -> Drawing {
    Drawing { name: "a".to_owned() }
}

#[tokio::test]
async fn the_final_response_is_returned() {
    let mock = Mock::of(operation(SUCCEEDED)).await;
    let client = Client::new(&mock.url, layer());
    client.start_conversion(&drawing()).await.unwrap();
    assert_eq!(mock.requests().len(), 3);
    let finished = client.start_import(&drawing()).await.unwrap();
    assert_eq!((finished.status.as_str(), finished.pages), ("Succeeded", Some(3)));
}

#[tokio::test]
async fn a_failed_operation_is_an_error_that_is_found() {
    let mock = Mock::of(operation(FAILED)).await;
    let client = Client::new(&mock.url, layer());
    let error = client.start_conversion(&drawing()).await.unwrap_err();
    assert!(!error.is_retryable());
    let found = failure(&error).unwrap();
    assert!(matches!(found.cause(), Cause::Failed(failed) if failed.to_string().contains("NoDrawing")));
    assert_eq!(mock.simulator.started(), 1);
}
