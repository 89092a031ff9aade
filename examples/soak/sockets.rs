//! Operations at once over loopback sockets: hyper-util's client on one side, hyper's server before simulators on the other.

use std::{
    convert::Infallible,
    io,
    iter::repeat_n,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, runtime::Builder, task::JoinSet};
use tower::{Layer, ServiceExt, service_fn};
use tower_lro::{
    Backoff,
    simulator::{ConnectionLost, Simulator, SimulatorBody},
};

use crate::{
    Progress,
    limit::limited,
    plan::{Outcome, Plan, Random},
    report::{Failures, Report},
};

const UNIT: Duration = Duration::from_millis(1);

pub fn soak(operations: usize, connections: usize, progress: &Progress) -> Report {
    Report::of("over sockets", |report| {
        // One thread for both sides: memory is counted by the thread.
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        if let Err(error) = runtime.block_on(run(operations, connections, progress, report)) {
            report.complaints.push(format!("given up: {error}"));
        }
    })
}

async fn run(operations: usize, connections: usize, progress: &Progress, report: &mut Report) -> io::Result<()> {
    let mut random = Random(2);
    let plans: Vec<_> = (0..operations)
        .map(|number| Plan::random(&mut random, &format!("{{origin}}/{number}/operations/{{id}}"), UNIT))
        .collect();
    let failures = plans.iter().map(|plan| plan.failures).sum();
    // A simulator for each, so that it is seen of each that it was started once.
    let simulators: Arc<[_]> = plans.iter().map(|plan| Simulator::new().script(plan.script.clone())).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let gauge = Gauge::default();
    let server = tokio::spawn(serve(listener, simulators.clone(), gauge.clone()));

    let failed = Failures::default();
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let client = failed.layer().backoff(Backoff::constant(20 * UNIT)).layer(limited(client, connections));
    let token = Arc::new(());
    let mut running = JoinSet::new();
    for (number, client) in repeat_n(client, operations).enumerate() {
        let mut request = Request::new(Full::from("a drawing package"));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = format!("http://{address}/{number}/mapData").parse().expect("an address");
        request.extensions_mut().insert(token.clone());
        running.spawn(async move { (number, Outcome::of(client.oneshot(request).await).await) });
    }
    while let Some(ended) = running.join_next().await {
        let (number, outcome) = ended?;
        report.tally.add(number, &outcome, &plans[number].outcome);
        progress.ended();
    }
    report.failures = failed.count();
    report.peak_connections = Some(gauge.peak());
    report.expect("failed polls", report.failures, failures);
    let started_once = simulators.iter().filter(|simulator| simulator.started() == 1).count();
    report.expect("operations that were started once", started_once as u64, operations as u64);
    drop(running);
    server.abort();
    report.expect("requests that are still held", Arc::strong_count(&token) as u64, 1);
    Ok(())
}

/// How many connections there are, and were at most.
#[derive(Clone, Default)]
struct Gauge {
    open: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

impl Gauge {
    fn opened(&self) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(open, Ordering::Relaxed);
    }

    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, simulators: Arc<[Simulator]>, gauge: Gauge) -> io::Result<Infallible> {
    let service = service_fn(move |request: Request<Incoming>| answer(simulators.clone(), request));
    loop {
        let (stream, _) = listener.accept().await?;
        let (service, gauge) = (TowerToHyperService::new(service.clone()), gauge.clone());
        gauge.opened();
        tokio::spawn(async move {
            // An error of the simulator closes the connection, as it is meant to.
            _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            gauge.closed();
        });
    }
}

/// The answer of the simulator whose number the path begins with.
async fn answer(
    simulators: Arc<[Simulator]>,
    request: Request<Incoming>,
) -> Result<Response<SimulatorBody>, ConnectionLost> {
    let number = request.uri().path().split('/').nth(1).and_then(|number| number.parse::<usize>().ok());
    let simulator = number.and_then(|number| simulators.get(number)).ok_or(ConnectionLost)?;
    simulator.clone().oneshot(request).await
}
