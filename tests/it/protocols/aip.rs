//! Google's long-running operations.

use super::*;

#[tokio::test(start_paused = true)]
async fn aip_151_is_polled_by_the_operations_name() {
    let start =
        Start::new("POST", "https://translation.googleapis.com/v3/projects/p/locations/us-central1:batchTranslateText");
    let ended = run(Protocol::aip_151(), &Script::aip_151(), start).await;
    let (_, body, operation) = ended.handed_over();
    assert!(body.contains("totalCharacters"));
    let operation = operation.unwrap();
    let name = format!("projects/p/locations/us-central1/operations/{ID}");
    assert_eq!(
        (operation.id(), operation.state(), operation.polls()),
        (Some(name.as_str()), OperationState::Succeeded, 3)
    );
    assert_eq!(ended.paths()[1], format!("GET /v3/{name}"));

    let failed = Reply::json(
        r#"{"name": "operations/{id}", "done": true, "error": {"code": 3, "message": "bad input", "details": []}}"#,
    );
    let ended = run(Protocol::aip_151(), &Script::aip_151().polls([failed]), start).await;
    let failure = ended.handed_over().2.unwrap().error().unwrap();
    assert_eq!(
        (ended.state(), failure.code(), failure.message()),
        (OperationState::Failed, Some("3"), Some("bad input"))
    );

    // Responses that are no operation, or one that has ended, pass through; so do reads.
    for (method, body) in [
        ("POST", r#"{"name": "projects/p"}"#),
        ("POST", r#"{"id": 1}"#),
        ("POST", "[]"),
        ("POST", ""),
        ("POST", r#"{"name": "operations/1", "done": true, "response": {}}"#),
        ("POST", r#"{"name": "operations/1", "done": true, "error": {"code": 3}}"#),
        ("POST", r#"{"name": 7}"#),
        ("GET", r#"{"name": "operations/1"}"#),
    ] {
        let script = Script::new(Reply::json(body)).starts_on_get();
        let ended = run(Protocol::aip_151(), &script, Start { method, ..start }).await;
        assert_eq!((ended.handed_over().1, ended.requests.len()), (body, 1));
        assert!(ended.handed_over().2.is_none(), "{body}");
    }
}

const START: Start = Start::new("DELETE", "https://library.googleapis.com/v1/shelves/1");

#[tokio::test(start_paused = true)]
async fn what_is_done_without_a_response_has_ended() {
    let done = r#"{"name": "operations/1", "done": true}"#;
    let running = Reply::json(r#"{"name": "operations/{id}", "done": false}"#);
    let script = |polls: Vec<Reply>| Script::new(running.clone()).polls(polls);
    let ended = run(Protocol::aip_151(), &script(vec![running.clone(), Reply::json(done)]), START).await;
    assert_eq!((ended.state(), ended.handed_over().1, ended.requests.len()), (OperationState::Succeeded, done, 3));
    // `error` may come after `done`.
    let failed = r#"{"name": "operations/1", "done": true, "error": {"code": 3}}"#;
    for chunk in [1, 1000] {
        let ended = run(Protocol::aip_151(), &script(vec![Reply::json(failed).chunks(chunk)]), START).await;
        assert_eq!(ended.state(), OperationState::Failed);
    }
    // A body that ends before its object does may have lacked an `error`.
    for truncated in [r#"{"name": "operations/1", "done": true, "erro"#, r#"{"name": "operations/1", "done": true"#] {
        let polls = vec![Reply::json(truncated), Reply::json(failed)];
        assert_eq!(run(Protocol::aip_151(), &script(polls), START).await.state(), OperationState::Failed);
    }
    // A start response that is done starts nothing.
    let ended = run(Protocol::aip_151(), &Script::new(Reply::json(done)), START).await;
    assert_eq!((ended.handed_over().1, ended.requests.len()), (done, 1));
}

#[tokio::test(start_paused = true)]
async fn what_streams_and_is_no_operation_is_not_held() {
    let began = tokio::time::Instant::now();
    for (body, seconds) in [
        ("data: x\n\n", 0),
        ("[{\"name\": \"operations/1\"}", 0),
        ("{\"name\": \"shelves/1\", \"choices\": [", 0),
        // It is not known yet what this is: it is read, but not without limit.
        ("{\"choices\": [", 10),
        ("{\"name\": \"operations/1\", \"metadata\": {", 10),
    ] {
        let stalled = Reply::json(body).fault(Fault::StalledAfter(body.len()));
        let layer = exact().protocols([Protocol::aip_151()]);
        let request =
            http::Request::post("https://x.googleapis.com/v1/m:stream").body(SimulatorBody::default()).unwrap();
        let before = began.elapsed().as_secs();
        let response = layer.layer(Simulator::new().script(Script::new(stalled))).oneshot(request).await.unwrap();
        assert_eq!(began.elapsed().as_secs() - before, seconds, "{body}");
        assert!(response.operation().is_none());
        // The caller gets what was read, and then the rest.
        let mut body_out = response.into_body();
        let mut out = String::new();
        while out.len() < body.len() {
            let frame = body_out.frame().await.unwrap().unwrap();
            out.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
        assert_eq!(out, body);
    }
    // Neither is a long one.
    let long = format!("{{\"choices\": \"{}", "x".repeat(100_000));
    let stalled = Reply::json(long.clone()).chunks(1000).fault(Fault::StalledAfter(100_001));
    let layer = exact().protocols([Protocol::aip_151()]);
    let request = http::Request::post("https://x.googleapis.com/v1/m").body(SimulatorBody::default()).unwrap();
    layer.layer(Simulator::new().script(Script::new(stalled))).oneshot(request).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_for_in_the_first_64_kib() {
    for (length, is_announced) in [(1 << 16, true), ((1 << 16) + 1, false)] {
        let begin = format!(r#"{{"x": "{}""#, "x".repeat(length - 8));
        let start = Reply::json(format!(r#"{begin}, "name": "operations/{{id}}"}}"#)).chunks(begin.len());
        let script = Script::new(start).polls([Reply::json(r#"{"name": "operations/{id}", "response": {}}"#)]);
        let ended = run(Protocol::aip_151(), &script, START).await;
        assert_eq!(ended.handed_over().2.is_some(), is_announced, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_start_response_announces_nothing() {
    let body = r#"{"name": "operations/1", "metadata": {}}"#;
    let broken = Reply::json(body).chunks(10).fault(Fault::BrokenAfter(body.len() - 1));
    let simulator = Simulator::new().script(Script::new(broken)).recording();
    let layer = exact().protocols([Protocol::aip_151()]);
    let request = http::Request::post("https://x.googleapis.com/v1/m").body(SimulatorBody::default()).unwrap();
    let response = layer.layer(simulator.clone()).oneshot(request).await.unwrap();
    assert!(response.operation().is_none());
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(simulator.recorded().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_version_is_that_of_the_path_whatever_its_verb() {
    for (start, polled) in [
        ("https://x.googleapis.com/v1:start", "/v1/operations/1"),
        ("https://x.googleapis.com/v1beta1/a/b:start?c=d", "/v1beta1/operations/1"),
        ("https://x.googleapis.com/?a=b", "/operations/1"),
        ("https://x.googleapis.com/:start", "/operations/1"),
    ] {
        let script = Script::new(Reply::json(r#"{"name": "operations/1"}"#));
        let simulator = Simulator::new().script(script).recording();
        let request = http::Request::post(start).body(SimulatorBody::default()).unwrap();
        let layer = exact().protocols([Protocol::aip_151()]).max_consecutive_failures(0);
        let error = layer.layer(simulator.clone()).oneshot(request).await.unwrap_err();
        assert_eq!((error.operation().unwrap().monitor().path(), simulator.recorded()[1].uri.path()), (polled, polled));
    }
}
