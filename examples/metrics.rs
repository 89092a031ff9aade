//! Metrics of operations, from the layer's events by way of the `metrics` facade to Prometheus: how many are in flight, how
//! they end, how often they are polled and why polls fail, how long they wait and how long they take.
//!
//! `cargo run --example metrics` runs an operation of every ending, and prints what Prometheus would scrape.

use std::{error::Error, time::Duration};

use http::Request;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower::{Layer, ServiceExt};
use tower_lro::{
    Event, LroLayer, Operation, OperationState, Outcome, PollFailure,
    simulator::{Fault, Reply, Script, Simulator, SimulatorBody},
};

// Names and units follow the semantic conventions of OpenTelemetry for metrics. Prometheus has them with underscores, and with the
// unit or `total` behind them. How many operations have ended, and how, is the count of their durations.
const ACTIVE: &str = "lro.client.active_operations";
const DURATION: &str = "lro.client.operation.duration";
const POLLS: &str = "lro.client.polls";
const DELAY: &str = "lro.client.poll.delay";

const PROTOCOL: &str = "lro.protocol";
/// Only of what went wrong.
const ERROR: &str = "error.type";

type BoxError = Box<dyn Error + Send + Sync>;

/// Feeds the metrics. All attributes have few values: neither identifiers nor addresses are among them.
fn measure(event: &Event<'_>) {
    match event {
        Event::Accepted { operation, .. } | Event::Resumed { operation, .. } => {
            gauge!(ACTIVE, PROTOCOL => protocol(operation)).increment(1)
        }
        Event::Waiting { delay, reason, .. } => {
            histogram!(DELAY, "lro.delay.reason" => word(reason)).record(*delay);
        }
        Event::Polled { operation, .. } => counter!(POLLS, PROTOCOL => protocol(operation)).increment(1),
        Event::PollFailed { operation, failure, .. } => {
            let error = match failure {
                PollFailure::Http(status) => status.as_str().to_owned(),
                other => word(other),
            };
            counter!(POLLS, PROTOCOL => protocol(operation), ERROR => error).increment(1);
        }
        Event::Pending { operation, .. } => gauge!(ACTIVE, PROTOCOL => protocol(operation)).decrement(1),
        // Also emitted where the request's future is dropped, so that the gauge comes down again.
        Event::Finished { operation, outcome, .. } => {
            gauge!(ACTIVE, PROTOCOL => protocol(operation)).decrement(1);
            let state = operation.state();
            let mut attributes = vec![("lro.outcome", word(outcome)), ("lro.state", word(state))];
            attributes.extend(error(*outcome, state).map(|error| (ERROR, error)));
            histogram!(DURATION, &attributes).record(operation.elapsed());
        }
        _ => {}
    }
}

/// The names of the spans of feature `tracing`, except for the service's own error codes, of which there may be many.
fn error(outcome: Outcome, state: OperationState) -> Option<String> {
    match outcome {
        Outcome::Dropped => None,
        Outcome::Response if state == OperationState::Succeeded => None,
        Outcome::Response | Outcome::Failed => Some(word(state)),
        other => Some(word(other)),
    }
}

fn protocol(operation: &Operation) -> String {
    operation.protocol().name().to_owned()
}

/// The name of a variant, as a label has it.
fn word(variant: impl std::fmt::Debug) -> String {
    format!("{variant:?}").to_lowercase()
}

fn install() -> Result<PrometheusHandle, BoxError> {
    let buckets = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];
    let handle = PrometheusBuilder::new()
        .with_recommended_naming(true)
        .set_buckets_for_metric(Matcher::Prefix("lro.client".to_owned()), &buckets)?
        .install_recorder()?;
    describe_gauge!(ACTIVE, Unit::Count, "Operations that were accepted or resumed, and have not ended");
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "From acceptance to the end, by what the caller got and the state then"
    );
    describe_counter!(POLLS, Unit::Count, "Polls that gave a status, or failed in a way that may pass");
    describe_histogram!(DELAY, Unit::Seconds, "The delays before polls, by why they are that long");
    Ok(handle)
}

// Time is paused, which leaps over the waits: these operations would take a quarter of an hour.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), BoxError> {
    let prometheus = install()?;
    // Without randomness, so that the numbers are the same each time.
    let layer = LroLayer::new().jitter(0.0).on_event(measure);
    let hinted = |word: &str| Reply::status(word).retry_after(Duration::from_secs(30));

    let endings = [
        (layer.clone(), vec![Reply::status("Running"), Reply::http(503), Reply::http(429), hinted("Succeeded")]),
        (layer.clone(), vec![hinted("NotStarted"), hinted("Running"), hinted("Succeeded")]),
        (layer.clone(), vec![hinted("Failed")]),
        (layer.clone(), vec![hinted("Canceled")]),
        (layer.clone().error_on_failure(true), vec![hinted("Running"), hinted("Failed")]),
        (layer.clone().timeout(Duration::from_secs(600)), vec![hinted("Running")]),
        (layer.clone().max_consecutive_failures(2), vec![Reply::http(200).fault(Fault::Refused)]),
        (layer.clone().max_consecutive_failures(1), vec![Reply::status("Running").fault(Fault::BrokenAfter(9))]),
        (layer.clone().max_consecutive_failures(0), vec![Reply::http(500)]),
        (layer.clone(), vec![Reply::http(403)]),
        (layer.clone(), vec![Reply::json("[]")]),
    ];
    for (layer, polls) in endings {
        // Not all of them end well.
        _ = send(&layer, Script::azure_maps().polls(polls)).await;
    }
    let elsewhere = Reply::http(202).header("operation-location", "http://10.0.0.1:8080/operations/1");
    _ = send(&layer, Script::new(elsewhere)).await;
    resume_with_an_unknown_protocol(&layer).await?;

    let endless = || Script::azure_maps().polls([hinted("Running")]);
    // The caller loses patience: the future is dropped.
    let impatient = tokio::time::timeout(Duration::from_secs(100), send(&layer, endless()));
    assert!(impatient.await.is_err());
    // One more is still under way.
    let mut pending = std::pin::pin!(send(&layer, endless()));
    assert!(tokio::time::timeout(Duration::from_secs(10), pending.as_mut()).await.is_err());

    print!("{}", prometheus.render());
    Ok(())
}

async fn send(layer: &LroLayer, script: Script) -> Result<(), BoxError> {
    let client = layer.layer(Simulator::new().script(script));
    let request = Request::post("https://atlas.microsoft.com/mapData").body(SimulatorBody::default())?;
    client.oneshot(request).await?;
    Ok(())
}

/// An operation that another program has stored, of a protocol that this one does not speak.
async fn resume_with_an_unknown_protocol(layer: &LroLayer) -> Result<(), BoxError> {
    let stored = r#"{"version": 1, "protocol": "homemade", "state": "Running", "polls": 3,
        "elapsed_ms": 4000, "monitor": "https://atlas.microsoft.com/operations/1"}"#;
    let operation: Operation = serde_json::from_str(stored)?;
    let request =
        Request::get("https://atlas.microsoft.com/").extension(operation.resume()).body(SimulatorBody::default())?;
    _ = layer.layer(Simulator::new()).oneshot(request).await;
    Ok(())
}
