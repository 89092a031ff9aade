//! Stacks that were not made with the layer in mind: bodies without a default, boxed errors, a base address below the layer, and
//! start responses that somebody has already.

use std::time::Duration;

use http::{Request, Response, Uri};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_lro::{
    AddressErrorKind, Boxed, Cause, Error, LroBody, LroLayer, LroOverrides, Operation, OperationError, OperationState,
    ResponseExt,
    simulator::{Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{accepted, answering, exact, operation, polls, start, text};

const DONE: &[&str] = &[r#"{"status": "Succeeded"}"#];

/// A body without a default.
struct Package(&'static str);

/// Starts with what has a body, and is polled with what has none.
async fn by_body(request: Request<Package>) -> Result<Response<String>, BoxError> {
    match request.body().0 {
        "nothing" => Ok(Response::new(DONE[0].to_owned())),
        "a drawing" => accepted("/operations/1"),
        _ => Err("neither".into()),
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_without_a_default_are_made_by_a_function() {
    let layer = exact().empty_body(|| Package("nothing"));
    let client = layer.layer(service_fn(by_body));
    let request = |body| Request::post("https://example.com/start").body(Package(body)).unwrap();
    let response = client.clone().oneshot(request("a drawing")).await.unwrap();
    assert_eq!(response.operation().unwrap().polls(), 1);
    assert_eq!(text(response).await, DONE[0]);

    let mut off = request("a drawing");
    off.extensions_mut().insert(LroOverrides::disabled());
    assert_eq!(client.clone().oneshot(off).await.unwrap().status(), 202);
    let Err(Error::Service(error)) = client.oneshot(request("x")).await else { panic!() };
    assert_eq!(error.to_string(), "neither");
    assert_eq!(format!("{layer:?}"), format!("{:?}", exact()));
}

#[tokio::test(start_paused = true)]
async fn boxed_errors_need_no_map_err_and_are_found() {
    // As kube has it: a buffer over a boxed service, whose body has no default.
    let refused = |_| async { Err::<Response<String>, BoxError>("refused".into()) };
    for (path, service) in [
        ("/start", BoxCloneSyncService::new(service_fn(by_body))),
        ("/refused", BoxCloneSyncService::new(service_fn(refused))),
    ] {
        let client = ServiceBuilder::new()
            .buffer(8)
            .layer(exact().max_wait(Duration::ZERO).empty_body(|| Package("nothing")).box_errors())
            .buffer(8)
            .service(service);
        let request = Request::post(format!("https://example.com{path}")).body(Package("a drawing")).unwrap();
        let error: BoxError = client.oneshot(request).await.unwrap_err();
        let found = OperationError::<Boxed>::find(&error);
        assert_eq!(found.is_some_and(|found| matches!(found.cause(), Cause::Pending { .. })), path == "/start");
        assert!(found.is_some() || error.to_string() == "refused", "{error:?}");
    }
}

/// Puts a base address before paths, as octocrab and kube do.
fn at_base<S>(
    base: &'static str,
    service: S,
) -> impl tower::Service<Request<String>, Response = S::Response, Error = S::Error, Future = S::Future> + Clone
where
    S: tower::Service<Request<String>> + Clone,
{
    ServiceBuilder::new()
        .map_request(move |mut request: Request<String>| {
            assert!(request.uri().host().is_none(), "{}", request.uri());
            *request.uri_mut() = format!("{base}{}", request.uri()).parse().unwrap();
            request
        })
        .service(service)
}

#[tokio::test(start_paused = true)]
async fn a_base_path_below_the_layer_is_understood() {
    const MONITOR: &str = "https://api.test/k8s/c1/operations/1?a=b";
    for (base, location, expected) in [
        ("https://api.test/k8s/c1", "https://api.test/k8s/c1/operations/1?a=b", Ok(MONITOR)),
        ("https://api.test/k8s/c1", "http://api.test/k8s/c1/operations/1?a=b", Ok(MONITOR)),
        ("https://api.test/k8s/c1", "/k8s/c1/operations/1?a=b", Ok(MONITOR)),
        // The address of a service that does not know of the proxy before it.
        ("https://api.test/k8s/c1", "/operations/1?a=b", Ok(MONITOR)),
        ("https://api.test/k8s/c1", "operations/1?a=b", Ok(MONITOR)),
        ("https://api.test/k8s/c1/", "operations/1?a=b", Ok(MONITOR)),
        ("https://api.test", "https://api.test/operations/1", Ok("https://api.test/operations/1")),
        ("https://api.test/k8s/c1", "https://evil.test/k8s/c1/operations/1", Err(AddressErrorKind::Untrusted)),
    ] {
        let (service, log) = answering(operation(location, DONE));
        let layer = exact().base_uri(Uri::from_static(base));
        let client = layer.layer(at_base(base.trim_end_matches('/'), service));
        let outcome = client.oneshot(Request::post("/start").body(String::new()).unwrap()).await;
        match expected {
            Ok(uri) => {
                assert_eq!(log.uris()[1], uri, "{location}");
                assert_eq!(outcome.unwrap().operation().unwrap().state(), OperationState::Succeeded);
            }
            Err(kind) => {
                let Err(Error::Operation(error)) = outcome else { panic!("{location}") };
                assert!(matches!(error.cause(), Cause::Address(error) if error.kind() == kind), "{error}");
            }
        }
    }
}

/// A proxy passes on the path that its own client has sent.
#[tokio::test(start_paused = true)]
async fn two_slashes_at_the_beginning_of_a_path_name_no_host() {
    for layer in [exact(), exact().base_uri(Uri::from_static("https://api.good.example"))] {
        for (path, monitor, asked) in [
            ("//v1/jobs", "/operations/1", "/operations/1"),
            ("//v1/jobs", "1", "/.//v1/1"),
            ("//v1/jobs", "?operation=1", "/.//v1/jobs?operation=1"),
            ("//v1/jobs", "https://api.good.example/operations/1", "/operations/1"),
            // A slash, as URLs are read.
            ("/\\v1/jobs", "1", "/.//v1/1"),
        ] {
            let (service, log) = answering(operation(monitor, DONE));
            let start = Request::post(path).header("host", "api.good.example").body(String::new()).unwrap();
            let response = layer.clone().layer(service).oneshot(start).await.unwrap();
            assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded, "{monitor}");
            assert_eq!(log.uris()[1], asked, "{monitor}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_no_path_becomes_no_part_of_a_host() {
    for host in [None, Some("api.test")] {
        let (service, log) = answering(operation("/operations/1", DONE));
        let mut request = Request::options("*").body(String::new()).unwrap();
        request.headers_mut().extend(host.map(|host| (http::header::HOST, host.parse().unwrap())));
        assert_eq!(exact().layer(service).oneshot(request).await.unwrap().status(), 200);
        assert_eq!(log.uris(), ["*", "/operations/1"], "{host:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_says_that_the_request_had_no_host() {
    let (service, _) = answering(operation("https://api.test/operations/1", DONE));
    let outcome = exact().layer(service).oneshot(Request::post("/start").body(String::new()).unwrap()).await;
    let Err(Error::Operation(error)) = outcome else { panic!() };
    assert!(matches!(error.cause(), Cause::Address(error) if error.kind() == AddressErrorKind::NoRequestHost));
    let text = error.to_string();
    assert!(text.contains("the request had no host") && text.contains("LroLayer::base_uri"), "{text}");
}

/// Sends the start past the layer, and hands its response to it.
async fn follow(
    layer: LroLayer,
    script: Script,
) -> (Result<Response<LroBody<SimulatorBody>>, String>, Vec<(String, usize)>) {
    let simulator = Simulator::new().script(script).recording();
    let request = start();
    let mut copy = Request::builder().method("POST").uri(request.uri()).header("x-a", "b");
    copy.extensions_mut().unwrap().insert(LroOverrides::new(|layer| layer.max_consecutive_failures(0)));
    let (head, ()) = copy.body(()).unwrap().into_parts();
    let response = simulator.clone().oneshot(request).await.unwrap();
    let outcome = layer.follow::<_, Request<SimulatorBody>>(head, response, simulator.clone()).await;
    let polls = simulator.recorded().split_off(1);
    assert!(polls.iter().all(|poll| poll.method == "GET" && poll.headers["x-a"] == "b"));
    let polls = polls.iter().map(|poll| (poll.uri.path().to_owned(), poll.body_bytes)).collect();
    (outcome.map_err(|error| format!("{error:?}")), polls)
}

#[tokio::test(start_paused = true)]
async fn a_start_response_that_one_already_has_is_followed_to_the_end() {
    let (outcome, polls) = follow(exact(), Script::azure_maps()).await;
    let response = outcome.unwrap();
    assert_eq!(response.operation().map(Operation::polls), Some(3));
    assert!(text(response).await.contains("Succeeded"));
    assert_eq!(polls.len(), 3);
    assert!(polls.iter().all(|poll| *poll == ("/operations/00000001-add9-4ef7-9788-1635bed9a87e".to_owned(), 0)));
}

#[tokio::test(start_paused = true)]
async fn what_starts_nothing_is_returned_as_it_is() {
    let (outcome, polls) = follow(exact(), Script::azure_maps_invalid()).await;
    let response = outcome.unwrap();
    assert_eq!((response.status().as_u16(), response.operation().is_none(), polls.len()), (400, true, 0));
    assert!(text(response).await.contains("not a valid drawing package"));
    let (outcome, polls) = follow(LroLayer::disabled(), Script::azure_maps()).await;
    assert_eq!((outcome.unwrap().status().as_u16(), polls.len()), (202, 0));

    // A layer below has polled it already.
    let client = exact().layer(Simulator::new());
    let response = client.clone().oneshot(start()).await.unwrap();
    let (head, _) = start().into_parts();
    let response = exact().follow::<_, Request<SimulatorBody>>(head, response, client).await.unwrap();
    assert_eq!(response.operation().map(Operation::polls), Some(3));
}

#[tokio::test(start_paused = true)]
async fn settings_among_the_extensions_of_the_head_count() {
    let (outcome, polls) = follow(exact(), polls([Reply::http(503), Reply::status("Succeeded")])).await;
    assert!(outcome.unwrap_err().contains("Monitor"));
    assert_eq!(polls.len(), 1);
}

#[test]
fn without_a_timer_the_operation_is_not_lost() {
    let service = service_fn(|_: Request<String>| async { accepted("/operations/1") });
    let (head, _) = start().into_parts();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let followed = exact().follow(head, accepted("/operations/1").unwrap(), service);
    let Err(Error::Operation(error)) = runtime.block_on(followed) else { panic!() };
    assert!(matches!(error.cause(), Cause::NoTimer));
    assert_eq!(error.operation().monitor().path(), "/operations/1");
}
