//! Over real connections.

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tower::{Layer, ServiceExt};
use tower_lro::{
    OperationState, ResponseExt,
    simulator::{Fault, Reply, Script, Simulator},
};

use crate::support::{Server, quick, text};

type Body = Full<bytes::Bytes>;

fn client() -> Client<hyper_util::client::legacy::connect::HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http()
}

fn post(server: &Server) -> Request<Body> {
    Request::post(server.url("/mapData")).body("a drawing package".into()).unwrap()
}

fn running(polls: usize, reply: impl Fn(usize) -> Reply) -> Script {
    Script::azure_maps().polls((0..polls).map(reply).chain([Reply::status("Succeeded")]))
}

#[tokio::test]
async fn an_operation_with_20_polls_uses_one_connection() {
    // Bodies of all kinds: with a length, in chunks, empty, and of failures and redirects.
    let script = running(19, |poll| match poll % 5 {
        0 => Reply::status("Running"),
        1 => Reply::status("Running").chunks(7),
        2 => Reply::http(202),
        3 => Reply::http(503).body("later"),
        _ => Reply::status_with_result("Running", 100_000),
    });
    let simulator = Simulator::new().script(script).recording();
    let server = Server::of(&simulator).await;
    let response = quick().layer(client()).oneshot(post(&server)).await.unwrap();
    assert_eq!(response.operation().unwrap().polls(), 20);
    assert!(text(response).await.contains("Succeeded"));
    assert_eq!((simulator.recorded().len(), server.connections()), (21, 1));
}

#[tokio::test]
async fn a_result_streams_and_its_head_says_how_long_it_is() {
    const RESULT: usize = 10_000_000;
    let simulator =
        Simulator::new().script(Script::azure_maps().polls([Reply::status_with_result("Succeeded", RESULT)]));
    let server = Server::of(&simulator).await;
    let response = quick().layer(client()).oneshot(post(&server)).await.unwrap();
    let length: u64 = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(length));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len() as u64, length);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn connections_that_break_are_failed_polls() {
    let script = Script::azure_maps().polls([
        Reply::http(200).fault(Fault::Refused),
        Reply::status("Running").fault(Fault::BrokenAfter(20)),
        Reply::status("Running").chunks(5).fault(Fault::BrokenAfter(20)),
        Reply::status("Running"),
        Reply::status("Succeeded"),
    ]);
    let simulator = Simulator::new().script(script).recording();
    let server = Server::of(&simulator).await;
    let response = quick().layer(client()).oneshot(post(&server)).await.unwrap();
    assert_eq!((response.status(), simulator.started()), (StatusCode::OK, 1));
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
}

#[tokio::test]
async fn a_connection_without_a_client_will_do() {
    // hyper's own connection wants addresses without a host, and a `Host` header.
    let simulator = Simulator::new();
    let server = Server::of(&simulator).await;
    let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let sender = std::sync::Arc::new(tokio::sync::Mutex::new(sender));
    let service = tower::service_fn(move |request: Request<Body>| {
        let sender = sender.clone();
        async move { sender.lock().await.send_request(request).await }
    });
    let request = Request::post("/mapData").header("host", server.address.to_string()).body("package".into()).unwrap();
    let response = quick().layer(service).oneshot(request).await.unwrap();
    assert_eq!(response.operation().unwrap().monitor(), "/operations/00000001-add9-4ef7-9788-1635bed9a87e");
    assert!(text(response).await.contains("Succeeded"));
}
