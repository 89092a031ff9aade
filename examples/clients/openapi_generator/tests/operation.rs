//! Operations that a client of openapi-generator starts.

use conversions::{
    apis::{
        Error,
        default_api::{start_conversion, start_import},
    },
    models::Drawing,
};
use mock::{FAILED, Mock, SUCCEEDED, layer, operation};
use openapi_generator_example::configuration;
use tower_lro::{Cause, OperationError};

fn drawing() -> Drawing {
    Drawing::new("a".to_owned())
}

#[tokio::test]
async fn the_final_response_is_returned() {
    let mock = Mock::of(operation(SUCCEEDED)).await;
    let configuration = configuration(&mock.url, layer()).unwrap();
    // The client turns a 202 without a body into `()`, whatever the final response has.
    start_conversion(&configuration, drawing()).await.unwrap();
    assert_eq!(mock.requests().len(), 3);
    let finished = start_import(&configuration, drawing()).await.unwrap();
    assert_eq!((finished.status.as_str(), finished.pages), ("Succeeded", Some(3)));
}

#[tokio::test]
async fn a_failed_operation_is_an_error_that_is_found() {
    let mock = Mock::of(operation(FAILED)).await;
    let strict = configuration(&mock.url, layer()).unwrap();
    let Err(Error::ReqwestMiddleware(error)) = start_conversion(&strict, drawing()).await else { panic!() };
    let found = OperationError::find(&error).unwrap();
    assert!(matches!(found.cause(), Cause::Failed(failed) if failed.to_string().contains("NoDrawing")));
    assert_eq!(mock.simulator.started(), 1);

    // Without it nobody would know.
    let lenient = configuration(&mock.url, layer().error_on_failure(false)).unwrap();
    assert!(start_conversion(&lenient, drawing()).await.is_ok());
}
