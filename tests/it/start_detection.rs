//! Which responses start an operation; all others pass through as if the layer were not there.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, ServiceExt, service_fn};
use tower_lro::{
    LroLayer, OperationState, Protocol, ResponseExt,
    simulator::{Reply, Script, Simulator},
};

use crate::support::{exact, play, polls, send, start, text};

/// Counts how often it is touched in any way.
#[derive(Clone, Default)]
struct Touchy(Arc<AtomicUsize>);

impl Body for Touchy {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.0.fetch_add(1, Ordering::SeqCst);
        SizeHint::default()
    }
}

async fn passes_through_untouched(layer: LroLayer, head: fn() -> http::response::Builder) {
    let touched = Touchy::default();
    let body = touched.clone();
    let service = service_fn(move |_: Request<()>| {
        let body = body.clone();
        async move { Ok::<_, Infallible>(head().extension("from below").body(body).unwrap()) }
    });
    let request = Request::post("https://example.com/start").body(()).unwrap();
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let expected = head().body(()).unwrap();
    assert_eq!(response.status(), expected.status());
    assert_eq!(response.headers(), expected.headers());
    assert_eq!(response.extensions().get(), Some(&"from below"));
    assert_eq!(response.extensions().len(), 1);
    assert_eq!(touched.0.load(Ordering::SeqCst), 0, "the body was touched");
}

#[tokio::test]
async fn responses_other_than_202_with_operation_location_pass_through() {
    let heads: [fn() -> http::response::Builder; 9] = [
        || Response::builder().status(200),
        || Response::builder().status(200).header("operation-location", "/operations/1"),
        || Response::builder().status(201).header("operation-location", "/operations/1"),
        || Response::builder().status(204).header("operation-location", "/operations/1"),
        || Response::builder().status(202),
        || Response::builder().status(202).header("location", "/blobs/uploads/1"),
        || Response::builder().status(400).header("operation-location", "/operations/1"),
        || Response::builder().status(500).header("operation-location", "/operations/1").header("retry-after", "1"),
        || Response::builder().status(302).header("location", "/elsewhere"),
    ];
    for head in heads {
        passes_through_untouched(LroLayer::new(), head).await;
    }
}

#[tokio::test]
async fn the_location_protocol_is_opt_in_and_wants_a_202() {
    let layer = || LroLayer::new().protocol(Protocol::location());
    passes_through_untouched(layer(), || Response::builder().status(201).header("location", "/things/1")).await;
    passes_through_untouched(layer(), || Response::builder().status(202)).await;
    passes_through_untouched(LroLayer::disabled(), || {
        Response::builder().status(202).header("operation-location", "/operations/1")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn any_method_starts_an_operation() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
        let mut request = start();
        *request.method_mut() = method.parse().unwrap();
        let (outcome, requests) = send(exact(), Script::azure_maps(), request).await;
        assert_eq!(outcome.unwrap().operation().unwrap().state(), OperationState::Succeeded, "{method}");
        let methods: Vec<_> = requests.iter().map(|request| request.method.as_str()).collect();
        assert_eq!(methods, [method, "GET", "GET", "GET"]);
    }
}

#[tokio::test(start_paused = true)]
async fn azure_maps_validation_errors_pass_through_with_their_body() {
    let (outcome, requests) = play(exact(), Script::azure_maps_invalid()).await;
    let response = outcome.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.operation().is_none());
    assert!(text(response).await.contains("not a valid drawing package"));
    assert_eq!(requests.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn azure_maps_v2_comes_back_as_its_final_status_response() {
    let (outcome, requests) = play(exact(), Script::azure_maps()).await;
    let response = outcome.unwrap();
    assert_eq!(response.status(), 200);
    let operation = response.operation().unwrap();
    let id = "00000001-add9-4ef7-9788-1635bed9a87e";
    assert_eq!((operation.id(), operation.status()), (Some(id), Some("Succeeded")));
    assert_eq!(operation.created(), Some("2021-05-06T07:55:19.5256829+00:00"));
    assert_eq!(operation.monitor(), format!("https://atlas.microsoft.com/operations/{id}").as_str());
    assert_eq!(operation.resource().unwrap(), format!("https://atlas.microsoft.com/resources/{id}").as_str());
    assert_eq!((operation.polls(), operation.state(), operation.error()), (3, OperationState::Succeeded, None));
    let body = format!(
        " {{\n    \"operationId\": \"{id}\",\n    \"created\": \"2021-05-06T07:55:19.5256829+00:00\",\n    \"status\": \"Succeeded\"\n}}"
    );
    assert_eq!(text(response).await, body);
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[0].body_bytes, "a drawing package".len());
    assert!(requests[1..].iter().all(|poll| poll.body_bytes == 0));
}

#[tokio::test(start_paused = true)]
async fn azure_maps_v2_failures_are_handed_over_with_their_error() {
    let (outcome, _) = play(exact(), Script::azure_maps_failed()).await;
    let response = outcome.unwrap();
    let operation = response.operation().unwrap().clone();
    assert_eq!((operation.state(), response.status().as_u16()), (OperationState::Failed, 200));
    assert_eq!(operation.created(), Some("3/11/2020 8:45:13 PM +00:00"));
    let failure = operation.error().unwrap();
    assert_eq!((failure.code(), failure.details()[0].code()), (Some("InvalidFeature"), Some("NoGeometry")));
    let error = response.error_for_operation().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the operation failed: [InvalidFeature] The provided feature is invalid. — NoGeometry: No geometry was provided with the feature."
    );
}

#[tokio::test(start_paused = true)]
async fn azure_maps_v1_ends_with_201_and_the_resources_location() {
    let layer = exact().protocol(Protocol::location());
    let (outcome, requests) = play(layer, Script::azure_maps_v1()).await;
    let response = outcome.unwrap();
    assert_eq!(response.status(), 201);
    let operation = response.operation().unwrap();
    assert_eq!(operation.state(), OperationState::Succeeded);
    assert_eq!(operation.created(), Some("3/11/2020 8:45:13 PM +00:00"));
    let resource = "https://atlas.microsoft.com/resources/00000001-add9-4ef7-9788-1635bed9a87e";
    assert_eq!(operation.resource().unwrap(), resource);
    assert!(text(response).await.contains(&format!("\"resourceLocation\": \"{resource}\"")));
    assert_eq!(requests.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_location_of_a_monitor_is_that_of_a_resource_if_it_was_created() {
    for (status, resource) in [(201, Some("https://atlas.microsoft.com/things/1")), (200, None)] {
        let last = Reply::http(status).header("location", "/things/1");
        let script = Script::new(Reply::http(202).header("location", "/operations/{id}")).polls([last]);
        let (outcome, _) = play(exact().protocol(Protocol::location()), script).await;
        let response = outcome.unwrap();
        let operation = response.operation().unwrap();
        assert_eq!(operation.resource().map(ToString::to_string).as_deref(), resource);
    }
}

#[tokio::test(start_paused = true)]
async fn operation_location_beats_location_whichever_protocols_are_on() {
    let script =
        || Script::new(Reply::accepted().header("location", "/resources/here")).polls([Reply::status("Succeeded")]);
    for layer in [
        exact(),
        exact().protocol(Protocol::location()),
        exact().protocols([Protocol::location(), Protocol::operation_location()]),
        exact().protocols([Protocol::location()]),
    ] {
        let (outcome, requests) = play(layer, script()).await;
        assert!(requests[1].uri.path().starts_with("/operations/"));
        let response = outcome.unwrap();
        assert_eq!(response.operation().unwrap().resource().unwrap(), "https://atlas.microsoft.com/resources/here");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_in_the_requests_extensions_replace_the_layers() {
    let mut request = start();
    request.extensions_mut().insert(LroLayer::disabled());
    let (outcome, requests) = send(exact(), Script::azure_maps(), request).await;
    assert_eq!((outcome.unwrap().status().as_u16(), requests.len()), (202, 1));

    let mut request = start();
    request.extensions_mut().insert(exact());
    let (outcome, requests) = send(LroLayer::disabled(), Script::azure_maps(), request).await;
    assert_eq!((outcome.unwrap().status().as_u16(), requests.len()), (200, 4));

    let mut request = start();
    request.extensions_mut().insert(exact());
    let (outcome, _) = send(exact().protocol(Protocol::location()), Script::azure_maps_v1(), request).await;
    assert_eq!(outcome.unwrap().status(), 202, "the layer's protocols were spoken too");
}

#[tokio::test(start_paused = true)]
async fn a_layer_within_another_leaves_nothing_to_do() {
    // The final response is itself a 202 that names its monitor.
    let done = Reply::http(202).header("operation-location", "/operations/x").body(r#"{"status": "Succeeded"}"#);
    let simulator = Simulator::new().script(polls([done])).recording();
    let service = exact().layer(exact().layer(simulator.clone()));
    let response = service.oneshot(start()).await.unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(response.operation().unwrap().polls(), 1);
    assert_eq!(simulator.recorded().len(), 2);
}
