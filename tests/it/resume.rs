//! Resuming stored operations by requests to the service.

use http::Request;
use tower::{Layer, ServiceExt};
use tower_lro::{
    AddressErrorKind, Cause, Error, FinalResponse, Operation, OperationState, ResponseExt, Resume,
    simulator::{Fault, Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{chain, exact, polls, seconds, start, start_at};

/// A request to the service, which resumes an operation.
fn resuming(operation: &Operation) -> Request<SimulatorBody> {
    resuming_at("https://atlas.microsoft.com/", operation)
}

fn resuming_at(service: &str, operation: &Operation) -> Request<SimulatorBody> {
    Request::get(service).extension(operation.resume()).body(SimulatorBody::default()).unwrap()
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
async fn an_operation_goes_on_where_it_was_left() {
    let simulator = long();
    let operation = given_up(&simulator).await;
    assert_eq!((operation.polls(), operation.status(), operation.elapsed()), (3, Some("Running"), seconds(5)));
    tokio::time::advance(seconds(100)).await;
    let request = resuming(&operation);
    let response = exact().layer(simulator.clone()).oneshot(request).await.unwrap();
    let resumed = response.operation().unwrap();
    assert_eq!(
        (resumed.state(), resumed.polls(), resumed.monitor()),
        (OperationState::Succeeded, 7, operation.monitor())
    );
    // The time in between counts, and the backoff goes on: it had come to 3.375 s.
    assert_eq!(resumed.elapsed().as_millis() / 10, (105_000 + 5_062 + 7_593 + 11_390) / 10);
    assert_eq!(simulator.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_monitors_address_alone_is_enough() {
    let simulator = long();
    let operation = given_up(&simulator).await;
    let request = Request::get(operation.monitor()).extension(Resume::new()).body(SimulatorBody::default()).unwrap();
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
    let by_address = format!("{}?subscription-key=secret", operation.monitor());
    for (uri, resume) in [
        ("https://atlas.microsoft.com/?subscription-key=secret", operation.resume()),
        (by_address.as_str(), Resume::new()),
    ] {
        let request = Request::get(uri).extension(resume).body(SimulatorBody::default()).unwrap();
        let error = exact().timeout(seconds(2)).layer(simulator.clone()).oneshot(request).await.unwrap_err();
        assert_eq!(error.operation().unwrap().monitor(), operation.monitor());
        let Error::Operation(error) = error else { panic!() };
        assert!(matches!(error.cause(), Cause::Timeout), "{error:?}");
    }
    assert!(simulator.recorded().iter().all(|request| request.uri.query() == Some("subscription-key=secret")));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_the_operations_own() {
    let running = Reply::status("Running").retry_after(seconds(30));
    let simulator = Simulator::new().script(polls([running])).recording();
    // Stored when it was accepted; the process died then.
    let stored = std::sync::Arc::new(std::sync::Mutex::new(None));
    let layer = exact().timeout(seconds(100)).on_event({
        let stored = stored.clone();
        move |event| {
            if let tower_lro::Event::Accepted { operation, .. } = event {
                *stored.lock().unwrap() = Some(serde_json::to_string(operation).unwrap());
            }
        }
    });
    let died = tokio::time::timeout(seconds(40), layer.layer(simulator.clone()).oneshot(start())).await;
    assert!(died.is_err());
    let operation: Operation = serde_json::from_str(stored.lock().unwrap().as_ref().unwrap()).unwrap();
    let began = tokio::time::Instant::now();
    // Whatever the timeout of today's layer is.
    let error = exact().timeout(seconds(5)).layer(simulator.clone()).oneshot(resuming(&operation)).await.unwrap_err();
    assert!(matches!(&error, Error::Operation(error) if matches!(error.cause(), Cause::Timeout)), "{error:?}");
    assert_eq!(began.elapsed().as_millis() / 10, 60_000 / 10);
    assert_eq!(error.operation().unwrap().elapsed().as_millis() / 10, 100_000 / 10);

    // Once it has passed, the stored deadline sends nothing, and is removed.
    let sent = simulator.recorded().len();
    let late = exact().layer(simulator.clone()).oneshot(resuming(&operation)).await.unwrap_err();
    assert!(matches!(&late, Error::Operation(error) if matches!(error.cause(), Cause::Timeout)), "{late:?}");
    assert_eq!((simulator.recorded().len(), late.operation().unwrap().deadline()), (sent, None));

    // Then, and if the request says so, there is a new one.
    let given_up = late.operation().unwrap();
    for (layer, resume) in
        [(exact().timeout(seconds(10)), given_up.resume()), (exact(), operation.resume().timeout(seconds(10)))]
    {
        let began = tokio::time::Instant::now();
        let mut request = resuming(&operation);
        request.extensions_mut().insert(resume);
        let error = layer.layer(simulator.clone()).oneshot(request).await.unwrap_err();
        assert!(matches!(&error, Error::Operation(error) if matches!(error.cause(), Cause::Timeout)), "{error:?}");
        assert_eq!(began.elapsed(), seconds(10));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_but_a_get_resumes() {
    let simulator = long();
    let operation = given_up(&simulator).await;
    let mut request = start();
    request.extensions_mut().insert(operation.resume());
    let response = exact().layer(simulator.clone()).oneshot(request).await.unwrap();
    // It starts another, with events of its own.
    assert_eq!((response.operation().unwrap().polls(), simulator.started()), (7, 2));
    assert_ne!(response.operation().unwrap().monitor(), operation.monitor());
}

#[tokio::test(start_paused = true)]
async fn services_with_a_host_in_their_address_and_without_are_the_same() {
    for (started, host, resumed) in [
        ("/mapData", None, "https://atlas.microsoft.com/"),
        ("/mapData", Some("atlas.microsoft.com"), "https://atlas.microsoft.com/"),
        ("/mapData", None, "/"),
        ("https://atlas.microsoft.com/mapData", Some("atlas.microsoft.com"), "/any/path"),
    ] {
        let simulator = long();
        let mut request = start_at(started);
        let add_host = |request: &mut Request<SimulatorBody>| {
            host.map(|host| request.headers_mut().insert("host", host.parse().unwrap()));
        };
        add_host(&mut request);
        let layer = exact().timeout(seconds(5));
        let error = layer.layer(simulator.clone()).oneshot(request).await.unwrap_err();
        let operation = error.operation().unwrap().clone();
        let mut request = resuming_at(resumed, &operation);
        add_host(&mut request);
        let response = exact().layer(simulator.clone()).oneshot(request).await.unwrap();
        let path = operation.monitor().path();
        let expected =
            if resumed.starts_with('/') { path.to_owned() } else { format!("https://atlas.microsoft.com{path}") };
        assert_eq!(response.operation().unwrap().monitor(), expected.as_str());
        let last = simulator.recorded().last().unwrap().uri.clone();
        assert_eq!(last, expected.as_str(), "{started} {resumed}");
    }
}

/// Tries to resume an operation, with a key. Returns the outcome, and where the key went.
async fn try_to_resume(
    layer: tower_lro::LroLayer,
    service: &str,
    operation: &Operation,
) -> (Option<AddressErrorKind>, Vec<String>) {
    let (answering, log) =
        crate::support::answering(|_, _| Ok(http::Response::new(r#"{"status": "Succeeded"}"#.to_owned())));
    let request = Request::get(service).header("authorization", "Bearer SECRET").extension(operation.resume());
    let outcome = layer.layer(answering).oneshot(request.body(String::new()).unwrap()).await;
    let kind = match outcome {
        Ok(_) => None,
        Err(Error::Operation(error)) => match error.cause() {
            Cause::Address(error) => Some(error.kind()),
            cause => panic!("{cause:?}"),
        },
        Err(error) => panic!("{error:?}"),
    };
    let with_key = log.requests().into_iter().filter(|request| request.headers().contains_key("authorization"));
    (kind, with_key.map(|request| request.uri().to_string()).collect())
}

/// The operation that a refused start response has announced.
async fn refused(start: &str, monitor: &'static str) -> Operation {
    let (service, _) = crate::support::answering(move |_, _| crate::support::accepted(monitor));
    let request = Request::post(start).header("authorization", "Bearer SECRET").body(String::new()).unwrap();
    let accepted = std::sync::Arc::new(std::sync::Mutex::new(None));
    let layer = exact().on_event({
        let accepted = accepted.clone();
        move |event| {
            if let tower_lro::Event::Accepted { operation, .. } = event {
                *accepted.lock().unwrap() = Some((*operation).clone());
            }
        }
    });
    assert!(layer.layer(service).oneshot(request).await.is_err());
    let stored = serde_json::to_string(accepted.lock().unwrap().as_ref().unwrap()).unwrap();
    serde_json::from_str(&stored).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refused_monitor_is_not_asked_when_it_is_resumed_either() {
    use AddressErrorKind::{NoRequestHost, ResumedElsewhere, Untrusted};
    for (start, monitor, service, kind) in [
        ("https://api.good.example/start", "https://evil.test/op/1", "https://api.good.example/", Untrusted),
        ("https://api.good.example/start", "http://api.good.example:81/op/1", "https://api.good.example/", Untrusted),
        // Addressed to the monitor itself, as if it were the service.
        ("https://api.good.example/start", "https://evil.test/op/1", "https://evil.test/op/1", ResumedElsewhere),
        (
            "https://api.good.example/start",
            "http://api.good.example:81/op/1",
            "http://api.good.example:81/",
            ResumedElsewhere,
        ),
        ("/start", "https://evil.test/op/1", "https://evil.test/op/1", ResumedElsewhere),
        ("/start", "https://evil.test/op/1", "/", NoRequestHost),
    ] {
        let operation = refused(start, monitor).await;
        let (outcome, asked) = try_to_resume(exact(), service, &operation).await;
        assert_eq!((outcome, asked), (Some(kind), vec![]), "{start} {monitor} {service}");
    }
    // By the settings of today it may be asked.
    let operation = refused("https://api.good.example/start", "https://evil.test/op/1").await;
    let trusting = exact().trust_origin("https://evil.test".parse().unwrap());
    let (outcome, asked) = try_to_resume(trusting, "https://api.good.example/", &operation).await;
    assert_eq!((outcome, asked), (None, vec!["https://evil.test/op/1".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn stored_addresses_lead_credentials_nowhere_else() {
    let good = "https://api.good.example/op/1";
    let plain =
        serde_json::json!({"version": 1, "protocol": "operation-location", "monitor": good, "state": "Running"});
    let evil = "https://evil.test/x";
    let start = |uri: &str| serde_json::json!({"method": "PUT", "uri": uri});
    for (member, value) in [
        ("monitor", serde_json::json!(evil)),
        ("monitor", serde_json::json!("//evil.test/x")),
        ("start", start(evil)),
        ("location", serde_json::json!(evil)),
        ("resource", serde_json::json!(evil)),
        ("result", serde_json::json!({"uri": evil})),
        ("protocol", serde_json::json!("graph")),
        ("protocol", serde_json::json!("fabric")),
        ("anonymous", serde_json::json!(true)),
    ] {
        for choice in [
            tower_lro::FinalResponse::Status,
            tower_lro::FinalResponse::Resource,
            tower_lro::FinalResponse::Location,
            tower_lro::FinalResponse::OriginalUri,
            tower_lro::FinalResponse::Auto,
        ] {
            for monitor in [good, evil] {
                let mut edited = plain.clone();
                edited["monitor"] = serde_json::json!(monitor);
                edited[member] = value.clone();
                let Ok(operation) = serde_json::from_value::<Operation>(edited.clone()) else { continue };
                let layer =
                    exact().final_response(choice).allow_anonymous_origin("https://allowed.test".parse().unwrap());
                let (_, asked) = try_to_resume(layer, "https://api.good.example/", &operation).await;
                assert!(asked.iter().all(|uri| uri.starts_with("https://api.good.example/")), "{edited} {asked:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_resuming_request_sends_nothing_of_its_own_address() {
    let stored = serde_json::json!({
        "version": 1, "protocol": "operation-location", "monitor": "https://allowed.test/op/1", "state": "Running",
        "start": {"method": "POST", "uri": "https://api.good.example/start"}
    });
    let operation: Operation = serde_json::from_value(stored).unwrap();
    let (service, log) =
        crate::support::answering(|_, _| Ok(http::Response::new(r#"{"status": "Succeeded"}"#.to_owned())));
    let layer = exact().allow_anonymous_origin("https://allowed.test".parse().unwrap());
    let request = Request::get("https://api.good.example/any?subscription-key=SECRET&code=SECRET")
        .header("authorization", "Bearer SECRET")
        .extension("SECRET".to_owned())
        .extension(operation.resume());
    layer.layer(service).oneshot(request.body(String::new()).unwrap()).await.unwrap();
    let polls = log.requests();
    assert_eq!((polls.len(), polls[0].uri().to_string()), (1, "https://allowed.test/op/1".to_owned()));
    assert!(polls[0].extensions().is_empty() && polls[0].headers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_polls_carried_over_they_carry_again() {
    let simulator = long();
    let request = start_at("https://atlas.microsoft.com/mapData?api-version=2.0&subscription-key=KEY");
    let layer = exact().timeout(seconds(5));
    let Err(Error::Operation(error)) = layer.layer(simulator.clone()).oneshot(request).await else { panic!() };
    let operation = error.into_parts().0;
    let sent = simulator.recorded().len();
    exact().layer(simulator.clone()).oneshot(resuming(&operation)).await.unwrap();
    let requests = &simulator.recorded()[sent..];
    // The version; the key is the caller's to give again.
    assert!(requests.len() > 1 && requests.iter().all(|request| request.uri.query() == Some("api-version=2.0")));

    let simulator = long();
    let Err(Error::Operation(error)) = layer.layer(simulator.clone()).oneshot(start()).await else { panic!() };
    let operation = error.into_parts().0;
    let request = resuming_at("https://atlas.microsoft.com/?api-version=3.0", &operation);
    let sent = simulator.recorded().len();
    exact().layer(simulator.clone()).oneshot(request).await.unwrap();
    assert!(simulator.recorded()[sent..].iter().all(|request| request.uri.query() == Some("api-version=3.0")));
}

#[tokio::test(start_paused = true)]
async fn a_plain_monitor_is_resumed_by_its_address_alone() {
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
    let request = resuming(&operation);
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
        let mut request = resuming(&operation);
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
async fn an_operation_that_moved_elsewhere_remembers_where_it_was_started() {
    // When nothing of the start request was needed yet.
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
    let layer = layer.final_response(tower_lro::FinalResponse::OriginalUri);
    for service in ["https://evil.test/", "https://example.com/"] {
        let mut request = resuming_at(service, &operation);
        request.headers_mut().insert("authorization", "Bearer SECRET".parse().unwrap());
        let outcome = layer.clone().layer(simulator.clone()).oneshot(request).await;
        assert_eq!(outcome.is_ok(), service == "https://example.com/");
    }
    let requests = simulator.recorded();
    let with_key = requests[sent..].iter().filter(|request| request.headers.contains_key("authorization"));
    assert_eq!(with_key.map(|request| request.uri.to_string()).collect::<Vec<_>>(), ["https://example.com/a"]);
}

#[tokio::test(start_paused = true)]
async fn where_it_was_started_gets_the_credentials_again() {
    let back = Reply::status("Running").header("operation-location", "https://atlas.microsoft.com/operations/{id}");
    let (simulator, layer, operation) = anonymous(vec![back, Reply::status("Succeeded")]).await;
    let mut request = resuming(&operation);
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
    let resumed = layer.layer(simulator).oneshot(resuming_at("https://a.example/", operation)).await.unwrap();
    let (whole, resumed) = (crate::support::text(whole).await, crate::support::text(resumed).await);
    assert!(whole.contains("\"at\": \"https://a.example/one\""), "{whole}");
    assert_eq!(resumed, whole.replace("00000001", "00000002").replace("one", "two"));
}

#[tokio::test(start_paused = true)]
async fn user_information_of_the_request_is_in_no_output() {
    let simulator = Simulator::new().script(polls([Reply::status("Succeeded")]));
    simulator.clone().oneshot(start()).await.unwrap();
    let stored = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let layer = exact().on_event({
        let stored = stored.clone();
        move |event| *stored.lock().unwrap() += &serde_json::to_string(event.operation().unwrap()).unwrap()
    });
    let uri = "https://user:SECRET@atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e";
    let request = Request::get(uri).extension(Resume::new()).body(SimulatorBody::default()).unwrap();
    layer.layer(simulator).oneshot(request).await.unwrap();
    let stored = stored.lock().unwrap();
    assert!(stored.contains("Succeeded") && !stored.contains("SECRET"), "{stored}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_at_the_own_origin_is_polled_with_credentials_whatever_was_stored() {
    let stored = serde_json::json!({
        "version": 1, "protocol": "operation-location", "monitor": "https://api.good.example/op/1", "state": "Running",
        "anonymous": true
    });
    let operation: Operation = serde_json::from_value(stored).unwrap();
    let (service, log) =
        crate::support::answering(|_, _| Ok(http::Response::new(r#"{"status": "Succeeded"}"#.to_owned())));
    let request = Request::get("https://api.good.example/any").header("authorization", "Bearer a");
    let request = request.extension(operation.resume()).body(String::new()).unwrap();
    exact().layer(service).oneshot(request).await.unwrap();
    assert_eq!(log.requests()[0].headers()["authorization"], "Bearer a");
}

/// The service has forgotten it; there is no result that could be missing.
#[tokio::test(start_paused = true)]
async fn an_error_is_the_monitors_or_the_results_whatever_the_state() {
    let simulator = Simulator::new().script(polls([Reply::status("Succeeded"), Reply::http(410)]));
    let response = exact().layer(simulator.clone()).oneshot(start()).await.unwrap();
    let request = resuming(response.operation().unwrap());
    let error = exact().layer(simulator).oneshot(request).await.unwrap_err();
    assert_eq!(chain(&error)[1], "the monitor answered 410 Gone");

    let script = Script::azure_maps().resource(Reply::http(410));
    let layer = exact().final_response(FinalResponse::Resource);
    let error = layer.layer(Simulator::new().script(script)).oneshot(start()).await.unwrap_err();
    assert_eq!(chain(&error)[1], "the result answered 410 Gone");
}
