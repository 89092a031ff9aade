//! The parts of the caller's query that a store sees, and the harm that someone who can write to the store can do.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use serde_json::json;
use tower::{Layer, ServiceExt, util::MapRequest};
use tower_lro::{
    CancelRule, Canceller, Cause, Error, FinalResponse, LroLayer, Operation, Protocol, Resume, StartRule, StatusRule,
};

use crate::support::{Log, answering, exact};

const PATH: &str = "/start?api-version=1&subscription-key=KEYSECRET&code=CODESECRET";

/// A response: its HTTP status, its address headers, and its body.
type Reply = (u16, &'static [(&'static str, &'static str)], &'static str);

const SUCCEEDED: Reply = (200, &[], r#"{"status": "Succeeded"}"#);
const UNAVAILABLE: Reply = (503, &[], "");
const RESULT: Reply = (200, &[], "{}");

/// Whatever an observer may store while these replies are given one after the other, and what was asked.
async fn stored(layer: LroLayer, method: &str, start: &str, replies: &'static [Reply]) -> (String, Log) {
    let all = Arc::new(Mutex::new(String::new()));
    let sink = all.clone();
    let layer = layer.on_event(move |event| {
        let operation = serde_json::to_string(event.operation().unwrap()).unwrap();
        *sink.lock().unwrap() += &format!("{operation}\n");
    });
    let (service, log) = answering(move |index, _| {
        let (status, headers, body) = replies[index.min(replies.len() - 1)];
        let response = Response::builder().status(status);
        let response = headers.iter().fold(response, |response, &(name, value)| response.header(name, value));
        Ok(response.body(body.to_owned())?)
    });
    let request = Request::builder().method(method).uri(start).header("host", "api.good.example");
    layer.layer(service).oneshot(request.body(String::new()).unwrap()).await.unwrap();
    let all = all.lock().unwrap().clone();
    (all, log)
}

const ACCEPTED: Reply = (202, &[("operation-location", "/op/1")], "");

/// The address that the service names, and the address that is asked in the end.
const ADDRESSES: [(&str, fn() -> LroLayer, &str, &[Reply], &str); 6] = [
    (
        "a result at the start request's address, which is not there at once",
        azure_core,
        "PUT",
        &[ACCEPTED, SUCCEEDED, UNAVAILABLE, RESULT],
        PATH,
    ),
    (
        "a result that is redirected to, by an address with the key",
        exact,
        "POST",
        &[ACCEPTED, (303, &[("location", "/r?subscription-key=KEYSECRET")], ""), UNAVAILABLE, RESULT],
        "/r?api-version=1&subscription-key=KEYSECRET",
    ),
    (
        "a key whose name is encoded",
        exact,
        "POST",
        &[
            (202, &[("operation-location", "/op/1?subscription%2Dkey=KEYSECRET&subscription%2dkey=KEYSE%43RET")], ""),
            SUCCEEDED,
        ],
        "/op/1?api-version=1&subscription-key=KEYSECRET",
    ),
    (
        "the own address beside the monitor",
        exact,
        "POST",
        &[
            (
                202,
                &[
                    ("operation-location", "/op/1?api-version=1"),
                    ("location", "/start?code=CODESECRET&subscription-key=KEYSECRET"),
                ],
                "",
            ),
            (200, &[("resource-location", "/st%61rt?subscription-key=KEYSECRET&code=CODESECRET")], SUCCEEDED.2),
        ],
        "/op/1?api-version=1&subscription-key=KEYSECRET",
    ),
    (
        "a monitor that moves to the own address, with its parameters in another order",
        exact,
        "POST",
        &[ACCEPTED, (302, &[("location", "/start?code=CODESECRET&op=1&subscription-key=KEYSECRET")], ""), SUCCEEDED],
        "/start?code=CODESECRET&op=1&subscription-key=KEYSECRET&api-version=1",
    ),
    (
        "a monitor that is the own address, differently encoded",
        exact,
        "POST",
        &[(202, &[("operation-location", "/st%61rt?%63ode=CODESECRET&subscription-key=KEYSECRET")], ""), SUCCEEDED],
        "/st%61rt?%63ode=CODESECRET&subscription-key=KEYSECRET&api-version=1",
    ),
];

fn azure_core() -> LroLayer {
    exact().protocols([Protocol::azure_core()])
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_callers_query_is_stored_and_the_polls_have_it_all() {
    for origin in ["https://api.good.example", ""] {
        for (name, layer, method, replies, asked) in ADDRESSES {
            let (json, log) = stored(layer(), method, &format!("{origin}{PATH}"), replies).await;
            assert!(!json.contains("SECRET"), "{name}: {json}");
            assert!(json.contains(r#""state":"Succeeded""#), "{name}: {json}");
            assert_eq!(log.uris().last(), Some(&format!("{origin}{asked}")), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_key_goes_to_no_other_origin_that_repeats_it() {
    const AMPERSANDS: &[Reply] = &[
        (202, &[("operation-location", "https://allowed.test/op/1?subscription-key=KEYSECRET&sig=1")], ""),
        SUCCEEDED,
    ];
    const SEMICOLONS: &[Reply] = &[
        (202, &[("operation-location", "https://allowed.test/op/1?sig=1;subscription-key=KEYSECRET")], ""),
        SUCCEEDED,
    ];
    for replies in [AMPERSANDS, SEMICOLONS] {
        let layer = exact().allow_anonymous_origin("https://allowed.test".parse().unwrap());
        let (json, log) = stored(layer, "POST", &format!("https://api.good.example{PATH}"), replies).await;
        assert!(!json.contains("SECRET"), "{json}");
        assert_eq!(log.uris()[1], "https://allowed.test/op/1?sig=1");
    }
}

#[tokio::test(start_paused = true)]
async fn another_address_keeps_a_query_that_is_also_the_callers() {
    const REPLIES: &[Reply] = &[(202, &[("operation-location", "/op/(1)?page=1")], ""), SUCCEEDED];
    let (json, log) = stored(exact(), "POST", "https://api.good.example/start?page=1", REPLIES).await;
    assert!(json.contains("/op/(1)?page=1"), "{json}");
    assert_eq!(log.uris()[1], "https://api.good.example/op/(1)?page=1");
}

fn edited(protocol: &str, deadline_ms: u64) -> Operation {
    serde_json::from_value(json!({
        "version": 1, "protocol": protocol, "monitor": "https://api.good.example/customers/all", "state": "Running",
        "deadline_ms": deadline_ms
    }))
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_store_has_nothing_deleted_by_a_layer_that_does_not_cancel() {
    for (layer, is_sent) in
        [(exact(), false), (exact().protocol(Protocol::lxd()), false), (exact().protocol(Protocol::fhir()), true)]
    {
        let (send, mut sent) = tokio::sync::mpsc::unbounded_channel();
        let canceller = Canceller::new(move |request: Request<String>| {
            send.send(format!("{} {}", request.method(), request.uri())).unwrap();
            async { Ok(StatusCode::OK) }
        });
        let layer = layer.cancel_on_timeout(canceller);
        let (service, log) = answering(|_, _| Ok(Response::new(String::new())));

        let request = Request::get("https://api.good.example/").extension(edited("fhir", 1).resume());
        _ = layer.layer(service.clone()).oneshot(request.body(String::new()).unwrap()).await;
        let expected = is_sent.then(|| "DELETE https://api.good.example/customers/all".to_owned());
        let got = tokio::time::timeout(Duration::from_secs(1), sent.recv()).await.ok().flatten();
        assert_eq!(got, expected, "by its timeout");
        assert!(log.uris().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cancels_is_sent_by_a_layer_that_speaks_the_protocol_alone() {
    for (layer, is_sent) in [(exact(), false), (exact().protocol(Protocol::fhir()), true)] {
        let (service, log) = answering(|_, _| Ok(Response::new(String::new())));
        let cancel = edited("fhir", 1).cancel().unwrap();
        let request = cancel.request::<String>("https://api.good.example/".parse().unwrap());
        let outcome = layer.layer(service).oneshot(request).await;
        assert_eq!(log.uris().len(), usize::from(is_sent));
        assert_eq!(outcome.is_ok(), is_sent);
        if let Err(error) = outcome {
            assert!(matches!(&error, Error::Operation(error) if matches!(error.cause(), Cause::Protocol)), "{error}");
        }
    }
}

/// A stored operation has the name of its protocol alone.
#[tokio::test(start_paused = true)]
async fn a_layer_says_how_a_stored_operation_of_its_own_protocol_is_canceled() {
    let rule = StartRule::by_header("x-job").monitor(StatusRule::new().status_at("/status"));
    let cancel = CancelRule::new("PATCH", "{monitor}").body("application/merge-patch+json", r#"{"stop": true}"#);
    let jobs = Protocol::builder("jobs").announced(rule).cancel(cancel).build().unwrap();
    let (layer, operation) = (exact().protocol(jobs), edited("jobs", 1));
    assert!(operation.cancel().is_none() && exact().cancel_for(&operation).is_none());

    let cancel = layer.cancel_for(&operation).unwrap();
    for (own, sent) in [(None, "application/merge-patch+json"), (Some("application/json"), "application/json")] {
        let (service, log) = answering(|_, _| Ok(Response::new(String::new())));
        // As a client sends it that does not know of `Cancel::request`.
        let mut request = Request::builder().method(cancel.method()).uri("https://api.good.example/");
        if let Some(own) = own {
            request = request.header("content-type", own);
        }
        let request = request.extension(cancel.clone()).body(cancel.body().to_owned()).unwrap();
        layer.clone().layer(service).oneshot(request).await.unwrap();
        let [request] = &log.requests()[..] else { panic!() };
        assert_eq!((request.method().as_str(), request.uri().path()), ("PATCH", "/customers/all"));
        let types: Vec<_> = request.headers().get_all("content-type").iter().collect();
        assert_eq!(types, [sent]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_canceled_from_where_it_was_started_alone() {
    for (monitor, service, is_sent) in [
        ("https://api.good.example/op/1", "https://api.good.example/", true),
        ("https://evil.test/op/1", "https://api.good.example/", false),
        // Addressed to the monitor itself, as if it were the service.
        ("https://evil.test/op/1", "https://evil.test/", false),
    ] {
        let stored = json!({
            "version": 1, "protocol": "fhir", "monitor": monitor, "state": "Running",
            "start": {"method": "GET", "uri": "https://api.good.example/$export"}
        });
        let operation: Operation = serde_json::from_value(stored).unwrap();
        let request = operation.cancel().unwrap().request::<String>(service.parse().unwrap());
        let (service, log) = answering(|_, _| Ok(Response::new(String::new())));
        let outcome = exact().protocol(Protocol::fhir()).layer(service).oneshot(request).await;
        assert_eq!((outcome.is_ok(), log.uris().len()), (is_sent, usize::from(is_sent)), "{monitor}");
        if let Err(error) = outcome {
            assert!(matches!(&error, Error::Operation(error) if matches!(error.cause(), Cause::Address(_))), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stored_operation_knows_the_start_requests_path_where_canceling_needs_it() {
    let rule = || StartRule::by_header("x-job").monitor(StatusRule::new().status_at("/status"));
    for (template, asked, needs_start) in [
        ("{parent}/cancel", "/v1/jobs/cancel", true),
        ("/{first}/cancel", "/v1/cancel", true),
        ("{monitor}/cancel", "/op/1/cancel", false),
        ("{monitor}/of{path}", "/op/1/of/v1/jobs/submit", true),
    ] {
        let jobs =
            Protocol::builder("jobs").announced(rule()).cancel(CancelRule::new("PUT", template)).build().unwrap();
        let layer = exact().protocol(jobs).final_response(FinalResponse::Status).max_wait(Duration::ZERO);
        let (service, log) =
            answering(|_, _| Ok(Response::builder().status(202).header("x-job", "/op/1").body(String::new())?));
        let request = Request::post("https://api.good.example/v1/jobs/submit?code=SECRET").body(String::new()).unwrap();
        let error = layer.clone().layer(service.clone()).oneshot(request).await.unwrap_err();
        let json = serde_json::to_value(error.pending().unwrap().0).unwrap();
        assert!(!json.to_string().contains("SECRET"), "{json}");
        assert_eq!(json.get("start").is_some(), needs_start, "{template}: {json}");
        let stored: Operation = serde_json::from_value(json).unwrap();
        let cancel = layer.cancel_for(&stored).unwrap().request("https://api.good.example/".parse().unwrap());
        layer.layer(service).oneshot(cancel).await.unwrap();
        assert_eq!(log.uris().last().unwrap(), &format!("https://api.good.example{asked}"), "{template}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_slashes_lead_no_client_that_joins_addresses_to_another_host() {
    for (monitor, asked) in [
        ("/.//evil.example/op", "https://api.good.example//evil.example/op"),
        ("https://api.good.example//evil.example/op", "https://api.good.example//evil.example/op"),
        ("/x/..//evil.example/op", "https://api.good.example//evil.example/op"),
        ("https://api.good.example///op", "https://api.good.example///op"),
        ("/op/1", "https://api.good.example/op/1"),
    ] {
        let (service, log) = answering(move |index, _| match index {
            0 => crate::support::accepted(monitor),
            _ => Ok(Response::new(SUCCEEDED.2.to_owned())),
        });
        let base = url::Url::parse("https://api.good.example/").unwrap();
        let joining = MapRequest::new(service, move |mut request: Request<String>| {
            *request.uri_mut() = base.join(&request.uri().to_string()).unwrap().as_str().parse().unwrap();
            request
        });
        let layer = exact().base_uri(http::Uri::from_static("https://api.good.example/"));
        let request = Request::post("/start").header("api-key", "SECRET").body(String::new()).unwrap();
        let response = layer.layer(joining).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(log.uris()[1], asked, "{monitor}");
    }
}

/// Start requests whose own address is written otherwise than a URL parser writes it, or is named in another way.
#[tokio::test(start_paused = true)]
async fn the_own_address_is_known_however_it_is_written() {
    const MONITOR: &[Reply] = &[(202, &[("operation-location", "/start?code=CODESECRET&op=1")], ""), SUCCEEDED];
    const LOCATION: &[Reply] = &[
        (202, &[("operation-location", "/op/1"), ("location", "/start?code=CODESECRET")], ""),
        (200, &[("resource-location", "/start?code=CODESECRET")], SUCCEEDED.2),
    ];
    const PLAIN: &[Reply] = &[
        (202, &[("operation-location", "/op/1"), ("location", "http://api.good.example/start?code=CODESECRET")], ""),
        SUCCEEDED,
    ];
    for (start, replies) in [
        ("https://api.good.example:443/start", MONITOR),
        ("https://api.good.example:443/start", LOCATION),
        ("https://api.good.example/x/../start", MONITOR),
        ("https://API.good.example/start", LOCATION),
        ("http://127.1/start", MONITOR),
        ("http://[0:0::1]/start", MONITOR),
        ("https://api.good.example/start", PLAIN),
    ] {
        let start = format!("{start}?api-version=1&subscription-key=KEYSECRET&code=CODESECRET");
        let (json, log) = stored(exact(), "POST", &start, replies).await;
        assert!(!json.contains("SECRET"), "{start}: {json}");
        assert_eq!(log.uris().len(), 2, "{start}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_an_address_has_no_key() {
    const HEADER: &[Reply] = &[
        (
            202,
            &[
                ("operation-location", "/op/1"),
                ("operation-id", "https://api.good.example/op/1?subscription-key=KEYSECRET&a=1"),
            ],
            "",
        ),
        SUCCEEDED,
    ];
    const MEMBER: &[Reply] =
        &[ACCEPTED, (200, &[], r#"{"id": "/op/1?a=1&subscription-key=KEYSECRET", "status": "Succeeded"}"#)];
    for (replies, id) in [(HEADER, r#""id":"https://api.good.example/op/1?a=1""#), (MEMBER, r#""id":"/op/1?a=1""#)] {
        let (json, _) = stored(exact(), "POST", &format!("https://api.good.example{PATH}"), replies).await;
        assert!(!json.contains("SECRET") && json.contains(id), "{json}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_at_the_own_address_is_asked_for_by_all_of_it() {
    use tower_lro::FinalResponse::{Location, Resource};
    const BESIDE: &[Reply] =
        &[(202, &[("operation-location", "/op/1"), ("location", "/start?code=CODESECRET&r=1")], ""), SUCCEEDED, RESULT];
    const AT_LAST: &[Reply] = &[ACCEPTED, (200, &[("location", "/start?code=CODESECRET&r=1")], SUCCEEDED.2), RESULT];
    const NAMED: &[Reply] =
        &[ACCEPTED, (200, &[("resource-location", "/start?code=CODESECRET&r=1")], SUCCEEDED.2), RESULT];
    for (choice, replies) in [(Location, BESIDE), (Location, AT_LAST), (Resource, NAMED)] {
        let start = format!("https://api.good.example{PATH}");
        let (json, log) = stored(exact().final_response(choice), "POST", &start, replies).await;
        assert!(!json.contains("SECRET"), "{json}");
        let expected = "https://api.good.example/start?code=CODESECRET&r=1&api-version=1&subscription-key=KEYSECRET";
        assert_eq!(log.uris()[2], expected, "{choice:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_places_of_a_result_the_later_one_is_asked() {
    const MOVED: &[Reply] = &[
        (202, &[("operation-location", "/op/1"), ("location", "/start?code=CODESECRET&r=1")], ""),
        (200, &[("location", "/r/2")], r#"{"status": "Running"}"#),
        SUCCEEDED,
        RESULT,
    ];
    let layer = exact().final_response(FinalResponse::Location);
    let (_, log) = stored(layer, "POST", &format!("https://api.good.example{PATH}"), MOVED).await;
    let expected = "https://api.good.example/r/2?api-version=1&subscription-key=KEYSECRET";
    assert_eq!(log.uris()[3], expected);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_at_the_own_address_is_canceled_by_all_of_it() {
    let (send, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let canceller = Canceller::new(move |request: Request<String>| {
        send.send(request.uri().to_string()).unwrap();
        async { Ok(StatusCode::OK) }
    });
    let (service, _) = answering(|_, _| {
        Ok(Response::builder().status(202).header("content-location", "/start?code=1&op=1").body(String::new())?)
    });
    let layer = exact().protocol(Protocol::fhir()).timeout(Duration::from_secs(5)).cancel_on_timeout(canceller);
    let request = Request::get("https://api.good.example/start?code=1").header("prefer", "respond-async");
    _ = layer.layer(service).oneshot(request.body(String::new()).unwrap()).await;
    assert_eq!(sent.recv().await.unwrap(), "https://api.good.example/start?code=1&op=1");
}

/// The query of a request with `Resume::new()` is the monitor's, wherever that moves.
#[tokio::test(start_paused = true)]
async fn a_monitor_that_is_resumed_by_its_address_keeps_its_query_when_it_moves() {
    for (to, expected) in
        [("", "/op/1?sig=A"), ("/op/1?sig=A", "/op/1?sig=A"), ("/op/1?sig=A&page=2", "/op/1?sig=A&page=2")]
    {
        let (service, log) = answering(move |index, _| match index {
            0 => Ok(Response::builder().status(302).header("location", to).body(String::new())?),
            1 => Ok(Response::new(r#"{"status": "Running"}"#.to_owned())),
            _ => Ok(Response::new(SUCCEEDED.2.to_owned())),
        });
        let layer = exact().max_wait(Duration::ZERO).layer(service);
        let request = Request::get("https://api.good.example/op/1?sig=A").extension(Resume::new());
        let error = layer.clone().oneshot(request.body(String::new()).unwrap()).await.unwrap_err();
        let (operation, _) = error.pending().expect("it is handed back");
        let stored: Operation = serde_json::from_value(serde_json::to_value(operation).unwrap()).unwrap();
        let request = Request::get("https://api.good.example/").extension(stored.resume());
        layer.oneshot(request.body(String::new()).unwrap()).await.unwrap();
        assert_eq!(log.uris().last().unwrap(), &format!("https://api.good.example{expected}"), "{to}");
    }
}
