//! `Worker`: claims jobs that are due, makes one step with each, and puts them back or stores how they ended.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use crate::{
    BoxError,
    clock::QueueClock,
    job::{Job, Work},
    metrics::Metrics,
    queue::{Claim, Ended, Later, Lease, Queue},
    step::{Step, step},
    stop::Stop,
    tenant::Tenants,
    terminal::log,
};

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name, for people.
    pub name: String,
    /// How many jobs it has at once.
    pub concurrency: usize,
    /// How long jobs are its own. At least twice as long as the delays that services ask for: a worker that dies between an
    /// answer and its storing leaves nobody who knows the delay, and its successor waits for the lease instead.
    pub lease: Duration,
    /// How often a job is delivered that no worker has put back.
    pub max_deliveries: u32,
    /// How long to wait for jobs where none is due.
    pub idle: Duration,
    /// How long to wait for steps that are being made when the worker is stopped.
    pub grace: Duration,
    /// How long to insist on its writes after that, where the queue is away. What is not stored then is left to the leases,
    /// which run out.
    pub last_writes: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: format!("worker-{}", std::process::id()),
            concurrency: 256,
            lease: Duration::from_secs(60),
            max_deliveries: 5,
            idle: Duration::from_millis(100),
            grace: Duration::from_secs(10),
            last_writes: Duration::from_secs(10),
        }
    }
}

/// The shortest lease. Half of it is for the step, and services take their time.
const MIN_LEASE: Duration = Duration::from_secs(1);

/// The longest, which clocks can still add.
const MAX_LEASE: Duration = Duration::from_secs(366 * 24 * 3600);

/// Whether a lease is neither too short for a step nor too long for a clock.
pub fn check_lease(lease: Duration) -> Result<(), String> {
    if (MIN_LEASE..=MAX_LEASE).contains(&lease) {
        return Ok(());
    }
    Err(format!("a lease is between {MIN_LEASE:?} and {MAX_LEASE:?}"))
}

impl Options {
    /// Whether a worker could work like that.
    pub fn check(&self) -> Result<(), String> {
        if self.concurrency == 0 {
            return Err("a worker without concurrency would have no job".to_owned());
        }
        if self.max_deliveries == 0 {
            return Err("without a delivery every job would be given up".to_owned());
        }
        if self.grace.max(self.last_writes) > MAX_LEASE {
            return Err(format!("a worker that is stopped ends within {MAX_LEASE:?}"));
        }
        check_lease(self.lease)
    }

    /// A step that takes longer is abandoned while the lease still holds: nobody else has the job meanwhile, and what is left
    /// of the lease is no less than the delay that an answer in the last moment has asked for.
    fn step_timeout(&self) -> Duration {
        self.lease / 2
    }
}

/// One of a fleet. They know nothing of each other.
pub struct Worker {
    queue: Arc<dyn Queue>,
    tenants: Tenants,
    options: Options,
    metrics: Arc<Metrics>,
    clock: QueueClock,
    steps: JoinSet<(Claim, Outcome)>,
    leases: HashMap<Id, Held>,
    writes: Writes,
}

/// The lease of a step that is being made.
struct Held {
    lease: Lease,
    /// Whether a start may have been sent that the service would not recognize. Given back it would count as not delivered,
    /// and the next worker would send it again.
    is_doubtful: Arc<AtomicBool>,
}

/// The changes to write after a step.
enum Outcome {
    Later(Later),
    Finished(Ended),
    Dead(Ended),
    /// Nothing: the lease runs out.
    Abandoned(String),
}

/// The changes to write for several jobs at once.
#[derive(Default)]
struct Writes {
    later: Vec<Later>,
    finished: Vec<Ended>,
    dead: Vec<Ended>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How often the queue is asked for its time of day.
const CLOCK_INTERVAL: Duration = Duration::from_secs(60);

/// The longest wait before a request to the queue is repeated.
const MAX_RETRY: Duration = Duration::from_secs(2);

impl Worker {
    /// A worker that has not begun. The tenants' clients share its clock and metrics.
    pub fn new(
        queue: Arc<dyn Queue>,
        tenants: Tenants,
        options: Options,
        metrics: Arc<Metrics>,
        clock: QueueClock,
    ) -> Result<Self, BoxError> {
        options.check()?;
        let (steps, leases, writes) = (JoinSet::new(), HashMap::new(), Writes::default());
        Ok(Self { queue, tenants, options, metrics, clock, steps, leases, writes })
    }

    /// Works until `stop`, then finishes the steps that it is making and gives back what it has: within
    /// [`Options::grace`] and [`Options::last_writes`], whether the queue answers or not.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let Options { grace, last_writes, .. } = self.options;
        let mut stop = Stop::new(stop, grace + last_writes);
        let mut clock_is_due = Instant::now();
        let stopped = loop {
            if Instant::now() >= clock_is_due {
                if let Some(Ok(now)) = stop.outlast(self.queue.now()).await {
                    self.clock.set(now);
                }
                clock_is_due = Instant::now() + CLOCK_INTERVAL;
            }
            // Neither this nor the writes are given up halfway while there is time: what was claimed is to be seen, and what
            // was answered stored.
            let is_idle = stop.has_come() || stop.outlast(self.claim()).await.unwrap_or(true);
            if let Some(stopped) = stop.or(self.wait_for_steps(is_idle)).await {
                break stopped;
            }
            stop.outlast(self.flush()).await;
        };
        let end = stopped + grace + last_writes;
        if timeout_at(end, self.wind_up(stopped + grace)).await.is_err() {
            log(&format!("{}: the queue is away: what was not stored is left to the leases", self.options.name));
        }
    }

    /// Whether there was less to do than there is room for.
    async fn claim(&mut self) -> bool {
        let room = self.options.concurrency.saturating_sub(self.steps.len());
        if room == 0 {
            return false;
        }
        // From before the lease began: its answer may take a while.
        let deadline = Instant::now() + self.options.step_timeout();
        let claims = match self.queue.claim(&self.options.name, room, self.options.lease).await {
            Ok(claims) => claims,
            Err(error) => {
                self.report("claim", &*error);
                return true;
            }
        };
        self.metrics.claimed.add(claims.len());
        let is_idle = claims.len() < room;
        for claim in claims {
            let (tenants, max_deliveries) = (self.tenants.clone(), self.options.max_deliveries);
            let held = Held { lease: claim.lease.clone(), is_doubtful: Arc::default() };
            let is_doubtful = held.is_doubtful.clone();
            let task = self.steps.spawn(async move {
                let outcome = make_step(&tenants, max_deliveries, &claim, deadline, &is_doubtful).await;
                (claim, outcome)
            });
            self.leases.insert(task.id(), held);
        }
        self.metrics.in_flight.store(self.steps.len() as u64, Ordering::Relaxed);
        is_idle
    }

    /// Takes what has come to an end; waits for something to, or for new jobs to become due.
    async fn wait_for_steps(&mut self, is_idle: bool) {
        let first = if is_idle {
            let idle = self.options.idle;
            if self.steps.is_empty() {
                return sleep(idle).await;
            }
            timeout(idle, self.steps.join_next_with_id()).await.ok().flatten()
        } else {
            self.steps.join_next_with_id().await
        };
        let mut next = first;
        while let Some(ended) = next {
            self.take(ended);
            next = self.steps.try_join_next_with_id();
        }
    }

    fn take(&mut self, ended: Result<(Id, (Claim, Outcome)), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, (claim, outcome))) => (id, Some((claim, outcome))),
            // A step that panics is a delivery that nobody puts back.
            Err(error) => (error.id(), None),
        };
        self.leases.remove(&id);
        self.metrics.in_flight.store(self.steps.len() as u64, Ordering::Relaxed);
        match outcome {
            Some((_, Outcome::Later(later))) => self.writes.later.push(later),
            Some((_, Outcome::Finished(ended))) => self.writes.finished.push(ended),
            Some((_, Outcome::Dead(ended))) => self.writes.dead.push(ended),
            Some((claim, Outcome::Abandoned(reason))) => log(&format!("{}: {reason}", claim.lease.id)),
            None => log("a step panicked"),
        }
    }

    /// Writes what there is to write. A queue that is away is waited for: its answers are worth more than new ones.
    async fn flush(&mut self) {
        let Writes { later, finished, dead } = std::mem::take(&mut self.writes);
        if !finished.is_empty() {
            let stored = self.insist("finish", || self.queue.finish(&finished)).await;
            self.count(&self.metrics.finished, &stored);
        }
        if !dead.is_empty() {
            let stored = self.insist("dead-letter", || self.queue.dead_letter(&dead)).await;
            self.count(&self.metrics.dead, &stored);
        }
        // Changes that may be lost do not wait for the disk.
        let (durable, later): (Vec<_>, Vec<_>) = later.into_iter().partition(|later| later.durable);
        for later in [durable, later] {
            if !later.is_empty() {
                let stored = self.insist("put back", || self.queue.put_back(&later)).await;
                self.count(&self.metrics.later, &stored);
            }
        }
    }

    fn count(&self, counter: &crate::metrics::Counter, stored: &[bool]) {
        let done = stored.iter().filter(|stored| **stored).count();
        counter.add(done);
        self.metrics.refused.add(stored.len() - done);
    }

    /// Repeats a write until the queue has answered. All of them may be repeated: fences and first results see to that.
    async fn insist<T, F>(&self, what: &str, mut write: impl FnMut() -> F) -> T
    where
        F: Future<Output = Result<T, BoxError>>,
    {
        let mut delay = Duration::from_millis(50);
        loop {
            match write().await {
                Ok(done) => return done,
                Err(error) => self.report(what, &*error),
            }
            sleep(delay).await;
            delay = (delay * 2).min(MAX_RETRY);
        }
    }

    fn report(&self, what: &str, error: &(dyn std::error::Error + Send + Sync)) {
        self.metrics.queue_errors.add(1);
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        log(&format!("{}: {what}: {error}{source}", self.options.name));
    }

    /// Finishes the steps that are being made, and gives back the leases of those that take too long. A start that may have
    /// happened keeps its lease: when that has run out, the next worker knows that it was delivered, and gives it up.
    async fn wind_up(&mut self, until: Instant) {
        let grace = sleep_until(until);
        tokio::pin!(grace);
        while !self.steps.is_empty() {
            tokio::select! {
                Some(ended) = self.steps.join_next_with_id() => self.take(ended),
                () = &mut grace => break,
            }
        }
        // Before the last writes, so that nothing is sent while they are made, and no answer comes that nobody stores.
        self.steps.abort_all();
        while let Some(ended) = self.steps.join_next_with_id().await {
            if !ended.as_ref().is_err_and(JoinError::is_cancelled) {
                self.take(ended);
            }
        }
        self.flush().await;
        let held = self.leases.drain().map(|(_, held)| held);
        let unused = held.filter(|held| !held.is_doubtful.load(Ordering::Relaxed));
        let leases: Vec<Lease> = unused.map(|held| held.lease).collect();
        if !leases.is_empty() {
            self.insist("give back", || self.queue.give_back(&leases)).await;
        }
    }
}

/// One step, of whatever is in the queue.
async fn make_step(
    tenants: &Tenants,
    max_deliveries: u32,
    claim: &Claim,
    deadline: Instant,
    is_doubtful: &AtomicBool,
) -> Outcome {
    let Claim { lease, envelope, deliveries } = claim;
    let dead = |envelope: &str, detail: String| {
        let (lease, envelope) = (lease.clone(), envelope.to_owned());
        Outcome::Dead(Ended { lease, envelope, detail, body: String::new() })
    };
    if *deliveries > max_deliveries {
        return dead(envelope, format!("delivered {} times, and no worker has put it back", deliveries - 1));
    }
    let job: Job = match envelope.parse() {
        Ok(job) => job,
        Err(error) => return dead(envelope, format!("it is not a job: {error}")),
    };
    let Some(tenant) = tenants.get(&job.tenant) else {
        return dead(envelope, format!("there is no tenant {:?} here", job.tenant));
    };
    let Job { tenant: name, work, rest } = job;
    let rewrite = |work: Work| Job { tenant: name.clone(), work, rest: rest.clone() }.to_json();
    let abandoned = |reason: String| {
        if *deliveries < max_deliveries {
            return Outcome::Abandoned(reason);
        }
        // The last one knows why; the next worker would not.
        dead(envelope, format!("delivered {deliveries} times, and no worker has put it back; at last: {reason}"))
    };
    is_doubtful.store(matches!(work, Work::Start(_)) && !tenant.repeatable_starts, Ordering::Relaxed);
    let last = |operation: Option<Box<_>>| operation.map_or(envelope.clone(), |last| rewrite(Work::Operation(last)));
    match timeout_at(deadline, step(tenant, work, *deliveries)).await {
        Ok(Step::Later { work, delay, is_accepted }) => {
            Outcome::Later(Later { lease: lease.clone(), envelope: rewrite(work), delay, durable: is_accepted })
        }
        Ok(Step::Finished { operation, status, body }) => {
            Outcome::Finished(Ended { lease: lease.clone(), envelope: last(operation), detail: status, body })
        }
        Ok(Step::Dead { operation, reason }) => dead(&last(operation), reason),
        Ok(Step::Abandoned { reason }) => abandoned(reason),
        Err(_) => abandoned("no whole answer came in time".to_owned()),
    }
}
