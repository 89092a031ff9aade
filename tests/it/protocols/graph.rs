//! Microsoft Graph.

use super::*;

#[tokio::test(start_paused = true)]
async fn graph_monitors_elsewhere_get_no_credentials() {
    let start = Start::new("POST", "https://graph.microsoft.com/v1.0/me/drive/items/1/copy");
    let ended = run(Protocol::graph(), &Script::graph(), start).await;
    let (status, body, operation) = ended.handed_over();
    assert_eq!((status, operation.unwrap().percent_complete()), (202, Some(100.0)));
    assert!(body.contains("completed"));
    assert_eq!(ended.hosts()[1..], ["contoso.sharepoint.com"; 3]);
    for poll in &ended.requests[1..] {
        assert!(poll.headers.get("authorization").is_none() && poll.headers.get("x-ms-client-request-id").is_none());
    }
    // On its own host there are credentials, and the result of a 303 is fetched.
    let own = Script::new(Reply::http(202).header("location", "/v1.0/teams/1/operations/{id}"));
    let script =
        own.clone().polls([Reply::json(r#"{"status": "inProgress"}"#), Reply::json(r#"{"status": "succeeded"}"#)]);
    let ended = run(Protocol::graph(), &script, start).await;
    assert!(ended.requests.iter().all(|request| request.headers["authorization"] == "Bearer token"));
    assert_eq!(ended.state(), OperationState::Succeeded);
    let script = own.clone().polls([Reply::http(303).header("location", "/resources/{id}")]);
    assert!(run(Protocol::graph(), &script, start).await.handed_over().1.contains(ID));
    // A 303 without an address that may be fetched is the final response itself.
    for odd in ["", "https://[", "http://insecure.test/x"] {
        let reply = if odd.is_empty() { Reply::http(303) } else { Reply::http(303).header("location", odd) };
        let ended = run(Protocol::graph(), &own.clone().polls([reply]), start).await;
        assert_eq!(
            (ended.handed_over().0, ended.state(), ended.requests.len()),
            (303, OperationState::Succeeded, 2),
            "{odd}"
        );
    }
    // So is a status that names one.
    let resource = Reply::status("succeeded").header("resource-location", "http://insecure.test/x");
    let layer = exact().protocols([Protocol::graph()]).final_response(FinalResponse::Resource);
    let ended = run_with(layer, &own.clone().polls([resource]), start).await;
    assert_eq!((ended.handed_over().0, ended.requests.len()), (200, 2));
    let script = own.polls([Reply::json(r#"{"status": "deleteFailed"}"#)]);
    assert_eq!(run(Protocol::graph(), &script, start).await.state(), OperationState::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_without_credentials_stays_so_when_it_is_resumed() {
    let layer = exact().protocols([Protocol::graph()]);
    let script = Script::graph();
    let simulator = Simulator::new().script(script).recording();
    let start = http::Request::post("https://graph.microsoft.com/v1.0/copy").header("authorization", "Bearer token");
    let start = start.body(SimulatorBody::default()).unwrap();
    let timeout = layer.clone().timeout(std::time::Duration::from_secs(2));
    let error = timeout.layer(simulator.clone()).oneshot(start).await.unwrap_err();
    let stored = serde_json::to_string(error.operation().unwrap()).unwrap();
    let operation: Operation = serde_json::from_str(&stored).unwrap();
    assert!(operation.is_anonymous());
    let request = http::Request::get("https://graph.microsoft.com/").header("authorization", "Bearer token");
    let request = request.extension(operation.resume()).body(SimulatorBody::default()).unwrap();
    let sent = simulator.recorded().len();
    layer.layer(simulator.clone()).oneshot(request).await.unwrap();
    let requests = simulator.recorded();
    assert!(requests.len() > sent + 1);
    assert!(requests[sent..].iter().all(|request| !request.headers.contains_key("authorization")));
}
