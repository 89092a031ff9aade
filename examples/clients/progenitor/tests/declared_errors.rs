//! A specification that declares error responses: the client tries to read a body of JSON from them.

use mock::{FAILED, Mock, SUCCEEDED, layer, operation};
use progenitor_client::{ClientHooks, Error, OperationInfo};
use progenitor_example::{execute, failure, refusal};
use reqwest::{Request, Response};
use tower_lro::{
    Cause, LroLayer,
    simulator::{Reply, Script},
};

use self::conversions::{Client, types::Drawing};

mod conversions {
    progenitor::generate_api!(spec = "tests/declared_errors.json", inner_type = tower_lro::LroLayer);
}

impl ClientHooks<LroLayer> for Client {
    async fn exec(&self, request: Request, _: &OperationInfo) -> reqwest::Result<Response> {
        execute(self, request).await
    }

    async fn post<E>(&self, result: &reqwest::Result<Response>, _: &OperationInfo) -> Result<(), Error<E>> {
        refusal(result).map_or(Ok(()), Err)
    }
}

fn drawing() -> Drawing {
    Drawing { name: "a".to_owned() }
}

fn assert_is_found<E>(error: &Error<E>) {
    assert!(!error.is_retryable());
    let found = failure(error).expect("the service accepted the request");
    assert!(matches!(found.cause(), Cause::Failed(failed) if failed.to_string().contains("NoDrawing")));
}

#[tokio::test]
async fn a_failed_operation_is_found_where_4xx_and_5xx_are_declared() {
    let mock = Mock::of(operation(FAILED)).await;
    let client = Client::new(&mock.url, layer());
    assert_is_found(&client.start_conversion(&drawing()).await.unwrap_err());
    assert_eq!(mock.simulator.started(), 1);
}

#[tokio::test]
async fn a_failed_operation_is_found_where_a_default_is_declared() {
    let mock = Mock::of(operation(FAILED)).await;
    let client = Client::new(&mock.url, layer());
    assert_is_found(&client.start_import(&drawing()).await.unwrap_err());
    assert_eq!(mock.simulator.started(), 1);
}

#[tokio::test]
async fn the_final_response_is_returned() {
    let mock = Mock::of(operation(SUCCEEDED)).await;
    let client = Client::new(&mock.url, layer());
    client.start_conversion(&drawing()).await.unwrap();
    assert_eq!(client.start_import(&drawing()).await.unwrap().pages, Some(3));
}

#[tokio::test]
async fn an_error_of_the_service_is_the_declared_one_and_no_operation() {
    let refusal = Reply::json(r#"{"message": "There is no such name."}"#).code(400);
    let mock = Mock::of(Script::new(refusal)).await;
    let client = Client::new(&mock.url, layer());
    let error = client.start_conversion(&drawing()).await.unwrap_err();
    assert!(failure(&error).is_none());
    let Error::ErrorResponse(problem) = error else { panic!("{error:?}") };
    assert_eq!(problem.message, "There is no such name.");
}
