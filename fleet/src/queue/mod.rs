//! `Queue`: what a fleet needs of a database or broker, and nothing else.

#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;

use crate::{
    BoxError,
    job::{Job, JobId},
};

/// A queue of jobs with due times.
///
/// Queues deliver *at least once*: a worker that dies leaves its jobs to the next one. What must happen once, the end of a
/// job, is a compare-and-set. All times are the queue's own; no worker's clock is asked.
///
/// Methods that take several jobs do with each what they would do with it alone, in fewer transactions. `bool`s say, job by
/// job, whether it was done.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Stores new jobs, due now, durably. A name that is known, waiting or ended, is left as it is: `false`.
    async fn accept(&self, jobs: &[NewJob]) -> Result<Vec<bool>, BoxError>;

    /// Claims at most `limit` jobs that are due. They are this worker's until the lease runs out. A job that is not stored as
    /// queues store them, and of which no lease can be had, is given up here: it must not keep the others from their work.
    async fn claim(&self, worker: &str, limit: usize, lease: Duration) -> Result<Vec<Claim>, BoxError>;

    /// Puts jobs back, due after their delays. Refused, `false`, where the lease is no longer the newest.
    async fn put_back(&self, jobs: &[Later]) -> Result<Vec<bool>, BoxError>;

    /// Stores results. The first one wins, whether its lease has run out or not: a final response is true whichever worker has it. A
    /// job that was given up gets its result nevertheless.
    async fn finish(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError>;

    /// Gives jobs up: they stay, with a reason, for somebody to look at. Refused where the lease is no longer the newest.
    async fn dead_letter(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError>;

    /// Gives leases back unused: the jobs are due now, and were not delivered.
    async fn give_back(&self, leases: &[Lease]) -> Result<(), BoxError>;

    /// Up to `limit` jobs, those that wait before those that have ended.
    async fn list(&self, limit: usize) -> Result<Vec<Entry>, BoxError>;

    /// One job.
    async fn show(&self, id: &JobId) -> Result<Option<Entry>, BoxError>;

    /// How many jobs there are.
    async fn counts(&self) -> Result<Counts, BoxError>;

    /// The queue's time of day.
    async fn now(&self) -> Result<SystemTime, BoxError>;
}

/// Why a job was given up whose fence cannot be raised any more.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "nats"))]
const NO_FENCE: &str = "it cannot be leased: there is no fence after its own";

/// A job that is to be stored.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its name.
    pub id: JobId,
    /// The next step of the job.
    pub job: Job,
}

/// The right to end a job or to put it back, for a time.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Whose.
    pub id: JobId,
    /// Grows with every lease of a job: a worker whose lease has run out cannot overwrite what the next one has written.
    pub fence: i64,
    /// How the queue knows this delivery again, where the fence is not enough for that.
    pub receipt: String,
}

/// A job that this worker has to itself, for a time.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Under which it is this worker's.
    pub lease: Lease,
    /// A [`Job`] as JSON, if nobody has written something else into the queue.
    pub envelope: String,
    /// How often it was delivered since it was last put back, this time included.
    pub deliveries: u32,
}

/// A job that waits again.
#[derive(Clone, Debug)]
pub struct Later {
    /// Under which it was claimed.
    pub lease: Lease,
    /// The job as it is now.
    pub envelope: String,
    /// How long to wait.
    pub delay: Duration,
    /// Whether it must survive a crash of the queue. A poll that is forgotten is made once more when the lease runs out; the
    /// acceptance of a start must not be.
    pub durable: bool,
}

/// A job that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Under which it was claimed.
    pub lease: Lease,
    /// The job as it was last.
    pub envelope: String,
    /// The service's word for how it ended, or why the job was given up.
    pub detail: String,
    /// The final response's body.
    pub body: String,
}

/// A job as `fleet list` and `fleet show` see it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub id: JobId,
    /// The job as JSON.
    pub envelope: String,
    /// Where it is.
    pub state: State,
    /// When it was stored.
    pub accepted: SystemTime,
    /// How long ago that was.
    pub age: Duration,
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It is due after this time, or now.
    Waiting(Duration),
    /// A worker has it.
    Leased,
    /// It has ended: the service's word for it, and the body of the final response.
    Finished(String, String),
    /// It was given up, for this reason.
    Dead(String),
}

/// How many jobs there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Those that wait or are leased.
    pub open: u64,
    /// Those with a result.
    pub finished: u64,
    /// Those that were given up.
    pub dead: u64,
}

/// Opens the queue at an address: `sqlite:PATH`, `postgres://…` or `host=…` as libpq has it, or `nats://HOST:PORT`.
pub async fn open(address: &str) -> Result<Arc<dyn Queue>, BoxError> {
    #[cfg(feature = "sqlite")]
    if let Some(path) = address.strip_prefix("sqlite:") {
        return Ok(Arc::new(sqlite::Sqlite::open(path.as_ref())?));
    }
    #[cfg(feature = "postgres")]
    if address.starts_with("postgres") || address.contains("host=") {
        return Ok(Arc::new(postgres::Postgres::connect(address).await?));
    }
    #[cfg(feature = "nats")]
    if address.starts_with("nats:") {
        return Ok(Arc::new(nats::Nats::connect(address).await?));
    }
    Err(format!(
        "no queue that this program was built with has an address like {address:?}; `--features all` builds it with all of them"
    )
    .into())
}

/// Opens the queue at an address, as [`open`] does, and makes no file: for those who only look.
pub async fn open_existing(address: &str) -> Result<Arc<dyn Queue>, BoxError> {
    if let Some(path) = address.strip_prefix("sqlite:") {
        std::fs::metadata(path).map_err(|error| format!("{path}: {error}"))?;
    }
    open(address).await
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "nats"))]
fn ms(duration: Duration) -> i64 {
    // A hundred years: every queue's calendar goes so far, and what waits longer waits for ever.
    const MAX: i64 = 100 * 366 * 24 * 3_600_000;
    // Up, so that nothing is due early.
    i64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(MAX).min(MAX)
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "nats"))]
fn from_ms(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "nats"))]
fn at_ms(ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + from_ms(ms)
}
