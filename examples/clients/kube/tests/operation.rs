//! Operations that kube starts.

use http::Request;
use kube::Config;
use kube_example::client;
use mock::{FAILED, Mock, SUCCEEDED, at, layer, operation};
use serde_json::Value;
use tower_lro::{Boxed, Cause, OperationError};

fn start() -> Request<Vec<u8>> {
    Request::post("/apis/example.com/v1/conversions").body(b"{}".to_vec()).unwrap()
}

#[tokio::test]
async fn the_final_response_is_returned() {
    let mock = Mock::of(operation(SUCCEEDED)).await;
    let client = client(Config::new(mock.url.parse().unwrap()), layer()).unwrap();
    let finished: Value = client.request(start()).await.unwrap();
    assert_eq!(finished["pages"], 3);
    assert_eq!(mock.requests().len(), 3);
}

#[tokio::test]
async fn clusters_behind_a_path_are_polled_behind_it() {
    for location in ["{origin}/k8s/clusters/c1/operations/{id}", "/k8s/clusters/c1/operations/{id}", "/operations/{id}"]
    {
        let mock = Mock::of(at(location, SUCCEEDED)).await;
        let url = format!("{}/k8s/clusters/c1", mock.url);
        let client = client(Config::new(url.parse().unwrap()), layer()).unwrap();
        let finished: Value = client.request(start()).await.unwrap();
        assert_eq!(finished["pages"], 3);
        let requests = mock.requests();
        assert!(requests[0].starts_with("POST /k8s/clusters/c1/apis/"), "{requests:?}");
        assert!(requests[1].starts_with("GET /k8s/clusters/c1/operations/"), "{requests:?}");
    }
}

#[tokio::test]
async fn a_failed_operation_is_an_error_that_is_found() {
    let mock = Mock::of(operation(FAILED)).await;
    let client = client(Config::new(mock.url.parse().unwrap()), layer()).unwrap();
    let error = client.request::<Value>(start()).await.unwrap_err();
    let kube::Error::Service(source) = &error else { panic!("{error:?}") };
    let found = OperationError::<Boxed>::find(source).unwrap();
    assert!(matches!(found.cause(), Cause::Failed(failed) if failed.to_string().contains("NoDrawing")));
    assert_eq!(mock.simulator.started(), 1);
}
