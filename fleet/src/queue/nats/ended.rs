//! The buckets: results, each a key that is created and never updated, and what was given up.

use std::collections::HashMap;

use async_nats::jetstream::{
    Context,
    kv::{Config, CreateErrorKind, Store},
};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::{AT_ONCE, clock::system_time};
use crate::{
    BoxError,
    job::JobId,
    queue::{Entry, State, from_ms},
};

const FINISHED: &str = "fleet_finished";
const DEAD: &str = "fleet_dead";

/// How many values of a key the buckets keep. One would do: the others would show that a result was stored twice.
pub const HISTORY: i64 = 8;

/// The bytes that the protocol adds to a value.
const OVERHEAD: usize = 1024;

/// Both buckets.
#[derive(Debug)]
pub struct Buckets {
    /// The server closes a connection that sends more.
    most_bytes: usize,
    finished: Store,
    dead: Store,
}

/// The bytes that they hold.
#[derive(Debug, Deserialize, Serialize)]
pub struct Stored {
    pub envelope: String,
    pub detail: String,
    pub body: String,
    pub accepted_ms: i64,
}

impl Buckets {
    pub async fn open(context: &Context, max_payload: usize) -> Result<Self, BoxError> {
        let bucket = |name: &str| Config { bucket: name.to_owned(), history: HISTORY, ..Config::default() };
        let finished = context.create_or_update_key_value(bucket(FINISHED)).await?;
        let dead = context.create_or_update_key_value(bucket(DEAD)).await?;
        Ok(Self { most_bytes: max_payload.saturating_sub(OVERHEAD), finished, dead })
    }

    pub async fn has_result(&self, key: &str) -> Result<bool, BoxError> {
        Ok(self.finished.get(key).await?.is_some())
    }

    pub async fn is_known(&self, key: &str) -> Result<bool, BoxError> {
        Ok(self.has_result(key).await? || self.dead.get(key).await?.is_some())
    }

    /// Whether it is the first result. It takes the place of a reason for giving up. One that the server does not take is itself a
    /// reason for that.
    pub async fn finish(&self, key: &str, stored: &Stored) -> Result<bool, BoxError> {
        let Some(value) = self.encoded(stored)? else {
            self.give_up(key, &stored.without_result()).await?;
            return Ok(false);
        };
        let is_first = create(&self.finished, key, value).await?;
        self.remove_dead(key).await?;
        Ok(is_first)
    }

    /// Whether there is neither a result nor another reason.
    pub async fn give_up(&self, key: &str, stored: &Stored) -> Result<bool, BoxError> {
        let value = match self.encoded(stored)? {
            Some(value) => value,
            None => serde_json::to_vec(&stored.cut_off(self.most_bytes))?,
        };
        let is_first = create(&self.dead, key, value).await?;
        // A result that is stored at the same time: one of the two sees the other.
        if self.has_result(key).await? {
            self.remove_dead(key).await?;
            return Ok(false);
        }
        Ok(is_first)
    }

    /// `None` where the server would not take it.
    fn encoded(&self, stored: &Stored) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(Some(serde_json::to_vec(stored)?).filter(|value| value.len() <= self.most_bytes))
    }

    async fn remove_dead(&self, key: &str) -> Result<(), BoxError> {
        if self.dead.get(key).await?.is_some() {
            // Its messages: a key that is deleted leaves one more, which would be counted.
            self.dead.stream.purge().filter(format!("$KV.{DEAD}.{key}")).await?;
        }
        Ok(())
    }

    pub async fn get(&self, id: &JobId, now_ms: i64) -> Result<Option<Entry>, BoxError> {
        for (bucket, is_dead) in [(&self.finished, false), (&self.dead, true)] {
            if let Some(value) = bucket.get(id.as_str()).await? {
                return Ok(Some(serde_json::from_slice::<Stored>(&value)?.entry(id.clone(), now_ms, is_dead)));
            }
        }
        Ok(None)
    }

    /// Up to `limit`.
    pub async fn list(&self, limit: usize, now_ms: i64) -> Result<Vec<Entry>, BoxError> {
        let mut entries = Vec::new();
        for (bucket, is_dead) in [(&self.dead, true), (&self.finished, false)] {
            let room = limit.saturating_sub(entries.len());
            let keys = bucket.keys().await?.take(room);
            let values = keys.map_err(BoxError::from).map_ok(|key| async move { Ok((bucket.get(&key).await?, key)) });
            let values: Vec<_> = values.try_buffered(AT_ONCE).try_collect().await?;
            for (value, key) in values {
                // A worker that was killed between the two leaves both.
                if is_dead && self.has_result(&key).await? {
                    self.remove_dead(&key).await?;
                    continue;
                }
                if let Some(stored) = value.and_then(|value| serde_json::from_slice::<Stored>(&value).ok()) {
                    entries.push(stored.entry(JobId::stored(key), now_ms, is_dead));
                }
            }
        }
        Ok(entries)
    }

    /// How many are finished, and how many were given up.
    pub async fn counts(&self) -> Result<(u64, u64), BoxError> {
        // `Store::status` says how it was when the bucket was opened.
        let (finished, dead) = (self.finished.stream.get_info().await?, self.dead.stream.get_info().await?);
        Ok((finished.state.messages, dead.state.messages))
    }
}

impl Stored {
    fn without_result(&self) -> Self {
        let Self { envelope, detail, body, accepted_ms } = self;
        let detail =
            format!("{detail}: its result of {} bytes is more than the server takes (max_payload)", body.len());
        Self { envelope: envelope.clone(), detail, body: String::new(), accepted_ms: *accepted_ms }
    }

    /// No longer than so many bytes, however it is escaped.
    fn cut_off(&self, most_bytes: usize) -> Self {
        let beginning = |text: &str| text.chars().take(most_bytes / 32).collect();
        let Self { envelope, detail, accepted_ms, .. } = self;
        Self {
            envelope: beginning(envelope),
            detail: beginning(detail),
            body: String::new(),
            accepted_ms: *accepted_ms,
        }
    }

    fn entry(self, id: JobId, now_ms: i64, is_dead: bool) -> Entry {
        let Self { envelope, detail, body, accepted_ms } = self;
        let state = if is_dead { State::Dead(detail) } else { State::Finished(detail, body) };
        let age = from_ms(now_ms.saturating_sub(accepted_ms));
        Entry { id, envelope, state, accepted: system_time(accepted_ms), age }
    }
}

/// Whether there was nothing by that name.
async fn create(bucket: &Store, key: &str, value: Vec<u8>) -> Result<bool, BoxError> {
    match bucket.create(key, value.into()).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The number of results that were ever stored for each job, at most as many as the bucket remembers.
pub async fn results(context: &Context) -> Result<HashMap<String, u64>, BoxError> {
    let prefix = format!("$KV.{FINISHED}.");
    let subjects = context.get_stream(format!("KV_{FINISHED}")).await?.info_with_subjects(format!("{prefix}>")).await?;
    let named = subjects.map_ok(|(subject, count)| (subject.trim_start_matches(&prefix).to_owned(), count as u64));
    Ok(named.try_collect().await?)
}
