//! Shared by the tests: queues, workers within the test's own process, and waiting without end.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use fleet::{
    clock::QueueClock,
    job::{Job, JobId, Start},
    local::{Kind, LocalQueue},
    metrics::Metrics,
    queue::{self, NewJob, Queue},
    service::KEY_HEADER,
    tenant::{Shared, TenantConfig, Tenants},
    worker::{Options, Worker},
};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

/// No test takes so long.
pub const LIMIT: Duration = Duration::from_secs(60);

pub const KEY: &str = "key-of-acme";

/// The function that it is in.
macro_rules! here {
    () => {{
        fn here() {}
        std::any::type_name_of_val(&here).trim_end_matches("::here").trim_end_matches("::{{closure}}")
    }};
}
pub(crate) use here;

/// A queue of its own for a test, and what keeps it alive. `None`, and a line that names the test, where it cannot be had.
pub async fn queue(kind: Kind, test: &str) -> Option<(LocalQueue, Arc<dyn Queue>)> {
    let skipped = |reason: &dyn std::fmt::Display| {
        // A test's thread has its name, unless there is one thread for all.
        let thread = std::thread::current();
        let test = thread.name().filter(|name| *name != "main").unwrap_or(test);
        // Not by a macro, whose output a test that passes keeps to itself.
        _ = writeln!(std::io::stderr(), "SKIPPED: {test} on {kind:?}: {reason}");
    };
    let local = match LocalQueue::start(kind) {
        Ok(local) => local,
        Err(error) => {
            skipped(&error);
            return None;
        }
    };
    match queue::open(local.address()).await {
        Ok(queue) => Some((local, queue)),
        Err(error) => panic!("{kind:?}: {error}"),
    }
}

pub fn id(text: &str) -> JobId {
    text.parse().unwrap()
}

/// A job that starts an operation for `acme`.
pub fn job(name: &str) -> NewJob {
    NewJob { id: id(name), job: Job::start("acme", Start::post("/jobs", "{}")) }
}

/// `acme`, at that endpoint, with its key.
pub fn tenants(endpoint: &str, change: impl FnOnce(&mut TenantConfig), request_timeout: Duration) -> (Tenants, Shared) {
    let mut tenant = TenantConfig {
        endpoint: endpoint.to_owned(),
        key_header: KEY_HEADER.to_owned(),
        key_env: "KEY".to_owned(),
        trusted_origins: Vec::new(),
        protocol: None,
        timeout_s: None,
        repeatable_starts: true,
    };
    change(&mut tenant);
    let shared = Shared { clock: QueueClock::new(), metrics: Arc::new(Metrics::default()), request_timeout };
    let tenants = BTreeMap::from([("acme".to_owned(), tenant)]);
    (Tenants::new(tenants, |_| Some(KEY.to_owned()), &shared).unwrap(), shared)
}

/// A worker in this process.
pub struct TestWorker {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    pub metrics: Arc<Metrics>,
}

impl TestWorker {
    pub fn start(queue: &Arc<dyn Queue>, endpoint: &str, options: Options) -> Self {
        Self::with(queue, endpoint, options, |_| {})
    }

    pub fn with(
        queue: &Arc<dyn Queue>,
        endpoint: &str,
        options: Options,
        change: impl FnOnce(&mut TenantConfig),
    ) -> Self {
        let (tenants, Shared { clock, metrics, .. }) = tenants(endpoint, change, options.lease / 4);
        let worker = Worker::new(queue.clone(), tenants, options, metrics.clone(), clock).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(worker.run(async { _ = stopped.await }));
        Self { stop, task, metrics }
    }

    pub async fn stop(self) {
        _ = self.stop.send(());
        timeout(LIMIT, self.task).await.expect("the worker stops").unwrap();
    }

    /// As `kill -9` does: nothing is given back.
    pub fn kill(self) {
        self.task.abort();
    }
}

/// For workers of tests.
pub fn options() -> Options {
    Options { idle: Duration::from_millis(10), lease: Duration::from_secs(10), ..Options::default() }
}

/// Asks until there is an answer.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within {LIMIT:?}: {what}");
}

/// Waits until nothing is open.
pub async fn all_ended(queue: &dyn Queue) {
    until("all jobs have ended", async || (queue.counts().await.unwrap().open == 0).then_some(())).await;
}
