//! Deadlines, and dropping the future, in every state.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use http::{Request, Response};
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_lro::{
    Cause, Error, ResponseExt,
    simulator::{Fault, Reply, Script, Simulator},
};

use crate::support::{accepted, exact, play, polls, seconds, start};

/// The outcome of an operation with a deadline of 10 seconds, and after how many milliseconds and requests it came.
async fn in_ten_seconds(script: Script) -> (bool, u128, usize) {
    let began = tokio::time::Instant::now();
    let (outcome, requests) = play(exact().timeout(seconds(10)), script).await;
    let is_timeout = match &outcome {
        Err(Error::Operation(error)) => {
            assert!(matches!(error.cause(), Cause::Timeout), "{error:?}");
            assert!(error.operation().monitor().path().starts_with("/operations/"));
            true
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => false,
    };
    (is_timeout, began.elapsed().as_millis(), requests.len())
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_in_every_state() {
    // Asleep, from the start and after a poll.
    let slow = Script::new(Reply::accepted().retry_after(seconds(30)));
    assert_eq!(in_ten_seconds(slow).await, (true, 10_000, 1));
    assert_eq!(in_ten_seconds(polls([Reply::status("Running").retry_after(seconds(30))])).await, (true, 10_000, 2));
    // In a poll in flight.
    assert_eq!(in_ten_seconds(polls([Reply::http(200).fault(Fault::Stalled)])).await, (true, 10_000, 2));
    // In a body.
    let stalled = Reply::status("Succeeded").fault(Fault::StalledAfter(20));
    assert_eq!(in_ten_seconds(polls([stalled])).await, (true, 10_000, 2));
    // On polls that succeed, and on those that fail.
    assert!(in_ten_seconds(polls([Reply::status("Running")])).await.0);
    assert_eq!(in_ten_seconds(polls([Reply::http(503)])).await, (true, 10_000, 5));
    // In time.
    assert_eq!(in_ten_seconds(polls([Reply::status("Succeeded").delay(seconds(8))])).await, (false, 9_000, 2));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_while_the_service_is_not_ready() {
    let simulator = Simulator::new();
    let limited = ConcurrencyLimit::new(simulator, 1);
    let client = exact().timeout(seconds(10)).layer(limited.clone());
    let mut operation = tokio_test::task::spawn(client.oneshot(start()));
    assert!(operation.poll().is_pending());
    // Somebody else takes the only permit for good.
    let mut other = limited;
    ServiceExt::<Request<String>>::ready(&mut other).await.unwrap();
    let began = tokio::time::Instant::now();
    let error = operation.await.unwrap_err();
    assert!(matches!(error, Error::Operation(error) if matches!(error.cause(), Cause::Timeout)));
    assert_eq!(began.elapsed().as_millis(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_does_not_bound_the_start_request_or_the_result() {
    let simulator =
        Simulator::new().script(Script::new(Reply::accepted().delay(seconds(100))).polls([Reply::status("Succeeded")]));
    let response = exact().timeout(seconds(2)).layer(simulator).oneshot(start()).await.unwrap();
    assert_eq!(response.operation().unwrap().elapsed().as_millis(), 1000);
    tokio::time::advance(seconds(100)).await;
    assert!(crate::support::text(response).await.contains("Succeeded"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_over_ends_a_service_that_is_always_ready() {
    let service = service_fn(|request: Request<String>| {
        let answer = if request.method() == "POST" {
            accepted("/operations/1")
        } else {
            Ok(Response::new(r#"{"status": "Running"}"#.to_owned()))
        };
        async { answer }
    });
    let layer = exact().timeout(seconds(1)).backoff(tower_lro::Backoff::constant(seconds(0)));
    let request = Request::post("https://example.com/").body(String::new()).unwrap();
    let mut operation = tokio_test::task::spawn(layer.layer(service).oneshot(request));
    assert!(operation.poll().is_pending());
    tokio::time::advance(seconds(1)).await;
    let Poll::Ready(Err(Error::Operation(error))) = operation.poll() else { panic!() };
    assert!(matches!(error.cause(), Cause::Timeout));
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_was_due_before_the_deadline_is_not_sent_after_it() {
    let simulator = Simulator::new().script(polls([Reply::status("Running")])).recording();
    let layer = exact().timeout(seconds(2)).backoff(tower_lro::Backoff::constant(seconds(1)));
    let mut operation = tokio_test::task::spawn(layer.layer(simulator.clone()).oneshot(start()));
    assert!(operation.poll().is_pending());
    // The runtime was busy.
    tokio::time::advance(seconds(3)).await;
    let Poll::Ready(Err(Error::Operation(error))) = operation.poll() else { panic!() };
    assert!(matches!(error.cause(), Cause::Timeout));
    assert_eq!(simulator.recorded().len(), 1);
}

/// A body of frames without an end and without data, after some text.
struct Endless(Option<&'static str>);

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> {
        let text = self.0.take().unwrap_or_default();
        Poll::Ready(Some(Ok(http_body::Frame::data(text.into()))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_over_ends_bodies_that_are_always_ready() {
    // In the start response, when looking for the status, in the details, and in an error response.
    for (start, status, poll, is_handed_over) in [
        ("x", 200, r#"{"status": "Running"}"#, false),
        ("", 200, r#"{"stat"#, false),
        ("", 200, r#"{"status": "Failed", "#, true),
        ("", 403, "no", false),
    ] {
        let service = service_fn(move |request: Request<String>| {
            let is_start = request.method() == "POST";
            let response = Response::builder().status(if is_start { 202 } else { status });
            let body = if is_start { start } else { poll };
            let response = response.header("operation-location", "/operations/1").header("retry-after", "1");
            async move { Ok::<_, Infallible>(response.body(Endless(Some(body))).unwrap()) }
        });
        let request = Request::post("https://example.com/").body(String::new()).unwrap();
        let layer = exact().timeout(seconds(3));
        let mut operation = tokio_test::task::spawn(layer.layer(service).oneshot(request));
        let mut steps = 0;
        let outcome = loop {
            if let Poll::Ready(outcome) = operation.poll() {
                break outcome;
            }
            tokio::time::advance(std::time::Duration::from_millis(500)).await;
            steps += 1;
            assert!(steps < 100, "{start:?} {poll:?}");
        };
        assert_eq!(outcome.is_ok(), is_handed_over, "{poll:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_always_ready_is_not_looked_into_for_ever() {
    let service = service_fn(|_: Request<String>| async {
        let body = Endless(Some(r#"{"name": "operations/1","#));
        Ok::<_, Infallible>(Response::builder().header("content-type", "application/json").body(body).unwrap())
    });
    let request = Request::post("https://example.com/v1/things").body(String::new()).unwrap();
    let layer = exact().protocols([tower_lro::Protocol::aip_151()]);
    let mut operation = tokio_test::task::spawn(layer.layer(service).oneshot(request));
    assert!(operation.poll().is_pending());
    tokio::time::advance(seconds(10)).await;
    let Poll::Ready(Ok(response)) = operation.poll() else { panic!() };
    assert!(response.operation().is_none());
}

/// How many of these are alive.
#[derive(Debug)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_after_any_number_of_steps_frees_everything_and_stops_polling() {
    let script = || {
        Script::new(Reply::accepted().body("accepted").chunks(3).delay(seconds(1))).polls([
            Reply::status("Running").chunks(10).delay(seconds(1)),
            Reply::http(503).delay(seconds(1)).body("later"),
            Reply::status_with_result("Running", 100).fault(Fault::StalledAfter(99)),
            Reply::status("Running").fault(Fault::BrokenAfter(20)),
            Reply::status_with_result("Failed", 100).fault(Fault::StalledAfter(99)),
        ])
    };
    let mut steps = 0;
    loop {
        let simulator = Simulator::new().script(script()).recording();
        let alive = Arc::new(AtomicUsize::new(0));
        let limited = ConcurrencyLimit::new(simulator.clone(), 1);
        let counted = {
            let (alive, limited) = (alive.clone(), limited.clone());
            service_fn(move |request| {
                let token = Alive::new(&alive);
                let call = limited.clone().oneshot(request);
                async move {
                    let response: Response<_> = call.await?;
                    Ok::<_, tower_lro::simulator::ConnectionLost>(response.map(|body| Guarded(body, token)))
                }
            })
        };
        let mut operation = tokio_test::task::spawn(exact().layer(counted).oneshot(start()));
        let mut is_over = false;
        for _ in 0..steps {
            if operation.poll().is_ready() {
                is_over = true;
                break;
            }
            tokio::time::advance(std::time::Duration::from_millis(500)).await;
        }
        drop(operation);
        assert_eq!(alive.load(Ordering::SeqCst), 0, "after {steps} steps something is still held");
        let mut other = tokio_test::task::spawn(limited.oneshot(start()));
        // The permit is free, so the simulator gets the request (and takes its time to answer).
        let before = simulator.started();
        let _ = other.poll();
        assert_eq!(simulator.started(), before + 1, "after {steps} steps");
        let requests = simulator.recorded().len();
        tokio::time::advance(seconds(3600)).await;
        assert_eq!(simulator.recorded().len(), requests, "polled after {steps} steps");
        if is_over {
            break;
        }
        steps += 1;
    }
    assert!(steps > 30, "{steps}");
}

/// A body that is alive.
struct Guarded<B>(B, #[expect(dead_code)] Alive);

impl<B: http_body::Body + Unpin> http_body::Body for Guarded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_sleeps_nothing_of_the_last_response_is_held() {
    let alive = Arc::new(AtomicUsize::new(0));
    let service = {
        let alive = alive.clone();
        service_fn(move |request: Request<String>| {
            let token = Alive::new(&alive);
            let body = if request.method() == "POST" { "accepted" } else { r#"{"status": "Running"}"# };
            let response = Response::builder().status(202).header("operation-location", "/operations/1");
            // The future holds a token too, and so does the response.
            let outer = Alive::new(&alive);
            async move {
                let response = response.body(Guarded(body.to_owned(), token)).unwrap();
                drop(outer);
                Ok::<_, Infallible>(response)
            }
        })
    };
    let request = Request::post("https://example.com/").body(String::new()).unwrap();
    let mut operation = tokio_test::task::spawn(exact().layer(service).oneshot(request));
    for _ in 0..10 {
        assert!(operation.poll().is_pending());
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        tokio::time::advance(seconds(31)).await;
    }
}
