//! `Nats`: a queue in NATS JetStream, server 2.12 or later.
//!
//! One stream has two subjects for each job, and one of them holds the job:
//!
//! | subject | the job |
//! | --- | --- |
//! | `fleet.later.ID` | waits; the server moves it to the other at its due time (`Nats-Schedule: @at …`) |
//! | `fleet.due.ID` | is to be claimed: a work queue, whose acknowledgement timeout is the lease |
//!
//! Results are keys of a bucket that are created, and never updated.
//!
//! Every step of a job has a number, which is the fence: step 5 is put back as step 6, once (`Nats-Msg-Id`). A worker that
//! dies between putting back and acknowledging leaves step 5 to be delivered again: the worker that gets it looks whether there is a later
//! step, and drops it.

mod clock;
mod ended;
mod stream;

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use async_nats::{
    ConnectOptions, Event, HeaderMap,
    jetstream::{
        self, AckKind, Context,
        consumer::{AckPolicy, Consumer, pull},
        message::PublishMessage,
    },
};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, future::try_join_all, stream as streams};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::{sync::Mutex, time::timeout};

pub use self::ended::HISTORY;
use self::{
    clock::{ServerClock, at, ms_of, system_time},
    ended::{Buckets, Stored},
    stream::{Found, Stream},
};
use super::{Claim, Counts, Ended, Entry, Later, Lease, NewJob, Queue, from_ms, ms};
use crate::{BoxError, job::JobId, terminal::log};

const STREAM: &str = "FLEET";
const LATER: &str = "fleet.later.";
const DUE: &str = "fleet.due.";

const STEP: &str = "Fleet-Step";
const DUE_MS: &str = "Fleet-Due";
const ACCEPTED_MS: &str = "Fleet-Accepted";

/// How long the server remembers that a step was put back. What is older is refused here.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// How long the server may take for one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest that a delivery is refused for; then it is looked at again. The server counts nanoseconds.
const MAX_REFUSAL: Duration = Duration::from_secs(3600);

/// How many requests are under way at once.
const AT_ONCE: usize = 64;

/// A queue in a broker.
#[derive(Debug)]
pub struct Nats {
    client: async_nats::Client,
    context: Context,
    stream: Stream,
    ended: Buckets,
    clock: Arc<ServerClock>,
    workers: Mutex<Option<(Duration, Consumer<pull::Config>)>>,
}

/// The receipt by which the queue acknowledges a delivery: `Lease::receipt`.
#[derive(Debug, Deserialize, Serialize)]
struct Receipt {
    reply: String,
    /// When the lease runs out, by the server's clock.
    until_ms: i64,
    accepted_ms: i64,
}

impl Receipt {
    fn of(lease: &Lease) -> Result<Self, BoxError> {
        Ok(serde_json::from_str(&lease.receipt)?)
    }
}

/// The number of results that were ever stored for each job, at most [`HISTORY`].
pub async fn results(address: &str) -> Result<HashMap<String, u64>, BoxError> {
    ended::results(&Nats::connect(address).await?.context).await
}

impl Nats {
    /// Connects, and makes the stream and the buckets.
    pub async fn connect(address: &str) -> Result<Self, BoxError> {
        let clock = Arc::new(ServerClock::default());
        let of_events = clock.clone();
        let options = ConnectOptions::new().request_timeout(Some(PATIENCE)).event_callback(move |event| {
            let clock = of_events.clone();
            async move {
                if let Event::Connected = event {
                    clock.connected();
                }
            }
        });
        let client = options.connect(address).await?;
        clock.connected();
        let context = jetstream::new(client.clone());
        let stream = Stream::open(&context).await?;
        let ended = Buckets::open(&context, client.server_info().max_payload).await?;
        Ok(Self { client, context, stream, ended, clock, workers: Mutex::new(None) })
    }

    async fn now_ms(&self) -> Result<i64, BoxError> {
        self.clock.now_ms(&self.client).await
    }

    /// The consumer that all workers share; its acknowledgement timeout is the lease.
    async fn workers(&self, lease: Duration) -> Result<Consumer<pull::Config>, BoxError> {
        let mut workers = self.workers.lock().await;
        if let Some((_, consumer)) = workers.as_ref().filter(|(known, _)| *known == lease) {
            return Ok(consumer.clone());
        }
        let config = pull::Config {
            durable_name: Some("workers".to_owned()),
            filter_subject: format!("{DUE}*"),
            ack_policy: AckPolicy::Explicit,
            ack_wait: lease,
            max_deliver: -1,
            max_ack_pending: -1,
            ..Default::default()
        };
        let consumer = self.stream.create_consumer(config).await?;
        *workers = Some((lease, consumer.clone()));
        Ok(consumer)
    }

    /// Whether a step has been put back or has ended meanwhile: then this delivery is one too many.
    async fn is_superseded(&self, id: &JobId, step: i64) -> Result<bool, BoxError> {
        if self.stream.latest_step(id).await?.is_some_and(|latest| latest > step) {
            return Ok(true);
        }
        self.ended.has_result(id.as_str()).await
    }

    async fn is_known(&self, id: &JobId) -> Result<bool, BoxError> {
        Ok(self.stream.latest_step(id).await?.is_some() || self.ended.is_known(id.as_str()).await?)
    }

    async fn publish(&self, subject: String, id: &JobId, parcel: Parcel, payload: String) -> Result<bool, BoxError> {
        let Parcel { step, due_ms, accepted_ms, schedule } = parcel;
        let mut headers = HeaderMap::new();
        headers.insert(STEP, step.to_string());
        headers.insert(DUE_MS, due_ms.to_string());
        headers.insert(ACCEPTED_MS, accepted_ms.to_string());
        if schedule {
            headers.insert("Nats-Schedule", at(due_ms)?);
            headers.insert("Nats-Schedule-Target", format!("{DUE}{id}"));
        }
        let message = PublishMessage::build().headers(headers).message_id(format!("{id}.{step}"));
        let sent = self.context.send_publish(subject, message.payload(payload.into())).await?;
        Ok(!sent.await?.duplicate)
    }

    async fn accept_one(&self, new: &NewJob, now_ms: i64) -> Result<bool, BoxError> {
        if self.is_known(&new.id).await? {
            return Ok(false);
        }
        let parcel = Parcel { step: 0, due_ms: now_ms, accepted_ms: now_ms, schedule: false };
        self.publish(format!("{DUE}{}", new.id), &new.id, parcel, new.job.to_json()).await
    }

    async fn acknowledge(&self, receipt: &Receipt, kind: AckKind) -> Result<(), BoxError> {
        Ok(self.client.publish(receipt.reply.clone(), kind.into()).await?)
    }

    async fn put_back_one(&self, later: &Later, now_ms: i64) -> Result<bool, BoxError> {
        let Later { lease, envelope, delay, .. } = later;
        let receipt = Receipt::of(lease)?;
        // Later than that, somebody else has it or will have, and the server may have forgotten which steps there were.
        if now_ms > receipt.until_ms {
            return Ok(false);
        }
        let due_ms = now_ms.saturating_add(ms(*delay)).saturating_add(1);
        let parcel =
            Parcel { step: lease.fence.saturating_add(1), due_ms, accepted_ms: receipt.accepted_ms, schedule: true };
        let is_first = self.publish(format!("{LATER}{}", lease.id), &lease.id, parcel, envelope.clone()).await?;
        self.acknowledge(&receipt, AckKind::Ack).await?;
        Ok(is_first)
    }

    async fn end(&self, ended: &Ended, is_dead: bool) -> Result<bool, BoxError> {
        let Ended { lease, envelope, detail, body } = ended;
        let (envelope, detail, body) = (envelope.clone(), detail.clone(), body.clone());
        let receipt = Receipt::of(lease)?;
        let stored = Stored { envelope, detail, body, accepted_ms: receipt.accepted_ms };
        let key = lease.id.as_str();
        let is_first =
            if is_dead { self.ended.give_up(key, &stored).await? } else { self.ended.finish(key, &stored).await? };
        self.acknowledge(&receipt, AckKind::Ack).await?;
        Ok(is_first)
    }

    /// Gives a message up that no worker could lease, end or put back.
    async fn set_aside(&self, message: &jetstream::Message, found: Found, reason: &str) -> Result<(), BoxError> {
        let Found { id, envelope, accepted_ms, .. } = found;
        let (key, detail) = match id.as_str().parse::<JobId>() {
            Ok(id) => (id.to_string(), reason.to_owned()),
            // A bucket does not take its name either.
            Err(_) => {
                (format!("message/{}", message.info()?.stream_sequence), format!("{reason}: {id:?}", id = id.as_str()))
            }
        };
        self.ended.give_up(&key, &Stored { envelope, detail, body: String::new(), accepted_ms }).await?;
        message.ack().await
    }

    /// Lets a job wait that was delivered before its time.
    async fn defer(
        &self,
        message: &jetstream::Message,
        found: Found,
        delivered: i64,
        now_ms: i64,
    ) -> Result<(), BoxError> {
        let wait = from_ms(found.due_ms.saturating_sub(now_ms));
        if delivered > 1 {
            // Somebody may have had it, which must not be forgotten.
            return message.ack_with(AckKind::Nak(Some(wait.min(MAX_REFUSAL)))).await;
        }
        // As the next step. A refusal would count as a delivery, and a start that was delivered twice may not be sent.
        let Found { id, envelope, step, accepted_ms, .. } = found;
        let due_ms = now_ms.saturating_add(ms(wait));
        let parcel = Parcel { step: step.saturating_add(1), due_ms, accepted_ms, schedule: true };
        self.publish(format!("{LATER}{id}"), &id, parcel, envelope).await?;
        message.ack().await
    }

    async fn claim_one(&self, message: jetstream::Message, lease: Duration) -> Result<Option<Claim>, BoxError> {
        let mut now_ms = self.now_ms().await?;
        let info = message.info()?;
        let (delivered, published_ms) = (info.delivered, ms_of(info.published));
        let found = Found::of(&message.subject, message.headers.as_ref(), &message.payload);
        if let Some(reason) = found.fault() {
            self.set_aside(&message, found, reason).await?;
            return Ok(None);
        }
        // A server that was killed may have forgotten acknowledgements: what is older than this connection is looked at, too.
        let is_suspect = delivered > 1 || published_ms <= self.clock.connected_ms(now_ms);
        if is_suspect && self.is_superseded(&found.id, found.step).await? {
            message.ack().await?;
            return Ok(None);
        }
        if found.due_ms > now_ms {
            // Early, by what is known of the server's clock, which may have been set since.
            now_ms = self.clock.reread_ms(&self.client).await?;
            if found.due_ms > now_ms {
                self.defer(&message, found, delivered, now_ms).await?;
                return Ok(None);
            }
        }
        let id = found.id;
        let reply = message.reply.as_ref().ok_or("a message without a reply subject")?.to_string();
        let receipt = Receipt { reply, until_ms: now_ms.saturating_add(ms(lease)), accepted_ms: found.accepted_ms };
        let lease = Lease { id, fence: found.step, receipt: serde_json::to_string(&receipt)? };
        let deliveries = u32::try_from(delivered).unwrap_or(u32::MAX);
        Ok(Some(Claim { lease, envelope: found.envelope, deliveries }))
    }
}

/// The headers of a message.
struct Parcel {
    step: i64,
    due_ms: i64,
    accepted_ms: i64,
    schedule: bool,
}

#[async_trait]
impl Queue for Nats {
    async fn accept(&self, jobs: &[NewJob]) -> Result<Vec<bool>, BoxError> {
        let now_ms = self.now_ms().await?;
        try_join_all(jobs.iter().map(|new| self.accept_one(new, now_ms))).await
    }

    async fn claim(&self, _worker: &str, limit: usize, lease: Duration) -> Result<Vec<Claim>, BoxError> {
        let fetch = async {
            let consumer = self.workers(lease).await?;
            let messages = consumer.fetch().max_messages(limit).messages().await?;
            let messages: Vec<jetstream::Message> = messages.try_collect().await?;
            Ok::<_, BoxError>(messages)
        };
        let messages = timeout(PATIENCE, fetch).await.map_err(|_| "the server does not answer")??;
        // A job that fails is delivered again when its lease has run out, and must not take the others with it.
        let (mut claims, mut failure) = (Vec::with_capacity(messages.len()), None);
        let mut claimed =
            streams::iter(messages).map(|message| self.claim_one(message, lease)).buffer_unordered(AT_ONCE);
        let take_all = async {
            while let Some(claim) = claimed.next().await {
                match claim {
                    Ok(claim) => claims.extend(claim),
                    Err(error) => failure = Some(error),
                }
            }
        };
        if timeout(PATIENCE, take_all).await.is_err() {
            failure = Some("the server does not answer".into());
        }
        match failure {
            Some(error) if claims.is_empty() => return Err(error),
            Some(error) => log(&format!("a job could not be claimed: {error}")),
            None => {}
        }
        Ok(claims)
    }

    async fn put_back(&self, jobs: &[Later]) -> Result<Vec<bool>, BoxError> {
        let now_ms = self.now_ms().await?;
        try_join_all(jobs.iter().map(|later| self.put_back_one(later, now_ms))).await
    }

    async fn finish(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError> {
        try_join_all(jobs.iter().map(|ended| self.end(ended, false))).await
    }

    async fn dead_letter(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError> {
        let give_up = async |ended: &Ended| {
            if self.is_superseded(&ended.lease.id, ended.lease.fence).await? {
                return Ok(false);
            }
            self.end(ended, true).await
        };
        let mut given_up = Vec::with_capacity(jobs.len());
        for ended in jobs {
            given_up.push(give_up(ended).await?);
        }
        Ok(given_up)
    }

    async fn give_back(&self, leases: &[Lease]) -> Result<(), BoxError> {
        // The server counts what is refused as delivered nevertheless: a start that was not sent yet, and may not be sent twice, is
        // given up by the next worker, which is the careful side.
        for lease in leases {
            self.acknowledge(&Receipt::of(lease)?, AckKind::Nak(None)).await?;
        }
        Ok(self.client.flush().await?)
    }

    async fn list(&self, limit: usize) -> Result<Vec<Entry>, BoxError> {
        let now_ms = self.now_ms().await?;
        let mut entries = Vec::new();
        let open = self.stream.jobs(limit).await?;
        entries.extend(open.into_iter().map(|found| found.entry(now_ms)));
        let room = limit.saturating_sub(entries.len());
        entries.extend(self.ended.list(room, now_ms).await?);
        Ok(entries)
    }

    async fn show(&self, id: &JobId) -> Result<Option<Entry>, BoxError> {
        let now_ms = self.now_ms().await?;
        if let Some(ended) = self.ended.get(id, now_ms).await? {
            return Ok(Some(ended));
        }
        Ok(self.stream.latest(id).await?.map(|found| found.entry(now_ms)))
    }

    async fn counts(&self) -> Result<Counts, BoxError> {
        let (finished, dead) = self.ended.counts().await?;
        Ok(Counts { open: self.stream.len().await?, finished, dead })
    }

    async fn now(&self) -> Result<SystemTime, BoxError> {
        Ok(system_time(self.now_ms().await?))
    }
}
