//! In stacks, with other layers above and below.

use std::{convert::Infallible, future::Ready, time::Duration};

use http::{Request, Response};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn,
    util::{BoxCloneService, ServiceFn},
};
use tower_http::{
    decompression::DecompressionLayer,
    follow_redirect::FollowRedirectLayer,
    timeout::{ResponseBodyTimeoutLayer, TimeoutLayer},
    trace::TraceLayer,
};
use tower_lro::{
    Error, Lro, LroBody, LroLayer, ResponseExt, ResponseFuture,
    simulator::{Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{exact, polls, seconds, start, text};

#[tokio::test(start_paused = true)]
async fn under_and_over_boxes_and_buffers() {
    let simulator = Simulator::new();
    let inner = BoxCloneService::new(simulator.clone());
    let client = ServiceBuilder::new().boxed_clone().layer(exact()).service(inner);
    let response: Response<LroBody<SimulatorBody>> = client.oneshot(start()).await.unwrap();
    assert_eq!(response.status(), 200);

    let client = ServiceBuilder::new()
        .buffer(4)
        .map_err(Error::boxed)
        .layer(exact())
        .buffer(4)
        .concurrency_limit(1)
        .timeout(seconds(10))
        .service(simulator.clone());
    let response = client.oneshot(start()).await.unwrap();
    assert_eq!(response.operation().unwrap().polls(), 3);

    let client = ServiceBuilder::new().layer(exact()).buffer(4).service(simulator.clone());
    assert_eq!(client.oneshot(start()).await.unwrap().status(), 200);
    assert_eq!(simulator.started(), 3);
}

#[tokio::test(start_paused = true)]
async fn over_the_layers_of_tower_http() {
    let simulator = Simulator::new();
    let client = ServiceBuilder::new()
        .layer(exact())
        .layer(TraceLayer::new_for_http())
        .layer(DecompressionLayer::new())
        .layer(FollowRedirectLayer::new())
        // Their bodies have a timer in them, and are not `Unpin`.
        .layer(ResponseBodyTimeoutLayer::new(seconds(5)))
        .service(simulator);
    let response = client.oneshot(start()).await.unwrap();
    assert_eq!(response.operation().unwrap().polls(), 3);
    assert!(text(response).await.contains("Succeeded"));
}

#[tokio::test(start_paused = true)]
async fn under_the_layers_of_tower_http() {
    let client = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(http::StatusCode::GATEWAY_TIMEOUT, seconds(600)))
        .layer(FollowRedirectLayer::new())
        .layer(exact())
        .service(Simulator::new());
    assert_eq!(client.clone().oneshot(start()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_above_bounds_the_operation_and_one_below_bounds_a_poll() {
    let script = || polls([Reply::http(200).delay(seconds(20)), Reply::status("Running"), Reply::status("Succeeded")]);
    let simulator = Simulator::new().script(script());
    let client = ServiceBuilder::new().layer(exact()).timeout(seconds(10)).service(simulator.clone());
    let response = client.oneshot(start()).await.unwrap();
    assert_eq!(response.operation().unwrap().polls(), 3);

    let client = ServiceBuilder::new().timeout(seconds(10)).map_err(Error::boxed).layer(exact()).service(simulator);
    let error = client.oneshot(start()).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>());
}

#[tokio::test(start_paused = true)]
async fn an_authorising_layer_below_gives_every_poll_its_own_token() {
    let token = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let simulator = Simulator::new().recording();
    let client = ServiceBuilder::new()
        .layer(exact())
        .map_request({
            let token = token.clone();
            move |mut request: Request<SimulatorBody>| {
                let next = token.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                request.headers_mut().insert("authorization", format!("Bearer {next}").parse().unwrap());
                request
            }
        })
        .service(simulator.clone());
    client.oneshot(start()).await.unwrap();
    let tokens: Vec<_> = simulator.recorded().iter().map(|r| r.headers["authorization"].clone()).collect();
    assert_eq!(tokens, ["Bearer 0", "Bearer 1", "Bearer 2", "Bearer 3"]);
}

#[tokio::test(start_paused = true)]
async fn as_a_layer_and_as_a_service_it_is_the_same() {
    let mut client = Lro::new(Simulator::new(), exact());
    ServiceExt::<Request<SimulatorBody>>::ready(&mut client).await.unwrap();
    let response = client.call(start()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(client.get_ref().started(), 1);
    assert_eq!(client.get_mut().started(), 1);
    assert_eq!(client.into_inner().started(), 1);
}

#[test]
fn auto_traits_follow_the_inner_types() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync<T: Sync>() {}
    fn is_unpin<T: Unpin>() {}
    let client = LroLayer::new().layer(Simulator::new());
    is_send(&client);
    is_send(&client.oneshot(start()));
    is_sync::<Lro<Simulator>>();
    is_sync::<LroBody<SimulatorBody>>();
    is_unpin::<LroBody<SimulatorBody>>();
    is_sync::<LroLayer>();

    // Also where another timer may be set, whose futures are not `Sync`.
    type Answer = Ready<Result<Response<String>, Infallible>>;
    type Answering = ServiceFn<fn(Request<String>) -> Answer>;
    is_sync::<ResponseFuture<Answering, Request<String>>>();
    is_unpin::<ResponseFuture<Answering, Request<String>>>();

    // A service whose future and response are not `Send` has a place, too.
    let local = service_fn(|_: Request<String>| {
        let not_send = std::rc::Rc::new(());
        async move {
            let _not_send = not_send;
            Ok::<_, BoxError>(Response::new(String::new()))
        }
    });
    drop(LroLayer::new().layer(local).oneshot(Request::new(String::new())));
}

#[test]
fn settings_print_without_secrets_or_surprises() {
    let layer = LroLayer::new()
        .timeout(Duration::from_secs(600))
        .trust_origin("https://*.example.com".parse().unwrap())
        .on_event(|_| {});
    let printed = format!("{layer:?}");
    for part in
        ["operation-location", "timeout: Some(600s)", "example.com", "observers: 1", "max_consecutive_failures: 10"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let _ = Script::default();
}
