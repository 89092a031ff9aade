//! Azure's data plane, Fabric, Key Vault, and the asynchronous request-reply pattern.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_at_the_monitor_itself_is_fetched_but_once() {
    let location = |reply: Reply| reply.header("location", "{origin}/operations/{id}");
    let done = Reply::json(r#"{"status": "Succeeded", "resourceLocation": "/operations/{id}"}"#);
    for (method, start, last) in [
        ("POST", location(Reply::accepted()), Reply::status("Succeeded")),
        ("POST", Reply::accepted(), done),
        ("PUT", Reply::http(202).header("operation-location", "{start}"), Reply::status("Succeeded")),
    ] {
        let script = Script::new(start).polls([Reply::status("Running"), last]).own_monitor();
        let start = Start { headers: &[], ..Start::new(method, "https://example.com/jobs/1?subscription-key=key") };
        let ended = run(Protocol::azure_core(), &script, start).await;
        assert_eq!((ended.state(), ended.requests.len()), (OperationState::Succeeded, 3), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn azure_core_concludes_by_method_and_by_resource_location() {
    let user = "https://example.azure.com/users/madge";
    let ended = run(Protocol::azure_core(), &Script::azure_core(), Start::new("PUT", user)).await;
    assert_eq!((ended.handed_over().1, ended.requests.len()), (r#"{"role": "contributor", "name": "madge"}"#, 4));

    let status = |more: &str| Reply::json(format!(r#"{{"id": "{{id}}", "status": "Succeeded"{more}}}"#));
    let named = status(r#", "resourceLocation": "/resources/{id}""#);
    for (method, poll, last) in [
        ("PUT", status(""), "/users/madge"),
        ("PATCH", status(""), "/users/madge"),
        ("PUT", named.clone(), "/resources/ID"),
        ("POST", named.clone(), "/resources/ID"),
        ("POST", status("").header("resource-location", "\"{origin}/resources/{id}\""), "/resources/ID"),
        ("POST", status(""), "/operations/ID"),
        ("DELETE", status(""), "/operations/ID"),
        ("POST", named.chunks(3), "/resources/ID"),
    ] {
        for code in [200, 201, 202] {
            let start = Reply::http(code).header("operation-location", "/operations/{id}");
            let script = Script::new(start).polls([Reply::json(r#"{"status": "Running"}"#), poll.clone()]);
            let ended = run(Protocol::azure_core(), &script, Start::new(method, user)).await;
            assert_eq!(ended.paths().last().unwrap(), &format!("GET {}", last.replace("ID", ID)), "{method} {code}");
        }
    }
    // `Location` beside it is the result of a POST.
    let start = Reply::accepted().header("location", "/resources/{id}");
    let script = Script::new(start).polls([status("")]);
    let ended = run(Protocol::azure_core(), &script, Start::new("POST", user)).await;
    assert_eq!(ended.paths()[2], format!("GET /resources/{ID}"));
}

#[tokio::test(start_paused = true)]
async fn the_result_is_fetched_by_the_rules_for_polls() {
    let named = |address: &str| {
        let body = format!(r#"{{"status": "Succeeded", "resourceLocation": "{address}"}}"#);
        Script::new(Reply::accepted()).polls([Reply::json(body)])
    };
    let start = Start::new("POST", "https://example.azure.com/jobs");
    let here = named("/resources/{id}");
    // Transient failures are repeated.
    for (resource, outcome) in [
        (Reply::json("[]"), Ok(200)),
        (Reply::http(202), Ok(202)),
        (Reply::http(503), Err("Monitor 503")),
        (Reply::http(404), Err("Monitor 404")),
        (Reply::http(302).header("location", "https://evil.test/"), Err("Address Untrusted")),
        (Reply::http(200).fault(Fault::Refused), Err("Service")),
    ] {
        let ended = run(Protocol::azure_core(), &here.clone().resource(resource), start).await;
        let seen = ended.outcome.as_ref().map(|outcome| outcome.0.as_u16()).map_err(String::as_str);
        assert_eq!(seen, outcome);
    }
    // A result at another origin is not fetched. If it was not asked for explicitly, that is not an error.
    let ended = run(Protocol::azure_core(), &named("https://evil.test/x"), start).await;
    let (status, body, operation) = ended.handed_over();
    assert_eq!((status, operation.unwrap().resource().unwrap().host()), (200, Some("evil.test")));
    assert!(body.contains("Succeeded") && ended.requests.len() == 2);
    // If it was, the error says where the result is.
    let layer = exact().protocols([Protocol::azure_core()]).final_response(FinalResponse::Resource);
    let simulator = Simulator::new().script(named("https://evil.test/x"));
    let request = http::Request::post(start.uri).body(SimulatorBody::default()).unwrap();
    let error = layer.layer(simulator).oneshot(request).await.unwrap_err();
    let operation = error.operation().unwrap();
    assert_eq!(
        (operation.state(), operation.resource().unwrap().host()),
        (OperationState::Succeeded, Some("evil.test"))
    );
    // The deadline holds for it.
    let layer = exact().protocols([Protocol::azure_core()]).timeout(std::time::Duration::from_secs(5));
    let ended = run_with(layer, &here.resource(Reply::http(200).fault(Fault::Stalled)), start).await;
    assert_eq!(ended.outcome.unwrap_err(), "Timeout");
}

#[tokio::test(start_paused = true)]
async fn a_resource_location_that_never_comes_is_waited_for_till_the_deadline_and_where_it_matters() {
    let stalled = || Reply::json(r#"{"status": "Succeeded", "x": 1}"#).fault(Fault::StalledAfter(25));
    let named = || stalled().header("resource-location", "/resources/{id}");
    let core = || exact().protocols([Protocol::azure_core()]);
    for (layer, last, ends_in_time) in [
        (core(), stalled(), false),
        (core().final_response(FinalResponse::Resource), stalled(), false),
        // The result is there, or nothing names it, or it is not asked for.
        (core(), named(), true),
        (core().final_response(FinalResponse::Resource), named(), true),
        (exact().protocols([Protocol::graph()]).final_response(FinalResponse::Resource), stalled(), true),
        (core().final_response(FinalResponse::OriginalUri), stalled(), true),
    ] {
        let layer = layer.timeout(std::time::Duration::from_secs(5));
        let accepted = Reply::accepted().header("location", "/operations/{id}");
        let simulator = Simulator::new().script(Script::new(accepted).polls([last]));
        let request = http::Request::delete("https://example.azure.com/jobs").body(SimulatorBody::default()).unwrap();
        let ended = match layer.clone().layer(simulator).oneshot(request).await {
            Ok(response) => (true, response.operation().unwrap().elapsed().as_secs()),
            Err(Error::Operation(error)) if matches!(error.cause(), Cause::Timeout) => {
                (false, error.operation().elapsed().as_secs())
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(ended, (ends_in_time, if ends_in_time { 1 } else { 5 }), "{layer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn fabric_is_followed_to_its_regions_and_to_the_result() {
    let start = Start::new("POST", "https://api.fabric.microsoft.com/v1/workspaces/1/items");
    let ended = run(Protocol::fabric(), &Script::fabric(), start).await;
    let (_, body, operation) = ended.handed_over();
    assert!(body.contains("Lakehouse"));
    let operation = operation.unwrap();
    assert_eq!((operation.id(), operation.percent_complete(), operation.polls()), (Some(ID), Some(100.0), 3));
    let region = "wabi-us-central-b-primary-redirect.analysis.windows.net";
    assert_eq!(ended.hosts(), ["api.fabric.microsoft.com", region, region, region, region]);
    assert_eq!(ended.paths()[4], format!("GET /v1/operations/{ID}/result"));
    assert!(ended.requests.iter().all(|request| request.headers["authorization"] == "Bearer token"));
    assert_eq!(millis(&ended.requests), [0, 20_000, 40_000, 60_000, 60_000]);

    // The protocol knows what that means.
    let layer = exact().protocols([Protocol::fabric()]).final_response(FinalResponse::Auto);
    let ended = run_with(layer, &Script::fabric(), start).await;
    assert!(ended.handed_over().1.contains("Lakehouse"));

    // For a protocol without a rule for results, it is what the Azure SDKs do.
    let script = Script::new(Reply::accepted()).polls([Reply::status("Succeeded")]).original(Reply::json("[7]"));
    let put = Start::new("PUT", "https://example.com/things/1");
    for (choice, body) in [(FinalResponse::Auto, "[7]"), (FinalResponse::Status, "Succeeded")] {
        let ended = run_with(exact().final_response(choice), &script, put).await;
        assert!(ended.handed_over().1.contains(body), "{ended:?}");
    }

    // Other start requests are not trusted there.
    let ended = run(Protocol::fabric(), &Script::fabric(), Start::new("POST", "https://example.com/v1/items")).await;
    assert_eq!(ended.outcome.unwrap_err(), "Address Untrusted");
    // Without a result, and after a failure, it is the status response.
    for (last, state) in [
        ("Succeeded", OperationState::Succeeded),
        ("Failed", OperationState::Failed),
        ("Deduped", OperationState::Canceled),
    ] {
        let last = Reply::json(format!(r#"{{"status": "{last}", "error": null}}"#));
        let ended = run(Protocol::fabric(), &Script::fabric().polls([last]), start).await;
        assert_eq!((ended.state(), ended.requests.len()), (state, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_location_of_an_earlier_status_response_is_where_the_result_is() {
    let running = Reply::status("Running").header("location", "/resources/{id}");
    let script = Script::new(Reply::accepted()).polls([running, Reply::status("Running"), Reply::status("Succeeded")]);
    let script = script.resource(Reply::json("[7]"));
    for layer in [exact().final_response(FinalResponse::Location), exact().protocols([Protocol::azure_core()])] {
        let ended = run_with(layer, &script, Start::new("POST", "https://example.azure.com/jobs")).await;
        assert_eq!((ended.handed_over().1, ended.paths().pop()), ("[7]", Some(format!("GET /resources/{ID}"))));
    }
}

#[tokio::test(start_paused = true)]
async fn the_request_reply_pattern_redirects_to_the_resource() {
    let start = Start::new("POST", "https://example.com/api/work");
    let ended = run(Protocol::async_request_reply(), &Script::async_request_reply(), start).await;
    assert_eq!((ended.handed_over().1, ended.state()), (r#"{"it": "is done"}"#, OperationState::Succeeded));
    assert_eq!(
        ended.paths()[1..],
        [
            format!("GET /api/status/operations/{ID}"),
            format!("GET /api/status/operations/{ID}"),
            format!("GET /resources/{ID}")
        ]
    );
    for redirect in [302, 303] {
        let polls = [Reply::http(202), Reply::http(redirect).header("location", "/resources/{id}")];
        let ended = run(Protocol::async_request_reply(), &Script::async_request_reply().polls(polls), start).await;
        assert_eq!(ended.handed_over().1, r#"{"it": "is done"}"#);
    }
    // Without a redirect the answer is the outcome.
    let ended =
        run(Protocol::async_request_reply(), &Script::async_request_reply().polls([Reply::json("[7]")]), start).await;
    assert_eq!(ended.handed_over().1, "[7]");
}

#[tokio::test(start_paused = true)]
async fn key_vault_ends_at_its_target() {
    let start = Start::new("POST", "https://example.vault.azure.net/certificates/cert1/create?api-version=7.4");
    let ended = run(Protocol::key_vault(), &Script::key_vault(), start).await;
    assert!(ended.handed_over().1.contains("attributes"));
    assert_eq!(ended.paths()[3], format!("GET /certificates/cert1/resources/{ID}"));
    assert!(ended.requests.iter().all(|request| request.uri.query() == Some("api-version=7.4")));
    assert_eq!(millis(&ended.requests), [0, 10_000, 20_000, 20_000]);
    for (last, state) in [
        (Reply::json(r#"{"status": "cancelled"}"#), OperationState::Canceled),
        (Reply::json(r#"{"error": {"code": "PendingCertificateNotFound"}}"#).code(404), OperationState::Failed),
    ] {
        let polls = [Reply::json(r#"{"status": "inProgress"}"#), last];
        let ended = run(Protocol::key_vault(), &Script::key_vault().polls(polls), start).await;
        assert_eq!((ended.state(), ended.requests.len()), (state, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn key_vault_that_refuses_says_nothing_of_the_certificate() {
    let start = Start::new("POST", "https://example.vault.azure.net/certificates/cert1/create?api-version=7.4");
    let running = || Reply::json(r#"{"status": "inProgress"}"#);
    for (code, error) in [(401, "Monitor 401"), (403, "Monitor 403")] {
        let ended = run(Protocol::key_vault(), &Script::key_vault().polls([running(), Reply::http(code)]), start).await;
        assert_eq!(ended.outcome.unwrap_err(), error);
    }
    // A monitor may be late.
    let late = [Reply::http(404), running(), Reply::json(r#"{"status": "completed"}"#)];
    let ended = run(Protocol::key_vault(), &Script::key_vault().polls(late), start).await;
    assert_eq!((ended.state(), ended.requests.len()), (OperationState::Succeeded, 4));
}

#[tokio::test(start_paused = true)]
async fn a_resource_is_found_in_the_beginning_of_a_long_status_response() {
    let start = Start::new("POST", "https://example.azure.com/jobs");
    let pad = "x".repeat(70_000);
    for body in [
        format!(r#"{{"status": "Succeeded", "resourceLocation": "/resources/{{id}}", "pad": "{pad}"}}"#),
        format!(r#"{{"resourceLocation": "/resources/{{id}}", "pad": "{pad}", "status": "Succeeded"}}"#),
    ] {
        for chunk in [1000, 100_000] {
            let script = Script::new(Reply::accepted()).polls([Reply::json(body.clone()).chunks(chunk)]);
            let ended = run(Protocol::azure_core(), &script, start).await;
            assert_eq!(ended.paths()[2], format!("GET /resources/{ID}"), "{chunk}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_credential_of_the_start_request_is_in_the_address_of_its_result() {
    let layer = exact().protocols([Protocol::azure_core()]);
    let script = Script::new(Reply::accepted()).polls([Reply::status("Succeeded")]).original(Reply::http(403));
    for (uri, resource) in [
        ("https://user:pw@example.azure.com/r?sig=SECRET&api-version=1", "https://example.azure.com/r?api-version=1"),
        ("https://user:pw@example.azure.com/r", "https://example.azure.com/r"),
        // A user or a password alone.
        ("https://user@example.azure.com/r", "https://example.azure.com/r"),
        ("https://:pw@example.azure.com/r", "https://example.azure.com/r"),
    ] {
        let request = http::Request::put(uri).body(SimulatorBody::default()).unwrap();
        let simulator = Simulator::new().script(script.clone()).recording();
        let error = layer.layer(simulator.clone()).oneshot(request).await.unwrap_err();
        assert_eq!(error.operation().unwrap().resource().unwrap(), resource);
        // Except in the request.
        assert_eq!(simulator.recorded()[2].uri, uri);
    }
}

#[tokio::test(start_paused = true)]
async fn fabric_goes_on_from_one_region_to_another_after_it_is_resumed() {
    let running = || Reply::json(r#"{"status": "Running"}"#);
    let script = Script::new(Reply::http(202)).polls([
        running().header("location", "https://b.analysis.windows.net/operations/{id}"),
        Reply::json(r#"{"status": "Succeeded"}"#),
    ]);
    let simulator = Simulator::new().script(script).recording();
    let start = http::Request::post("https://a.analysis.windows.net/").body(SimulatorBody::default()).unwrap();
    simulator.clone().oneshot(start).await.unwrap();
    let uri = format!("https://a.analysis.windows.net/operations/{ID}");
    let request = http::Request::get(uri).header("authorization", "Bearer token").extension(tower_lro::Resume::new());
    let request = request.body(SimulatorBody::default()).unwrap();
    let layer = exact().protocols([Protocol::fabric()]);
    assert!(layer.layer(simulator.clone()).oneshot(request).await.is_ok());
    let last = simulator.recorded().pop().unwrap();
    assert_eq!(
        (last.uri.host(), &last.headers["authorization"]),
        (Some("b.analysis.windows.net"), &"Bearer token".parse().unwrap())
    );
}
