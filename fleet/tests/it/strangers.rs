//! Jobs as no worker stores them, written by somebody else: they are given up by themselves, and the others go on.

use std::{collections::BTreeMap, time::Duration};

#[cfg(feature = "nats")]
use fleet::queue::{Claim, Ended};
use fleet::{
    local::Kind,
    queue::{Queue, State},
};

use crate::crew::{here, job, queue};

const LEASE: Duration = Duration::from_secs(30);

/// Claims until nothing is due, and returns which jobs could be leased, and which were given up and why.
async fn claim_all(queue: &dyn Queue, good: usize) -> (Vec<String>, BTreeMap<String, String>) {
    queue.list(100).await.unwrap();
    let mut claimed = Vec::new();
    while claimed.len() < good {
        let claims = queue.claim("test", 100, LEASE).await.unwrap();
        claimed.extend(claims.into_iter().map(|claim| claim.lease.id.to_string()));
    }
    claimed.sort();
    let mut dead = BTreeMap::new();
    for entry in queue.list(100).await.unwrap() {
        if let State::Dead(reason) = entry.state {
            dead.insert(entry.id.to_string(), reason);
        }
    }
    assert_eq!(queue.counts().await.unwrap().dead, dead.len() as u64);
    (claimed, dead)
}

#[tokio::test]
async fn sqlite_gives_up_rows_that_it_cannot_read() {
    let (local, queue) = queue(Kind::Sqlite, here!()).await.unwrap();
    let names = ["blob", "bytes", "fence", "float", "deliveries", "times", "good"];
    queue.accept(&names.map(job)).await.unwrap();
    let file = rusqlite::Connection::open(local.address().strip_prefix("sqlite:").unwrap()).unwrap();
    file.execute_batch(
        "UPDATE jobs SET envelope = x'ff00' WHERE id = 'blob';
         UPDATE jobs SET envelope = CAST(x'ff' AS TEXT) WHERE id = 'bytes';
         UPDATE jobs SET fence = 9223372036854775807 WHERE id = 'fence';
         UPDATE jobs SET fence = 1e300 WHERE id = 'float';
         UPDATE jobs SET deliveries = 9223372036854775807 WHERE id = 'deliveries';
         UPDATE jobs SET due = -9223372036854775808, accepted = 9223372036854775807 WHERE id = 'times';
         INSERT INTO jobs SELECT x'00ff', due, fence, deliveries, worker, accepted, envelope FROM jobs WHERE id = 'good';
         INSERT INTO jobs SELECT CAST(x'c3' AS TEXT), due, fence, deliveries, worker, accepted, envelope FROM jobs
         WHERE id = 'good';",
    )
    .unwrap();
    let (claimed, dead) = claim_all(&*queue, 3).await;
    assert_eq!(claimed, ["deliveries", "good", "times"]);
    let names: Vec<_> = dead.keys().map(String::as_str).collect();
    assert_eq!(names, ["\0\u{fffd}", "blob", "bytes", "fence", "float", "\u{fffd}"]);
    assert!(dead["blob"].contains("UTF-8") && dead["fence"].contains("fence"), "{dead:?}");
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_gives_up_rows_that_it_cannot_lease() {
    let Some((local, queue)) = queue(Kind::Postgres, here!()).await else { return };
    queue.accept(&["fence", "deliveries", "early", "late", "good"].map(job)).await.unwrap();
    let client = fleet::queue::postgres::client(local.address()).await.unwrap();
    let strange = "UPDATE fleet_jobs SET fence = 9223372036854775807 WHERE id = 'fence';
        UPDATE fleet_jobs SET deliveries = 2147483647 WHERE id = 'deliveries';
        UPDATE fleet_jobs SET due = '-infinity', accepted = 'infinity' WHERE id = 'early';
        UPDATE fleet_jobs SET due = 'infinity', accepted = '-infinity' WHERE id = 'late';";
    client.batch_execute(strange).await.unwrap();
    let (claimed, dead) = claim_all(&*queue, 3).await;
    assert_eq!(claimed, ["deliveries", "early", "good"]);
    assert!(dead.len() == 1 && dead["fence"].contains("fence"), "{dead:?}");
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_gives_up_messages_that_it_cannot_lease() {
    let Some((local, queue)) = queue(Kind::Nats, here!()).await else { return };
    let client = async_nats::connect(local.address()).await.unwrap();
    let publish = async |name: &str, headers: &[(&str, &str)], payload: &'static [u8]| {
        let mut map = async_nats::HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.insert(*name, *value));
        client.publish_with_headers(format!("fleet.due.{name}"), map, payload.into()).await.unwrap();
    };
    publish("step", &[("Fleet-Step", "9223372036854775807")], b"{}").await;
    publish("accepted", &[("Fleet-Accepted", "-9223372036854775808")], b"{}").await;
    publish("due", &[("Fleet-Due", "-9223372036854775808")], b"{}").await;
    publish("later", &[("Fleet-Due", "9223372036854775807")], b"{}").await;
    publish("bytes", &[], b"\xff").await;
    // Longer as text, so that the server would not take it back.
    publish("long", &[], &[0xff; 400_000]).await;
    publish("n\u{e4}me", &[], b"{}").await;
    client.flush().await.unwrap();
    queue.accept(&[job("good")]).await.unwrap();
    crate::crew::until("all are stored", async || (queue.counts().await.unwrap().open == 8).then_some(())).await;

    let (claimed, dead) = claim_all(&*queue, 3).await;
    assert_eq!(claimed, ["accepted", "due", "good"]);
    let reasons: Vec<_> = dead.values().map(String::as_str).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    for part in ["fence", "UTF-8", "n\u{e4}me"] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {reasons:?}");
    }
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_claims_the_others_where_one_cannot_be_given_up() {
    let Some((local, queue)) = queue(Kind::Nats, here!()).await else { return };
    let client = async_nats::connect(local.address()).await.unwrap();
    client.publish("fleet.due.bytes", b"\xff".as_slice().into()).await.unwrap();
    client.flush().await.unwrap();
    queue.accept(&[job("good")]).await.unwrap();
    crate::crew::until("both are stored", async || (queue.counts().await.unwrap().open == 2).then_some(())).await;
    // Where it would be kept is gone.
    async_nats::jetstream::new(client).delete_key_value("fleet_dead").await.unwrap();

    let claims = queue.claim("test", 100, LEASE).await.unwrap();
    assert!(matches!(&claims[..], [claim] if claim.lease.id.as_str() == "good"), "{claims:?}");
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_gives_up_a_job_whose_result_it_does_not_take() {
    let Some((_local, queue)) = queue(Kind::Nats, here!()).await else { return };
    queue.accept(&[job("long"), job("good")]).await.unwrap();
    let claims = queue.claim("worker", 2, Duration::from_secs(30)).await.unwrap();
    for Claim { lease, envelope, .. } in claims {
        // Quotes are two bytes each in what is stored.
        let body = if lease.id.as_str() == "long" { "\"".repeat(950_000) } else { "{}".to_owned() };
        let is_stored = lease.id.as_str() == "good";
        let ended = Ended { lease, envelope, detail: "Succeeded".to_owned(), body };
        assert_eq!(queue.finish(&[ended]).await.unwrap(), [is_stored]);
    }
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.open, counts.finished, counts.dead), (0, 1, 1));
    let long = queue.show(&"long".parse().unwrap()).await.unwrap().unwrap();
    assert!(matches!(&long.state, State::Dead(why) if why.contains("max_payload")), "{:?}", long.state);
}
