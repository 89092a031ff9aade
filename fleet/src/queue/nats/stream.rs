//! The stream: its configuration, and how to find a job in it.

use std::time::Duration;

use async_nats::{
    HeaderMap, Subject,
    jetstream::{
        Context,
        consumer::{Consumer, pull},
        stream::{Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, StorageType},
    },
};
use futures_util::{StreamExt, TryStreamExt, stream as streams};

use super::{ACCEPTED_MS, AT_ONCE, DUE, DUE_MS, DUPLICATE_WINDOW, LATER, STEP, STREAM, clock::system_time};
use crate::{
    BoxError,
    job::JobId,
    queue::{Entry, NO_FENCE, State, from_ms},
};

/// The stream that holds the jobs.
#[derive(Debug)]
pub struct Stream {
    stream: async_nats::jetstream::stream::Stream,
}

/// A job in the stream.
#[derive(Debug)]
pub struct Found {
    pub id: JobId,
    pub envelope: String,
    /// Whether the envelope is what was sent, to the byte.
    pub is_text: bool,
    pub step: i64,
    pub due_ms: i64,
    pub accepted_ms: i64,
    /// Whether the server has not moved it to the due ones yet.
    is_later: bool,
}

impl Stream {
    pub async fn open(context: &Context) -> Result<Self, BoxError> {
        let config = Config {
            name: STREAM.to_owned(),
            subjects: vec![format!("{LATER}*"), format!("{DUE}*")],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            // A step takes the place of the one before.
            max_messages_per_subject: 1,
            discard: DiscardPolicy::Old,
            duplicate_window: DUPLICATE_WINDOW,
            allow_message_schedules: true,
            allow_rollup: true,
            allow_direct: true,
            ..Config::default()
        };
        Ok(Self { stream: context.get_or_create_stream(config).await? })
    }

    pub async fn create_consumer(&self, config: pull::Config) -> Result<Consumer<pull::Config>, BoxError> {
        Ok(self.stream.create_consumer(config).await?)
    }

    /// How many jobs there are.
    pub async fn len(&self) -> Result<u64, BoxError> {
        Ok(self.stream.get_info().await?.state.messages)
    }

    async fn last(&self, subject: String) -> Result<Option<Found>, BoxError> {
        match self.stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Some(Found::of(&message.subject, Some(&message.headers), &message.payload))),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A job's newest step, on whichever subject.
    pub async fn latest(&self, id: &JobId) -> Result<Option<Found>, BoxError> {
        // A job that moves from the second to the first meanwhile is seen there at last.
        let mut latest: Option<Found> = None;
        for subject in [DUE, LATER, DUE] {
            let found = self.last(format!("{subject}{id}")).await?;
            if let Some(found) = found.filter(|found| latest.as_ref().is_none_or(|latest| latest.step < found.step)) {
                latest = Some(found);
            }
        }
        Ok(latest)
    }

    /// The number of a job's newest step.
    pub async fn latest_step(&self, id: &JobId) -> Result<Option<i64>, BoxError> {
        Ok(self.latest(id).await?.map(|found| found.step))
    }

    /// Up to `limit` jobs.
    pub async fn jobs(&self, limit: usize) -> Result<Vec<Found>, BoxError> {
        let subjects = self.stream.info_with_subjects("fleet.>").await?.take(limit);
        let subjects: Vec<(String, usize)> = subjects.try_collect().await?;
        let found = streams::iter(subjects).map(|(subject, _)| self.last(subject)).buffered(AT_ONCE);
        let mut found: Vec<Found> = found.try_filter_map(|found| async { Ok(found) }).try_collect().await?;
        // A job is on both subjects for the moment between its putting back and its acknowledgement.
        found.sort_by(|a, b| a.id.cmp(&b.id).then(b.step.cmp(&a.step)));
        found.dedup_by(|a, b| a.id == b.id);
        found.sort_by(|a, b| a.accepted_ms.cmp(&b.accepted_ms).then_with(|| a.id.cmp(&b.id)));
        Ok(found)
    }
}

impl Found {
    /// Reads a message that anybody may have written.
    pub fn of(subject: &Subject, headers: Option<&HeaderMap>, payload: &[u8]) -> Self {
        let number = |name: &str| {
            let value = headers.and_then(|headers| headers.get(name));
            value.and_then(|value| value.as_str().parse().ok()).unwrap_or_default()
        };
        let id = subject.rsplit('.').next().unwrap_or_default();
        Self {
            id: JobId::stored(id.to_owned()),
            is_text: std::str::from_utf8(payload).is_ok(),
            envelope: String::from_utf8_lossy(payload).into_owned(),
            step: number(STEP),
            due_ms: number(DUE_MS),
            accepted_ms: number(ACCEPTED_MS),
            is_later: subject.starts_with(LATER),
        }
    }

    /// Why no worker can have it.
    pub fn fault(&self) -> Option<&'static str> {
        if self.id.as_str().parse::<JobId>().is_err() {
            return Some("no job can have its name");
        }
        if !self.is_text {
            return Some("it cannot be read: it is not text in UTF-8");
        }
        (self.step == i64::MAX).then_some(NO_FENCE)
    }

    /// As it is shown. The server does not say whether a job is leased.
    pub fn entry(self, now_ms: i64) -> Entry {
        let due = if self.is_later { from_ms(self.due_ms.saturating_sub(now_ms)) } else { Duration::ZERO };
        Entry {
            id: self.id,
            envelope: self.envelope,
            state: State::Waiting(due),
            accepted: system_time(self.accepted_ms),
            age: from_ms(now_ms.saturating_sub(self.accepted_ms)),
        }
    }
}
