//! Retries above and below the layer, with what the service saw of each.
//!
//! Below the layer a retry repeats single requests, polls included, by its own waits instead of those that the service asks
//! for, and its repetitions multiply with the layer's. Above the layer it repeats the operation as a whole: right where the
//! start request was not accepted, and wrong where it was, because then it starts the work again. reqwest-retry knows the
//! difference by itself; a policy of `tower::retry` needs one line.
//!
//! `cargo run --example with_retry`

mod common;

use std::{
    error::Error,
    future::{Ready, ready},
    time::Duration,
};

use http::{Method, Request, Response, StatusCode};
use reqwest::redirect;
use reqwest_middleware::ClientBuilder;
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, retry::Policy};
use tower_lro::{
    Backoff, LroBody, LroLayer, Operation, OperationError, ResponseExt,
    simulator::{ConnectionLost, Reply, Script, Simulator, SimulatorBody},
};

/// The wait before each repetition.
const MOMENT: Duration = Duration::from_millis(1);

/// How often a retry repeats a request at most.
const RETRIES: u32 = 3;

type Served = Response<LroBody<SimulatorBody>>;

/// A policy of `tower::retry`.
#[derive(Clone)]
struct Attempts<F> {
    left: u32,
    may_be_repeated: F,
}

impl<E, F: Fn(&E) -> bool> Policy<Request<SimulatorBody>, Served, E> for Attempts<F> {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<SimulatorBody>, result: &mut Result<Served, E>) -> Option<Ready<()>> {
        let may_be_repeated = match result {
            Ok(response) => response.status() == StatusCode::SERVICE_UNAVAILABLE,
            Err(error) => (self.may_be_repeated)(error),
        };
        self.left = self.left.checked_sub(1).filter(|_| may_be_repeated)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<SimulatorBody>) -> Option<Request<SimulatorBody>> {
        Some(request.clone())
    }
}

fn attempts<E, F: Fn(&E) -> bool>(may_be_repeated: F) -> Attempts<F> {
    Attempts { left: RETRIES, may_be_repeated }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    println!(
        "A retry repeats a request {RETRIES} times at most; the layer repeats 2 failed polls in a row. What the service saw:\n"
    );

    println!("reqwest-retry above the layer");
    // Redirects of polls are the layer's to follow, within the origins that it may go to.
    let http = reqwest::Client::builder().redirect(redirect::Policy::none()).build()?;
    let outside = || ClientBuilder::new(http.clone()).with(retry()).with(lro());
    by_reqwest("a start request is answered 503", outside(), refused_once()).await?;
    by_reqwest("all polls are answered 503", outside(), lost()).await?;

    println!("\nreqwest-retry below the layer");
    let inside = || ClientBuilder::new(http.clone()).with(lro()).with(retry());
    by_reqwest("a start request is answered 503", inside(), refused_once()).await?;
    by_reqwest("a poll is answered 503", inside(), interrupted()).await?;
    by_reqwest("all polls are answered 503", inside(), lost()).await?;

    println!("\ntower::retry above the layer, without a check: WRONG, it starts the work again and again");
    by_tower("all polls are answered 503", attempts(|_: &tower_lro::Error<_>| true), lost()).await?;

    println!("\ntower::retry above the layer, with the check `error.operation().is_some()`");
    let checks = || attempts(|error: &tower_lro::Error<_>| error.operation().is_none());
    by_tower("a start request is answered 503", checks(), refused_once()).await?;
    by_tower("all polls are answered 503", checks(), lost()).await?;

    println!("\ntower::retry above the layer, over a buffer that boxes errors, with the check `OperationError::find`");
    let checks = || attempts(|error: &BoxError| OperationError::<ConnectionLost>::find(&**error).is_none());
    by_buffer("a start request is answered 503", checks(), refused_once()).await?;
    by_buffer("all polls are answered 503", checks(), lost()).await?;
    Ok(())
}

fn lro() -> LroLayer {
    LroLayer::new().max_consecutive_failures(2).backoff(Backoff::constant(MOMENT))
}

fn retry() -> RetryTransientMiddleware<ExponentialBackoff> {
    let policy = ExponentialBackoff::builder().retry_bounds(MOMENT, MOMENT).build_with_max_retries(RETRIES);
    RetryTransientMiddleware::new_with_policy(policy)
}

/// A service of operations that end well, and the first start request of which is not accepted.
fn refused_once() -> Simulator {
    let simulator = Simulator::new().script(good([])).recording();
    simulator.queue(Script::new(Reply::http(503)));
    simulator
}

/// One of the polls fails.
fn interrupted() -> Simulator {
    Simulator::new().script(good([Reply::http(503)])).recording()
}

/// Operations are accepted, but cannot be followed.
fn lost() -> Simulator {
    Simulator::new().script(Script::new(Reply::accepted()).polls([Reply::http(503)])).recording()
}

fn good<const N: usize>(in_between: [Reply; N]) -> Script {
    let polls = [Reply::status("Running")].into_iter().chain(in_between).chain([Reply::status("Succeeded")]);
    Script::new(Reply::accepted()).polls(polls)
}

async fn by_reqwest(what: &str, client: ClientBuilder, service: Simulator) -> Result<(), BoxError> {
    let url = format!("http://{}/conversions", common::serve(service.clone()).await?);
    let result = match client.build().post(url).body("a drawing package").send().await {
        Ok(response) => outcome(Some(response.status()), response.operation()),
        Err(error) => outcome(None, OperationError::find(&error).map(OperationError::operation)),
    };
    tell(what, &service, &result);
    Ok(())
}

async fn by_tower<F>(what: &str, policy: Attempts<F>, service: Simulator) -> Result<(), BoxError>
where
    F: Fn(&tower_lro::Error<ConnectionLost>) -> bool + Clone,
{
    let client = ServiceBuilder::new().retry(policy).layer(lro()).service(service.clone());
    let result = match client.oneshot(start()?).await {
        Ok(response) => outcome(Some(response.status()), response.operation()),
        Err(error) => outcome(None, error.operation()),
    };
    tell(what, &service, &result);
    Ok(())
}

async fn by_buffer<F>(what: &str, policy: Attempts<F>, service: Simulator) -> Result<(), BoxError>
where
    F: Fn(&BoxError) -> bool + Clone,
{
    let client = ServiceBuilder::new().retry(policy).buffer(8).service(lro().layer(service.clone()));
    let result = match client.oneshot(start()?).await {
        Ok(response) => outcome(Some(response.status()), response.operation()),
        Err(error) => outcome(None, OperationError::<ConnectionLost>::find(&*error).map(OperationError::operation)),
    };
    tell(what, &service, &result);
    Ok(())
}

fn start() -> http::Result<Request<SimulatorBody>> {
    Request::post("https://service.example/conversions").body(SimulatorBody::from("a drawing package"))
}

fn outcome(status: Option<StatusCode>, operation: Option<&Operation>) -> String {
    let what = match (status, operation) {
        (Some(status), _) => status.to_string(),
        (None, Some(_)) => "an error that says: accepted, do not send it again".to_owned(),
        (None, None) => "an error, and nothing was accepted".to_owned(),
    };
    let polls = operation.map_or(0, Operation::polls);
    format!("{what} (the layer's last operation took {polls} polls)")
}

fn tell(what: &str, service: &Simulator, result: &str) {
    let polls = service.recorded().iter().filter(|request| request.method == Method::GET).count();
    println!("  {what:31} starts: {}, polls: {polls:2} → {result}", service.started());
}
