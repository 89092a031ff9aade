//! `fleet work`: a worker, its line of progress, and its page of metrics.

use std::{
    io::{IsTerminal, Read, Write},
    process::exit,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use fleet::{
    BoxError,
    clock::QueueClock,
    http_server::Server,
    metrics::{self, Metrics},
    queue::{self, Queue},
    tenant::{Shared, Tenants},
    terminal::{log, print},
    worker::{Options, Worker},
};
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    spawn,
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{at_least_one, lease, seconds};
use crate::{QueueArguments, TenantArguments};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    queue: QueueArguments,
    #[command(flatten)]
    tenants: TenantArguments,
    /// Serve metrics for Prometheus at this address
    #[arg(long)]
    metrics: Option<String>,
    /// How many operations to have at once
    #[arg(long, default_value = "256", value_parser = at_least_one::<usize>)]
    concurrency: usize,
    /// How many seconds an operation is this worker's, at least 1; longer than the delays that services ask for
    #[arg(long, default_value = "60", value_parser = lease)]
    lease: Duration,
    /// How many seconds a service may take to answer
    #[arg(long, default_value = "20", value_parser = seconds)]
    request_timeout: Duration,
    /// How often an operation is delivered that no worker puts back, before it is given up
    #[arg(long, default_value = "5", value_parser = at_least_one::<u32>)]
    max_deliveries: u32,
    /// Stop when the standard input is closed, too: with whatever has started the worker, however that ends
    #[arg(long)]
    with_parent: bool,
}

pub async fn run(arguments: Arguments) -> Result<(), BoxError> {
    let (signalled, mut is_signalled) = oneshot::channel();
    spawn(count_signals(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signalled));
    let metrics = Arc::new(Metrics::default());
    let clock = QueueClock::new();
    let shared = Shared { clock: clock.clone(), metrics: metrics.clone(), request_timeout: arguments.request_timeout };
    let tenants = Tenants::load(&arguments.tenants.tenants, &shared)?;
    let queue = queue::open(&arguments.queue.queue).await?;
    let options = Options {
        concurrency: arguments.concurrency,
        lease: arguments.lease,
        max_deliveries: arguments.max_deliveries,
        ..Options::default()
    };
    let _page = match &arguments.metrics {
        Some(address) => Some(serve(address, queue.clone(), metrics.clone()).await?),
        None => None,
    };
    let worker = Worker::new(queue, tenants, options, metrics.clone(), clock)?;
    let stopped = async {
        tokio::select! {
            _ = &mut is_signalled => {}
            () = parent_has_ended(), if arguments.with_parent => {}
        }
    };
    if !std::io::stderr().is_terminal() {
        worker.run(stopped).await;
        return Ok(());
    }
    tokio::select! {
        () = worker.run(stopped) => {}
        () = show_progress(&metrics) => {}
    }
    log("");
    Ok(())
}

/// The first one lets the worker end by itself. A second one says that nobody wants to wait for that.
async fn count_signals(mut terminate: Signal, mut interrupt: Signal, signalled: oneshot::Sender<()>) {
    let mut signalled = Some(signalled);
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        match signalled.take() {
            Some(signalled) => _ = signalled.send(()),
            None => {
                log("a second signal: what was not stored is left to the leases, which run out");
                exit(1);
            }
        }
    }
}

async fn parent_has_ended() {
    let (ended, has_ended) = oneshot::channel();
    // A thread of its own, which nobody waits for: reading cannot be called off.
    std::thread::spawn(move || {
        _ = std::io::stdin().read_to_end(&mut Vec::new());
        ended.send(())
    });
    _ = has_ended.await;
}

async fn serve(address: &str, queue: Arc<dyn Queue>, metrics: Arc<Metrics>) -> Result<Server, BoxError> {
    let answer = move |request: Request<Incoming>| {
        let (queue, metrics) = (queue.clone(), metrics.clone());
        async move {
            if request.uri().path() != "/metrics" {
                let mut answer = Response::new(Full::from("the metrics are at /metrics\n"));
                *answer.status_mut() = StatusCode::NOT_FOUND;
                return answer;
            }
            let page = metrics.page(queue.counts().await.ok());
            let mut answer = Response::new(Full::from(Bytes::from(page)));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
            answer
        }
    };
    let server = Server::start(address, answer).await?;
    // With port 0 nobody knows it otherwise.
    print(&format!("metrics: http://{}/metrics\n", server.address()))?;
    Ok(server)
}

/// One line, written again and again.
async fn show_progress(metrics: &Metrics) {
    let mut ticks = interval(Duration::from_millis(500));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut polls) = (Instant::now(), 0);
    loop {
        ticks.tick().await;
        let (now, total) = (Instant::now(), metrics.polls.get());
        let rate = (total - polls) as f64 / now.duration_since(last).as_secs_f64().max(0.001);
        (last, polls) = (now, total);
        let in_flight = metrics.in_flight.load(Ordering::Relaxed);
        let (finished, dead) = (metrics.finished.get(), metrics.dead.get());
        let line = format!("\r\x1b[K{rate:.0} polls/s, {in_flight} at once, {finished} finished, {dead} given up");
        _ = std::io::stderr().write_all(line.as_bytes());
    }
}
