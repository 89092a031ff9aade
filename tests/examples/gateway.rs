//! The gateway, and clients that know nothing of operations.

use std::{net::TcpListener, time::Duration};

use axum::{Router, body::Body, extract::Request};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::mpsc;
use tower_lro::simulator::{Fault, Reply, Script, Simulator};

use crate::{
    common,
    run::{Serving, command, output, prints},
};

/// The delay that the service asks for: as little as can be said.
const MOMENT: Duration = Duration::from_millis(1);

async fn in_front_of(upstream: &str) -> Serving {
    Serving::start("gateway", &["--upstream", upstream])
}

async fn post(gateway: &Serving, path: &str) -> reqwest::Response {
    reqwest::Client::new().post(gateway.url(path)).body("a drawing package").send().await.unwrap()
}

async fn problem(response: reqwest::Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    let mut problem: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    problem["error"].take()
}

#[test]
fn it_shows_a_success_a_failure_and_a_deadline() {
    let printed = prints("gateway");
    for part in [
        "POST /small\n200 OK {",
        r#""status": "Succeeded"}"#,
        "POST /failing\n200 OK {",
        r#""status": "Failed", "error": {"code": "InvalidFeature""#,
        "POST /endless\n504 Gateway Timeout {",
        r#""code":"DeadlineExceeded""#,
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

#[test]
fn it_says_what_is_wrong_with_its_options() {
    for (arguments, message) in [
        (&["--upstream", "http://localhost:1"][..], "--listen"),
        (&["--listen", "127.0.0.1:0", "--upstream", "nowhere"], "relative URL"),
        (&["--listen", "127.0.0.1:0", "--upstream", "ftp://localhost"], "neither an http nor an https one"),
        (&["--listen", "127.0.0.1:0", "--upstream", "http://u:s3cret@localhost"], "it must have no user information"),
        (&["--timeout=-1"], "value is negative"),
        (&["--timeout", "soon"], "not a number"),
    ] {
        let output = output(command("gateway").args(arguments));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && errors.contains(message), "{arguments:?}: {errors}");
        assert!(!errors.contains("s3cret"), "{errors}");
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for example in ["gateway", "axum_sse"] {
        let output = output(command(example).args(["--listen", &address]));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && errors.contains(&format!("{address}: ")), "{example}: {errors}");
    }
}

#[tokio::test]
async fn a_large_result_and_a_failure_come_through_as_the_service_gave_them() {
    let gateway = Serving::start("gateway", &[]);
    let large = post(&gateway, "/large").await;
    assert_eq!(
        (large.status().as_u16(), &large.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let large = large.bytes().await.unwrap();
    assert!(large.starts_with(br#"{"status": "Succeeded", "result": "xxx"#), "{:?}", &large[..40]);
    assert_eq!(large.len(), r#"{"status": "Succeeded", "result": ""}"#.len() + 10_000_000);

    let failed = post(&gateway, "/failing").await;
    assert_eq!(failed.status(), 200);
    let failed: Value = failed.json().await.unwrap();
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&"Failed".into(), &"InvalidFeature".into()));

    // No operation: what the service answers.
    assert_eq!(post(&gateway, "/unknown").await.status(), 404);
}

#[tokio::test]
async fn a_deadline_that_passes_names_the_operation() {
    let gateway = Serving::start("gateway", &["--timeout", "0.3"]);
    let response = post(&gateway, "/endless").await;
    assert_eq!(response.status(), 504);
    let problem = problem(response).await;
    assert_eq!((&problem["code"], &problem["requestAccepted"]), (&"DeadlineExceeded".into(), &true.into()));

    let status: Value = reqwest::get(problem["operation"].as_str().unwrap()).await.unwrap().json().await.unwrap();
    assert_eq!(status["status"], "Running");
}

/// A message that would never arrive if the end of a body were waited for.
async fn unless_collected<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it waits for the end of a body")
}

#[tokio::test]
async fn a_result_streams_down() {
    let unfinished =
        Reply::status_with_result("Succeeded", 1_000_000).chunks(10_000).fault(Fault::StalledAfter(500_000));
    let simulator = Simulator::new().script(Script::new(Reply::accepted().retry_after(MOMENT)).polls([unfinished]));
    let address = common::serve(simulator).await.unwrap();
    let gateway = in_front_of(&format!("http://{address}")).await;

    let mut response = unless_collected(post(&gateway, "/conversions")).await;
    let mut received = 0;
    while received < 500_000 {
        received += unless_collected(response.chunk()).await.unwrap().unwrap().len();
    }
    assert_eq!(received, 500_000);
}

#[tokio::test]
async fn an_upload_streams_up() {
    // The client writes on only when the service has read what it wrote before.
    let (read, reads) = mpsc::unbounded_channel();
    let service = async move |request: Request| {
        let mut body = request.into_body().into_data_stream();
        while let Some(Ok(data)) = body.next().await {
            data.into_iter().for_each(|byte| read.send(byte).unwrap());
        }
        "that was all"
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(service)).await });
    let gateway = in_front_of(&upstream).await;

    let writes = stream::unfold((0_u8, reads), async |(next, mut reads)| {
        if next > 0 {
            assert_eq!(reads.recv().await, Some(next - 1));
        }
        (next < 3).then(|| (Ok::<_, std::io::Error>(Bytes::from(vec![next])), (next + 1, reads)))
    });
    let upload = reqwest::Body::wrap_stream(Body::from_stream(writes).into_data_stream());
    let request = reqwest::Client::new().post(gateway.url("/upload")).body(upload);
    let response = unless_collected(request.send()).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "that was all");
}

#[tokio::test]
async fn errors_say_whether_the_request_was_accepted() {
    let simulator =
        Simulator::new().script(Script::new(Reply::accepted().retry_after(MOMENT)).polls([Reply::http(410)]));
    let address = common::serve(simulator).await.unwrap();
    let gateway = in_front_of(&format!("http://{address}")).await;
    let response = post(&gateway, "/conversions").await;
    assert_eq!(response.status(), 502);
    let lost = problem(response).await;
    assert_eq!((&lost["code"], &lost["requestAccepted"]), (&"OperationLost".into(), &true.into()));
    assert!(lost["operation"].as_str().unwrap().starts_with(&format!("http://{address}/operations/")), "{lost}");
    assert!(lost["message"].as_str().unwrap().contains("410 Gone"), "{lost}");

    let closing = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closing.local_addr().unwrap();
    std::thread::spawn(move || closing.incoming().for_each(drop));
    let gateway = in_front_of(&format!("http://{address}")).await;
    let response = post(&gateway, "/conversions?subscription-key=secret").await;
    assert_eq!(response.status(), 502);
    let unanswered = problem(response).await;
    assert_eq!(unanswered["code"], "NoResponse");
    assert!(unanswered["operation"].is_null() && unanswered["requestAccepted"].is_null(), "{unanswered}");
    assert!(!unanswered.to_string().contains("secret"), "{unanswered}");
}

#[tokio::test]
async fn headers_of_a_connection_stay_on_it() {
    let finished = Reply::json(r#"{"status": "Succeeded"}"#)
        .header("connection", "keep-alive, x-of-this-hop")
        .header("x-of-this-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("x-result", "1");
    let script = Script::new(Reply::accepted().retry_after(MOMENT)).polls([finished]);
    let simulator = Simulator::new().script(script).recording();
    let upstream = common::serve(simulator.clone()).await.unwrap();
    let gateway = in_front_of(&format!("http://{upstream}/base/")).await;

    let request = reqwest::Client::new()
        .post(gateway.url("/conversions?api-version=2.0"))
        .header("connection", "x-of-this-hop, keep-alive")
        .header("x-of-this-hop", "1")
        .header("te", "trailers")
        .header("proxy-authorization", "Basic eDp5")
        .header("authorization", "Bearer token")
        .body("a drawing package");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-result"], "1");
    for name in ["x-of-this-hop", "keep-alive"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }

    let recorded = simulator.recorded();
    assert_eq!(recorded.len(), 2);
    assert_eq!(
        (recorded[0].uri.to_string().as_str(), recorded[0].body_bytes),
        ("/base/conversions?api-version=2.0", 17)
    );
    for request in recorded {
        let headers = request.headers;
        for name in ["connection", "x-of-this-hop", "te", "proxy-authorization"] {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert_eq!(headers["via"], "1.1 gateway");
        assert_eq!(headers["authorization"], "Bearer token");
        assert_eq!(headers["host"], upstream.to_string());
    }
}

#[tokio::test]
async fn no_path_leads_out_of_what_is_behind_it() {
    let simulator = Simulator::new().recording();
    let upstream = common::serve(simulator.clone()).await.unwrap();
    let gateway = in_front_of(&format!("http://{upstream}/base/")).await;
    for path in ["/../admin", "/%2e%2e/admin", "/a/../../admin"] {
        // As it is written, which reqwest would not do.
        let mut stream = tokio::net::TcpStream::connect(gateway.url("").trim_start_matches("http://")).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
    assert_eq!(simulator.recorded().len(), 0);
}
