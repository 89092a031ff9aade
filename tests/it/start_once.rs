//! With what retries outside of the layer the start request is sent once.

use std::future::{Ready, ready};

use http::Request;
use reqwest_middleware::ClientBuilder;
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use tower::{ServiceBuilder, ServiceExt, retry::Policy};
use tower_lro::{
    Cause, Error, OperationError,
    simulator::{Fault, Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{Server, exact, polls, quick, start};

/// Sends again whatever failed, unless it has happened.
#[derive(Clone)]
struct Retry(usize);

type Outcome<T> = Result<T, Error<tower_lro::simulator::ConnectionLost>>;

impl<T> Policy<Request<SimulatorBody>, T, Error<tower_lro::simulator::ConnectionLost>> for Retry {
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
async fn tower_retry_outside_can_tell_what_has_happened() {
    let refused = Script::new(Reply::accepted().fault(Fault::Refused));
    for (script, starts) in [
        // Nothing was accepted: sent again.
        (refused, 4),
        // Accepted, and given up for one reason or another: sent once.
        (polls([Reply::http(200).fault(Fault::Refused)]), 1),
        (polls([Reply::http(503)]), 1),
        (polls([Reply::http(403)]), 1),
        (polls([Reply::json("[]")]), 1),
        (Script::new(Reply::http(202).header("operation-location", "https://evil.test/")), 1),
    ] {
        let simulator = Simulator::new().script(script);
        let client = ServiceBuilder::new().retry(Retry(3)).layer(exact().max_failures(2)).service(simulator.clone());
        let error = client.oneshot(start()).await.unwrap_err();
        assert_eq!(simulator.started(), starts, "{error}");
    }
}

#[tokio::test]
async fn reqwest_retry_outside_sends_the_start_request_once() {
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
            .with(quick().max_failures(2))
            .build();
        let error = client.post(server.url("/mapData")).body("package").send().await.unwrap_err();
        let operation = OperationError::find(&error).expect("found through the retry's own error").operation();
        assert!(!operation.monitor().path().is_empty());
        assert_eq!(simulator.started(), 1, "{error:?}");
    }
}

#[tokio::test]
async fn reqwest_retry_outside_still_retries_what_was_not_accepted() {
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
