//! Protocols made by the builder.

use http::{Request, Response};
use tower::{Layer, ServiceExt};
use tower_lro::{
    CancelRule, Error, FinalResponse, MissingStatus, OperationState, Protocol, ProtocolBuilder, ProtocolError,
    ResponseExt, StartRule, StatusRule,
    simulator::{Fault, Reply, Script},
};

use crate::support::{answering, exact, seconds, send, start_at, text};

async fn ends(
    protocol: Protocol,
    start: Reply,
    polls: impl IntoIterator<Item = Reply>,
) -> (u16, Option<OperationState>, usize) {
    let script = Script::new(start).polls(polls);
    let (outcome, requests) =
        send(exact().protocols([protocol]), script, start_at("https://example.com/v1/jobs")).await;
    let response = outcome.unwrap();
    (response.status().as_u16(), response.operation().map(|operation| operation.state()), requests.len())
}

#[tokio::test(start_paused = true)]
async fn statuses_are_where_the_protocol_says() {
    let by = |monitor: StatusRule| {
        let announcement = StartRule::by_header("x-job").statuses([201]).methods(["POST"]).monitor(monitor);
        Protocol::builder("jobs").announced(announcement).succeeded(["Shipped"]).failed(["Lost"]).running(["Completed"])
    };
    let start = || Reply::http(201).header("x-job", "/operations/{id}");
    let pointer = by(StatusRule::new().status_at("/job/phase~1name")).build().unwrap();
    let phase = |word: &str| Reply::json(format!(r#"{{"status": "Failed", "job": {{"phase/name": "{word}"}}}}"#));
    assert_eq!(
        ends(pointer.clone(), start(), [phase("Completed"), phase("shipped")]).await,
        (200, Some(OperationState::Succeeded), 3)
    );
    assert_eq!(ends(pointer.clone(), start(), [phase("Packed"), phase("LOST")]).await.1, Some(OperationState::Failed));
    // Another status or method starts nothing.
    assert_eq!(ends(pointer, start().code(202), []).await, (202, None, 1));

    let header = by(StatusRule::new().status_header("x-phase")).build().unwrap();
    let polls =
        [Reply::http(200).header("x-phase", "Packed"), Reply::http(200).header("x-phase", "Shipped").body("the thing")];
    assert_eq!(ends(header, start(), polls).await, (200, Some(OperationState::Succeeded), 3));

    let http = by(StatusRule::new().http_status_only().final_error_statuses(400..=499)).build().unwrap();
    assert_eq!(
        ends(http.clone(), start(), [Reply::http(202), Reply::http(203)]).await,
        (203, Some(OperationState::Succeeded), 3)
    );
    assert_eq!(ends(http, start(), [Reply::http(202), Reply::http(409)]).await, (409, Some(OperationState::Failed), 3));

    let running =
        by(StatusRule::new().status_at("/status").when_status_missing(MissingStatus::Running)).build().unwrap();
    assert_eq!(ends(running, start(), [Reply::json("{}"), Reply::http(200), Reply::http(204)]).await.2, 4);

    let patient = by(StatusRule::new().status_at("/status").retryable_statuses([418])).build().unwrap();
    assert_eq!(ends(patient, start(), [Reply::http(418), Reply::status("Shipped")]).await.2, 3);
}

#[tokio::test(start_paused = true)]
async fn names_in_bodies_make_addresses() {
    let announcement = StartRule::by_body("/task/id", "/{first}/tasks/operations/{name}?full")
        .statuses([200, 201])
        .unless_terminal_or_missing("/task/state")
        .monitor(StatusRule::new().status_at("/task/state").fixed_uri());
    let protocol = Protocol::builder("tasks").announced(announcement).build().unwrap();
    let task = |state: &str| Reply::json(format!(r#"{{"task": {{"id": "{{id}}", "state": "{state}"}}}}"#));
    let script = Script::new(task("Queued").code(201)).polls([task("Running"), task("Succeeded")]);
    let (outcome, requests) =
        send(exact().protocols([protocol.clone()]), script, start_at("https://example.com/v1/jobs")).await;
    assert!(text(outcome.unwrap()).await.contains("Succeeded"));
    assert!(requests[1].uri.path().starts_with("/v1/tasks/operations/00000001-"));
    assert_eq!(requests[1].uri.query(), Some("full"));
    for other in
        [task("Succeeded"), Reply::json(r#"{"task": {"id": "1"}}"#), Reply::json(r#"{"task": {"state": "Queued"}}"#)]
    {
        assert_eq!(ends(protocol.clone(), other, []).await, (200, None, 1));
    }
    // A name may try to lead elsewhere.
    let hostile = StartRule::by_body("/name", "{+name}").monitor(StatusRule::new().status_at("/status"));
    let hostile = Protocol::builder("hostile").announced(hostile).build().unwrap();
    let script = Script::new(Reply::json(r#"{"name": "https://evil.test/x"}"#));
    let (outcome, requests) = send(exact().protocols([hostile]), script, start_at("https://example.com/v1/jobs")).await;
    let Err(Error::Operation(error)) = outcome else { panic!() };
    assert!(
        error.to_string().starts_with("the address names https://evil.test/x, which is of another origin"),
        "{error}"
    );
    assert_eq!(requests.len(), 1);
}

/// Such as two versions of a description. Only a stored operation has nothing but the name to go by.
#[tokio::test(start_paused = true)]
async fn of_two_protocols_with_one_name_each_has_its_own_rules() {
    let jobs = |header, pointer| {
        let monitor = StatusRule::new().status_at(pointer);
        Protocol::builder("jobs").announced(StartRule::by_header(header).monitor(monitor))
    };
    let older = jobs("x-job", "/status").build().unwrap();
    let newer = jobs("x-job-2", "/phase").allows(["https://public.test"]).build().unwrap();
    let layer = exact().protocols([older, newer]);
    let (service, log) = answering(|index, _| {
        let response = Response::builder();
        Ok(match index {
            0 => response.status(202).header("x-job-2", "https://public.test/1").body(String::new())?,
            1 => response.status(403).body(String::new())?,
            _ => response.body(r#"{"phase": "Succeeded"}"#.to_owned())?,
        })
    });
    let start = Request::post("https://example.com/jobs").body(String::new()).unwrap();
    let error = layer.clone().layer(service.clone()).oneshot(start).await.unwrap_err();
    let resume = error.operation().unwrap().resume();
    let request = Request::get("https://example.com/").extension(resume).body(String::new()).unwrap();
    let response = layer.layer(service).oneshot(request).await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Succeeded);
    assert_eq!(log.uris()[1..], ["https://public.test/1", "https://public.test/1"]);
}

/// A base that ends in a slash, joined with a path, makes such requests.
#[tokio::test(start_paused = true)]
async fn two_slashes_at_the_beginning_of_the_start_requests_path_name_no_host() {
    for (template, monitor) in [
        ("{path}/{name}", "https://example.com//v1/jobs/7"),
        ("{parent}/status?job={name}", "https://example.com//v1/status?job=7"),
    ] {
        let rule = StartRule::by_name_header("x-job", template).monitor(StatusRule::new().status_at("/status"));
        let jobs = Protocol::builder("jobs").announced(rule).build().unwrap();
        let (service, log) = answering(|index, _| {
            Ok(match index {
                0 => Response::builder().status(202).header("x-job", "7").body(String::new())?,
                _ => Response::new(r#"{"status": "Succeeded"}"#.to_owned()),
            })
        });
        let start = Request::post("https://example.com//v1/jobs").body(String::new()).unwrap();
        let response = exact().protocols([jobs]).layer(service).oneshot(start).await.unwrap();
        assert_eq!(response.operation().unwrap().monitor(), monitor, "{template}");
        assert_eq!(log.uris()[1], monitor, "{template}");
    }
}

#[tokio::test(start_paused = true)]
async fn links_are_monitors_by_their_relation() {
    let monitor = StatusRule::new().status_at("/batch_header/batch_status");
    let rule = || StartRule::by_relation("self").monitor(monitor.clone());
    let payouts = |rule| Protocol::builder("payouts").announced(rule).succeeded(["Success"]).build().unwrap();
    let links = r#"{"items": [{"links": [{"rel": "self", "href": "/items/1"}]}],
        "links": [{"rel": "up", "href": "/"}, {"href": "/operations/{id}?page=1", "rel": "self", "method": "GET"}]}"#;
    let hal = r#"{"_links": {"up": {"href": "/"}, "self": {"href": "/operations/{id}?page=1"}}}"#;
    let header = r#"</>; rel=up, </operations/{id}?page=1>; rel="alternate self""#;
    let polls = || {
        ["PENDING", "SUCCESS"].map(|word| Reply::json(format!(r#"{{"batch_header": {{"batch_status": "{word}"}}}}"#)))
    };
    for start in [
        Reply::json(links).code(201),
        Reply::json(hal),
        Reply::json("[]").code(202).header("link", header),
        Reply::http(202).header("link", header),
    ] {
        let script = Script::new(start).polls(polls());
        let layer = exact().protocols([payouts(rule())]);
        let (outcome, requests) = send(layer, script, start_at("https://example.com/v1/payouts")).await;
        assert!(text(outcome.unwrap()).await.contains("SUCCESS"));
        assert!(requests[1].uri.path().starts_with("/operations/00000001-"), "{}", requests[1].uri);
        assert_eq!((requests[1].uri.query(), requests.len()), (Some("page=1"), 3));
    }
    for other in [
        Reply::json(r#"{"links": [{"rel": "up", "href": "/operations/1"}], "self": "/operations/1"}"#),
        Reply::json(r#"{"links": [{"rel": "self"}]}"#).header("link", "</operations/1>; rel=selfish"),
        Reply::http(202).header("content-type", "text/html").body(hal),
    ] {
        assert_eq!(ends(payouts(rule()), other, []).await.2, 1);
    }
    for empty in [r#"{"_links": {"self": {"href": ""}}}"#, r#"{"links": {"self": ""}}"#] {
        assert_eq!(ends(payouts(rule()), Reply::json(empty).code(201), []).await.2, 1);
    }
    // A header announces an operation, though a body that might say otherwise breaks off.
    let broken = Reply::json(r#"{"items": [1, 2, 3]}"#).code(202).header("link", header).fault(Fault::BrokenAfter(5));
    let script = Script::new(broken).polls(polls());
    let layer = exact().protocols([payouts(rule().unless_true("/done"))]);
    let (outcome, _) = send(layer, script, start_at("https://example.com/v1/payouts")).await;
    assert!(text(outcome.unwrap()).await.contains("SUCCESS"));
    // The body may have more to say than the header that has the link.
    let rule = || rule().unless_terminal("/batch_header/batch_status");
    let ended = Reply::json(r#"{"batch_header": {"batch_status": "SUCCESS"}}"#).header("link", header);
    assert_eq!(ends(payouts(rule()), ended, []).await, (200, None, 1));
}

#[tokio::test(start_paused = true)]
async fn half_a_body_announces_an_operation_only_with_a_header() {
    // 32 bytes longer than it is here, by the placeholder.
    let hal = r#"{"_links": {"self": {"href": "/operations/{id}"}}, "items": [1, 2, 3]}"#;
    let header =
        |reply: Reply| reply.header("x-job", "/operations/{id}").header("link", "</operations/{id}>; rel=monitor");
    for (rule, starts) in [
        (StartRule::by_header("x-job"), true),
        (StartRule::by_relation("monitor"), true),
        (StartRule::by_relation("self"), false),
        (StartRule::by_link("/_links/self/href"), false),
        (StartRule::at_request_uri(), false),
        (StartRule::at("{path}/monitor"), false),
    ] {
        let rule = rule.statuses([202]).monitor(StatusRule::new().status_at("/status"));
        let whole = Protocol::builder("jobs").announced(rule.clone().unless_terminal("/state")).build().unwrap();
        let script = Script::new(header(Reply::json(hal).code(202))).own_monitor();
        let (outcome, requests) =
            send(exact().protocols([whole.clone()]), script.clone(), start_at("https://example.com/jobs")).await;
        assert!(requests.len() > 1, "{rule:?} {outcome:?}");
        let broken = header(Reply::json(hal).code(202)).fault(Fault::BrokenAfter(hal.len() + 25));
        let (_, requests) =
            send(exact().protocols([whole]), script.start(broken), start_at("https://example.com/jobs")).await;
        assert_eq!(requests.len() > 1, starts, "{rule:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_members_that_are_there_twice_the_first_counts() {
    let own = |start: StartRule, monitor| {
        let jobs = Protocol::builder("jobs").announced(start.monitor(monitor)).resource_at("/out/at");
        jobs.build().unwrap()
    };
    let by_header = StartRule::by_header("x-job");
    let protocol = own(by_header, StatusRule::new().status_at("/status").failure_at("/failure/text"));
    for (rest, expected) in [
        (r#""out": {"at": "/things/9"}, "failure": {"text": "why"}"#, (Some("/things/9"), Some("why"))),
        (r#""out": null, "out": {"at": "/things/9"}, "failure": {}, "failure": {"text": "why"}"#, (None, None)),
    ] {
        let failed = Reply::json(format!(r#"{{"status": "Failed", {rest}}}"#));
        let script = Script::new(Reply::http(202).header("x-job", "/operations/{id}")).polls([failed]);
        let layer = exact().protocols([protocol.clone()]);
        let response = send(layer, script, start_at("https://example.com/v1/jobs")).await.0.unwrap();
        let operation = response.operation().unwrap();
        let message = operation.error().and_then(|error| error.message());
        assert_eq!((operation.resource().map(http::Uri::path), message), expected, "{rest}");
    }
    let by_link = own(StartRule::by_link("/links/monitor"), StatusRule::new().status_at("/status"));
    for (links, polled) in [
        (r#""links": {"monitor": "/operations/{id}"}"#, true),
        (r#""links": null, "links": {"monitor": "/operations/{id}"}"#, false),
    ] {
        let start = Reply::json(format!("{{{links}}}")).code(202);
        let (_, state, requests) = ends(by_link.clone(), start, [Reply::status("Succeeded")]).await;
        assert_eq!((state.is_some(), requests), (polled, if polled { 2 } else { 1 }), "{links}");
    }
}

#[tokio::test(start_paused = true)]
async fn origins_and_results_are_the_protocols() {
    let monitor = StatusRule::new().status_at("/status").result_redirects([302]).relocated_by("x-next", [200]);
    let builder = || {
        Protocol::builder("regional")
            .announced(StartRule::by_header("x-job").requires_header("x-really").monitor(monitor.clone()))
            .trusts(["https://example.com"], ["https://*.example.net"])
            .allows(["https://public.test"])
            .resource_at("/links/other")
            .resource_at("/links/self")
            .final_response(FinalResponse::Resource)
            .build()
            .unwrap()
    };
    let start = |host: &str| {
        Reply::http(202).header("x-job", &format!("https://{host}/operations/{{id}}")).header("x-really", "")
    };
    let done = Reply::json(r#"{"status": "Succeeded", "links": {"self": "/resources/{id}", "other": "http://["}}"#);
    for (host, has_credentials) in [("example.com", true), ("eu.example.net", true), ("public.test", false)] {
        let polls = [Reply::status("Running").header("x-next", "?moved"), done.clone()];
        let mut request = start_at("https://example.com/");
        request.headers_mut().insert("authorization", "Bearer token".parse().unwrap());
        let script = Script::new(start(host)).polls(polls);
        let (outcome, requests) = send(exact().protocols([builder()]), script, request).await;
        assert!(text(outcome.unwrap()).await.contains("00000001"));
        assert_eq!((requests[2].uri.query(), requests[3].uri.host()), (Some("moved"), Some(host)));
        assert_eq!(requests[1].headers.contains_key("authorization"), has_credentials);
    }
    assert_eq!(ends(builder(), Reply::http(202).header("x-job", "/operations/{id}"), []).await, (202, None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_protocol_has_no_more_than_255_start_rules() {
    let rule = |header| StartRule::by_header(header).monitor(StatusRule::new().status_at("/status"));
    let rules = |count| (0..count).fold(Protocol::builder("own"), |builder, _| builder.announced(rule("x")));
    assert_eq!(rules(256).build().err(), Some(ProtocolError::TooMany));
    // None of them matches, or only the last one.
    let start = || Reply::http(202).header("x-job", "/operations/{id}");
    assert_eq!(ends(rules(255).build().unwrap(), start(), []).await, (202, None, 1));
    let last = rules(254).announced(rule("x-job")).build().unwrap();
    let (status, state, _) = ends(last, start(), [Reply::status("Succeeded")]).await;
    assert_eq!((status, state), (200, Some(OperationState::Succeeded)));
}

#[test]
fn the_relation_of_a_link_is_one_word() {
    for relation in ["", "two words"] {
        let rule = StartRule::by_relation(relation).monitor(StatusRule::new().status_at("/status"));
        let error = ProtocolError::Contradiction("the relation of a link is one word".to_owned());
        assert_eq!(Protocol::builder("x").announced(rule).build().map(|_| ()), Err(error));
    }
}

/// Accepted, they would never be met.
#[test]
fn what_no_service_sends_is_refused() {
    let monitor = StatusRule::new().status_at("/status");
    let fine = StartRule::by_header("x").monitor(monitor);
    let with = |change: fn(ProtocolBuilder) -> ProtocolBuilder| {
        change(Protocol::builder("x").announced(fine.clone())).build().map(|_| ()).map_err(|error| error.to_string())
    };
    for (change, problem) in [
        (
            (|it: ProtocolBuilder| it.cancel(CancelRule::new("delete", "{monitor}")))
                as fn(ProtocolBuilder) -> ProtocolBuilder,
            "\"delete\" is not a method",
        ),
        (|it| it.resource_link(""), "the relation of a link is one word"),
        (|it| it.resource_link("results next"), "the relation of a link is one word"),
        (|it| it.failed(["x".repeat(65)]), "longer than the 64 bytes"),
    ] {
        assert!(with(change).unwrap_err().contains(problem), "{problem}");
    }
    assert_eq!(with(|it| it.failed(["x".repeat(64)])), Ok(()));
}

#[test]
fn what_is_wrong_with_a_description_is_named() {
    let by = |rule: StartRule| Protocol::builder("x").announced(rule).build().map(|_| ());
    let header = || StartRule::by_header("x");
    let status = || StatusRule::new().status_at("/status");
    let monitor = |rule: StatusRule| by(header().monitor(rule));
    let fine = || header().monitor(status());
    assert_eq!(by(fine()), Ok(()));
    assert_eq!(Protocol::builder("x").build().map(|_| ()), Err(ProtocolError::NoStartRule));
    assert_eq!(by(header()), Err(ProtocolError::NoStatus));
    assert_eq!(monitor(StatusRule::new()), Err(ProtocolError::NoStatus));
    assert_eq!(by(StartRule::by_header("no header")), Err(ProtocolError::Header("no header".to_owned())));
    assert_eq!(by(fine().statuses([404])), Err(ProtocolError::Status(404)));
    assert_eq!(by(fine().statuses([299])), Ok(()));
    assert_eq!(by(fine().methods(["NO METHOD"])), Err(ProtocolError::Method("NO METHOD".to_owned())));
    assert_eq!(by(fine().methods(["POST", "post"])), Err(ProtocolError::Method("post".to_owned())));
    assert_eq!(by(fine().methods(["MERGE", "merge"])), Ok(()), "a method of one's own");
    assert_eq!(monitor(status().retryable_statuses([200])), Err(ProtocolError::Status(200)));

    let deep = "/a".repeat(9);
    for pointer in ["status", "", &deep, "/a~", "/~2"] {
        assert_eq!(monitor(StatusRule::new().status_at(pointer)), Err(ProtocolError::Pointer(pointer.to_owned())));
    }
    let many = (0..30).fold(StatusRule::new(), |rule, n| rule.status_at(&format!("/{n}")));
    assert_eq!(monitor(many), Err(ProtocolError::TooMany));

    for (template, problem) in [
        ("/jobs/{nam}", "has the placeholder {nam}; here there are {name}, {+name}, {first}, {path}, {parent}"),
        ("/jobs/{monitor}", "has the placeholder {monitor}; here there are {name}, {+name}, {first}, {path}, {parent}"),
        ("/jobs", "has no placeholder {name} or {+name}"),
        ("/jobs/{name", "has a `{` without its `}`"),
        ("", "is empty"),
    ] {
        let error = ProtocolError::Template { template: template.to_owned(), problem: problem.to_owned() };
        assert_eq!(by(StartRule::by_body("/id", template).monitor(status())), Err(error), "{template}");
    }
}

#[test]
fn contradictions_in_a_description_are_named() {
    let by = |rule: StartRule| Protocol::builder("x").announced(rule).build().map(|_| ());
    let status = || StatusRule::new().status_at("/status");
    let monitor = |rule: StatusRule| by(StartRule::by_header("x").monitor(rule));
    let fine = || StartRule::by_header("x").monitor(status());
    for (rule, what) in [
        (
            status().relocated_by("location", [202]).fixed_uri(),
            "a monitor that is relocated by a header has no fixed URI",
        ),
        (
            status().fixed_uri().relocated_by("location", [202]),
            "a monitor with a fixed URI cannot be relocated by a header",
        ),
        (
            status().final_error_statuses([410]).success_statuses([404, 410]),
            "HTTP status 410 Gone is among the final error statuses and among the success statuses",
        ),
        (
            status().final_error_statuses([410]).retryable_statuses([410]),
            "HTTP status 410 Gone is among the final error statuses and among the retryable statuses",
        ),
    ] {
        assert_eq!(monitor(rule), Err(ProtocolError::Contradiction(what.to_owned())));
    }
    // The default retryable statuses need not be left out.
    assert_eq!(monitor(status().final_error_statuses(400..=499)), Ok(()));
    let named = by(fine().name_contains("x"));
    assert_eq!(named, Err(ProtocolError::Contradiction("name_contains is for rules by a name in the body".to_owned())));
    let words = Protocol::builder("x").announced(fine()).succeeded(["Done"]).failed(["done"]).build().map(|_| ());
    assert_eq!(words, Err(ProtocolError::Contradiction("the status \"Done\" has two meanings".to_owned())));

    let none = ProtocolError::Contradiction("a start rule without an HTTP status announces nothing".to_owned());
    assert_eq!(by(fine().statuses([])), Err(none));
    let origins = Protocol::builder("x").announced(fine()).allows(["nowhere"]).build().map(|_| ());
    assert_eq!(origins, Err(ProtocolError::Origin("nowhere".to_owned())));
    assert_eq!(ProtocolError::Status(404).to_string(), "404 is not an HTTP status that can stand here");
}

#[tokio::test(start_paused = true)]
async fn numbers_and_literals_can_be_statuses() {
    // As of Dataverse's background operations.
    let monitor = StatusRule::new().status_scalar_at("/backgroundOperationStatusCode").status_true("/isDone");
    let protocol = Protocol::builder("background")
        .announced(StartRule::by_header("location").monitor(monitor))
        .succeeded(["30", "isDone"])
        .failed(["31", "true"])
        .build()
        .unwrap();
    let code = |code: &str| Reply::json(format!(r#"{{"backgroundOperationStatusCode": {code}, "x": 1}}"#));
    let start = || Reply::http(202).header("location", "/operations/{id}");
    for (last, state) in [
        (code("30"), OperationState::Succeeded),
        (code("\"30\""), OperationState::Succeeded),
        (code("31").chunks(1), OperationState::Failed),
        (code("true"), OperationState::Failed),
        (Reply::json(r#"{"isDone": true}"#), OperationState::Succeeded),
        (Reply::json(r#"{"isDone": true, "backgroundOperationStatusCode": 31}"#).chunks(1), OperationState::Failed),
    ] {
        let polls = [code("20"), code("3000000000000000000000000000000000000000000000000000000000000000000000"), last];
        assert_eq!(ends(protocol.clone(), start(), polls).await.1, Some(state));
    }
    // Not a status.
    for reply in [
        code("null"),
        code("[30]"),
        code("{}"),
        Reply::json(r#"{"isDone": false}"#),
        Reply::json(r#"{"isDone": "true"}"#),
    ] {
        let script = Script::new(start()).polls([reply]);
        let (outcome, _) = send(exact().protocols([protocol.clone()]), script, start_at("https://example.com/")).await;
        assert!(
            matches!(outcome, Err(Error::Operation(error)) if matches!(error.cause(), tower_lro::Cause::Status(_)))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_hold_together() {
    let by = |announcement: StartRule| {
        let announcement = announcement.statuses([200]).monitor(StatusRule::new().status_at("/status"));
        Protocol::builder("jobs").announced(announcement).build().unwrap()
    };
    let header = || StartRule::by_header("location");
    let present = by(header().unless_present("/result"));
    let both = by(header().unless_terminal_or_missing("/state").unless_present("/result"));
    let reversed = by(header().unless_present("/result").unless_terminal_or_missing("/state"));
    let untrue = by(header().unless_true("/done"));
    let terminal = by(header().unless_terminal("/state"));
    for (protocol, body, is_operation) in [
        (&present, r#"{"result": {"a": 1}}"#, false),
        (&present, r#"{"result": null}"#, true),
        (&present, r#"{"a": 1}"#, true),
        (&both, r#"{"a": 1}"#, false),
        (&reversed, r#"{"a": 1}"#, false),
        (&both, r#"{"state": "Creating"}"#, true),
        (&reversed, r#"{"state": "Succeeded"}"#, false),
        (&both, r#"{"state": "Creating", "result": 1}"#, false),
        (&reversed, r#"{"state": "Creating", "result": 1}"#, false),
        (&both, r#"{"result": 1, "state": "Creating"}"#, false),
        (&terminal, r#"{"state": "Creating", "state": "Succeeded"}"#, true),
        (&terminal, r#"{"state": "Succeeded", "state": "Creating"}"#, false),
        (&both, r#"{"state": "Creating", "result": null, "a": 1}"#, true),
        (&untrue, r#"{"done": true}"#, false),
        (&untrue, r#"{"done": false}"#, true),
    ] {
        // However the body is split.
        for chunk in [1000, 20, 7, 1] {
            let start = Reply::json(body).header("location", "/operations/{id}").chunks(chunk);
            let state = ends(protocol.clone(), start, [Reply::status("Succeeded")]).await.1;
            assert_eq!(state.is_some(), is_operation, "{body} in pieces of {chunk}");
        }
    }
}

/// A name is looked for in less of a body than what speaks against it.
#[tokio::test(start_paused = true)]
async fn a_link_is_found_however_the_body_is_split() {
    let rule = StartRule::by_link("/link").statuses([200]).unless_terminal("/state");
    let protocol = Protocol::builder("jobs").announced(rule.monitor(StatusRule::new().status_at("/status")));
    let protocol = protocol.build().unwrap();
    let pad = |length: usize| "x".repeat(length);
    let body = format!(r#"{{"a": "{}", "link": "/operations/{{id}}", "b": "{}"}}"#, pad(40_000), pad(40_000));
    for chunk in [1000, 1100, 100_000] {
        let start = Reply::json(body.as_str()).chunks(chunk);
        let state = ends(protocol.clone(), start, [Reply::status("Succeeded")]).await.1;
        assert_eq!(state, Some(OperationState::Succeeded), "in pieces of {chunk}");
    }
}

/// Bytes beyond `max_status_bytes` are not searched, even if they came in the same frame.
#[tokio::test(start_paused = true)]
async fn a_condition_ends_where_reading_does() {
    let rule = StartRule::by_header("location").statuses([200]).unless_terminal("/state");
    let protocol = Protocol::builder("jobs").announced(rule.monitor(StatusRule::new().status_at("/status")));
    let protocol = protocol.build().unwrap();
    let body = format!(r#"{{"pad": "{}", "state": "Succeeded"}}"#, "x".repeat(3000));
    for chunk in [10_000, 1000, 7] {
        let start = Reply::json(body.as_str()).header("location", "/operations/{id}").chunks(chunk);
        let script = Script::new(start).polls([Reply::status("Succeeded")]);
        let layer = exact().protocols([protocol.clone()]).max_status_bytes(1024);
        let (outcome, _) = send(layer, script, start_at("https://example.com/")).await;
        assert!(outcome.unwrap().operation().is_some(), "in pieces of {chunk}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_header_is_no_status() {
    let monitor = StatusRule::new().status_header("x-state").status_at("/status");
    let protocol = Protocol::builder("jobs").announced(StartRule::by_header("x-job").monitor(monitor)).build().unwrap();
    let start = Reply::http(202).header("x-job", "/operations/{id}");
    for empty in ["", " ", "\"\""] {
        let polls = ["Running", "Succeeded"].map(|status| Reply::status(status).header("x-state", empty));
        assert_eq!(ends(protocol.clone(), start.clone(), polls).await, (200, Some(OperationState::Succeeded), 3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_in_a_header_is_cut_off_like_one_in_a_body() {
    let word = "é".repeat(600);
    let start = || Reply::http(202).header("x-job", "/operations/{id}").header("operation-id", &"i".repeat(2000));
    let in_header = StatusRule::new().status_header("x-state");
    let in_body = StatusRule::new().status_at("/state");
    for (monitor, reply) in [
        (in_header, Reply::http(200).header("x-state", &word)),
        (in_body, Reply::json(format!(r#"{{"state": "{word}"}}"#))),
    ] {
        let protocol =
            Protocol::builder("jobs").announced(StartRule::by_header("x-job").monitor(monitor)).build().unwrap();
        let layer = exact().protocols([protocol]).timeout(seconds(2));
        let (outcome, _) = send(layer, Script::new(start()).polls([reply]), start_at("https://example.com/")).await;
        let error = outcome.unwrap_err();
        let operation = error.operation().unwrap();
        assert_eq!(operation.status().unwrap(), format!("{}…", "é".repeat(32)));
        assert_eq!(operation.id(), None);
    }
}

#[test]
fn names_are_those_of_no_other_protocol() {
    let announcement = || StartRule::by_header("x-job").monitor(StatusRule::new().status_at("/state"));
    let build = |name: &'static str| Protocol::builder(name).announced(announcement()).build();
    assert_eq!(build("fabric").unwrap_err(), ProtocolError::Name("fabric".to_owned()));
    assert!(build("fabrics").is_ok());
}
