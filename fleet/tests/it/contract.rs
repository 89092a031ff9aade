//! The contract of every queue, tested with each.

use std::time::Duration;

use fleet::{
    local::Kind,
    queue::{Claim, Ended, Later, Queue, State},
};

use crate::crew::{here, id, job, queue, until};

/// A lease that holds.
const LONG: Duration = Duration::from_secs(30);

/// One that runs out within the test, and not before the next line. A test has one of the two: on NATS it is that of all
/// workers.
const SHORT: Duration = Duration::from_secs(2);

macro_rules! on_every_queue {
    ($($test:ident)*) => {
        #[cfg(feature = "sqlite")]
        mod sqlite { $(#[tokio::test] async fn $test() { super::$test(fleet::local::Kind::Sqlite).await; })* }
        #[cfg(feature = "postgres")]
        mod postgres { $(#[tokio::test] async fn $test() { super::$test(fleet::local::Kind::Postgres).await; })* }
        #[cfg(feature = "nats")]
        mod nats { $(#[tokio::test] async fn $test() { super::$test(fleet::local::Kind::Nats).await; })* }
    };
}

on_every_queue! {
    accepts_a_name_once
    put_back_is_not_due_before_its_delay
    lease_that_ran_out_cannot_put_back
    first_result_wins
    dead_letter_gives_way_to_a_result
    leases_that_are_given_back_are_due_at_once
    deliveries_are_counted_until_put_back
    clock_is_the_queues
    put_back_takes_any_delay
}

async fn claim(queue: &dyn Queue, lease: Duration) -> Claim {
    until("a job is due", async || queue.claim("test", 1, lease).await.unwrap().pop()).await
}

fn ended(claim: &Claim, detail: &str) -> [Ended; 1] {
    let Claim { lease, envelope, .. } = claim.clone();
    [Ended { lease, envelope, detail: detail.to_owned(), body: format!("body of {detail}") }]
}

fn later(claim: &Claim, delay: Duration) -> [Later; 1] {
    let Claim { lease, envelope, .. } = claim.clone();
    [Later { lease, envelope, delay, durable: false }]
}

async fn accepts_a_name_once(kind: Kind) {
    let Some((_local, queue)) = queue(kind, here!()).await else { return };
    assert_eq!(queue.accept(&[job("a"), job("b")]).await.unwrap(), [true, true]);
    assert_eq!(queue.accept(&[job("b"), job("c")]).await.unwrap(), [false, true]);
    assert_eq!(queue.counts().await.unwrap().open, 3);

    for _ in 0..3 {
        let claimed = claim(&*queue, LONG).await;
        assert_eq!(queue.finish(&ended(&claimed, "Succeeded")).await.unwrap(), [true]);
    }
    assert_eq!(queue.accept(&[job("a")]).await.unwrap(), [false], "its result is known");
    until("all are acknowledged", async || (queue.counts().await.unwrap().open == 0).then_some(())).await;
    assert_eq!(queue.counts().await.unwrap().finished, 3);
    assert_eq!(queue.list(2).await.unwrap().len(), 2);
    assert!(queue.show(&id("d")).await.unwrap().is_none());
}

async fn put_back_is_not_due_before_its_delay(kind: Kind) {
    let Some((_local, queue)) = queue(kind, here!()).await else { return };
    queue.accept(&[job("a")]).await.unwrap();
    let first = claim(&*queue, LONG).await;
    let before = queue.now().await.unwrap();
    let delay = Duration::from_millis(1200);
    assert_eq!(queue.put_back(&later(&first, delay)).await.unwrap(), [true]);
    let entry = queue.show(&id("a")).await.unwrap().unwrap();
    assert!(matches!(entry.state, State::Waiting(_)));

    let second = claim(&*queue, LONG).await;
    let waited = queue.now().await.unwrap().duration_since(before).unwrap();
    // The clock is read in milliseconds.
    assert!(waited + Duration::from_millis(2) >= delay, "{waited:?}");
    assert!(second.lease.fence > first.lease.fence);
    assert_eq!(second.deliveries, 1);
}

async fn lease_that_ran_out_cannot_put_back(kind: Kind) {
    let Some((_local, queue)) = queue(kind, here!()).await else { return };
    queue.accept(&[job("a")]).await.unwrap();
    let stale = claim(&*queue, SHORT).await;
    // The other worker gets it when the lease has run out.
    let current = claim(&*queue, SHORT).await;
    assert_eq!(queue.put_back(&later(&stale, LONG)).await.unwrap(), [false], "fenced off");
    if kind != Kind::Nats {
        // There, two deliveries of one step are one step, and a lease that has run out is all that tells them apart.
        assert_eq!(queue.dead_letter(&ended(&stale, "too late")).await.unwrap(), [false]);
        assert!(current.lease.fence > stale.lease.fence);
    }
    assert_eq!(queue.put_back(&later(&current, Duration::ZERO)).await.unwrap(), [true]);
    let next = claim(&*queue, SHORT).await;
    assert_eq!(queue.put_back(&later(&stale, LONG)).await.unwrap(), [false]);
    assert_eq!(queue.put_back(&later(&next, LONG)).await.unwrap(), [true]);
}

async fn first_result_wins(kind: Kind) {
    let Some((_local, queue)) = queue(kind, here!()).await else { return };
    queue.accept(&[job("a")]).await.unwrap();
    let stale = claim(&*queue, SHORT).await;
    let current = claim(&*queue, SHORT).await;
    // A final response is true, whichever worker has it: the lease has run out, and the result counts.
    assert_eq!(queue.finish(&ended(&stale, "first")).await.unwrap(), [true]);
    assert_eq!(queue.finish(&ended(&current, "second")).await.unwrap(), [false]);
    let entry = queue.show(&id("a")).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Finished("first".to_owned(), "body of first".to_owned()));
    assert!(entry.envelope.contains("\"tenant\":\"acme\""));
}

async fn dead_letter_gives_way_to_a_result(kind: Kind) {
    let Some((_local, queue)) = queue(kind, here!()).await else { return };
    queue.accept(&[job("a")]).await.unwrap();
    let stale = claim(&*queue, SHORT).await;
    let current = claim(&*queue, SHORT).await;
    assert_eq!(queue.dead_letter(&ended(&current, "no such operation")).await.unwrap(), [true]);
    assert_eq!(queue.show(&id("a")).await.unwrap().unwrap().state, State::Dead("no such operation".to_owned()));
    assert_eq!(queue.counts().await.unwrap().dead, 1);
    assert_eq!(queue.finish(&ended(&stale, "Succeeded")).await.unwrap(), [true]);
    let state = queue.show(&id("a")).await.unwrap().unwrap().state;
    assert!(matches!(state, State::Finished(status, _) if status == "Succeeded"));
    let listed = queue.list(10).await.unwrap();
    assert!(matches!(&listed[..], [entry] if matches!(entry.state, State::Finished(..))), "{listed:?}");
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.finished, counts.dead), (1, 0));
}

async fn leases_that_are_given_back_are_due_at_once(kind: Kind) {
    let Some((_local, queue)) = queue(kind, here!()).await else { return };
    queue.accept(&[job("a")]).await.unwrap();
    let first = claim(&*queue, LONG).await;
    queue.give_back(&[first.lease]).await.unwrap();
    // The test would run into its limit if it had to wait for the lease.
    let second = until("it is due again", async || queue.claim("other", 1, LONG).await.unwrap().pop()).await;
    assert_eq!(second.lease.id, id("a"));
}

async fn deliveries_are_counted_until_put_back(kind: Kind) {
    let Some((_local, queue)) = queue(kind, here!()).await else { return };
    queue.accept(&[job("a")]).await.unwrap();
    for delivery in 1..=3 {
        assert_eq!(claim(&*queue, SHORT).await.deliveries, delivery);
    }
    let fourth = claim(&*queue, SHORT).await;
    assert_eq!(queue.put_back(&later(&fourth, Duration::ZERO)).await.unwrap(), [true]);
    assert_eq!(claim(&*queue, SHORT).await.deliveries, 1);
}

async fn clock_is_the_queues(kind: Kind) {
    let Some((_local, queue)) = queue(kind, here!()).await else { return };
    let (first, second) = (queue.now().await.unwrap(), queue.now().await.unwrap());
    assert!(second >= first);
    queue.accept(&[job("a")]).await.unwrap();
    let accepted = queue.show(&id("a")).await.unwrap().unwrap().accepted;
    assert!(accepted + Duration::from_secs(1) >= first, "{accepted:?} is by the same clock as {first:?}");
}

async fn put_back_takes_any_delay(kind: Kind) {
    let Some((_local, queue)) = queue(kind, here!()).await else { return };
    queue.accept(&[job("a")]).await.unwrap();
    let claimed = claim(&*queue, LONG).await;
    assert_eq!(queue.put_back(&later(&claimed, Duration::MAX)).await.unwrap(), [true]);
    let State::Waiting(due) = queue.show(&id("a")).await.unwrap().unwrap().state else { panic!("it waits") };
    assert!(due > Duration::from_secs(99 * 365 * 24 * 3600), "{due:?}");
    assert_eq!(queue.list(10).await.unwrap().len(), 1);
}

/// As if the worker had been killed between the two: scheduled, and not acknowledged.
#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_drops_a_delivery_that_was_put_back() {
    let Some((_local, queue)) = queue(Kind::Nats, here!()).await else { return };
    queue.accept(&[job("a")]).await.unwrap();
    let first = claim(&*queue, SHORT).await;
    let before = queue.now().await.unwrap();
    // The step is delivered again before the next one is due.
    let delay = SHORT * 2;
    let mut put_back = later(&first, delay);
    let mut receipt: serde_json::Value = serde_json::from_str(&put_back[0].lease.receipt).unwrap();
    receipt["reply"] = "nobody.listens".into();
    put_back[0].lease.receipt = receipt.to_string();
    assert_eq!(queue.put_back(&put_back).await.unwrap(), [true]);

    let second = claim(&*queue, SHORT).await;
    assert_eq!(second.lease.fence, first.lease.fence + 1);
    let waited = queue.now().await.unwrap().duration_since(before).unwrap();
    assert!(waited + Duration::from_millis(2) >= delay, "{waited:?}");
}

/// A server that moves a job too early has not given it to anybody.
#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_delivery_before_its_time_is_not_counted() {
    let Some((local, queue)) = queue(Kind::Nats, here!()).await else { return };
    let now = queue.now().await.unwrap();
    let due = now + Duration::from_millis(1200);
    let due_ms = due.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis().to_string();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Fleet-Due", due_ms.as_str());
    let client = async_nats::connect(local.address()).await.unwrap();
    client.publish_with_headers("fleet.due.a", headers, "{}".into()).await.unwrap();
    client.flush().await.unwrap();

    let claimed = claim(&*queue, LONG).await;
    assert!(queue.now().await.unwrap() + Duration::from_millis(2) >= due);
    assert_eq!((claimed.lease.id, claimed.deliveries), (id("a"), 1));
    assert_eq!(claimed.envelope, "{}");
}
