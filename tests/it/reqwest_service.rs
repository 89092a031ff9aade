//! The integration for `reqwest::Client` as a tower service.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use reqwest::{Body, Method, Request};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_lro::{
    Cause, Error, LroLayer, LroOverrides, OperationState, ResponseExt, Resume,
    simulator::{Fault, Reply, Script, Simulator},
};

use crate::support::{Server, chain, polls, quick};

fn post(server: &Server) -> Request {
    let mut request = Request::new(Method::POST, server.url("/mapData?api-version=2.0").parse().unwrap());
    *request.body_mut() = Some("package".into());
    request.headers_mut().insert("authorization", "Bearer token".parse().unwrap());
    request
}

#[tokio::test]
async fn works_over_a_client() {
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    let client = ServiceBuilder::new().layer(quick()).service(reqwest::Client::new());
    let response = client.oneshot(post(&server)).await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
    let monitor = server.url("/operations/00000001-add9-4ef7-9788-1635bed9a87e?api-version=2.0");
    assert_eq!((response.url().as_str(), response.remote_addr()), (monitor.as_str(), Some(server.address)));
    let requests = simulator.recorded();
    assert_eq!(requests[0].body_bytes, 7);
    assert!(requests.iter().all(|request| request.headers["authorization"] == "Bearer token"));
    assert!(response.text().await.unwrap().contains("Succeeded"));
}

#[tokio::test]
async fn passes_through_and_is_switched_off_and_resumed_by_extensions() {
    let simulator = Simulator::new();
    let server = Server::of(&simulator).await;
    let client = ServiceBuilder::new().layer(quick()).service(reqwest::Client::new());
    let with = |builder: http::request::Builder| Request::try_from(builder.body(Body::default()).unwrap()).unwrap();

    let off = http::Request::post(server.url("/")).extension(LroLayer::disabled());
    let response = client.clone().oneshot(with(off)).await.unwrap();
    assert_eq!(response.status(), 202);
    let monitor = response.headers()["operation-location"].to_str().unwrap().to_owned();

    let response = client.clone().oneshot(with(http::Request::get(&monitor))).await.unwrap();
    assert!(response.operation().is_none());
    let resume = http::Request::get(&monitor).extension(Resume::new());
    let response = client.clone().oneshot(with(resume)).await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);

    let nowhere = http::Request::get("http://127.0.0.1:1/");
    let error = client.oneshot(with(nowhere)).await.unwrap_err();
    assert!(matches!(error, Error::Service(error) if error.is_connect()));
}

#[tokio::test]
async fn the_requests_own_timeout_bounds_every_poll() {
    let script = Script::azure_maps().polls([Reply::http(200).fault(Fault::Stalled), Reply::status("Succeeded")]);
    let server = Server::of(&Simulator::new().script(script)).await;
    let client = ServiceBuilder::new().layer(quick()).service(reqwest::Client::new());
    let mut request = post(&server);
    *request.timeout_mut() = Some(std::time::Duration::from_millis(200));
    let response = client.oneshot(request).await.unwrap();
    assert_eq!(response.operation().unwrap().polls(), 2);
}

#[tokio::test]
async fn errors_of_polls_do_not_print_the_key() {
    let server = Server::of(&Simulator::new().script(polls([Reply::http(200).fault(Fault::Refused)]))).await;
    let client = ServiceBuilder::new().layer(quick().max_consecutive_failures(0)).service(reqwest::Client::new());
    let mut request = post(&server);
    request.url_mut().query_pairs_mut().append_pair("subscription-key", "SECRET");
    let Err(Error::Operation(error)) = client.oneshot(request).await else { panic!() };
    let Cause::Service(source) = error.cause() else { panic!("{error:?}") };
    assert!(source.url().unwrap().query().unwrap().contains("subscription-key=***"), "{source}");
    assert!(!format!("{error:?} {source} {source:?}").contains("SECRET"));
}

#[tokio::test]
async fn errors_of_the_start_request_are_not_touched() {
    let client = ServiceBuilder::new().layer(quick()).service(reqwest::Client::new());
    let url = "http://127.0.0.1:1/?subscription-key=KEY";
    let request = reqwest::Client::new().post(url).build().unwrap();
    let Err(Error::Service(error)) = client.oneshot(request).await else { panic!() };
    assert_eq!(error.url().unwrap().as_str(), url);
}

#[tokio::test]
async fn what_resumes_an_operation_is_for_this_layer_alone() {
    let simulator = Simulator::new().script(polls([Reply::status("Succeeded")]));
    let server = Server::of(&simulator).await;
    reqwest::Client::new().post(server.url("/")).send().await.unwrap();
    let http = reqwest::Client::new();
    let inner = tower::service_fn(move |request: reqwest::Request| {
        let seen = http::Request::<reqwest::Body>::try_from(request).unwrap();
        assert!(seen.extensions().get::<Resume>().is_none());
        assert_eq!((seen.extensions().get(), &seen.headers()["x-a"]), (Some(&"kept"), &"b".parse().unwrap()));
        let request = reqwest::Request::try_from(seen).unwrap();
        let http = http.clone();
        async move { http.execute(request).await }
    });
    let request = http::Request::get(server.url("/operations/00000001-add9-4ef7-9788-1635bed9a87e"));
    let request = request.header("x-a", "b").extension(Resume::new()).extension("kept").body(String::new()).unwrap();
    let request = reqwest::Request::try_from(request).unwrap();
    let response = ServiceBuilder::new().layer(quick()).service(inner).oneshot(request).await.unwrap();
    assert_eq!(response.operation().unwrap().polls(), 1);
}

#[tokio::test]
async fn a_request_has_settings_of_its_own_by_way_of_the_form_of_http() {
    let server = Server::of(&Simulator::new().script(polls([Reply::status("Failed")]))).await;
    let client = ServiceBuilder::new().layer(quick()).service(reqwest::Client::new());
    let mut request = post(&server);
    let timeout = std::time::Duration::from_secs(60);
    *request.timeout_mut() = Some(timeout);

    let mut request: http::Request<Body> = request.try_into().unwrap();
    request.extensions_mut().insert(LroOverrides::new(|layer| layer.error_on_failure(true)));
    let request: Request = request.try_into().unwrap();
    assert_eq!(request.timeout(), Some(&timeout));
    assert_eq!(request.body().unwrap().as_bytes(), Some(&b"package"[..]));

    let Err(Error::Operation(error)) = client.clone().oneshot(request).await else { panic!() };
    assert!(matches!(error.cause(), Cause::Failed(_)));
    assert!(client.oneshot(post(&server)).await.is_ok());
}

#[tokio::test]
async fn a_start_response_of_a_client_is_followed_with_that_client() {
    let simulator = Simulator::new().recording();
    let server = Server::of(&simulator).await;
    let client = reqwest::Client::new();
    // Its head has to be taken before it is sent; a body that streams cannot be cloned, and need not.
    let request: http::Request<Body> = post(&server).try_into().unwrap();
    let (head, body) = request.into_parts();
    let request = http::Request::from_parts(head.clone(), body);
    let response = client.execute(request.try_into().unwrap()).await.unwrap();
    assert_eq!(response.status(), 202);
    let response = quick().follow(head, response, client).await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
    assert_eq!((response.url().path(), simulator.started()), ("/operations/00000001-add9-4ef7-9788-1635bed9a87e", 1));
    assert!(simulator.recorded().iter().all(|request| request.headers["authorization"] == "Bearer token"));
}

/// A client whose second request finds it broken.
#[derive(Clone)]
struct Breaks {
    client: reqwest::Client,
    error: Arc<Mutex<Option<reqwest::Error>>>,
    has_sent: bool,
}

impl Service<Request> for Breaks {
    type Response = reqwest::Response;
    type Error = reqwest::Error;
    type Future = <reqwest::Client as Service<Request>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        let error = if self.has_sent { self.error.lock().unwrap().take() } else { None };
        Poll::Ready(error.map_or(Ok(()), Err))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.has_sent = true;
        self.client.call(request)
    }
}

#[tokio::test]
async fn errors_of_a_client_that_is_gone_do_not_show_the_key() {
    let server = Server::of(&Simulator::new()).await;
    let client = reqwest::Client::new();
    let closed = "http://127.0.0.1:1/operations/1?subscription-key=SECRET";
    let error = client.get(closed).send().await.unwrap_err();
    let service = Breaks { client, error: Arc::new(Mutex::new(Some(error))), has_sent: false };
    let error = quick().layer(service).oneshot(post(&server)).await.unwrap_err();
    let Error::Operation(error) = &error else { panic!("{error}") };
    assert!(matches!(error.cause(), Cause::Service(_)), "{error}");
    let printed = format!("{error} {error:?} {error:#?} {:?}", chain(error));
    assert!(printed.contains("subscription-key=***") && !printed.contains("SECRET"), "{printed}");
}

#[tokio::test]
async fn errors_of_polls_through_a_client_with_middleware_below_do_not_print_the_key() {
    let server = Server::of(&Simulator::new().script(polls([Reply::http(200).fault(Fault::Refused)]))).await;
    for is_boxed in [false, true] {
        let mut request = post(&server);
        request.url_mut().query_pairs_mut().append_pair("subscription-key", "SECRET");
        let below = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).build();
        let layer = quick().max_consecutive_failures(0);
        let printed = if is_boxed {
            let below = ServiceBuilder::new().map_err(tower::BoxError::from).service(below);
            let Err(Error::Operation(error)) = layer.layer(below).oneshot(request).await else { panic!() };
            let Cause::Service(source) = error.cause() else { panic!("{error:?}") };
            format!("{error} {error:?} {source} {:?}", source.source().map(ToString::to_string))
        } else {
            let Err(Error::Operation(error)) = layer.layer(below).oneshot(request).await else { panic!() };
            format!("{error:?} {:?}", chain(&error))
        };
        assert!(printed.contains("subscription-key=***") && !printed.contains("SECRET"), "{is_boxed}: {printed}");
    }
}
