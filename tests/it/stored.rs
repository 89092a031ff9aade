//! Operations that are stored, and resumed by another process.

use std::time::Duration;

use http::{HeaderValue, Request, Response};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};
use tower_lro::{
    Cause, Error, FinalResponse, LroLayer, Operation, OperationState, Outcome, Protocol, ResponseExt, StartRule,
    StatusRule,
    simulator::{Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{answering, chain, exact, polls, seconds, start, start_at, text};

/// Starts an operation, gives it up after five seconds, and stores it.
async fn stored(layer: LroLayer, simulator: &Simulator, request: Request<SimulatorBody>) -> Value {
    let outcome = layer.timeout(seconds(5)).layer(simulator.clone()).oneshot(request).await;
    let Err(Error::Operation(error)) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(error.cause(), Cause::Timeout), "{error:?}");
    serde_json::to_value(error.operation()).unwrap()
}

fn restored(stored: &Value) -> Operation {
    serde_json::from_value(stored.clone()).unwrap()
}

/// A request to the service that resumes an operation.
fn get(operation: &Operation) -> Request<SimulatorBody> {
    let monitor = operation.monitor();
    let service = format!("{}://{}/", monitor.scheme_str().unwrap(), monitor.authority().unwrap());
    Request::get(service).extension(operation.resume()).body(SimulatorBody::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_format_stays_as_it_is() {
    let running = Reply::json(r#"{"status": "Running", "percentComplete": 12.5}"#).retry_after(seconds(30));
    let simulator = Simulator::new().script(polls([running]));
    let mut stored = stored(exact(), &simulator, start()).await;
    let accepted = stored.as_object_mut().unwrap().remove("accepted_ms").unwrap().as_u64().unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    assert!(accepted > now - 60_000 && accepted < now + 60_000, "{accepted}");
    assert_eq!(
        stored,
        json!({
            "version": 1,
            "protocol": "operation-location",
            "monitor": "https://atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e",
            "state": "Running",
            "polls": 1,
            "elapsed_ms": 5000,
            "backoff_ns": 1_000_000_000,
            "has_status": true,
            "status": "Running",
            "percent": 12.5,
            "start": {"method": "POST", "uri": "https://atlas.microsoft.com/mapData?api-version=2.0"},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_azure_maps_takes_no_more_than_400_bytes() {
    // The address of the conversion service's documentation.
    let monitor =
        "https://us.atlas.microsoft.com/conversions/operations/8b1288fa-1958-4a2b-b68e-13a7i5af7d7c?api-version=2.0";
    let accepted = Reply::http(202).header("operation-location", monitor).retry_after(seconds(30));
    let script = Script::new(accepted).polls([Reply::status("Running").retry_after(seconds(30))]);
    let start = start_at("https://us.atlas.microsoft.com/conversions?api-version=2.0&udid=31838736&inputType=DWG");
    let layer = exact().timeout(seconds(3600)).max_wait(seconds(30));
    let simulator = Simulator::new().script(script);
    let error = layer.clone().max_wait(seconds(0)).layer(simulator).oneshot(start).await.unwrap_err();
    let stored = serde_json::to_string(error.operation().unwrap()).unwrap();
    assert!(stored.len() <= 400, "{} bytes: {stored}", stored.len());
}

#[tokio::test(start_paused = true)]
async fn members_that_this_version_does_not_know_are_kept() {
    let simulator = Simulator::new().script(polls([Reply::status("Running").retry_after(seconds(30))]));
    let mut newer = stored(exact(), &simulator, start()).await;
    newer["mood"] = json!({"of": ["the", "day"], "is": 7});
    newer["zeal"] = json!(null);
    let resumed = exact().max_wait(seconds(0)).layer(simulator).oneshot(get(&restored(&newer))).await.unwrap_err();
    let written = serde_json::to_value(resumed.operation().unwrap()).unwrap();
    assert_eq!(
        (&written["mood"], written.get("zeal"), &written["polls"]),
        (&newer["mood"], Some(&json!(null)), &json!(2))
    );
}

#[tokio::test(start_paused = true)]
async fn everything_that_is_known_of_it_comes_back() {
    for script in [
        Script::azure_maps(),
        Script::azure_maps_failed(),
        polls([Reply::status("Succeeded").header("location", "/result")]),
        polls([Reply::json(r#"{"id": "\"ä", "status": "canceled", "error": [7]}"#)]),
    ] {
        let response = exact().layer(Simulator::new().script(script)).oneshot(start()).await.unwrap();
        let operation = response.operation().unwrap();
        let stored = serde_json::to_string(operation).unwrap();
        let restored: Operation = serde_json::from_str(&stored).unwrap();
        assert_eq!(format!("{restored:?}"), format!("{operation:?}"));
        assert_eq!(restored.monitor(), operation.monitor());
        assert_eq!(restored.error(), operation.error());
        assert_eq!(serde_json::to_string(&restored).unwrap(), stored);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_resumed_by_another_process() {
    let script = polls([Reply::status("Running").retry_after(seconds(30)), Reply::status("Succeeded")]);
    let simulator = Simulator::new().script(script);
    let operation = restored(&stored(exact(), &simulator, start()).await);
    let response = exact().layer(simulator.clone()).oneshot(get(&operation)).await.unwrap();
    let resumed = response.operation().unwrap();
    assert_eq!((resumed.state(), resumed.polls(), resumed.elapsed()), (OperationState::Succeeded, 2, seconds(5)));
    assert_eq!(simulator.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_result_is_found_as_if_nothing_had_happened() {
    // At the address of the start request, by its method.
    let layer = exact().protocols([Protocol::azure_resource_manager()]);
    let simulator = Simulator::new().script(Script::azure_resource_manager()).recording();
    let request = || {
        let uri = "https://management.azure.com/topics/topic1?api-version=2022-06-15&code=SECRET";
        Request::put(uri).body(SimulatorBody::default()).unwrap()
    };
    let stored = stored(layer.clone(), &simulator, request()).await;
    assert_eq!(
        stored["start"],
        json!({"method": "PUT", "uri": "https://management.azure.com/topics/topic1?api-version=2022-06-15"})
    );
    let response = layer.layer(simulator.clone()).oneshot(get(&restored(&stored))).await.unwrap();
    assert!(text(response).await.contains("topic1"));
    assert_eq!(simulator.recorded().last().unwrap().uri.path(), "/topics/topic1");
}

#[tokio::test(start_paused = true)]
async fn the_start_request_is_remembered_where_it_is_needed() {
    let plain = "https://example.com/a?b=c";
    for (start, monitor, choice, remembered) in [
        (plain, "/operations/{id}", FinalResponse::Status, false),
        ("https://example.com/a?api-version=1", "/operations/{id}", FinalResponse::Status, true),
        ("https://example.com/a?api-version=1", "/operations/{id}?api-version=2", FinalResponse::Status, false),
        (plain, "https://trusted.example/operations/{id}", FinalResponse::Status, true),
        (plain, "/operations/{id}", FinalResponse::OriginalUri, true),
    ] {
        let accepted = Reply::http(202).header("operation-location", monitor).retry_after(seconds(30));
        let layer = exact().trust_origin("https://trusted.example".parse().unwrap()).final_response(choice);
        let stored = stored(layer, &Simulator::new().script(Script::new(accepted)), start_at(start)).await;
        assert_eq!(stored["start"].is_object(), remembered, "{start} {monitor} {choice:?}");
    }
}

fn jobs() -> Protocol {
    let monitor = StatusRule::new().status_at("/job/phase");
    Protocol::builder("jobs")
        .announced(StartRule::by_header("x-other").monitor(StatusRule::new().status_at("/x")))
        .announced(StartRule::by_header("x-job").monitor(monitor))
        .succeeded(["Shipped"])
        .final_response(FinalResponse::Status)
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_protocol_of_ones_own_is_found_by_its_name() {
    let script = Script::new(Reply::http(202).header("x-job", "/operations/{id}")).polls([
        Reply::json(r#"{"job": {"phase": "Packing"}}"#).retry_after(seconds(30)),
        Reply::json(r#"{"job": {"phase": "Shipped"}}"#),
    ]);
    let simulator = Simulator::new().script(script).recording();
    let operation = restored(&stored(exact().protocols([jobs()]), &simulator, start()).await);
    assert_eq!(operation.protocol().name(), "jobs");

    // A layer that does not know it sends nothing: it could not read the answers.
    let outcomes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = outcomes.clone();
    let ignorant = exact().on_event(move |event| {
        if let tower_lro::Event::Finished { outcome, .. } = event {
            seen.lock().unwrap().push(*outcome);
        }
    });
    let sent = simulator.recorded().len();
    let error = ignorant.layer(simulator.clone()).oneshot(get(&operation)).await.unwrap_err();
    assert_eq!(chain(&error)[1], "this layer does not speak its protocol \"jobs\" (LroLayer::protocol)");
    assert!(matches!(&error, Error::Operation(error) if matches!(error.cause(), Cause::Protocol)));
    assert_eq!((simulator.recorded().len(), &outcomes.lock().unwrap()[..]), (sent, &[Outcome::Protocol][..]));

    // The operation is not lost.
    let operation = restored(&serde_json::to_value(error.operation().unwrap()).unwrap());
    let layer = exact().protocol(jobs());
    let response = layer.layer(simulator).oneshot(get(&operation)).await.unwrap();
    assert_eq!(response.operation().unwrap().status(), Some("Shipped"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_stored_operation_is_refused_by_name() {
    let simulator = Simulator::new().script(Script::new(Reply::accepted().retry_after(seconds(30))));
    let good = stored(exact(), &simulator, start()).await;
    let with = |member: &str, value: Value| {
        let mut stored = good.clone();
        stored[member] = value;
        serde_json::from_value::<Operation>(stored)
    };
    for (member, value, message) in [
        ("version", json!(2), "reads stored operations of format 1, not of format 2"),
        ("version", json!(-1), "-1"),
        ("monitor", json!("not an address"), "`monitor` is not a URI"),
        ("monitor", json!(7), "7"),
        ("resource", json!("http://"), "`resource` is not a URI"),
        ("location", json!(" "), "`location` is not a URI"),
        ("start", json!({"method": "GET", "uri": ""}), "`start.uri` is not a URI"),
        ("start", json!({"method": "A B", "uri": "/"}), "`start.method` is not a method"),
        ("state", json!("Sleeping"), "Sleeping"),
        ("error", json!("{"), "`error` is not JSON, or says nothing"),
        ("error", json!("{}"), "`error` is not JSON, or says nothing"),
        ("polls", json!(4_294_967_296_u64), "4294967296"),
        ("rule", json!(256), "256"),
    ] {
        let error = with(member, value.clone()).unwrap_err().to_string();
        assert!(error.contains(message), "{member} {value}: {error}");
    }
    // Optional members may be missing.
    let least = json!({
        "version": 1, "protocol": "location", "monitor": "/x", "state": "Running"
    });
    assert_eq!(restored(&least).id(), None);
    let odd = with("rule", json!(255)).unwrap();
    assert!(format!("{:?}", exact().layer(simulator).oneshot(get(&odd)).await).contains("404"));
    let ages = with("elapsed_ms", json!(u64::MAX)).unwrap().elapsed();
    assert_eq!(ages, Duration::from_secs(100 * 365 * 86_400));
    // Before anything else that is wrong in another format.
    let error = serde_json::from_str::<Operation>(r#"{"version": 9, "monitor": []}"#).unwrap_err();
    assert!(error.to_string().contains("format 1, not of format 9"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_has_taken_ages_takes_no_longer_for_it() {
    for elapsed in [u64::MAX, u64::MAX / 1_000_000, u64::MAX / 1_000_000 - 10_000] {
        let operation = restored(&json!({
            "version": 1, "protocol": "operation-location", "monitor": "https://a.example/op",
            "state": "Running", "polls": 1, "elapsed_ms": elapsed
        }));
        for (layer, expected) in [(exact(), 200), (exact().timeout(Duration::from_millis(500)), 0)] {
            let (service, log) = answering(|index, _| {
                let word = if index < 2 { "Running" } else { "Succeeded" };
                Ok(Response::new(format!(r#"{{"status": "{word}"}}"#)))
            });
            let request = Request::get(operation.monitor()).extension(operation.resume()).body(String::new()).unwrap();
            let outcome = layer.layer(service).oneshot(request).await;
            let status = outcome.map_or(0, |response| response.status().as_u16());
            let polls = if expected == 0 { 1 } else { 3 };
            assert_eq!((status, log.requests().len()), (expected, polls), "{elapsed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_of_the_start_request_is_stored() {
    let mut key = HeaderValue::from_static("SECRET");
    key.set_sensitive(true);
    let scripts = [
        Script::new(Reply::accepted().retry_after(seconds(30))),
        // The service repeats the key.
        Script::new(Reply::http(202).header("operation-location", "/operations/{id}?subscription-key=SECRET"))
            .polls([Reply::status("Running").header("operation-location", "?a=b&Subscription-Key=SECRET")]),
        Script::new(Reply::http(202).header("location", "/operations/{id}?subscription-key=SECRET"))
            .polls([Reply::status("Running").header("location", "?a=b&subscription-key=SECRET")]),
        polls([Reply::status("Running").header("location", "/x?subscription-key=SECRET")]),
    ];
    for (protocol, script) in [
        (Protocol::operation_location(), &scripts[0]),
        (Protocol::operation_location(), &scripts[1]),
        (Protocol::location(), &scripts[2]),
        (Protocol::azure_core(), &scripts[3]),
    ] {
        let mut request = start_at("https://u:SECRET@atlas.microsoft.com/mapData?subscription-key=SECRET&code=SECRET");
        request.headers_mut().insert("authorization", key.clone());
        request.extensions_mut().insert("SECRET".to_owned());
        let stored = stored(exact().protocols([protocol]), &Simulator::new().script(script.clone()), request).await;
        assert!(!stored.to_string().contains("SECRET"), "{stored}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_of_an_operation_that_has_not_succeeded_is_not_fetched() {
    let simulator = Simulator::new().script(polls([Reply::status("Running").retry_after(seconds(30))])).recording();
    let mut edited = stored(exact(), &simulator, start()).await;
    edited["result"] = json!({"uri": "https://atlas.microsoft.com/resources/1"});
    let resumed = exact().max_wait(seconds(0)).layer(simulator.clone()).oneshot(get(&restored(&edited))).await;
    assert!(resumed.unwrap_err().pending().is_some());
    assert!(simulator.recorded().last().unwrap().uri.path().starts_with("/operations/"));
}

#[tokio::test(start_paused = true)]
async fn a_stored_backoff_makes_no_delay_shorter_than_the_first() {
    let simulator = Simulator::new().script(polls([Reply::status("Running"), Reply::status("Running")]));
    let mut edited = stored(exact(), &simulator, start()).await;
    edited["backoff_ns"] = json!(1);
    let resumed = exact().max_wait(seconds(0)).layer(simulator).oneshot(get(&restored(&edited))).await.unwrap_err();
    assert_eq!(resumed.pending().unwrap().1, seconds(1));
}

/// The address of the start request stands in for the monitor's: a `GET` there says nothing, and a `DELETE` there is a disaster.
#[tokio::test(start_paused = true)]
async fn an_operation_whose_monitor_could_not_be_resolved_is_neither_resumed_nor_canceled() {
    let request = || Request::post("https://example.com/jobs").body(String::new()).unwrap();
    for value in ["/op/1, /op/2", "https://u:p@example.com/op", "ftp://example.com/op", "https://example.com:99999/op"]
    {
        for (protocol, header) in [(Protocol::location(), "location"), (Protocol::fhir(), "content-location")] {
            let (service, log) = answering(move |index, _| match index {
                0 => Ok(Response::builder().status(202).header(header, value).body(String::new())?),
                _ => Ok(Response::new("[]".to_owned())),
            });
            let client = exact().protocols([protocol]).layer(service);
            let refused = client.clone().oneshot(request()).await.unwrap_err();
            let operation = restored(&serde_json::to_value(refused.operation().unwrap()).unwrap());
            assert_eq!((operation.monitor(), operation.cancel().is_none()), (request().uri(), true), "{value}");
            let resume =
                Request::get("https://example.com/").extension(operation.resume()).body(String::new()).unwrap();
            let error = client.oneshot(resume).await.unwrap_err().boxed();
            assert_eq!(chain(&error)[1], "the address cannot be resolved to a URI", "{value}");
            assert_eq!(log.requests().len(), 1, "{value}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_runs_has_no_error_of_a_failure_before() {
    let stored = |state: &str| {
        json!({
            "version": 1, "protocol": "operation-location", "monitor": "https://example.com/op/1", "state": state,
            "assumed": true, "error": r#"{"code": "X"}"#
        })
    };
    let known = |state: &str| {
        let operation = restored(&stored(state));
        (operation.error().is_some(), operation.is_success_assumed())
    };
    assert_eq!(
        ["Running", "Failed", "Canceled", "Succeeded"].map(known),
        [(false, false), (true, false), (true, false), (false, true)]
    );
    // The service has started it again.
    let (service, _) = answering(|_, _| Ok(Response::new(r#"{"status": "Running"}"#.to_owned())));
    let resume = Request::get("https://example.com/").extension(restored(&stored("Failed")).resume());
    let client = exact().max_wait(seconds(0)).layer(service);
    let error = client.oneshot(resume.body(String::new()).unwrap()).await.unwrap_err();
    let operation = error.operation().unwrap();
    assert_eq!((operation.state(), operation.error()), (OperationState::Running, None));
}
