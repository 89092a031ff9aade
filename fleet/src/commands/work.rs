//! `fleet work`: a worker, its line of progress, and its page of metrics.

use std::{
    io::{IsTerminal, Read, Write},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use fleet::{
    BoxError,
    clock::QueueClock,
    http_server::Server,
    metrics::Metrics,
    queue::{self, Queue},
    tenant::{Shared, Tenants},
    worker::{Options, Worker},
};
use http::Response;
use http_body_util::Full;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};

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
    #[arg(long, default_value_t = 256)]
    concurrency: usize,
    /// How many seconds an operation is this worker's; longer than the delays that services ask for
    #[arg(long, default_value = "60")]
    lease: f64,
    /// How many seconds a service may take to answer
    #[arg(long, default_value = "20")]
    request_timeout: f64,
    /// How often an operation is delivered that no worker puts back, before it is given up
    #[arg(long, default_value_t = 5)]
    max_deliveries: u32,
    /// Stop when the standard input is closed, too: with whatever has started the worker, however that ends
    #[arg(long)]
    with_parent: bool,
}

pub async fn run(arguments: Arguments) -> Result<(), BoxError> {
    let mut stop = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let metrics = Arc::new(Metrics::default());
    let clock = QueueClock::new();
    let request_timeout = Duration::try_from_secs_f64(arguments.request_timeout)?;
    let shared = Shared { clock: clock.clone(), metrics: metrics.clone(), request_timeout };
    let tenants = Tenants::load(&arguments.tenants.tenants, &shared)?;
    let queue = queue::open(&arguments.queue.queue).await?;
    let options = Options {
        concurrency: arguments.concurrency,
        lease: Duration::try_from_secs_f64(arguments.lease)?,
        max_deliveries: arguments.max_deliveries,
        ..Options::default()
    };
    let _page = match &arguments.metrics {
        Some(address) => Some(serve(address, queue.clone(), metrics.clone()).await?),
        None => None,
    };
    let worker = Worker::new(queue, tenants, options, metrics.clone(), clock);
    let stopped = async {
        tokio::select! {
            _ = stop.recv() => {}
            _ = interrupt.recv() => {}
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
    eprintln!();
    Ok(())
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
    let answer = move |_| {
        let (queue, metrics) = (queue.clone(), metrics.clone());
        async move { Response::new(Full::from(Bytes::from(metrics.page(queue.counts().await.ok())))) }
    };
    let server = Server::start(address, answer).await?;
    // With port 0 nobody knows it otherwise.
    println!("metrics: http://{}/metrics", server.address());
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
        eprint!("\r\x1b[K{rate:.0} polls/s, {in_flight} at once, {finished} finished, {dead} given up");
        _ = std::io::stderr().flush();
    }
}
