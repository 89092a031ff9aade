//! Where polls go, and where they do not: the monitor's address, its trust, and its moves.

use futures_util::StreamExt;
use http::{HeaderValue, Request, Response, Uri};
use tower::{BoxError, Layer, ServiceExt};
use tower_lro::{
    AddressErrorKind, Boxed, Cause, Error, Event, FinalResponse, LroLayer, Operation, OperationState, OwnedEvent,
    Protocol, ResponseExt, StartRule, StatusRule,
    simulator::{Reply, Script, Simulator},
};

use crate::support::{Log, accepted, answering, chain, exact, operation, seconds, send, start_at};

const DONE: &[&str] = &[r#"{"status": "Succeeded"}"#];

/// Starts at `start`, is sent to `location`, and says where it was polled.
async fn polled(layer: &LroLayer, start: &str, location: &'static str) -> Result<String, AddressErrorKind> {
    let (service, log) = answering(operation(location, DONE));
    let request = Request::post(start).body(String::new()).unwrap();
    match layer.layer(service).oneshot(request).await {
        Ok(_) => Ok(log.uris()[1].clone()),
        Err(Error::Operation(error)) => match error.cause() {
            Cause::Address(error) => {
                assert_eq!(log.uris().len(), 1, "a poll was sent");
                Err(error.kind())
            }
            cause => panic!("{cause:?}"),
        },
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_are_resolved_against_the_start_request() {
    let start = "https://example.com/face/v1.0/detect?key=1";
    for (location, expected) in [
        ("https://example.com/operations/1", "https://example.com/operations/1"),
        ("/operations/1", "https://example.com/operations/1"),
        ("operations/1", "https://example.com/face/v1.0/operations/1"),
        ("../operations/1", "https://example.com/face/operations/1"),
        ("../../../operations/1", "https://example.com/operations/1"),
        ("./a/./b/../1", "https://example.com/face/v1.0/a/1"),
        ("job1", "https://example.com/face/v1.0/job1"),
        ("?id=1", "https://example.com/face/v1.0/detect?id=1"),
        ("//example.com/operations/1", "https://example.com/operations/1"),
        ("", start),
        ("\"\"", start),
        ("\"/operations/1\"", "https://example.com/operations/1"),
        ("\t \"/operations/1\" \t", "https://example.com/operations/1"),
        ("/operations/1#fragment", "https://example.com/operations/1"),
        ("/operations/{id}/a b", "https://example.com/operations/%7Bid%7D/a%20b"),
        ("https://EXAMPLE.com:443/operations/1", "https://example.com/operations/1"),
        ("HTTPS://example.com/Operations/1", "https://example.com/Operations/1"),
        ("/operations/1?a=b&c", "https://example.com/operations/1?a=b&c"),
        ("/operations/%2e%2e/x", "https://example.com/x"),
        // A service behind a TLS proxy.
        ("http://example.com/operations/1", "https://example.com/operations/1"),
        ("http://example.com:80/operations/1", "https://example.com/operations/1"),
        // Repeated, or joined by a proxy.
        ("/operations/1, /operations/1", "https://example.com/operations/1"),
        ("https://example.com/operations/1,https://example.com/operations/1", "https://example.com/operations/1"),
        ("/operations/1, https://example.com/operations/1", "https://example.com/operations/1"),
        ("/operations/(1,2)", "https://example.com/operations/(1,2)"),
        ("/operations//user@1", "https://example.com/operations//user@1"),
        ("https:/evil.test", "https://example.com/evil.test"),
    ] {
        assert_eq!(polled(&exact(), start, location).await.as_deref(), Ok(expected), "{location:?}");
    }
    for start in ["https://user:secret@example.com/x", "https://user@example.com/x", "https://:secret@example.com/x"] {
        let polled = polled(&exact(), start, "/operations/1").await;
        assert_eq!(polled.as_deref(), Ok("https://example.com/operations/1"), "{start}");
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_of_other_origins_are_refused_before_any_poll() {
    use AddressErrorKind::{Ambiguous, NotText, Scheme, Unresolvable, Untrusted, UserInfo};
    for (location, kind) in [
        ("http://example.com:8080/operations/1", Untrusted),
        ("http://www.example.com/operations/1", Untrusted),
        ("/operations/1, /operations/2", Ambiguous),
        ("/operations/1, https://evil.test/operations/1", Ambiguous),
        ("https://evil.test/1, https://evil.test/1", Untrusted),
        ("https://example.com:8443/operations/1", Untrusted),
        ("https://example.com./operations/1", Untrusted),
        ("https://www.example.com/operations/1", Untrusted),
        ("https://evil.test/operations/1", Untrusted),
        ("//evil.test/operations/1", Untrusted),
        ("/\\evil.test/operations/1", Untrusted),
        ("\\\\evil.test", Untrusted),
        ("https:\\\\evil.test", Untrusted),
        ("http://facev1-cs-dev.cloudapp.net:8080/operations/1", Untrusted),
        ("http://169.254.169.254/metadata", Untrusted),
        ("http://[::1]/", Untrusted),
        ("https://user:secret@example.com/operations/1", UserInfo),
        ("https://user@example.com/operations/1", UserInfo),
        ("https://example.com@evil.test/", UserInfo),
        ("https://@example.com/operations/1", UserInfo),
        ("//@example.com/operations/1", UserInfo),
        ("//example.com:@evil.test", UserInfo),
        ("http:user@example.com/operations/1", UserInfo),
        ("http::secret@example.com/operations/1", UserInfo),
        ("/\\user@example.com/operations/1", UserInfo),
        // The stand-in for the host of a request that names none.
        ("http://no-host.invalid/operations/1", Untrusted),
        ("ftp://example.com/operations/1", Scheme),
        ("file:///etc/passwd", Scheme),
        ("javascript:alert(1)", Scheme),
        ("https://", Unresolvable),
        ("https://example.com:99999/", Unresolvable),
        ("https://exa mple.com/", Unresolvable),
        ("https://[::1/", Unresolvable),
        ("https://exa\tmple.com/", NotText),
    ] {
        assert_eq!(polled(&exact(), "https://example.com/start", location).await, Err(kind), "{location:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn plain_addresses_are_held_to_the_same_rules_as_others() {
    use AddressErrorKind::{Scheme, Unresolvable};
    for start in ["ftp://example.com/start", "ws://example.com/start", "file://example.com/start"] {
        for location in ["/operations/1", "operations/1", "/operations/%31"] {
            assert_eq!(polled(&exact(), start, location).await, Err(Scheme), "{start} {location}");
        }
    }
    for length in [1000, 10_000, 65_534 - "https://example.com".len()] {
        let location = format!("/{}", "o".repeat(length - 1));
        let expected = format!("https://example.com{location}");
        assert_eq!(polled(&exact(), "https://example.com/start", location.leak()).await, Ok(expected));
    }
    // More than an address may have.
    for length in [65_535 - "https://example.com".len(), 65_534, 65_535, 100_000] {
        let location = format!("/{}?sig=secret", "o".repeat(length - 1));
        let outcome = polled(&exact(), "https://example.com/start", location.leak()).await;
        assert_eq!(outcome, Err(Unresolvable), "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_not_text_is_refused_and_kept() {
    let value = HeaderValue::from_bytes(b"/operations/\xff").unwrap();
    let (service, log) = answering(move |_, _| {
        Ok(Response::builder().status(202).header("operation-location", &b"/operations/\xff"[..]).body(String::new())?)
    });
    let request = Request::post("https://example.com/start").body(String::new()).unwrap();
    let error = exact().layer(service).oneshot(request).await.unwrap_err();
    let Error::Operation(error) = error else { panic!("{error:?}") };
    let Cause::Address(cause) = error.cause() else { panic!("{error:?}") };
    assert_eq!((cause.kind(), cause.value()), (AddressErrorKind::NotText, Some(&value)));
    assert_eq!(cause.header().unwrap(), "operation-location");
    assert_eq!(error.operation().monitor(), "https://example.com/start");
    assert_eq!(log.uris().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_address_the_operation_holds_no_credential_instead() {
    let (service, _) = answering(operation("ftp://x/", DONE));
    let uri = "https://user:pw@example.com/a?code=SECRET&api-version=1&subscription-key=SECRET";
    let request = Request::post(uri).body(String::new()).unwrap();
    let error = exact().layer(service).oneshot(request).await.unwrap_err();
    assert_eq!(error.operation().unwrap().monitor(), "https://example.com/a?api-version=1");
}

#[tokio::test(start_paused = true)]
async fn other_addresses_hold_no_credential_either_and_have_bases_of_their_own() {
    let (service, _) = answering(|index, _| match index {
        0 => Ok(Response::builder()
            .status(202)
            .header("operation-location", "/operations/1")
            .header("location", "result/5?subscription-key=SECRET")
            .body(String::new())?),
        _ => Ok(Response::new(r#"{"status": "Running"}"#.to_owned())),
    });
    let request = Request::post("https://example.com/a/start?subscription-key=SECRET").body(String::new()).unwrap();
    let error = exact().timeout(std::time::Duration::from_secs(2)).layer(service).oneshot(request).await.unwrap_err();
    // The query of the start request, not of the monitor.
    assert_eq!(error.operation().unwrap().resource().unwrap(), "https://example.com/a/result/5");
}

#[tokio::test(start_paused = true)]
async fn a_refused_address_is_named_in_the_error_and_kept_in_the_operation() {
    let (service, _) = answering(operation("https://evil.test/operations/1?sig=secret&api-version=2", DONE));
    let request = Request::post("https://example.com/start").body(String::new()).unwrap();
    let error = exact().layer(service).oneshot(request).await.map_err(Error::boxed).unwrap_err();
    assert_eq!(
        chain(&error),
        [
            "the operation https://evil.test/operations/1?sig=***&api-version=2 did not complete",
            "the `operation-location` header names https://evil.test/operations/1?sig=***&api-version=2, which is of another \
             origin than the request to https://example.com/start, and is neither allowed nor trusted \
             (LroLayer::allow_anonymous_origin, LroLayer::trust_origin)",
        ]
    );
    assert_eq!(error.operation().unwrap().monitor(), "https://evil.test/operations/1?sig=secret&api-version=2");
}

#[tokio::test(start_paused = true)]
async fn start_requests_without_a_host_in_their_address_stay_so() {
    for (location, host, expected) in [
        ("/operations/1", None, Ok("/operations/1")),
        ("operations/1?a", None, Ok("/a/operations/1?a")),
        ("https://example.com/operations/1", Some("example.com"), Ok("/operations/1")),
        ("http://example.com/operations/1", Some("example.com"), Ok("/operations/1")),
        ("http://example.com:8080/operations/1", Some("example.com:8080"), Ok("/operations/1")),
        ("https://example.com/operations/1", None, Err(())),
        ("https://evil.test/operations/1", Some("example.com"), Err(())),
        ("https://example.com:8080/operations/1", Some("example.com"), Err(())),
    ] {
        let (service, log) = answering(operation(location, DONE));
        let mut request = Request::post("/a/start");
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let outcome = exact().layer(service).oneshot(request.body(String::new()).unwrap()).await;
        assert_eq!(outcome.is_ok(), expected.is_ok(), "{location}");
        if let Ok(expected) = expected {
            assert_eq!(log.uris()[1], expected);
            let sent = log.requests()[1].headers().get("host").map(|host| host.to_str().unwrap().to_owned());
            assert_eq!(sent.as_deref(), host, "{location}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn azure_maps_geographies_are_trusted_among_themselves_and_by_nobody_else() {
    for (start, location, is_polled) in [
        ("https://atlas.microsoft.com/search", "https://us.atlas.microsoft.com/operations/1", true),
        ("https://us.atlas.microsoft.com/search", "https://atlas.microsoft.com/operations/1", true),
        ("https://us.atlas.microsoft.com/search", "https://eu.atlas.microsoft.com/operations/1", true),
        ("https://atlas.microsoft.com/search", "http://us.atlas.microsoft.com/operations/1", false),
        ("https://atlas.microsoft.com/search", "https://us.atlas.microsoft.com:8443/operations/1", false),
        ("https://atlas.microsoft.com/search", "https://evilatlas.microsoft.com/operations/1", false),
        ("https://atlas.microsoft.com/search", "https://management.microsoft.com/operations/1", false),
        ("http://atlas.microsoft.com/search", "https://us.atlas.microsoft.com/operations/1", false),
        ("https://example.com/search", "https://us.atlas.microsoft.com/operations/1", false),
    ] {
        let expected = if is_polled { Ok(location.to_owned()) } else { Err(AddressErrorKind::Untrusted) };
        assert_eq!(polled(&exact(), start, location).await, expected, "{start} → {location}");
    }
}

/// The requests of an operation that starts with a key at `example.com` and is polled at `monitor`.
async fn with_key(layer: LroLayer, monitor: &'static str) -> Log {
    let (service, log) = answering(operation(monitor, DONE));
    let request = Request::post("https://example.com/start?subscription-key=secret&api-version=2.0&other=1")
        .header("authorization", "Bearer secret")
        .header("user-agent", "test")
        .extension("an extension")
        .body(String::new())
        .unwrap();
    layer.layer(service).oneshot(request).await.unwrap();
    log
}

#[tokio::test(start_paused = true)]
async fn trusted_origins_get_the_credentials_and_allowed_ones_do_not() {
    let monitor = "https://a.b.windows.net/1";
    for pattern in ["https://*.windows.net", "https://a.b.windows.net"] {
        let log = with_key(exact().trust_origin(pattern.parse().unwrap()), monitor).await;
        assert_eq!(log.uris()[1], "https://a.b.windows.net/1?subscription-key=secret&api-version=2.0");
        let poll = &log.requests()[1];
        assert_eq!(poll.headers()["authorization"], "Bearer secret");
        assert_eq!(poll.extensions().get(), Some(&"an extension"));

        let log = with_key(exact().allow_anonymous_origin(pattern.parse().unwrap()), monitor).await;
        assert_eq!(log.uris()[1], monitor);
        let poll = &log.requests()[1];
        assert_eq!(poll.headers().keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["user-agent"]);
        assert!(poll.extensions().is_empty());
    }
    // Trust beats allowance, in whichever order they were given.
    let both = exact().allow_anonymous_origin("https://*.windows.net".parse().unwrap());
    let log = with_key(both.trust_origin(monitor[..23].parse().unwrap()), monitor).await;
    assert!(log.requests()[1].headers().contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn query_parameters_are_carried_over_where_they_are_missing() {
    let start = "https://example.com/start?Subscription-Key=s%20e&api-version=2.0&other=1";
    for (names, location, expected) in [
        (None, "/1", "/1?Subscription-Key=s%20e&api-version=2.0"),
        (None, "/1?", "/1?Subscription-Key=s%20e&api-version=2.0"),
        (None, "/1?a=b", "/1?a=b&Subscription-Key=s%20e&api-version=2.0"),
        (None, "/1?API-VERSION=1.0", "/1?API-VERSION=1.0&Subscription-Key=s%20e"),
        // A value that the server sends is not overridden.
        (None, "/1?subscription-key=x&api-version=", "/1?subscription-key=x&api-version="),
        (None, "/1?a=b&subscription-key=s+e", "/1?a=b&Subscription-Key=s%20e&api-version=2.0"),
        (Some(&["other", "absent"][..]), "/1", "/1?other=1"),
        (Some(&[][..]), "/1?a", "/1?a"),
    ] {
        let layer = match names {
            Some(names) => exact().propagate_query(names.iter().copied()),
            None => exact(),
        };
        let expected = format!("https://example.com{expected}");
        assert_eq!(polled(&layer, start, location).await, Ok(expected), "{location}");
    }
}

#[tokio::test(start_paused = true)]
async fn azure_maps_subscription_key_in_the_query_reaches_every_poll() {
    let simulator = Simulator::new().subscription_key("secret").recording();
    let request = start_at("https://us.atlas.microsoft.com/mapData?api-version=2.0&subscription-key=secret");
    let response = exact().layer(simulator.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let operation = response.operation().unwrap();
    assert!(operation.monitor().query().is_none(), "the operation holds a credential: {}", operation.monitor());
    for poll in &simulator.recorded()[1..] {
        assert_eq!(poll.uri.query(), Some("api-version=2.0&subscription-key=secret"));
    }
}

/// The monitor moves by a header of its status responses.
async fn moving(layer: LroLayer, to: &'static str) -> (Result<Operation, Error<Boxed>>, Vec<String>) {
    let (service, log) = answering(move |index, _| match index {
        0 => accepted("/operations/1"),
        1 => Ok(Response::builder()
            .header("operation-location", to)
            .header("location", "https://elsewhere.test/")
            .body(r#"{"status": "Running"}"#.to_owned())?),
        2 => Ok(Response::new(r#"{"status": "Running"}"#.to_owned())),
        _ => Ok(Response::new(r#"{"status": "Succeeded"}"#.to_owned())),
    });
    let request = Request::post("https://example.com/start").body(String::new()).unwrap();
    let outcome = layer.layer(service).oneshot(request).await.map_err(Error::boxed);
    (outcome.map(|response| response.operation().unwrap().clone()), log.uris())
}

#[tokio::test(start_paused = true)]
async fn a_status_response_may_move_the_monitor_to_an_address_that_is_checked_the_same_way() {
    for (to, moved) in [
        ("/operations/2", "https://example.com/operations/2"),
        ("2", "https://example.com/operations/2"),
        ("\"https://example.com/operations/2\"", "https://example.com/operations/2"),
        ("/operations/1", "https://example.com/operations/1"),
    ] {
        let (outcome, uris) = moving(exact(), to).await;
        assert_eq!(outcome.unwrap().monitor(), moved);
        assert_eq!(uris[1..], ["https://example.com/operations/1", moved, moved]);
    }
    let (outcome, uris) = moving(exact(), "https://evil.test/").await;
    let Err(Error::Operation(error)) = outcome else { panic!() };
    assert!(matches!(error.cause(), Cause::Address(error) if error.kind() == AddressErrorKind::Untrusted));
    assert_eq!(error.operation().monitor(), "https://example.com/operations/1");
    assert_eq!(uris.len(), 2);
}

fn redirect(status: u16, to: &str) -> Result<Response<String>, BoxError> {
    Ok(Response::builder().status(status).header("location", to).body("moved".to_owned())?)
}

#[tokio::test(start_paused = true)]
async fn redirects_of_a_poll_move_the_monitor_at_once() {
    for status in [301, 302, 307, 308] {
        let (service, log) = answering(move |index, _| match index {
            0 => accepted("/operations/1"),
            1 => redirect(status, "../moved/1"),
            2 => Ok(Response::new(r#"{"status": "Running"}"#.to_owned())),
            _ => Ok(Response::new(r#"{"status": "Succeeded"}"#.to_owned())),
        });
        let request = Request::post("https://example.com/start").body(String::new()).unwrap();
        let response = exact().layer(service).oneshot(request).await.unwrap();
        assert_eq!(response.operation().unwrap().monitor(), "https://example.com/moved/1");
        assert_eq!(
            log.uris()[1..],
            ["https://example.com/operations/1"; 1]
                .map(str::to_owned)
                .into_iter()
                .chain(["https://example.com/moved/1".to_owned(), "https://example.com/moved/1".to_owned()])
                .collect::<Vec<_>>()
        );
        assert_eq!(log.millis(), [0, 1000, 1000, 2500], "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_may_ask_for_a_delay() {
    let (service, log) = answering(move |index, _| match index {
        0 => accepted("/operations/1"),
        1 => Ok(Response::builder()
            .status(307)
            .header("location", "/2")
            .header("retry-after", "30")
            .body(String::new())?),
        _ => Ok(Response::new(r#"{"status": "Succeeded"}"#.to_owned())),
    });
    let request = Request::post("https://example.com/start").body(String::new()).unwrap();
    exact().layer(service).oneshot(request).await.unwrap();
    assert_eq!(log.millis(), [0, 1000, 31000]);
}

async fn redirected(status: u16, to: Option<&'static str>) -> (AddressErrorKind, usize) {
    let (service, log) = answering(move |index, _| match (index, to) {
        (0, _) => accepted("/operations/1"),
        (_, Some(to)) => redirect(status, to),
        (_, None) => Ok(Response::builder().status(status).body(String::new())?),
    });
    let request = Request::post("https://example.com/start").body(String::new()).unwrap();
    let Err(Error::Operation(error)) = exact().layer(service).oneshot(request).await else { panic!() };
    let Cause::Address(error) = error.cause() else { panic!("{error:?}") };
    (error.kind(), log.uris().len() - 1)
}

#[tokio::test(start_paused = true)]
async fn redirects_elsewhere_or_nowhere_or_in_circles_are_refused() {
    for status in [301, 302, 303, 307, 308] {
        assert_eq!(redirected(status, Some("https://evil.test/")).await, (AddressErrorKind::Untrusted, 1));
        assert_eq!(redirected(status, Some("http://example.com:8080/")).await, (AddressErrorKind::Untrusted, 1));
        assert_eq!(redirected(status, None).await, (AddressErrorKind::Missing, 1));
        assert_eq!(redirected(status, Some("/operations/1")).await, (AddressErrorKind::TooManyMoves, 11), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_redirect_of_the_monitor_to_the_result_says_that_it_succeeded() {
    let monitor = || StatusRule::new().status_at("/status");
    let speaking = |monitor: StatusRule| {
        let start = StartRule::by_header("operation-location").monitor(monitor);
        exact().protocols([Protocol::builder("own").announced(start).build().unwrap()])
    };
    for (status, state) in [(307, OperationState::NotStarted), (303, OperationState::Succeeded)] {
        for (to, may_be_missing) in [(Some("https://evil.test/"), false), (None, false), (None, true)] {
            let (service, _) = answering(move |index, _| match (index, to) {
                (0, _) => accepted("/operations/1"),
                (_, Some(to)) => redirect(status, to),
                (_, None) => Ok(Response::builder().status(status).body(String::new())?),
            });
            let request = Request::post("https://example.com/start").body(String::new()).unwrap();
            let monitor = if may_be_missing { monitor().result_may_be_missing() } else { monitor() };
            let outcome = speaking(monitor).layer(service).oneshot(request).await;
            assert_eq!(outcome.is_ok(), status == 303 && may_be_missing, "{status} {to:?}");
            let operation = match outcome {
                Ok(response) => response.operation().unwrap().clone(),
                Err(error) => error.operation().unwrap().clone(),
            };
            assert_eq!(operation.state(), state, "{status} {to:?}");
            assert_eq!(operation.resource().is_some(), status == 303 && to.is_some(), "{status} {to:?}");
        }
    }
    // A redirect of the result says nothing new about the operation.
    for to in [Some("https://evil.test/"), None] {
        let (service, _) = answering(move |index, _| match (index, to) {
            (0, _) => accepted("/operations/1"),
            (1, _) => redirect(303, "/things/1"),
            (_, Some(to)) => redirect(303, to),
            (_, None) => Ok(Response::builder().status(303).body(String::new())?),
        });
        let request = Request::post("https://example.com/start").body(String::new()).unwrap();
        let error = speaking(monitor().result_may_be_missing()).layer(service).oneshot(request).await.unwrap_err();
        assert_eq!(error.operation().unwrap().resource().unwrap(), "https://example.com/things/1");
    }
}

/// A sign-in page, for one, where a session has expired.
#[tokio::test(start_paused = true)]
async fn a_page_that_a_redirect_leads_to_is_no_success() {
    // Behind each comes a 200 without a status.
    for (way, is_success) in [
        (&[(302, "/login")][..], false),
        (&[(307, "/op/1?page=login")], false),
        (&[(503, ""), (302, "/login"), (503, "")], false),
        // Nor does what else such a page answers say anything about the operation.
        (&[(302, "/login"), (204, "")], false),
        (&[(302, "/login"), (401, "")], false),
        (&[(302, "/login"), (404, "")], false),
        (&[(302, "/login"), (302, "https://sign-in.example.net/")], false),
        (&[(302, "/login"), (302, "/b"), (302, "/login"), (304, "")], false),
        // A slash makes no other place, and what leads back to the monitor does not either.
        (&[(307, "/op/1/")], true),
        (&[(302, "/refresh"), (302, "/op/1")], true),
        // The monitor is there now.
        (&[(308, "/moved/1"), (202, "")], true),
    ] {
        for max_wait in [None, Some(seconds(0))] {
            let (service, _) = answering(move |index, _| match index.checked_sub(2).and_then(|step| way.get(step)) {
                Some(&(status @ 300..=399, to)) => redirect(status, to),
                Some(&(status, _)) => Ok(Response::builder().status(status).body(String::new())?),
                None if index < 2 => {
                    let accepted = Response::builder().status(202).header("location", "/op/1");
                    Ok(accepted.body(String::new())?)
                }
                None => Ok(Response::new("<html>Sign in</html>".to_owned())),
            });
            let layer = exact().protocols([Protocol::location()]);
            let client = max_wait.map_or(layer.clone(), |max_wait| layer.max_wait(max_wait)).layer(service);
            let request = Request::post("https://example.com/start").body(String::new()).unwrap();
            let mut outcome = client.clone().oneshot(request).await;
            while let Some((operation, _)) = outcome.as_ref().err().and_then(|error| error.pending()) {
                let stored = serde_json::to_string(operation).unwrap();
                let operation: Operation = serde_json::from_str(&stored).unwrap();
                let request = Request::get("https://example.com/").extension(operation.resume());
                outcome = client.clone().oneshot(request.body(String::new()).unwrap()).await;
            }
            assert_eq!(outcome.is_ok(), is_success, "{way:?} {max_wait:?}");
            let Err(Error::Operation(error)) = outcome else { continue };
            assert!(matches!(error.cause(), Cause::Status(_) | Cause::Monitor(_) | Cause::Address(_)), "{error:?}");
            // With a new session it can be resumed, and it can be canceled.
            assert_eq!(error.operation().monitor(), "https://example.com/op/1", "{way:?} {max_wait:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_when_a_monitor_moves_is_no_success_there_either() {
    let (service, _) = answering(|index, _| match index {
        0 | 1 => Ok(Response::builder().status(202).header("location", "/op/1").body(String::new())?),
        2 => redirect(302, "/login"),
        _ => Ok(Response::new("<html>Sign in</html>".to_owned())),
    });
    let (layer, events) = exact().protocols([Protocol::location()]).events();
    let request = |method| Request::builder().method(method).uri("https://example.com/start");
    _ = layer.clone().layer(service.clone()).oneshot(request("POST").body(String::new()).unwrap()).await;
    drop(layer);
    let moved = |event: &OwnedEvent| match event.as_event() {
        Event::Moved { operation, .. } => Some(serde_json::to_string(operation).unwrap()),
        _ => None,
    };
    let stored = events.filter_map(|event| std::future::ready(moved(&event))).next().await.unwrap();
    let operation: Operation = serde_json::from_str(&stored).unwrap();
    let resuming = request("GET").extension(operation.resume()).body(String::new()).unwrap();
    let outcome = exact().protocols([Protocol::location()]).layer(service).oneshot(resuming).await;
    let Err(Error::Operation(error)) = outcome else { panic!("it has succeeded") };
    assert!(matches!(error.cause(), Cause::Status(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn moves_are_counted_between_two_statuses() {
    // Ten redirects and a status, three times over.
    let (service, log) = answering(move |index, _| match index {
        0 => accepted("/0"),
        33 => Ok(Response::new(r#"{"status": "Succeeded"}"#.to_owned())),
        _ if index % 11 == 0 => Ok(Response::new(r#"{"status": "Running"}"#.to_owned())),
        _ => redirect(302, &format!("/{index}")),
    });
    let request = Request::post("https://example.com/start").body(String::new()).unwrap();
    exact().layer(service).oneshot(request).await.unwrap();
    assert_eq!(log.uris().len(), 34);
}

#[tokio::test(start_paused = true)]
async fn see_other_names_the_result_which_is_fetched_and_handed_over() {
    let (service, log) = answering(move |index, _| match index {
        0 => accepted("/operations/1"),
        1 => redirect(303, "/things/1"),
        2 => Ok(Response::builder().status(503).body(String::new())?),
        3 => redirect(302, "/things/one"),
        _ => Ok(Response::builder().header("x", "y").body("no JSON, and no status".to_owned())?),
    });
    let request = Request::post("https://example.com/start").body(String::new()).unwrap();
    let response = exact().layer(service).oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x"], "y");
    let operation = response.operation().unwrap();
    assert_eq!((operation.monitor().path(), operation.resource().unwrap().path()), ("/operations/1", "/things/1"));
    assert_eq!((operation.state(), operation.polls()), (tower_lro::OperationState::Succeeded, 1));
    assert_eq!(crate::support::text(response).await, "no JSON, and no status");
    let paths: Vec<_> = log.requests().iter().map(|request| request.uri().path().to_owned()).collect();
    assert_eq!(paths, ["/start", "/operations/1", "/things/1", "/things/1", "/things/one"]);
}

#[tokio::test(start_paused = true)]
async fn the_location_protocol_is_moved_by_a_202_alone() {
    let layer = || exact().protocol(Protocol::location());
    let script = |polls| Script::new(Reply::http(202).header("location", "/operations/{id}")).polls(polls);
    // The `Location` of a 202 is the monitor's new address, which the simulator does not know.
    let moved = script([Reply::http(202).header("location", "/gone")]);
    let (outcome, requests) = send(layer(), moved, start_at("https://example.com/")).await;
    assert_eq!(outcome.unwrap().status(), 404);
    assert_eq!(requests[2].uri.path(), "/gone");
    // The `Location` of a 200 is not.
    let stays = Script::new(Reply::http(202).header("location", "/operations/{id}"))
        .polls([Reply::status("Running").header("location", "https://evil.test/"), Reply::status("Succeeded")]);
    let (outcome, _) = send(layer(), stays, start_at("https://example.com/")).await;
    assert_eq!(outcome.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_may_be_the_start_requests_own_address() {
    // As of the Data Manager for Agriculture.
    let (service, log) = answering(operation("https://example.com/start", DONE));
    let request = Request::put("https://example.com/start").body(String::new()).unwrap();
    exact().layer(service).oneshot(request).await.unwrap();
    assert_eq!(log.uris(), ["https://example.com/start"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_host_header_goes_to_its_host_alone() {
    let (service, log) = answering(operation("https://ops.example/1", &[r#"{"status": "Succeeded"}"#]));
    let request = Request::post("/start").header("host", "a.example").body(String::new()).unwrap();
    let layer = exact().trust_origin("https://ops.example".parse().unwrap());
    layer.layer(service).oneshot(request).await.unwrap();
    let poll = &log.requests()[1];
    assert_eq!((poll.uri().host(), poll.headers().get("host")), (Some("ops.example"), None));
}

/// Start addresses that `http` makes of parts, though it would not read all of them as a text.
fn odd_starts() -> Vec<Uri> {
    let long = format!("/p?code=SECRET&x={}", "q".repeat(65_510));
    let odd = ["*", "@evil.test/x", ".evil.test/x", "evil.test", "?a", "", &long];
    let build = |path: &str| Uri::builder().scheme("https").authority("api.test").path_and_query(path).build().ok();
    odd.into_iter().filter_map(build).collect()
}

#[tokio::test(start_paused = true)]
async fn no_path_becomes_part_of_the_host() {
    let starts = odd_starts();
    assert!(starts.len() >= 4);
    for start in starts {
        for (location, is_own) in [
            ("https://api.test/1", true),
            ("https://API.test:443/1", true),
            ("/1", true),
            ("https://evil.test/1", false),
            ("https://api.test*/1", false),
            ("https://api.test.evil.test/1", false),
            ("https://no-host.invalid/1", false),
        ] {
            let (service, log) = answering(operation(location, DONE));
            let request = Request::put(start.clone()).header("authorization", "Bearer secret");
            let request = request.body(String::new()).unwrap();
            let layer = exact().final_response(FinalResponse::OriginalUri);
            let outcome = layer.layer(service).oneshot(request).await;
            let uris: Vec<Uri> = log.uris().iter().map(|uri| uri.parse().unwrap_or_default()).collect();
            let short = start.to_string().chars().take(30).collect::<String>();
            if is_own {
                assert!(outcome.is_ok(), "{short} {location}: {outcome:?}");
                assert_eq!(uris[1], "https://api.test/1", "{short} {location}");
                assert_eq!(log.requests()[2].uri(), &start, "{short} {location}");
            } else {
                let error = outcome.unwrap_err();
                let Error::Operation(error) = error else { panic!("{error:?}") };
                assert!(matches!(error.cause(), Cause::Address(_)), "{short} {location}: {error:?}");
                assert_eq!(uris.len(), 1, "{short} {location}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_request_leaves_nothing_of_its_query_in_the_operation() {
    for start in odd_starts().into_iter().filter(|start| start.query().is_some_and(|query| query.contains("SECRET"))) {
        let (service, _) = answering(operation("/p?code=SECRET&op=1", DONE));
        let request = Request::post(start).body(String::new()).unwrap();
        let response = exact().layer(service).oneshot(request).await.unwrap();
        assert_eq!(response.operation().unwrap().monitor(), "https://api.test/p?op=1");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_no_text_can_say_is_kept_as_it_is() {
    for path in [format!("/x?{}", "q".repeat(65_527)), format!("/{}", "q".repeat(65_529)), "*".to_owned()] {
        // `http` looks at the parts alone; what it takes differs between its versions.
        let start = Uri::builder().scheme("https").authority("a.example").path_and_query(path).build();
        let Ok(start) = start else { continue };
        // Relative addresses are resolved against it, at first and later on.
        let (service, log) = answering(|index, _| match index {
            0 => accepted("/1"),
            1 => Ok(Response::builder()
                .header("operation-location", "/2")
                .body(r#"{"status": "Running"}"#.to_owned())?),
            _ => Ok(Response::new(DONE[0].to_owned())),
        });
        exact().layer(service).oneshot(Request::post(start).body(String::new()).unwrap()).await.unwrap();
        assert_eq!(log.uris()[1..], ["https://a.example/1", "https://a.example/2"]);
    }
}
