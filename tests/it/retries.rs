//! Everything that sends requests again, above the layer and below: what each combination does.

use std::{
    error::Error as StdError,
    future::{Ready, ready},
};

use http::{Request, Response};
use reqwest_middleware::ClientBuilder;
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, hedge::Hedge, retry::Policy, timeout::error::Elapsed};
use tower_lro::{
    Cause, Error, OperationError, OperationState, Protocol, ResponseExt,
    simulator::{ConnectionLost, Fault, Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{Server, answering, exact, polls, quick, seconds, start};

/// Sends again everything that failed, unless it was accepted.
#[derive(Clone)]
struct Retry(usize);

type Outcome<T> = Result<T, Error<ConnectionLost>>;

impl<T> Policy<Request<SimulatorBody>, T, Error<ConnectionLost>> for Retry {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<SimulatorBody>, outcome: &mut Outcome<T>) -> Option<Ready<()>> {
        match outcome {
            Err(Error::Service(_)) if self.0 > 0 => {
                self.0 -= 1;
                Some(ready(()))
            }
            _ => None,
        }
    }

    fn clone_request(&mut self, request: &Request<SimulatorBody>) -> Option<Request<SimulatorBody>> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn tower_retry_above_can_tell_that_the_request_was_accepted() {
    let refused = Script::new(Reply::accepted().fault(Fault::Refused));
    for (script, starts) in [
        // Nothing was accepted: sent again.
        (refused, 4),
        // Accepted, but not completed for one reason or another: sent once.
        (polls([Reply::http(200).fault(Fault::Refused)]), 1),
        (polls([Reply::http(503)]), 1),
        (polls([Reply::http(403)]), 1),
        (polls([Reply::json("[]")]), 1),
        (Script::new(Reply::http(202).header("operation-location", "https://evil.test/")), 1),
    ] {
        let simulator = Simulator::new().script(script);
        let client =
            ServiceBuilder::new().retry(Retry(3)).layer(exact().max_consecutive_failures(2)).service(simulator.clone());
        let error = client.oneshot(start()).await.unwrap_err();
        assert_eq!(simulator.started(), starts, "{error}");
    }
}

/// Sends again everything that failed.
#[derive(Clone)]
struct RetryAll(usize);

impl<T, E> Policy<Request<SimulatorBody>, T, E> for RetryAll {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<SimulatorBody>, outcome: &mut Result<T, E>) -> Option<Ready<()>> {
        let is_to_retry = outcome.is_err() && self.0 > 0;
        self.0 -= usize::from(is_to_retry);
        is_to_retry.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<SimulatorBody>) -> Option<Request<SimulatorBody>> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn tower_retry_below_repeats_single_requests_at_once() {
    let refused = || Reply::http(200).fault(Fault::Refused);
    let simulator = Simulator::new().script(polls([refused(), refused(), Reply::status("Succeeded")])).recording();
    let client = ServiceBuilder::new().layer(exact()).retry(RetryAll(3)).service(simulator.clone());
    let response = client.oneshot(start()).await.unwrap();
    // The layer has seen one poll.
    assert_eq!(tower_lro::ResponseExt::operation(&response).unwrap().polls(), 1);
    assert_eq!(crate::support::millis(&simulator.recorded()), [0, 1000, 1000, 1000]);
    assert_eq!(simulator.started(), 1);
}

/// An error without a message of its own, as by thiserror's `#[error(transparent)]`.
#[derive(Debug)]
struct Transparent(Error<ConnectionLost>);

impl std::fmt::Display for Transparent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Transparent {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_layer_below_another_is_found_and_is_no_operation_of_the_upper_one() {
    let simulator = Simulator::new().script(polls([Reply::http(403)]));
    let error = exact().layer(exact().layer(simulator)).oneshot(start()).await.unwrap_err();
    assert!(matches!(error, Error::Service(Error::Operation(_))) && error.operation().is_none());
    assert!(OperationError::<ConnectionLost>::find(&error).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_layer_of_another_protocol_below_may_take_a_poll_for_a_start_and_one_layer_of_both_does_not() {
    let service = || {
        answering(|index, request| {
            let response = Response::builder();
            let (response, body) = match (index, request.uri().path()) {
                (0, _) => (response.status(202).header("operation-location", "/operations/1"), ""),
                (1, _) => (response.status(202).header("location", "/results/1"), r#"{"status": "Running"}"#),
                (_, "/operations/1") => (response, r#"{"status": "Succeeded"}"#),
                _ => (response, "a result"),
            };
            Ok(response.body(body.to_owned())?)
        })
        .0
    };
    let post = || Request::post("https://example.com/").body(String::new()).unwrap();
    let below = exact().protocols([Protocol::location()]).layer(service());
    let Err(Error::Operation(error)) = exact().layer(below).oneshot(post()).await else { panic!() };
    assert!(matches!(error.cause(), Cause::Status(_)), "{error}");
    let response = exact().protocol(Protocol::location()).layer(service()).oneshot(post()).await.unwrap();
    assert_eq!(response.operation().unwrap().status(), Some("Succeeded"));
}

#[tokio::test(start_paused = true)]
async fn an_operation_error_is_found_in_a_box() {
    type Inner = OperationError<ConnectionLost>;
    let outcome = async |script| {
        let client = ServiceBuilder::new()
            .buffer::<Request<SimulatorBody>>(4)
            .timeout(seconds(60))
            .layer(exact())
            .service(Simulator::new().script(script));
        client.oneshot(start()).await.map(drop).unwrap_err()
    };
    let error: BoxError = outcome(polls([Reply::http(403)])).await;
    let found = Inner::find(&*error).expect("it was accepted");
    assert!(matches!(found.cause(), Cause::Monitor(_)));
    // In any wrapper that shows its sources.
    // In any wrapper.
    let io = std::io::Error::other(error);
    assert!(Inner::find(&io).is_some());
    let error = io.downcast::<Error<ConnectionLost>>().unwrap();
    let shared = std::sync::Arc::new(error);
    assert!(Inner::find(&shared).is_some());
    let transparent = Transparent(std::sync::Arc::into_inner(shared).unwrap());
    assert!(Inner::find(&transparent as &dyn std::error::Error).is_some());
    let boxed = Error::<BoxError>::Service(transparent.0.into()).boxed();
    assert!(Inner::find(&boxed).is_some());
    let Error::Service(boxed) = boxed else { panic!() };
    assert!(Inner::find(&boxed).is_some());
    let chained = anyhow::Error::from(boxed).context("an upload");
    assert!(Inner::find(&chained).is_some());

    // The error of the operation by itself, in what shows its source and not it.
    let alone = async || {
        let error = outcome(polls([Reply::http(403)])).await;
        let Ok(Error::Operation(error)) = error.downcast::<Error<ConnectionLost>>().map(|error| *error) else {
            panic!()
        };
        error
    };
    assert!(Inner::find(&std::io::Error::other(alone().await)).is_some());
    assert!(Inner::find(&std::io::Error::other(std::io::Error::other(alone().await))).is_some());
    assert!(Inner::find(&std::sync::Arc::new(alone().await)).is_some());
    let within: BoxError = std::sync::Arc::new(std::io::Error::other(alone().await)).into();
    assert!(Inner::find(&within).is_some());
    let chained = anyhow::Error::new(std::io::Error::other(alone().await)).context("an upload");
    assert!(Inner::find(&chained).is_some());
    let (boxed, shared) = (Box::new(alone().await), std::sync::Arc::new(alone().await));
    for error in [
        Box::new(boxed) as BoxError,
        shared.clone().into(),
        (shared as std::sync::Arc<dyn StdError + Send + Sync>).into(),
    ] {
        assert!(Inner::find(&error).is_some(), "{error}");
    }

    let error = outcome(Script::new(Reply::accepted().fault(Fault::Refused))).await;
    assert!(Inner::find(&*error).is_none(), "nothing was accepted");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_above_loses_the_operation_and_a_retry_around_it_sends_the_request_again() {
    // Wrong: the timeout's error does not say that the request was accepted. `LroLayer::timeout` does.
    let forever = || polls([Reply::status("Running")]);
    let simulator = Simulator::new().script(forever());
    let client = ServiceBuilder::new()
        .retry(RetryAll(1))
        .timeout(seconds(10))
        .map_err(Error::boxed)
        .layer(exact())
        .service(simulator.clone());
    let error = client.oneshot(start()).await.map(drop).unwrap_err();
    assert!(error.is::<Elapsed>());
    assert_eq!(simulator.started(), 2);

    let simulator = Simulator::new().script(forever());
    let layer = exact().timeout(seconds(10));
    let client = ServiceBuilder::new().retry(Retry(1)).layer(layer).service(simulator.clone());
    let error = client.oneshot(start()).await.unwrap_err();
    assert_eq!(error.operation().unwrap().state(), OperationState::Running);
    assert_eq!(simulator.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_below_bounds_single_requests() {
    let simulator =
        Simulator::new().script(polls([Reply::http(200).fault(Fault::Stalled), Reply::status("Succeeded")]));
    let client = ServiceBuilder::new().layer(exact()).timeout(seconds(5)).service(simulator.clone());
    let response = client.oneshot(start()).await.unwrap();
    assert_eq!(tower_lro::ResponseExt::operation(&response).unwrap().polls(), 2);
    assert_eq!(simulator.started(), 1);
}

/// Sends a second request where the first is slow: any, or none but polls.
#[derive(Clone)]
struct Hedging {
    starts: bool,
}

impl tower::hedge::Policy<Request<SimulatorBody>> for Hedging {
    fn clone_request(&self, request: &Request<SimulatorBody>) -> Option<Request<SimulatorBody>> {
        (self.starts || request.method() == "GET").then(|| request.clone())
    }

    fn can_retry(&self, _: &Request<SimulatorBody>) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn hedging_above_starts_the_work_twice_and_below_is_for_polls() {
    let latencies = [50; 100];
    let slow = || Script::azure_maps().polls([Reply::status("Succeeded").delay(seconds(1))]);
    // Wrong.
    let simulator = Simulator::new().script(slow());
    let client = Hedge::new_with_mock_latencies(
        exact().layer(simulator.clone()),
        Hedging { starts: true },
        10,
        0.9,
        seconds(60),
        &latencies,
    );
    client.oneshot(start()).await.unwrap();
    assert_eq!(simulator.started(), 2);

    let simulator = Simulator::new().script(slow()).recording();
    let hedge =
        Hedge::new_with_mock_latencies(simulator.clone(), Hedging { starts: false }, 10, 0.9, seconds(60), &latencies);
    // It is not `Clone`.
    let client = ServiceBuilder::new().layer(exact()).buffer(4).service(hedge);
    client.oneshot(start()).await.map(drop).unwrap();
    let polls = simulator.recorded().len() - 1;
    assert_eq!((simulator.started(), polls), (1, 2), "the poll was hedged");
}

#[tokio::test(start_paused = true)]
async fn a_buffer_above_or_below_changes_nothing() {
    for script in [polls([Reply::status("Succeeded")]), polls([Reply::http(403)])] {
        let simulator = Simulator::new().script(script);
        let outside = ServiceBuilder::new().buffer(4).layer(exact()).service(simulator.clone());
        let inside = ServiceBuilder::new().layer(exact()).buffer(4).service(simulator.clone());
        let outcomes = (outside.oneshot(start()).await.is_ok(), inside.oneshot(start()).await.is_ok());
        assert_eq!(outcomes.0, outcomes.1);
        assert_eq!(simulator.started(), 2);
    }
}

#[tokio::test]
async fn reqwest_retry_below_repeats_single_requests() {
    let script = polls([Reply::http(503), Reply::http(429), Reply::status("Succeeded")]);
    let simulator = Simulator::new().script(script);
    let server = Server::of(&simulator).await;
    let retries = ExponentialBackoff::builder().retry_bounds(quick_delay(), quick_delay()).build_with_max_retries(3);
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(quick().max_consecutive_failures(0))
        .with(RetryTransientMiddleware::new_with_policy(retries))
        .build();
    let response = client.post(server.url("/mapData")).body("package").send().await.unwrap();
    assert_eq!(tower_lro::ResponseExt::operation(&response).unwrap().polls(), 1);
    assert_eq!(simulator.started(), 1);
}

#[tokio::test]
async fn reqwest_retry_above_sends_the_start_request_once() {
    for script in [
        polls([Reply::http(200).fault(Fault::Refused)]),
        polls([Reply::http(503)]),
        polls([Reply::json("[]")]),
        Script::new(Reply::http(202).header("operation-location", "https://evil.test/")),
    ] {
        let simulator = Simulator::new().script(script);
        let server = Server::of(&simulator).await;
        let retries =
            ExponentialBackoff::builder().retry_bounds(quick_delay(), quick_delay()).build_with_max_retries(3);
        let client = ClientBuilder::new(reqwest::Client::new())
            .with(RetryTransientMiddleware::new_with_policy(retries))
            .with(quick().max_consecutive_failures(2))
            .build();
        let error = client.post(server.url("/mapData")).body("package").send().await.unwrap_err();
        let operation = OperationError::find(&error).expect("found through the retry's own error").operation();
        assert!(!operation.monitor().path().is_empty());
        assert_eq!(simulator.started(), 1, "{error:?}");
    }
}

#[tokio::test]
async fn reqwest_retry_above_still_retries_what_was_not_accepted() {
    let simulator = Simulator::new();
    simulator.queue(Script::new(Reply::http(503)));
    simulator.queue(Script::new(Reply::http(503)));
    simulator.queue(polls([Reply::http(403)]));
    let server = Server::of(&simulator).await;
    let retries = ExponentialBackoff::builder().retry_bounds(quick_delay(), quick_delay()).build_with_max_retries(3);
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(RetryTransientMiddleware::new_with_policy(retries))
        .with(quick())
        .build();
    let error = client.post(server.url("/mapData")).send().await.unwrap_err();
    // After retries the error is wrapped in another way.
    assert!(error.to_string().contains("after 2 retries"), "{error}");
    let found = OperationError::find(&error).expect("found");
    assert!(matches!(found.cause(), Cause::Monitor(response) if response.status() == 403));
    assert_eq!(simulator.started(), 3);
}

const fn quick_delay() -> std::time::Duration {
    std::time::Duration::from_millis(1)
}
