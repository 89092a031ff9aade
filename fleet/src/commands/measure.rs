//! `fleet measure`: polls per CPU second, and memory, with so many operations waiting.

use std::{
    env, fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Args;
use fleet::{
    BoxError,
    clock::QueueClock,
    job::{Job, Work},
    local::LocalQueue,
    process,
    queue::{self, NewJob, Queue},
    service::Behavior,
    tenant::{Shared, Tenants},
};
use http::Request;
use http_body_util::Full;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::sleep,
};
use tower::ServiceExt;
use tower_lro::{LroOverrides, Operation};

use super::{
    at_least_one,
    crew::{Crew, KEY, TENANT},
};

#[derive(Args, Debug)]
pub struct Arguments {
    /// sqlite, postgres, nats, or memory: one process that waits by itself
    #[arg(long, default_value = "sqlite")]
    queue: String,
    /// How many operations wait
    #[arg(long, default_value = "1000", value_parser = at_least_one::<usize>)]
    waiting: usize,
    /// The delay that the service asks for, in milliseconds: so many polls are due in it as operations wait
    #[arg(long, default_value_t = 10)]
    delay_ms: u64,
    /// How many workers
    #[arg(long, default_value = "1", value_parser = at_least_one::<usize>)]
    workers: usize,
    /// How many operations a worker has at once
    #[arg(long, default_value = "256")]
    concurrency: String,
    /// For how many seconds, after the first poll of each
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// How many are stored at once.
const BATCH: usize = 1000;

/// How long the first poll of each may take.
const WARM_UP: Duration = Duration::from_secs(540);

pub async fn run(arguments: Arguments) -> Result<(), BoxError> {
    let (_service, endpoint) = serve(&arguments).await?;
    if arguments.queue == "memory" {
        return in_memory(&arguments, &endpoint).await;
    }
    let local = LocalQueue::start(arguments.queue.parse()?)?;
    let queue = queue::open(local.address()).await?;
    let empty = size_of(local.folder());
    let filled = Instant::now();
    fill(&*queue, &arguments, &endpoint).await?;
    let filled = filled.elapsed();
    let key = Behavior::default().key;
    let crew = Crew::new(local.address(), local.folder(), &endpoint, &key)?.options(&[
        "--metrics",
        "127.0.0.1:0",
        "--concurrency",
        &arguments.concurrency,
    ]);
    let mut workers = Vec::new();
    for _ in 0..arguments.workers {
        workers.push(Worker::start(&crew).await?);
    }
    let began = Instant::now();
    while sum(&workers, "fleet_polls_total").await? < arguments.waiting as f64 {
        if began.elapsed() > WARM_UP {
            return Err("the first poll of each takes too long".into());
        }
        // The page counts the queue, which costs something.
        sleep(Duration::from_millis(500)).await;
    }
    let warm_up = began.elapsed();
    let (before, began) = (Sample::of(&workers).await?, Instant::now());
    sleep(Duration::from_secs(arguments.seconds)).await;
    let (after, seconds) = (Sample::of(&workers).await?, began.elapsed().as_secs_f64());
    let (polls, cpu) = (after.polls - before.polls, after.cpu - before.cpu);
    let Arguments { queue: name, waiting, delay_ms, workers: count, .. } = &arguments;
    say!("{name}: {waiting} waiting, {delay_ms} ms asked for, {count} workers of {} at once", arguments.concurrency);
    say!("  polls per second               {:.0}", polls / seconds);
    say!("  polls per worker CPU second    {:.0}", polls / cpu.max(0.01));
    say!("  memory of a worker             {:.1} MB", after.memory / *count as f64 / 1e6);
    let bytes = size_of(local.folder()).saturating_sub(empty);
    say!("  on disk per waiting operation  {} bytes", bytes / *waiting as u64);
    say!("  stored in {:.1} s, each polled once in {:.1} s", filled.as_secs_f64(), warm_up.as_secs_f64());
    Ok(())
}

/// The service in a process of its own, so that its CPU time is not a worker's.
async fn serve(arguments: &Arguments) -> Result<(Child, String), BoxError> {
    let mut service = Command::new(env::current_exe()?);
    service.args(["serve", "--polls", "4000000000", "--delay-ms", &arguments.delay_ms.to_string()]);
    service.args(["--operations", &arguments.waiting.to_string()]);
    let mut service = service.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let endpoint = first_line(&mut service).await?;
    Ok((service, endpoint))
}

async fn first_line(process: &mut Child) -> Result<String, BoxError> {
    let output = process.stdout.take().ok_or("it has no output")?;
    let mut lines = BufReader::new(output).lines();
    Ok(lines.next_line().await?.ok_or("a process has ended before it began")?)
}

/// An operation as a worker would have stored it.
fn operation(endpoint: &str, number: usize) -> Result<Operation, BoxError> {
    let accepted_ms = std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_millis() as u64;
    let stored = serde_json::json!({
        "version": 1, "protocol": "operation-location", "monitor": format!("{endpoint}operations/{number}"),
        "state": "NotStarted", "accepted_ms": accepted_ms, "start": {"method": "POST", "uri": format!("{endpoint}jobs")},
    });
    Ok(serde_json::from_value(stored)?)
}

async fn fill(queue: &dyn Queue, arguments: &Arguments, endpoint: &str) -> Result<(), BoxError> {
    let new_job = |number: usize| {
        let work = Work::Operation(Box::new(operation(endpoint, number)?));
        Ok(NewJob { id: format!("job-{number}").parse()?, job: Job::new(TENANT, work) })
    };
    for first in (0..arguments.waiting).step_by(BATCH) {
        let last = arguments.waiting.min(first + BATCH);
        let jobs = (first..last).map(new_job).collect::<Result<Vec<_>, BoxError>>()?;
        queue.accept(&jobs).await?;
    }
    Ok(())
}

struct Worker {
    page: String,
    _process: Child,
}

impl Worker {
    async fn start(crew: &Crew) -> Result<Self, BoxError> {
        let mut process = crew.worker()?.stdout(Stdio::piped()).spawn()?;
        let line = first_line(&mut process).await?;
        let address = line.strip_prefix("metrics: http://").and_then(|line| line.strip_suffix("/metrics"));
        Ok(Self { page: address.ok_or("it does not say where its metrics are")?.to_owned(), _process: process })
    }

    async fn metrics(&self) -> Result<String, BoxError> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(&self.page).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n").await?;
        let mut page = String::new();
        stream.read_to_string(&mut page).await?;
        Ok(page)
    }
}

fn number(page: &str, name: &str) -> Result<f64, BoxError> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.ok_or_else(|| format!("there is no {name}"))?.parse()?)
}

async fn sum(workers: &[Worker], name: &str) -> Result<f64, BoxError> {
    let mut sum = 0.0;
    for worker in workers {
        sum += number(&worker.metrics().await?, name)?;
    }
    Ok(sum)
}

struct Sample {
    polls: f64,
    cpu: f64,
    memory: f64,
}

impl Sample {
    async fn of(workers: &[Worker]) -> Result<Self, BoxError> {
        Ok(Self {
            polls: sum(workers, "fleet_polls_total").await?,
            cpu: sum(workers, "process_cpu_seconds_total").await?,
            memory: sum(workers, "process_resident_memory_bytes").await?,
        })
    }
}

/// For comparison: all of them as futures of this process.
async fn in_memory(arguments: &Arguments, endpoint: &str) -> Result<(), BoxError> {
    let shared = Shared {
        clock: QueueClock::new(),
        metrics: std::sync::Arc::default(),
        request_timeout: Duration::from_secs(20),
    };
    let tenant = serde_json::json!({"endpoint": endpoint, "key_header": fleet::service::KEY_HEADER, "key_env": KEY});
    let tenants = serde_json::from_value(serde_json::json!({TENANT: tenant}))?;
    let tenants = Tenants::new(tenants, |_| Some(Behavior::default().key), &shared)?;
    let tenant = tenants.get(TENANT).ok_or("it was configured")?;
    let empty = process::usage().ok_or("there is no /proc")?;
    let waits = LroOverrides::new(|layer| layer.max_wait(Duration::MAX));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..arguments.waiting {
        let resume = operation(endpoint, number)?.resume();
        let request = Request::get(tenant.endpoint()).extension(resume).extension(waits.clone());
        tasks.spawn(tenant.client().oneshot(request.body(Full::<Bytes>::default())?));
        if number % 8 == 0 {
            // As fast as they are answered: not all connections at once.
            sleep(Duration::from_millis(1)).await;
        }
    }
    let began = Instant::now();
    while shared.metrics.polls.get() < arguments.waiting as u64 && began.elapsed() < WARM_UP {
        sleep(Duration::from_millis(100)).await;
    }
    let (polls, before, began) = (shared.metrics.polls.get(), process::usage(), Instant::now());
    sleep(Duration::from_secs(arguments.seconds)).await;
    let (after, seconds) = (process::usage().ok_or("there is no /proc")?, began.elapsed().as_secs_f64());
    let polls = (shared.metrics.polls.get() - polls) as f64;
    let cpu = after.cpu - before.ok_or("there is no /proc")?.cpu;
    say!("memory: {} waiting, {} ms asked for, one process", arguments.waiting, arguments.delay_ms);
    say!("  polls per second               {:.0}", polls / seconds);
    say!("  polls per CPU second           {:.0}", polls / cpu.as_secs_f64().max(0.01));
    say!("  memory of the process          {:.1} MB", after.resident_bytes as f64 / 1e6);
    let bytes = after.resident_bytes.saturating_sub(empty.resident_bytes);
    say!("  memory per waiting operation   {} bytes", bytes / arguments.waiting as u64);
    Ok(())
}

/// The size of the files in a folder.
fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => std::os::unix::fs::MetadataExt::blocks(&metadata) * 512,
        Err(_) => 0,
    };
    entries.map(size).sum()
}
