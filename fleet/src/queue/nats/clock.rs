//! The server's time of day, and when this connection to it began.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_nats::Client;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;

use super::STREAM;
use crate::BoxError;

/// No worker's clock is asked: the server's, as it was read once, and the time since, by a clock that nobody sets.
#[derive(Debug, Default)]
pub struct ServerClock {
    read: Mutex<Option<Reading>>,
    connected: Mutex<Option<Instant>>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    here: Instant,
    server_ms: i64,
}

/// Clocks drift apart by some milliseconds in this time.
const MAX_AGE: Duration = Duration::from_secs(60);

impl ServerClock {
    /// Milliseconds since 1970. At most a round trip ahead of the server, and never behind: nothing is due early.
    pub async fn now_ms(&self, client: &Client) -> Result<i64, BoxError> {
        let known = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = match known.filter(|reading| reading.here.elapsed() < MAX_AGE) {
            Some(reading) => reading,
            None => self.read(client).await?,
        };
        Ok(reading.at(Instant::now()))
    }

    /// Asks the server for the time, whatever was read before.
    pub async fn reread_ms(&self, client: &Client) -> Result<i64, BoxError> {
        Ok(self.read(client).await?.at(Instant::now()))
    }

    async fn read(&self, client: &Client) -> Result<Reading, BoxError> {
        let began = Instant::now();
        let answer = client.request(format!("$JS.API.STREAM.INFO.{STREAM}"), "".into()).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload)?;
        let text = answer["ts"].as_str().ok_or("the server does not say what time it is")?;
        let server_ms = ms_of(OffsetDateTime::parse(text, &Rfc3339)?);
        // It was read at some time between the two.
        let reading = Reading { here: began, server_ms: server_ms.saturating_add(1) };
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        Ok(reading)
    }

    /// A connection has begun, which is not the first: the time may be another server's.
    pub fn connected(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.connected.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// When this connection began, by the server's clock, at `now_ms`.
    pub fn connected_ms(&self, now_ms: i64) -> i64 {
        let connected = *self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        connected.map_or(i64::MAX, |connected| {
            now_ms.saturating_sub(i64::try_from(connected.elapsed().as_millis()).unwrap_or_default())
        })
    }
}

impl Reading {
    fn at(self, now: Instant) -> i64 {
        self.server_ms
            .saturating_add(i64::try_from(now.saturating_duration_since(self.here).as_millis()).unwrap_or_default())
    }
}

/// Milliseconds since 1970.
pub fn ms_of(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
}

/// As `Nats-Schedule` has it.
pub fn at(ms: i64) -> Result<String, BoxError> {
    Ok(format!("@at {}", OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)?.format(&Rfc3339)?))
}

/// A time that the system can add to.
pub fn system_time(ms: i64) -> SystemTime {
    super::super::at_ms(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_have_milliseconds() {
        assert_eq!(at(1_764_168_000_123).unwrap(), "@at 2025-11-26T14:40:00.123Z");
    }
}
