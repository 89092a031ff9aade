//! Errors: their kinds, their messages, and how they are found.

use http::Request;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, buffer::Buffer, service_fn};
use tower_lro::{
    Cause, Error, LroLayer, OperationError,
    simulator::{ConnectionLost, Fault, Reply, Script},
};

use crate::support::{answering, chain, exact, operation, play, polls, seconds};

#[tokio::test(start_paused = true)]
async fn before_acceptance_the_error_is_the_services_own() {
    let refused = Script::new(Reply::accepted().fault(Fault::Refused));
    let (outcome, requests) = play(exact(), refused).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::Service(ConnectionLost)));
    assert!(error.operation().is_none());
    assert_eq!(error.to_string(), ConnectionLost.to_string());
    assert_eq!(requests.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_acceptance_the_error_says_which_operation_and_its_source_says_why() {
    let which =
        "the operation https://atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e did not complete";
    let lost = ConnectionLost.to_string();
    for (layer, reply, why) in [
        (
            exact().timeout(seconds(5)),
            Reply::status("Running"),
            &["it did not end in time (Running, after 5.0s and 3 polls)"][..],
        ),
        (
            exact().timeout(seconds(5)),
            Reply::http(503),
            &["it did not end in time (no status yet, after 5.0s and 3 polls, with 3 failures in a row at last)"],
        ),
        (
            exact().timeout(seconds(2)),
            Reply::http(1).fault(Fault::Refused),
            &["it did not end in time (no status yet, after 2.0s and 1 poll, with one failure at last)"],
        ),
        (exact(), Reply::http(403), &["the monitor answered 403 Forbidden"]),
        (
            exact(),
            Reply::http(200).body("{}"),
            &[
                "the monitor answered 200 OK with 2 bytes that give no status at /status (Protocol::builder describes other places)",
            ],
        ),
        (
            exact().max_status_bytes(9),
            Reply::status("Running"),
            &["the monitor answered 200 OK and gave no status within max_status_bytes (9)"],
        ),
        (exact().max_consecutive_failures(0), Reply::http(1).fault(Fault::Refused), &["polling failed", &lost]),
        (
            exact().max_consecutive_failures(0),
            Reply::status("").fault(Fault::BrokenAfter(1)),
            &["a status response broke off", &lost],
        ),
        (exact().error_on_failure(true), Reply::status("Canceled"), &["the operation was canceled"]),
        (exact().max_wait(seconds(0)), Reply::http(200), &["its next poll is due in 1.0s (LroLayer::max_wait)"]),
        (
            exact().error_on_failure(true),
            Reply::json(
                "{\"status\": \"Rejected\\r\", \"error\": {\"code\": \"A\\r\\nB\", \"message\": \"\\u001b[2J\"}}",
            ),
            &["the operation failed (Rejected\\r): [A\\r\\nB] \\u{1b}[2J"],
        ),
        (
            exact().timeout(seconds(2)),
            Reply::json("{\"status\": \"Run\\u001b[31mning\"}"),
            &["it did not end in time (Run\\u{1b}[31mning, after 2.0s and 1 poll)"],
        ),
    ] {
        let (outcome, _) = play(layer, polls([reply])).await;
        let error = outcome.unwrap_err();
        assert_eq!(chain(&error), [&[which], why].concat());
        // A printer of error chains prints each part once.
        let printed = format!("{:#}", anyhow::Error::new(error));
        assert_eq!(printed, [&[which], why].concat().join(": "));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_gone_is_not_asked_again() {
    // A buffer whose worker is gone gives an error from `poll_ready`, every time.
    let (service, log) = answering(operation("/operations/1", &[r#"{"status": "Running"}"#]));
    let (buffer, worker) = Buffer::pair(service, 1);
    let worker = tokio::spawn(worker);
    let request = Request::post("https://example.com/").body(String::new()).unwrap();
    let client = tokio::spawn(exact().layer(buffer).oneshot(request));
    tokio::time::sleep(seconds(2)).await;
    worker.abort();
    let Err(Error::Operation(error)) = client.await.unwrap() else { panic!() };
    assert!(matches!(error.cause(), Cause::Service(_)), "{error:?}");
    assert_eq!((log.uris().len(), error.operation().elapsed().as_millis()), (2, 2500));
}

#[tokio::test]
async fn errors_of_boxed_services_go_into_a_box_again() {
    async fn question_mark() -> Result<(), BoxError> {
        let service = service_fn(|_: Request<String>| async { Err::<http::Response<String>, BoxError>("no".into()) });
        let client = ServiceBuilder::new().map_err(Error::boxed).layer(LroLayer::new()).service(service);
        client.oneshot(Request::new(String::new())).await?;
        Ok(())
    }
    let error = question_mark().await.unwrap_err();
    assert_eq!(error.to_string(), "no");
    let error = error.downcast_ref::<Error<tower_lro::Boxed>>().unwrap();
    assert!(matches!(error, Error::Service(boxed) if boxed.get_ref().to_string() == "no"));
}

#[test]
fn errors_are_small_and_send() {
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    is_error::<Error<std::io::Error>>();
    is_error::<OperationError<std::io::Error>>();
    assert!(size_of::<Error<std::io::Error>>() <= 16);
    assert_eq!(size_of::<OperationError<std::io::Error>>(), size_of::<usize>());
    let _ = exact().layer(());
}
