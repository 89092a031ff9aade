//! All operations at once, over the simulator in memory, in paused time.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use http::Request;
use tokio::runtime::Builder;
use tower::{Layer, ServiceExt};
use tower_lro::{
    Backoff,
    simulator::{Simulator, SimulatorBody},
};

use crate::{
    Progress,
    plan::{Outcome, Plan, Random},
    report::{Failures, Report},
};

const UNIT: Duration = Duration::from_secs(1);
const MONITOR: &str = "{origin}/operations/{id}";
const SEED: u64 = 1;

pub fn soak(operations: usize, progress: &Progress) -> Report {
    let script_bytes = script_bytes(operations);
    Report::of("in memory", |report| {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let failed = Failures::default();
        let token = Arc::new(());
        let simulator = Simulator::new();
        let client = failed.layer().backoff(Backoff::constant(20 * UNIT)).layer(simulator.clone());
        let mut planned = Vec::with_capacity(operations);
        let mut failures = 0;
        let mut waiting = Vec::with_capacity(operations);

        // After this, every operation that was accepted waits for its first poll.
        let memory = allocation_counter::measure(|| {
            let mut random = Random(SEED);
            for number in 0..operations {
                let plan = Plan::random(&mut random, MONITOR, UNIT);
                failures += plan.failures;
                planned.push(plan.outcome);
                // Scripts are played in the order of the calls, which is that of the numbers.
                simulator.queue(plan.script);
                let mut request = start();
                request.extensions_mut().insert(token.clone());
                let mut response = Box::pin(client.clone().oneshot(request));
                match runtime.block_on(poll_fn(|cx| Poll::Ready(response.poll_unpin(cx)))) {
                    Poll::Pending => waiting.push((number, response)),
                    Poll::Ready(result) => {
                        let outcome = runtime.block_on(Outcome::of(result));
                        report.tally.add(number, &outcome, &planned[number]);
                        progress.ended();
                    }
                }
            }
        });
        let bytes = memory.bytes_current - script_bytes;
        report.script_bytes = Some(script_bytes);
        report.bytes_per_waiting = i64::try_from(waiting.len()).ok().and_then(|waiting| bytes.checked_div(waiting));

        let waiting = waiting.into_iter();
        let mut running: FuturesUnordered<_> =
            waiting.map(|(number, response)| async move { (number, Outcome::of(response.await).await) }).collect();
        runtime.block_on(async {
            while let Some((number, outcome)) = running.next().await {
                report.tally.add(number, &outcome, &planned[number]);
                progress.ended();
                if running.len() % 1000 == 0 {
                    simulator.forget_ended();
                }
            }
        });
        report.failures = failed.count();
        report.expect("failed polls", report.failures, failures);
        report.expect("starts", simulator.started(), operations as u64);
        drop((running, client, simulator));
        report.expect("requests that are still held", Arc::strong_count(&token) as u64, 1);
    })
}

fn start() -> Request<SimulatorBody> {
    let mut request = Request::new(SimulatorBody::from("a drawing package"));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static("https://atlas.microsoft.com/mapData?api-version=2.0");
    request
}

/// The memory that the simulator needs for the same operations, without a client.
fn script_bytes(operations: usize) -> i64 {
    let simulator = Simulator::new();
    let memory = allocation_counter::measure(|| {
        let mut random = Random(SEED);
        for _ in 0..operations {
            simulator.queue(Plan::random(&mut random, MONITOR, UNIT).script);
            _ = simulator.clone().oneshot(start()).now_or_never();
        }
    });
    memory.bytes_current
}
