//! `Postgres`: a queue in the database that you already have. Four statements, which fit into any queue crate.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::{sync::Mutex, time::timeout};
use tokio_postgres::{Client, GenericClient, NoTls, Row, Transaction};

use super::{Claim, Counts, Ended, Entry, Later, Lease, NO_FENCE, NewJob, Queue, State, at_ms, from_ms, limit_of, ms};
use crate::{BoxError, job::JobId};

/// `fleet_jobs` is narrow, and all of it is hot; what has ended is elsewhere. Leased jobs are due when their lease runs out: one
/// index serves both.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS fleet_jobs (
        id         text PRIMARY KEY,
        due        timestamptz NOT NULL DEFAULT now(),
        fence      bigint NOT NULL DEFAULT 0,
        deliveries int NOT NULL DEFAULT 0,
        worker     text,
        accepted   timestamptz NOT NULL DEFAULT now(),
        envelope   text NOT NULL
    ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
    CREATE INDEX IF NOT EXISTS fleet_jobs_due ON fleet_jobs (due);
    CREATE TABLE IF NOT EXISTS fleet_ended (
        id       text PRIMARY KEY,
        outcome  text NOT NULL CHECK (outcome IN ('finished', 'dead')),
        detail   text NOT NULL,
        body     text NOT NULL,
        accepted timestamptz NOT NULL,
        ended    timestamptz NOT NULL DEFAULT now(),
        envelope text NOT NULL
    );";

const ACCEPT: &str = "
    INSERT INTO fleet_jobs (id, envelope)
    SELECT id, envelope FROM unnest($1::text[], $2::text[]) AS new (id, envelope)
    WHERE NOT EXISTS (SELECT FROM fleet_ended WHERE fleet_ended.id = new.id)
    ON CONFLICT (id) DO NOTHING RETURNING id";

/// The jobs just stored that had ended by then: a job that ends meanwhile is neither in the one table nor, to a statement that
/// began before, in the other.
const REMOVE_ENDED: &str = "
    DELETE FROM fleet_jobs AS job USING fleet_ended AS ended WHERE job.id = ANY ($1) AND ended.id = job.id RETURNING job.id";

/// No number overflows: one row in which somebody has written the greatest would keep all others from being claimed. `now()` is when the
/// transaction began: a little early here, where that is careful, and in `PUT_BACK` still after the answer.
const CLAIM: &str = "
    UPDATE fleet_jobs
    SET due = now() + $3 * interval '1 ms', fence = least(fence, 9223372036854775806) + 1,
        deliveries = least(deliveries, 2147483646) + 1, worker = $1
    WHERE id = ANY (ARRAY (SELECT id FROM fleet_jobs WHERE due <= now() ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING id, fence, envelope, deliveries";

const PUT_BACK: &str = "
    UPDATE fleet_jobs AS job
    SET envelope = later.envelope, due = now() + later.delay * interval '1 ms', worker = NULL, deliveries = 0
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[]) AS later (id, fence, envelope, delay)
    WHERE job.id = later.id AND job.fence = later.fence RETURNING job.id";

/// The first result wins, whether its lease holds or not.
const FINISH: &str = "
    WITH gone AS (DELETE FROM fleet_jobs WHERE id = ANY ($1) RETURNING id, accepted)
    INSERT INTO fleet_ended AS ended (id, envelope, outcome, detail, body, accepted)
    SELECT new.id, new.envelope, 'finished', new.detail, new.body, coalesce(gone.accepted, now())
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS new (id, envelope, detail, body) LEFT JOIN gone USING (id)
    ON CONFLICT (id) DO UPDATE
    SET envelope = excluded.envelope, outcome = 'finished', detail = excluded.detail, body = excluded.body, ended = now()
    WHERE ended.outcome = 'dead' RETURNING id";

const DEAD_LETTER: &str = "
    WITH gone AS (
        DELETE FROM fleet_jobs AS job USING unnest($1::text[], $5::bigint[]) AS mine (id, fence)
        WHERE job.id = mine.id AND job.fence = mine.fence RETURNING job.id, job.accepted)
    INSERT INTO fleet_ended (id, envelope, outcome, detail, body, accepted)
    SELECT new.id, new.envelope, 'dead', new.detail, new.body, gone.accepted
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS new (id, envelope, detail, body) JOIN gone USING (id)
    ON CONFLICT (id) DO NOTHING RETURNING id";

const GIVE_BACK: &str = "
    UPDATE fleet_jobs AS job SET due = now(), worker = NULL, deliveries = greatest(deliveries - 1, 0)
    FROM unnest($1::text[], $2::bigint[]) AS lease (id, fence)
    WHERE job.id = lease.id AND job.fence = lease.fence AND worker IS NOT NULL";

/// Times that no number of milliseconds has, such as `infinity`, are cut off.
const ENTRIES: &str = "
    SELECT id, (extract(epoch FROM accepted) * 1000)::bigint, (extract(epoch FROM now() - accepted) * 1000)::bigint, envelope,
           state, (extract(epoch FROM due - now()) * 1000)::bigint, detail, body
    FROM (
        SELECT id, least(greatest(accepted, 'epoch'), '9999-01-01') AS accepted, envelope,
               CASE WHEN worker IS NULL THEN 'waiting' ELSE 'leased' END AS state,
               least(greatest(due, 'epoch'), '9999-01-01') AS due, '' AS detail, '' AS body, 0 AS has_ended
        FROM fleet_jobs WHERE $1::text IS NULL OR id = $1
        UNION ALL
        SELECT id, least(greatest(accepted, 'epoch'), '9999-01-01'), envelope, outcome, now(), detail, body, 1
        FROM fleet_ended WHERE $1::text IS NULL OR id = $1
    ) AS entries
    ORDER BY has_ended, accepted, id LIMIT $2";

const COUNTS: &str = "
    SELECT (SELECT count(*) FROM fleet_jobs), (SELECT count(*) FROM fleet_ended WHERE outcome = 'finished'),
           (SELECT count(*) FROM fleet_ended WHERE outcome = 'dead')";

/// How long the database may take for one request. A connection whose other end is gone says nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// A queue in a database.
pub struct Postgres {
    address: String,
    /// One connection; a new one after an error. What an error has left undone, the connection's end rolls back.
    client: Mutex<Option<Client>>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may have a password in it.
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

/// A connection.
pub async fn client(address: &str) -> Result<Client, BoxError> {
    let (client, connection) = timeout(PATIENCE, tokio_postgres::connect(address, NoTls)).await??;
    // It ends with the client, and its error is that of the next request.
    tokio::spawn(async { _ = connection.await });
    Ok(client)
}

impl Postgres {
    /// Connects, and makes the tables.
    pub async fn connect(address: &str) -> Result<Self, BoxError> {
        let client = client(address).await?;
        // Two processes that make one table at once would get in each other's way.
        client.batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock(7326); {SCHEMA} COMMIT")).await?;
        Ok(Self { address: address.to_owned(), client: Mutex::new(Some(client)) })
    }

    /// Stores jobs within a transaction of yours: they are there if, and only if, your own rows are. Returns the new ones' ids.
    /// At the default isolation, `READ COMMITTED`: above it, a job that ends meanwhile is not seen, and would be stored again.
    pub async fn accept_in(transaction: &Transaction<'_>, jobs: &[NewJob]) -> Result<HashSet<String>, BoxError> {
        accept(transaction, jobs).await
    }

    /// Stores results within a transaction of yours, and returns the ids of those that are the first. What you write for
    /// them in the same transaction is written once.
    pub async fn finish_in(transaction: &Transaction<'_>, jobs: &[Ended]) -> Result<HashSet<String>, BoxError> {
        finish(transaction, jobs).await
    }

    /// Runs requests in a transaction, whose commit waits for the disk or does not.
    async fn transaction<T>(
        &self,
        is_durable: bool,
        run: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        let mut slot = self.client.lock().await;
        // Out of its place meanwhile: after an error, or if this is given up halfway, the next request connects anew.
        let mut client = match slot.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => client(&self.address).await?,
        };
        let work = async {
            let transaction = client.transaction().await?;
            if !is_durable {
                transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
            }
            let outcome = run(&transaction).await?;
            transaction.commit().await?;
            Ok::<_, BoxError>(outcome)
        };
        let outcome = timeout(PATIENCE, work).await.map_err(|_| "the database does not answer")??;
        *slot = Some(client);
        Ok(outcome)
    }
}

async fn accept(client: &impl GenericClient, jobs: &[NewJob]) -> Result<HashSet<String>, BoxError> {
    let (ids, envelopes): (Vec<_>, Vec<_>) = jobs.iter().map(|new| (new.id.as_str(), new.job.to_json())).unzip();
    let mut accepted = ids_of(client.query(ACCEPT, &[&ids, &envelopes]).await)?;
    let new: Vec<&String> = accepted.iter().collect();
    for id in ids_of(client.query(REMOVE_ENDED, &[&new]).await)? {
        accepted.remove(&id);
    }
    Ok(accepted)
}

/// A job that is there twice, because its lease has run out meanwhile, counts once.
async fn finish(client: &impl GenericClient, jobs: &[Ended]) -> Result<HashSet<String>, BoxError> {
    let mut seen = HashSet::new();
    let jobs: Vec<&Ended> = jobs.iter().filter(|job| seen.insert(job.lease.id.as_str())).collect();
    let [ids, envelopes, details, bodies] = columns(&jobs);
    ids_of(client.query(FINISH, &[&ids, &envelopes, &details, &bodies]).await)
}

/// Gives up what no fence can be had for.
async fn set_aside(client: &impl GenericClient, row: &Row) -> Result<(), BoxError> {
    let (id, envelope): (&str, &str) = (row.get("id"), row.get("envelope"));
    let (id, envelope, reason, body, fence) = ([id], [envelope], [NO_FENCE], [""], [row.get::<_, i64>("fence")]);
    client
        .execute(
            DEAD_LETTER,
            &[&id.as_slice(), &envelope.as_slice(), &reason.as_slice(), &body.as_slice(), &fence.as_slice()],
        )
        .await?;
    Ok(())
}

fn columns<'a>(jobs: &[&'a Ended]) -> [Vec<std::borrow::Cow<'a, str>>; 4] {
    let column = |value: fn(&Ended) -> &str| jobs.iter().map(|job| text(value(job))).collect();
    [
        column(|job| job.lease.id.as_str()),
        column(|job| &job.envelope),
        column(|job| &job.detail),
        column(|job| &job.body),
    ]
}

/// Postgres has no zero bytes in texts, and services may write them.
fn text(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn ids_of(rows: Result<Vec<Row>, tokio_postgres::Error>) -> Result<HashSet<String>, BoxError> {
    Ok(rows?.iter().map(|row| row.get(0)).collect())
}

/// Job by job, and the first of two with one name.
fn outcomes<'a>(ids: impl Iterator<Item = &'a JobId>, mut done: HashSet<String>) -> Vec<bool> {
    ids.map(|id| done.remove(id.as_str())).collect()
}

#[async_trait]
impl Queue for Postgres {
    async fn accept(&self, jobs: &[NewJob]) -> Result<Vec<bool>, BoxError> {
        let done = self.transaction(true, async |transaction| accept(transaction, jobs).await).await?;
        Ok(outcomes(jobs.iter().map(|new| &new.id), done))
    }

    async fn claim(&self, worker: &str, limit: usize, lease: Duration) -> Result<Vec<Claim>, BoxError> {
        let (limit, lease) = (limit_of(limit), ms(lease) as f64);
        // Durable: a claim that is forgotten would be due again, whatever the service has asked for since.
        let claim_and_sort = async |transaction: &Transaction<'_>| {
            let rows = transaction.query(CLAIM, &[&worker, &limit, &lease]).await?;
            let (rows, exhausted): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|row| row.get::<_, i64>("fence") < i64::MAX);
            for row in &exhausted {
                set_aside(transaction, row).await?;
            }
            Ok(rows)
        };
        let rows = self.transaction(true, claim_and_sort);
        let claim = |row: &Row| Claim {
            lease: Lease { id: JobId::stored(row.get(0)), fence: row.get(1), receipt: String::new() },
            envelope: row.get(2),
            deliveries: u32::try_from(row.get::<_, i32>(3)).unwrap_or_default(),
        };
        Ok(rows.await?.iter().map(claim).collect())
    }

    async fn put_back(&self, jobs: &[Later]) -> Result<Vec<bool>, BoxError> {
        let is_durable = jobs.iter().any(|later| later.durable);
        let ids: Vec<_> = jobs.iter().map(|later| later.lease.id.as_str()).collect();
        let fences: Vec<_> = jobs.iter().map(|later| later.lease.fence).collect();
        let envelopes: Vec<_> = jobs.iter().map(|later| later.envelope.as_str()).collect();
        let delays: Vec<_> = jobs.iter().map(|later| ms(later.delay)).collect();
        let put_back = async |transaction: &Transaction<'_>| {
            ids_of(transaction.query(PUT_BACK, &[&ids, &fences, &envelopes, &delays]).await)
        };
        Ok(outcomes(jobs.iter().map(|later| &later.lease.id), self.transaction(is_durable, put_back).await?))
    }

    async fn finish(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError> {
        let done = self.transaction(true, async |transaction| finish(transaction, jobs).await).await?;
        Ok(outcomes(jobs.iter().map(|job| &job.lease.id), done))
    }

    async fn dead_letter(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError> {
        let [ids, envelopes, details, bodies] = columns(&jobs.iter().collect::<Vec<_>>());
        let fences: Vec<_> = jobs.iter().map(|job| job.lease.fence).collect();
        let give_up = async |transaction: &Transaction<'_>| {
            ids_of(transaction.query(DEAD_LETTER, &[&ids, &envelopes, &details, &bodies, &fences]).await)
        };
        Ok(outcomes(jobs.iter().map(|job| &job.lease.id), self.transaction(true, give_up).await?))
    }

    async fn give_back(&self, leases: &[Lease]) -> Result<(), BoxError> {
        let ids: Vec<_> = leases.iter().map(|lease| lease.id.as_str()).collect();
        let fences: Vec<_> = leases.iter().map(|lease| lease.fence).collect();
        let give_back = async |transaction: &Transaction<'_>| {
            transaction.execute(GIVE_BACK, &[&ids, &fences]).await?;
            Ok(())
        };
        self.transaction(false, give_back).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<Entry>, BoxError> {
        let limit = limit_of(limit);
        let list =
            async |transaction: &Transaction<'_>| Ok(transaction.query(ENTRIES, &[&None::<&str>, &limit]).await?);
        Ok(self.transaction(false, list).await?.iter().map(entry).collect())
    }

    async fn show(&self, id: &JobId) -> Result<Option<Entry>, BoxError> {
        let show = async |transaction: &Transaction<'_>| {
            Ok(transaction.query_opt(ENTRIES, &[&Some(id.as_str()), &1_i64]).await?)
        };
        Ok(self.transaction(false, show).await?.as_ref().map(entry))
    }

    async fn counts(&self) -> Result<Counts, BoxError> {
        let counts = async |transaction: &Transaction<'_>| Ok(transaction.query_one(COUNTS, &[]).await?);
        let row = self.transaction(false, counts).await?;
        let count = |column| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
        Ok(Counts { open: count(0), finished: count(1), dead: count(2) })
    }

    async fn now(&self) -> Result<SystemTime, BoxError> {
        let now =
            async |transaction: &Transaction<'_>| Ok(transaction.query_one("SELECT clock_timestamp()", &[]).await?);
        Ok(self.transaction(false, now).await?.get(0))
    }
}

fn entry(row: &Row) -> Entry {
    Entry {
        id: JobId::stored(row.get(0)),
        envelope: row.get(3),
        state: match row.get(4) {
            "waiting" => State::Waiting(from_ms(row.get(5))),
            "leased" => State::Leased,
            "finished" => State::Finished(row.get(6), row.get(7)),
            _ => State::Dead(row.get(6)),
        },
        accepted: at_ms(row.get(1)),
        age: from_ms(row.get(2)),
    }
}
