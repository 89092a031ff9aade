//! Carrying on with an operation that was left.

use http::Request;
use tower::{Layer, ServiceExt};
use tower_lro::{
    AddressErrorKind, Cause, Error, Operation, OperationState, ResponseExt, Resume,
    simulator::{Fault, Reply, Simulator, SimulatorBody},
};

use crate::support::{exact, polls, seconds, start, start_at};

fn get(operation: &Operation, resume: Resume) -> Request<SimulatorBody> {
    Request::get(operation.monitor()).extension(resume).body(SimulatorBody::default()).unwrap()
}

/// Starts an operation and gives it up after five seconds.
async fn given_up(simulator: &Simulator) -> Operation {
    let layer = exact().timeout(seconds(5));
    let Err(Error::Operation(error)) = layer.layer(simulator.clone()).oneshot(start()).await else { panic!() };
    error.into_parts().0
}

fn long() -> Simulator {
    let running = |n| std::iter::repeat_n(Reply::status("Running"), n);
    let replies = running(6).chain([Reply::status("Succeeded")]);
    Simulator::new().script(tower_lro::simulator::Script::azure_maps().polls(replies)).recording()
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_carried_on_where_it_was_left() {
    let simulator = long();
    let operation = given_up(&simulator).await;
    assert_eq!((operation.polls(), operation.status(), operation.elapsed()), (3, Some("Running"), seconds(5)));
    tokio::time::advance(seconds(100)).await;
    let request = get(&operation, operation.resume());
    let response = exact().layer(simulator.clone()).oneshot(request).await.unwrap();
    let resumed = response.operation().unwrap();
    assert_eq!(
        (resumed.state(), resumed.polls(), resumed.monitor()),
        (OperationState::Succeeded, 7, operation.monitor())
    );
    // The delays begin anew: 1 + 1.5 + 2.25 s.
    assert_eq!(resumed.elapsed().as_millis(), 5000 + 4750);
    assert_eq!(simulator.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_address_alone_will_do() {
    let simulator = long();
    let operation = given_up(&simulator).await;
    let request = get(&operation, Resume::new());
    let response = exact().layer(simulator).oneshot(request).await.unwrap();
    let resumed = response.operation().unwrap();
    assert_eq!(
        (resumed.state(), resumed.polls(), resumed.monitor()),
        (OperationState::Succeeded, 4, operation.monitor())
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_is_a_status_response_like_any_other() {
    for (reply, polls_sent) in [
        (Reply::status("Succeeded"), 1),
        (Reply::accepted(), 2),
        (Reply::http(503), 2),
        (Reply::http(404), 2),
        (Reply::http(200).fault(Fault::Refused), 2),
    ] {
        let simulator = Simulator::new().script(polls([reply, Reply::status("Succeeded")]));
        simulator.clone().oneshot(start()).await.unwrap();
        let uri = "https://atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e";
        let request = Request::get(uri).extension(Resume::new()).body(SimulatorBody::default()).unwrap();
        let response = exact().layer(simulator).oneshot(request).await.unwrap();
        assert_eq!(response.operation().unwrap().polls(), polls_sent);
    }
}

#[tokio::test(start_paused = true)]
async fn its_errors_are_those_of_an_operation() {
    for reply in [Reply::http(200).fault(Fault::Refused), Reply::http(403), Reply::json("{}"), Reply::http(503)] {
        let simulator = Simulator::new().script(polls([reply]));
        simulator.clone().oneshot(start()).await.unwrap();
        let uri = "https://atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e";
        let request = Request::get(uri).extension(Resume::new()).body(SimulatorBody::default()).unwrap();
        let error = exact().max_consecutive_failures(0).layer(simulator).oneshot(request).await.unwrap_err();
        assert_eq!(error.operation().unwrap().monitor(), uri);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_in_the_query_goes_with_the_get_and_not_with_the_operation() {
    let simulator = Simulator::new().subscription_key("secret").script(polls([Reply::status("Running")])).recording();
    let request = start_at("https://atlas.microsoft.com/mapData?subscription-key=secret");
    let error = exact().timeout(seconds(2)).layer(simulator.clone()).oneshot(request).await.unwrap_err();
    let operation = error.operation().unwrap().clone();
    assert_eq!(operation.monitor().query(), None);
    for resume in [operation.resume(), Resume::new()] {
        let uri = format!("{}?subscription-key=secret", operation.monitor());
        let request = Request::get(uri).extension(resume).body(SimulatorBody::default()).unwrap();
        let error = exact().timeout(seconds(2)).layer(simulator.clone()).oneshot(request).await.unwrap_err();
        assert_eq!(error.operation().unwrap().monitor(), operation.monitor());
        let Error::Operation(error) = error else { panic!() };
        assert!(matches!(error.cause(), Cause::Timeout), "{error:?}");
    }
    assert!(simulator.recorded().iter().all(|request| request.uri.query() == Some("subscription-key=secret")));
}

#[tokio::test(start_paused = true)]
async fn the_timeout_counts_from_the_get() {
    let simulator = Simulator::new().script(polls([Reply::http(200).fault(Fault::Stalled)]));
    let operation = given_up(&simulator).await;
    let request = get(&operation, operation.resume());
    let began = tokio::time::Instant::now();
    let error = exact().timeout(seconds(10)).layer(simulator).oneshot(request).await.unwrap_err();
    assert!(matches!(&error, Error::Operation(error) if matches!(error.cause(), Cause::Timeout)), "{error:?}");
    assert_eq!((began.elapsed(), error.operation().unwrap().elapsed()), (seconds(10), seconds(15)));
}

#[tokio::test(start_paused = true)]
async fn nothing_but_a_get_resumes() {
    let simulator = long();
    let operation = given_up(&simulator).await;
    let mut request = start();
    request.extensions_mut().insert(operation.resume());
    let response = exact().layer(simulator.clone()).oneshot(request).await.unwrap();
    // It starts another, and is told as that.
    assert_eq!((response.operation().unwrap().polls(), simulator.started()), (7, 2));
    assert_ne!(response.operation().unwrap().monitor(), operation.monitor());
}

#[tokio::test(start_paused = true)]
async fn addresses_with_a_host_and_without_are_the_same() {
    for (started, host, resumed) in [
        ("/mapData", None, "https://atlas.microsoft.com"),
        ("/mapData", Some("atlas.microsoft.com"), "https://atlas.microsoft.com"),
        ("https://atlas.microsoft.com/mapData", None, ""),
    ] {
        let simulator = long();
        let mut request = start_at(started);
        host.map(|host| request.headers_mut().insert("host", host.parse().unwrap()));
        let layer = exact().timeout(seconds(5));
        let error = layer.layer(simulator.clone()).oneshot(request).await.unwrap_err();
        let operation = error.operation().unwrap().clone();
        let path = format!("{resumed}{}", operation.monitor().path());
        let mut request = Request::get(&path).extension(operation.resume()).body(SimulatorBody::default()).unwrap();
        if resumed.is_empty() {
            request.headers_mut().insert("host", "atlas.microsoft.com".parse().unwrap());
        }
        let response = exact().layer(simulator.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.operation().unwrap().monitor(), path.as_str());
        let last = simulator.recorded().last().unwrap().uri.clone();
        assert_eq!(last, path.as_str(), "{started} {resumed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_another_origin_is_not_polled_with_this_ones_credentials() {
    let simulator = long();
    let operation = given_up(&simulator).await;
    let elsewhere = operation.monitor().to_string().replace("atlas.microsoft.com", "example.com");
    let request = Request::get(elsewhere).extension(operation.resume()).body(SimulatorBody::default()).unwrap();
    let Err(Error::Operation(error)) = exact().layer(simulator).oneshot(request).await else { panic!() };
    let Cause::Address(error) = error.cause() else { panic!("{error:?}") };
    assert_eq!(error.kind(), AddressErrorKind::Untrusted);
}

#[tokio::test(start_paused = true)]
async fn what_polls_carried_over_they_carry_again() {
    let simulator = long();
    let request = start_at("https://atlas.microsoft.com/mapData?api-version=2.0&subscription-key=KEY");
    let layer = exact().timeout(seconds(5));
    let Err(Error::Operation(error)) = layer.layer(simulator.clone()).oneshot(request).await else { panic!() };
    let operation = error.into_parts().0;
    let sent = simulator.recorded().len();
    exact().layer(simulator.clone()).oneshot(get(&operation, operation.resume())).await.unwrap();
    let requests = &simulator.recorded()[sent..];
    // The version; the key is the caller's to give again.
    assert!(requests.len() > 1 && requests.iter().all(|request| request.uri.query() == Some("api-version=2.0")));

    let simulator = long();
    let Err(Error::Operation(error)) = layer.layer(simulator.clone()).oneshot(start()).await else { panic!() };
    let operation = error.into_parts().0;
    let uri = format!("{}?api-version=3.0", operation.monitor());
    let request = Request::get(uri).extension(operation.resume()).body(SimulatorBody::default()).unwrap();
    let sent = simulator.recorded().len();
    exact().layer(simulator.clone()).oneshot(request).await.unwrap();
    assert!(simulator.recorded()[sent..].iter().all(|request| request.uri.query() == Some("api-version=3.0")));
}

#[tokio::test(start_paused = true)]
async fn a_plain_monitor_is_taken_up_by_its_address_alone() {
    let simulator = Simulator::new().script(polls([Reply::http(202), Reply::json(r#"{"matrix": []}"#)]));
    simulator.clone().oneshot(start()).await.unwrap();
    let uri = "https://atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e";
    let request = Request::get(uri).extension(Resume::new()).body(SimulatorBody::default()).unwrap();
    let layer = exact().protocols([tower_lro::Protocol::location()]);
    let response = layer.layer(simulator).oneshot(request).await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_layer_below_does_not_take_the_resumption_for_its_own() {
    let simulator = long();
    let operation = given_up(&simulator).await;
    let inner = exact().layer(tower::service_fn({
        move |request: Request<SimulatorBody>| {
            assert!(request.extensions().get::<Resume>().is_none());
            simulator.clone().oneshot(request)
        }
    }));
    let client = exact().layer(tower::util::MapErr::new(inner, |error: Error<_>| error.to_string()));
    let request = get(&operation, operation.resume());
    // Two layers have two bodies.
    let response = client.oneshot(request).await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
}

/// Starts an operation whose monitor is at `evil.test`, which is allowed, and gives it up.
async fn anonymous(polls: Vec<Reply>) -> (Simulator, tower_lro::LroLayer, Operation) {
    let location = Reply::http(202).header("operation-location", "https://evil.test/operations/{id}");
    let script = tower_lro::simulator::Script::new(location.retry_after(seconds(30))).polls(polls);
    let simulator = Simulator::new().script(script).recording();
    let layer = exact().allow_anonymous_origin("https://evil.test".parse().unwrap());
    let mut request = start();
    request.headers_mut().insert("authorization", "Bearer SECRET".parse().unwrap());
    let outcome = layer.clone().timeout(seconds(5)).layer(simulator.clone()).oneshot(request).await;
    let Err(Error::Operation(error)) = outcome else { panic!() };
    let stored = serde_json::to_string(error.operation()).unwrap();
    (simulator, layer, serde_json::from_str(&stored).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_must_not_see_credentials_never_does_whatever_it_answers() {
    let ended = || Reply::status("Succeeded");
    for moved in [
        // To where it is, and elsewhere there.
        Reply::status("Running").header("operation-location", "https://evil.test/operations/{id}"),
        Reply::status("Running").header("operation-location", "/operations/{id}?moved"),
        Reply::http(307).header("location", "/moved/operations/{id}"),
        Reply::http(303).header("location", "/resources/{id}"),
    ] {
        let (simulator, layer, operation) = anonymous(vec![moved, Reply::http(202), ended()]).await;
        let mut request = get(&operation, operation.resume());
        request.headers_mut().insert("authorization", "Bearer SECRET".parse().unwrap());
        request.extensions_mut().insert("SECRET".to_owned());
        let response = layer.layer(simulator.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
        let requests = simulator.recorded();
        assert!(requests.len() > 2);
        for request in &requests[1..] {
            assert_eq!(request.uri.host(), Some("evil.test"));
            assert!(!request.headers.contains_key("authorization"), "{}", request.uri);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_original_address_that_is_not_known_is_none_to_ask() {
    // It moved there after it was accepted, when nothing of the start request was needed yet.
    let moved = Reply::http(307).header("location", "https://evil.test/operations/{id}");
    let running = Reply::status("Running").retry_after(seconds(30));
    let further = Reply::status("Running").header("operation-location", "/operations/{id}?further");
    let script = tower_lro::simulator::Script::new(Reply::accepted());
    let script = script.polls([moved, running, further, Reply::status("Succeeded")]);
    let simulator = Simulator::new().script(script).recording();
    let layer = exact().allow_anonymous_origin("https://evil.test".parse().unwrap());
    let outcome =
        layer.clone().timeout(seconds(5)).layer(simulator.clone()).oneshot(start_at("https://example.com/a")).await;
    let Err(Error::Operation(error)) = outcome else { panic!() };
    let operation = error.into_parts().0;
    assert!(operation.is_anonymous());
    let sent = simulator.recorded().len();
    let mut request = get(&operation, operation.resume());
    request.headers_mut().insert("authorization", "Bearer SECRET".parse().unwrap());
    let layer = layer.final_response(tower_lro::FinalResponse::OriginalUri);
    let response = layer.layer(simulator.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
    let requests = simulator.recorded();
    assert!(requests.len() > sent);
    assert!(requests[sent..].iter().all(|request| !request.headers.contains_key("authorization")), "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn where_it_was_started_gets_the_credentials_again() {
    let back = Reply::status("Running").header("operation-location", "https://atlas.microsoft.com/operations/{id}");
    let (simulator, layer, operation) = anonymous(vec![back, Reply::status("Succeeded")]).await;
    let mut request = get(&operation, operation.resume());
    request.headers_mut().insert("authorization", "Bearer token".parse().unwrap());
    layer.layer(simulator.clone()).oneshot(request).await.unwrap();
    let last = simulator.recorded().pop().unwrap();
    assert_eq!(
        (last.uri.host(), &last.headers["authorization"]),
        (Some("atlas.microsoft.com"), &"Bearer token".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn the_result_is_where_it_would_have_been() {
    // The monitor is elsewhere, and the result at the address of the start request.
    let location = Reply::http(202).header("operation-location", "https://ops.example/operations/{id}");
    let script =
        tower_lro::simulator::Script::new(location.retry_after(seconds(30))).polls([Reply::status("Succeeded")]);
    let layer =
        exact().protocols([tower_lro::Protocol::azure_core()]).trust_origin("https://ops.example".parse().unwrap());
    let put = |uri| Request::put(uri).body(SimulatorBody::default()).unwrap();
    let simulator = Simulator::new().script(script);
    let whole = layer.layer(simulator.clone()).oneshot(put("https://a.example/one")).await.unwrap();
    let interrupted = layer.clone().timeout(seconds(5)).layer(simulator.clone());
    let outcome = interrupted.oneshot(put("https://a.example/two")).await;
    let Err(Error::Operation(error)) = outcome else { panic!() };
    let operation = error.operation();
    let resumed = layer.layer(simulator).oneshot(get(operation, operation.resume())).await.unwrap();
    let (whole, resumed) = (crate::support::text(whole).await, crate::support::text(resumed).await);
    assert!(whole.contains("\"at\": \"https://a.example/one\""), "{whole}");
    assert_eq!(resumed, whole.replace("00000001", "00000002").replace("one", "two"));
}

#[tokio::test(start_paused = true)]
async fn user_information_of_the_request_is_told_to_nobody() {
    let simulator = Simulator::new().script(polls([Reply::status("Succeeded")]));
    simulator.clone().oneshot(start()).await.unwrap();
    let stored = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let layer = exact().on_event({
        let stored = stored.clone();
        move |event| *stored.lock().unwrap() += &serde_json::to_string(event.operation()).unwrap()
    });
    let uri = "https://user:SECRET@atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e";
    let request = Request::get(uri).extension(Resume::new()).body(SimulatorBody::default()).unwrap();
    layer.layer(simulator).oneshot(request).await.unwrap();
    let stored = stored.lock().unwrap();
    assert!(stored.contains("Succeeded") && !stored.contains("SECRET"), "{stored}");
}
