//! The database goes away in mid-step, and comes back.

use std::time::{Duration, Instant};

use fleet::{
    local::Kind,
    queue::{self, Ended, postgres::Postgres},
    service::{Behavior, TestService},
    worker::Options,
};
use tokio::task::spawn_blocking;

use crate::crew::{TestWorker, all_ended, here, job, options, queue, until};

#[tokio::test]
async fn postgres_that_crashes_loses_nothing() {
    crash_while_working(Kind::Postgres).await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_that_crashes_loses_nothing() {
    crash_while_working(Kind::Nats).await;
}

async fn crash_while_working(kind: Kind) {
    let Some((local, queue)) = queue(kind, here!()).await else { return };
    let behavior =
        Behavior { delay: Duration::from_millis(200), latency: Duration::from_millis(50), ..Behavior::default() };
    let service = TestService::start("127.0.0.1:0", behavior).await.unwrap();
    let jobs: Vec<_> = (0..20).map(|number| job(&format!("job-{number}"))).collect();
    queue.accept(&jobs).await.unwrap();
    let worker = TestWorker::start(&queue, &service.endpoint(), options());
    until("polls are under way", async || (service.seen().polls > 5).then_some(())).await;

    let mut local = spawn_blocking(move || {
        let mut local = local;
        local.crash().unwrap();
        local
    })
    .await
    .unwrap();
    until("a write has failed", async || (worker.metrics.queue_errors.get() > 0).then_some(())).await;
    let _local = spawn_blocking(move || {
        local.restart().unwrap();
        local
    })
    .await
    .unwrap();

    until("the database answers", async || queue.counts().await.ok()).await;
    all_ended(&*queue).await;
    worker.stop().await;
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.finished, counts.dead), (20, 0));
    assert_eq!((service.seen().started, service.seen().early), (20, 0));
}

#[tokio::test]
async fn worker_ends_while_postgres_is_away() {
    stop_while_away(Kind::Postgres).await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn worker_ends_while_nats_is_away() {
    stop_while_away(Kind::Nats).await;
}

async fn stop_while_away(kind: Kind) {
    let Some((local, queue)) = queue(kind, here!()).await else { return };
    let behavior =
        Behavior { delay: Duration::from_millis(200), latency: Duration::from_millis(300), ..Behavior::default() };
    let service = TestService::start("127.0.0.1:0", behavior).await.unwrap();
    queue.accept(&(0..20).map(|number| job(&format!("job-{number}"))).collect::<Vec<_>>()).await.unwrap();
    let impatient = Duration::from_millis(200);
    let lease = Duration::from_secs(3);
    let hurried = Options { grace: impatient, last_writes: impatient, lease, ..options() };
    let worker = TestWorker::start(&queue, &service.endpoint(), hurried.clone());
    until("polls are under way", async || (service.seen().polls > 5).then_some(())).await;

    let mut local = local;
    let mut local = spawn_blocking(move || local.crash().map(|()| local)).await.unwrap().unwrap();
    until("a write has failed", async || (worker.metrics.queue_errors.get() > 0).then_some(())).await;
    // The polls that were under way have been answered then, and cannot be written.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    worker.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    // Jobs that it could not write are polled again when their leases have run out.
    let _local = spawn_blocking(move || local.restart().map(|()| local)).await.unwrap().unwrap();
    until("the database answers", async || queue.counts().await.ok()).await;
    let worker = TestWorker::start(&queue, &service.endpoint(), hurried);
    all_ended(&*queue).await;
    worker.stop().await;
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.finished, counts.dead), (20, 0));
    assert_eq!(service.seen().started, 20);
}

/// The caller's own rows are there if, and only if, the job is; and a result is acted on once.
#[tokio::test]
async fn postgres_shares_the_callers_transaction() {
    let Some((local, queue)) = queue(Kind::Postgres, here!()).await else { return };
    let mut client = queue::postgres::client(local.address()).await.unwrap();
    client.batch_execute("CREATE TABLE orders (id text PRIMARY KEY, shipped int NOT NULL DEFAULT 0)").await.unwrap();

    for (name, commit) in [("kept", true), ("dropped", false)] {
        let transaction = client.transaction().await.unwrap();
        transaction.execute("INSERT INTO orders (id) VALUES ($1)", &[&name]).await.unwrap();
        assert_eq!(Postgres::accept_in(&transaction, &[job(name)]).await.unwrap().len(), 1);
        if commit {
            transaction.commit().await.unwrap();
        }
    }
    assert_eq!(queue.counts().await.unwrap().open, 1);

    let claim = queue.claim("test", 10, Duration::from_secs(30)).await.unwrap().pop().unwrap();
    let ended =
        Ended { lease: claim.lease, envelope: claim.envelope, detail: "Succeeded".to_owned(), body: String::new() };
    for _ in 0..2 {
        let transaction = client.transaction().await.unwrap();
        for id in Postgres::finish_in(&transaction, std::slice::from_ref(&ended)).await.unwrap() {
            transaction.execute("UPDATE orders SET shipped = shipped + 1 WHERE id = $1", &[&id]).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
    let shipped: i32 = client.query_one("SELECT shipped FROM orders", &[]).await.unwrap().get(0);
    assert_eq!(shipped, 1);
}

/// A name that is accepted again while its end is being stored.
#[tokio::test]
async fn postgres_does_not_accept_what_ends_meanwhile() {
    let Some((local, queue)) = queue(Kind::Postgres, here!()).await else { return };
    queue.accept(&[job("a")]).await.unwrap();
    let claim = queue.claim("test", 1, Duration::from_secs(30)).await.unwrap().pop().unwrap();
    let ended =
        Ended { lease: claim.lease, envelope: claim.envelope, detail: "Succeeded".to_owned(), body: String::new() };
    let mut client = queue::postgres::client(local.address()).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    assert_eq!(Postgres::finish_in(&transaction, &[ended]).await.unwrap().len(), 1);

    let of_task = queue.clone();
    let again = tokio::spawn(async move { of_task.accept(&[job("a"), job("b")]).await.unwrap() });
    let watcher = queue::postgres::client(local.address()).await.unwrap();
    let waiting = "SELECT FROM pg_locks WHERE NOT granted";
    until("it waits", async || (!watcher.query(waiting, &[]).await.unwrap().is_empty()).then_some(())).await;
    transaction.commit().await.unwrap();
    assert_eq!(again.await.unwrap(), [false, true]);
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.open, counts.finished), (1, 1));
}
