//! `Sqlite`: a queue in a file, for several processes on one host. Nothing to install.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, named_params, types::ValueRef};

use super::{Claim, Counts, Ended, Entry, Later, Lease, NO_FENCE, NewJob, Queue, State, at_ms, from_ms, limit_of, ms};
use crate::{BoxError, job::JobId};

/// Leased jobs are due when their lease runs out: one index serves both.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS jobs (
        id         TEXT PRIMARY KEY,
        due        INTEGER NOT NULL,
        fence      INTEGER NOT NULL DEFAULT 0,
        deliveries INTEGER NOT NULL DEFAULT 0,
        worker     TEXT,
        accepted   INTEGER NOT NULL,
        envelope   TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due);
    CREATE TABLE IF NOT EXISTS ended (
        id       TEXT PRIMARY KEY,
        outcome  TEXT NOT NULL CHECK (outcome IN ('finished', 'dead')),
        detail   TEXT NOT NULL,
        body     TEXT NOT NULL,
        accepted INTEGER NOT NULL,
        ended    INTEGER NOT NULL,
        envelope TEXT NOT NULL
    ) WITHOUT ROWID;";

/// Milliseconds since 1970, by the clock of the host that all workers share.
const NOW: &str = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/// How long a writer waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// A queue in a file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Arc<Mutex<Connection>>,
}

/// The failure that a transaction must survive. Both survive the death of the process.
#[derive(Clone, Copy)]
enum Durability {
    /// A loss of power.
    Full,
    /// It may be forgotten then.
    Normal,
}

impl Sqlite {
    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Self, BoxError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.execute_batch(SCHEMA)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// SQLite waits for the disk and for other processes: that must not hold up polls.
    async fn transaction<T: Send + 'static>(
        &self,
        durability: Durability,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, BoxError> + Send + 'static,
    ) -> Result<T, BoxError> {
        let connection = self.connection.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let synchronous = match durability {
                Durability::Full => "FULL",
                Durability::Normal => "NORMAL",
            };
            connection.pragma_update(None, "synchronous", synchronous)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let outcome = run(&transaction)?;
            transaction.commit()?;
            Ok(outcome)
        });
        task.await?
    }

    async fn end(&self, jobs: &[Ended], statement: String, is_fenced: bool) -> Result<Vec<bool>, BoxError> {
        let jobs = jobs.to_vec();
        let end = move |transaction: &Transaction<'_>| {
            let mut insert = transaction.prepare_cached(&statement)?;
            let mut delete = transaction.prepare_cached("DELETE FROM jobs WHERE id = ?1")?;
            let mut outcomes = Vec::with_capacity(jobs.len());
            for Ended { lease, envelope, detail, body } in &jobs {
                let id = lease.id.as_str();
                let inserted = match is_fenced {
                    true => insert.execute(rusqlite::params![id, envelope, detail, body, lease.fence])?,
                    false => insert.execute(rusqlite::params![id, envelope, detail, body])?,
                };
                let is_first = inserted == 1;
                if is_first {
                    delete.execute([id])?;
                }
                outcomes.push(is_first);
            }
            Ok(outcomes)
        };
        self.transaction(Durability::Full, end).await
    }
}

#[async_trait]
impl Queue for Sqlite {
    async fn accept(&self, jobs: &[NewJob]) -> Result<Vec<bool>, BoxError> {
        let jobs = jobs.to_vec();
        let accept = move |transaction: &Transaction<'_>| {
            let mut insert = transaction.prepare_cached(&format!(
                "INSERT INTO jobs (id, due, accepted, envelope) SELECT ?1, {NOW}, {NOW}, ?2
                 WHERE NOT EXISTS (SELECT 1 FROM ended WHERE id = ?1) ON CONFLICT (id) DO NOTHING"
            ))?;
            let accept = |new: &NewJob| Ok(insert.execute([new.id.as_str(), &new.job.to_json()])? == 1);
            jobs.iter().map(accept).collect()
        };
        self.transaction(Durability::Full, accept).await
    }

    async fn claim(&self, worker: &str, limit: usize, lease: Duration) -> Result<Vec<Claim>, BoxError> {
        let worker = worker.to_owned();
        let claim = move |transaction: &Transaction<'_>| {
            // A sum that no integer holds would be a float.
            let mut update = transaction.prepare_cached(&format!(
                "UPDATE jobs SET due = {NOW} + :lease, worker = :worker, fence = fence + (fence < {MAX}),
                                 deliveries = deliveries + (deliveries < {MAX})
                 WHERE id IN (SELECT id FROM jobs WHERE due <= {NOW} ORDER BY due LIMIT :limit)
                 RETURNING id, fence, envelope, deliveries",
                MAX = i64::MAX
            ))?;
            let values = named_params! {":lease": ms(lease), ":worker": worker, ":limit": limit_of(limit)};
            let claims = update.query_map(values, claimed)?.collect::<Result<Vec<_>, _>>()?;
            let mut readable = Vec::with_capacity(claims.len());
            for claim in claims {
                match claim {
                    Ok(claim) => readable.push(claim),
                    Err(unreadable) => set_aside(transaction, &unreadable)?,
                }
            }
            Ok(readable)
        };
        self.transaction(Durability::Full, claim).await
    }

    async fn put_back(&self, jobs: &[Later]) -> Result<Vec<bool>, BoxError> {
        let durability = if jobs.iter().any(|job| job.durable) { Durability::Full } else { Durability::Normal };
        let jobs = jobs.to_vec();
        let put_back = move |transaction: &Transaction<'_>| {
            // The clock is cut off at milliseconds: one more.
            let mut update = transaction.prepare_cached(&format!(
                "UPDATE jobs SET envelope = ?3, due = {NOW} + ?4 + 1, worker = NULL, deliveries = 0 WHERE id = ?1 AND fence = ?2"
            ))?;
            let put_back = |Later { lease, envelope, delay, .. }: &Later| {
                let values = rusqlite::params![lease.id.as_str(), lease.fence, envelope, ms(*delay)];
                Ok(update.execute(values)? == 1)
            };
            jobs.iter().map(put_back).collect()
        };
        self.transaction(durability, put_back).await
    }

    async fn finish(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError> {
        let statement = format!(
            "INSERT INTO ended (id, outcome, detail, body, accepted, ended, envelope)
             VALUES (?1, 'finished', ?3, ?4, coalesce((SELECT accepted FROM jobs WHERE id = ?1), {NOW}), {NOW}, ?2)
             ON CONFLICT (id) DO UPDATE
             SET outcome = 'finished', detail = ?3, body = ?4, ended = {NOW}, envelope = ?2 WHERE outcome = 'dead'"
        );
        self.end(jobs, statement, false).await
    }

    async fn dead_letter(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError> {
        let statement = format!(
            "INSERT INTO ended (id, outcome, detail, body, accepted, ended, envelope)
             SELECT id, 'dead', ?3, ?4, accepted, {NOW}, ?2 FROM jobs WHERE id = ?1 AND fence = ?5"
        );
        self.end(jobs, statement, true).await
    }

    async fn give_back(&self, leases: &[Lease]) -> Result<(), BoxError> {
        let leases = leases.to_vec();
        let give_back = move |transaction: &Transaction<'_>| {
            let mut update = transaction.prepare_cached(&format!(
                "UPDATE jobs SET due = {NOW}, worker = NULL, deliveries = max(deliveries - 1, 0)
                 WHERE id = ?1 AND fence = ?2 AND worker IS NOT NULL"
            ))?;
            for Lease { id, fence, .. } in &leases {
                update.execute(rusqlite::params![id.as_str(), fence])?;
            }
            Ok(())
        };
        self.transaction(Durability::Normal, give_back).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<Entry>, BoxError> {
        let list = move |transaction: &Transaction<'_>| {
            let sql = format!("{} LIMIT ?1", entries("1 = 1"));
            let mut select = transaction.prepare_cached(&sql)?;
            let entries = select.query_map([limit_of(limit)], entry)?;
            Ok(entries.collect::<Result<_, _>>()?)
        };
        self.transaction(Durability::Normal, list).await
    }

    async fn show(&self, id: &JobId) -> Result<Option<Entry>, BoxError> {
        let id = id.clone();
        let show = move |transaction: &Transaction<'_>| {
            let mut select = transaction.prepare_cached(&entries("id = ?1"))?;
            Ok(select.query_row([id.as_str()], entry).optional()?)
        };
        self.transaction(Durability::Normal, show).await
    }

    async fn counts(&self) -> Result<Counts, BoxError> {
        let counts = |transaction: &Transaction<'_>| {
            let count = "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM ended WHERE outcome = 'finished'),
                                (SELECT count(*) FROM ended WHERE outcome = 'dead')";
            let counts = |row: &Row<'_>| Ok(Counts { open: row.get(0)?, finished: row.get(1)?, dead: row.get(2)? });
            Ok(transaction.query_row(count, [], counts)?)
        };
        self.transaction(Durability::Normal, counts).await
    }

    async fn now(&self) -> Result<SystemTime, BoxError> {
        let now = |transaction: &Transaction<'_>| {
            Ok(at_ms(transaction.query_row(&format!("SELECT {NOW}"), [], |row| row.get(0))?))
        };
        self.transaction(Durability::Normal, now).await
    }
}

/// The jobs for which a condition holds, in one shape.
fn entries(condition: &str) -> String {
    format!(
        "SELECT id, accepted, {NOW} AS now, envelope, CASE WHEN worker IS NULL THEN 'waiting' ELSE 'leased' END AS state,
                due, '' AS detail, '' AS body, 0 AS has_ended FROM jobs WHERE {condition}
         UNION ALL
         SELECT id, accepted, {NOW}, envelope, outcome, 0, detail, body, 1 FROM ended WHERE {condition}
         ORDER BY has_ended, accepted, id"
    )
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (accepted, now, due) = (number(row, 1)?, number(row, 2)?, number(row, 5)?);
    Ok(Entry {
        id: JobId::stored(text(row, 0)?),
        envelope: text(row, 3)?,
        state: match text(row, 4)?.as_str() {
            "waiting" => State::Waiting(from_ms(due.saturating_sub(now))),
            "leased" => State::Leased,
            "finished" => State::Finished(text(row, 6)?, text(row, 7)?),
            _ => State::Dead(text(row, 6)?),
        },
        accepted: at_ms(accepted),
        age: from_ms(now.saturating_sub(accepted)),
    })
}

/// For people, whatever it is: SQLite's columns hold values of all types.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Null => String::new(),
    })
}

/// Reads a number; 0 for anything else.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => number,
        ValueRef::Real(number) => number as i64,
        ValueRef::Text(_) | ValueRef::Blob(_) | ValueRef::Null => 0,
    })
}

/// A row that no worker can make anything of.
struct Unreadable {
    id: Vec<u8>,
    /// Text, if not in UTF-8; or else a blob.
    is_text: bool,
    reason: &'static str,
}

fn claimed(row: &Row<'_>) -> rusqlite::Result<Result<Claim, Unreadable>> {
    let name = row.get_ref(0)?;
    let unreadable = |reason| {
        let (id, is_text) = (name.as_bytes()?.to_vec(), matches!(name, ValueRef::Text(_)));
        Ok(Err(Unreadable { id, is_text, reason }))
    };
    let (Ok(id), Ok(envelope)) = (name.as_str(), row.get_ref(2)?.as_str()) else {
        return unreadable("it cannot be read: its name or its envelope is not text in UTF-8");
    };
    let Some(fence) = row.get_ref(1)?.as_i64().ok().filter(|fence| *fence < i64::MAX) else {
        return unreadable(NO_FENCE);
    };
    let deliveries = row.get_ref(3)?.as_i64().unwrap_or(i64::MAX).max(1);
    Ok(Ok(Claim {
        lease: Lease { id: JobId::stored(id.to_owned()), fence, receipt: String::new() },
        envelope: envelope.to_owned(),
        deliveries: u32::try_from(deliveries).unwrap_or(u32::MAX),
    }))
}

/// Gives a row up as it is.
fn set_aside(transaction: &Transaction<'_>, row: &Unreadable) -> rusqlite::Result<()> {
    let Unreadable { id, is_text, reason } = row;
    let id_is = if *is_text { "id = CAST(?1 AS TEXT)" } else { "id = ?1" };
    let insert = format!(
        "INSERT INTO ended (id, outcome, detail, body, accepted, ended, envelope)
         SELECT id, 'dead', ?2, '', accepted, {NOW}, envelope FROM jobs WHERE {id_is} ON CONFLICT (id) DO NOTHING"
    );
    transaction.execute(&insert, rusqlite::params![id, reason])?;
    transaction.execute(&format!("DELETE FROM jobs WHERE {id_is}"), [id])?;
    Ok(())
}
