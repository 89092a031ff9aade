//! Both versions of reqwest in one program, with one layer: neither makes the other ambiguous.
#![cfg(feature = "both")]

use std::time::Duration;

use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_lro::{
    Cause, LroLayer, OperationError, OperationState, ResponseExt,
    simulator::{Reply, Script, Simulator},
};

/// The address of a simulator on a loopback port.
async fn serve(script: Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mapData", listener.local_addr().unwrap());
    let simulator = Simulator::new().script(script);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(simulator.clone());
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

fn layer() -> LroLayer {
    LroLayer::new().max_delay(Duration::from_millis(1))
}

#[tokio::test]
async fn one_layer_goes_into_the_clients_of_both() {
    let url = serve(Script::azure_maps()).await;
    let old = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(layer()).build();
    let new = reqwest_middleware_0_5::ClientBuilder::new(reqwest_0_13::Client::new()).with(layer()).build();
    let old = old.post(&url).send().await.unwrap();
    let new = new.post(&url).send().await.unwrap();
    for operation in [old.operation(), new.operation()] {
        assert_eq!(operation.unwrap().state(), OperationState::Succeeded);
    }

    let request = reqwest::Client::new().post(&url).build().unwrap();
    let response = layer().layer(reqwest::Client::new()).oneshot(request).await.unwrap();
    assert!(response.error_for_operation().is_ok());
    let request = reqwest_0_13::Client::new().post(&url).build().unwrap();
    let response = layer().layer(reqwest_0_13::Client::new()).oneshot(request).await.unwrap();
    assert!(response.error_for_operation().is_ok());
}

#[tokio::test]
async fn the_errors_of_both_are_found_without_a_type_being_named() {
    let url = serve(Script::azure_maps().polls([Reply::http(403)])).await;
    let old = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(layer()).build();
    let new = reqwest_middleware_0_5::ClientBuilder::new(reqwest_0_13::Client::new()).with(layer()).build();
    let error = old.post(&url).send().await.unwrap_err();
    assert!(matches!(OperationError::find(&error).unwrap().cause(), Cause::Monitor(_)));
    let error = new.post(&url).send().await.unwrap_err();
    assert!(matches!(OperationError::find(&error).unwrap().cause(), Cause::Monitor(_)));
}
